"""One face through many pictures, the ways a user could."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32

from tddfa.pipeline import FaceAligner
from tddfa.types import Face, Image

Follower: TypeAlias = Callable[[FaceAligner, Iterable[Image]], Iterator[Float32[np.ndarray, "68 3"] | None]]
"""Pictures → the landmarks of the largest face of each; None where it is not found."""


def frame_by_frame(
    aligner: FaceAligner, images: Iterable[Image]
) -> Iterator[Float32[np.ndarray, "68 3"] | None]:
    """Detect in every picture, as for photos that have nothing to do with each other."""
    for image in images:
        face = _largest(aligner.align(image))
        yield None if face is None else face.landmarks


def from_last_frame(
    aligner: FaceAligner, images: Iterable[Image]
) -> Iterator[Float32[np.ndarray, "68 3"] | None]:
    """Cut each crop around the landmarks of the picture before, as the published program; no smoothing."""
    last: Float32[np.ndarray, "68 3"] | None = None
    for image in images:
        if last is None:
            face = _largest(aligner.align(image))
            # Once more from its own landmarks, so that the first crop is cut like the later ones.
            last = None if face is None else face.landmarks
        if last is not None:
            last = aligner.align(image, landmarks=[last])[0].landmarks
        yield last


FOLLOWERS: Mapping[str, Follower] = {
    "none": from_last_frame,
    "detector": frame_by_frame,
}
"""Name of a way → how it follows."""


def landmark_track(
    follower: Follower, aligner: FaceAligner, images: Iterable[Image]
) -> Float32[np.ndarray, "n 68 2"]:
    """The landmarks of each picture, px; NaN where there is no face."""
    lost = np.full((68, 2), np.nan, np.float32)
    points = [lost if found is None else found[:, :2] for found in follower(aligner, images)]
    return np.stack(points) if points else np.zeros((0, 68, 2), np.float32)


def _largest(faces: list[Face]) -> Face | None:
    return max(faces, key=lambda f: f.detection.box.width * f.detection.box.height, default=None)
