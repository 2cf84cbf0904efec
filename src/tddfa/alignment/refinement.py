"""Refinement: crop again around the landmarks, which frame a face better than a detector's box."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tddfa.regression import Regressor
from tddfa.shapes import Float32
from tddfa.types import FaceParams, Image


def refine(
    regressor: Regressor,
    landmarks: Callable[[FaceParams], Float32[np.ndarray, "68 3"]],
    images: Sequence[Image],
    params: Sequence[FaceParams],
    *,
    times: int,
) -> list[FaceParams]:
    """Return the parameters after cropping again; a face whose landmarks cannot be cropped stays as it was.

    Args:
        regressor: predicts the parameters of each crop.
        landmarks: parameters → landmarks, px.
        images: the image of each face.
        params: parameters of each face.
        times: number of crops, one after the other.
    """
    refined = list(params)
    for _ in range(times if refined else 0):
        again = regressor.from_points(images, [landmarks(p) for p in refined])
        refined = [old if new is None else new for old, new in zip(refined, again, strict=True)]
    return refined
