"""How well expressions are followed: on portraits with exact truth, on clips and photos beside a teacher."""
