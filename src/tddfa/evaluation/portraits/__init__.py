"""Lit portraits of people who do not exist, with exact truth: looks, lamps and scenery drawn at random."""

from tddfa.evaluation.portraits.looks import Looks, random_looks
from tddfa.evaluation.portraits.render import IMAGE_SIDE, Studio, random_studio, render_portrait

__all__ = ["IMAGE_SIDE", "Looks", "Studio", "random_looks", "random_studio", "render_portrait"]
