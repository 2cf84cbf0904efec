"""Speed: stages, growing work and whole commands, of packs and of other programs beside them."""
