"""Portraits of people who do not exist, with exact truth: appearance, lamps and scenery at random."""

from tddfa.evaluation.portraits.appearance import Appearance, random_appearance
from tddfa.evaluation.portraits.render import IMAGE_SIDE, Studio, random_studio, render_portrait

__all__ = ["IMAGE_SIDE", "Appearance", "Studio", "random_appearance", "random_studio", "render_portrait"]
