"""Landmarks of one face through many images, by every way of following it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import TypeAlias

import numpy as np

from tddfa.alignment import FaceAligner
from tddfa.errors import InputError
from tddfa.shapes import Float32
from tddfa.tracking import FaceTracker, TrackedFace
from tddfa.tracking.smoothing import SMOOTHERS, make_smoother
from tddfa.types import Face, Image

Landmarks: TypeAlias = Float32[np.ndarray, "68 3"]

FROM_LAST_FRAME, DETECTOR = "from-last-frame", "detector"

FOLLOWERS = (FROM_LAST_FRAME, DETECTOR, *SMOOTHERS)
"""Ways to follow a face: two without a tracker, and the tracker with each of its smoothers."""

_RATE = 30.0  # frames a second, of images without times


def landmark_track(
    way: str, aligner: FaceAligner, images: Iterable[Image], *, times: Iterable[float] | None = None
) -> Float32[np.ndarray, "n 68 2"]:
    """Return the landmarks of the largest face of each image, px; NaN where there is none.

    Args:
        way: one of `FOLLOWERS`: `from-last-frame` crops around the landmarks of the image before, as
            3DDFA_V2 does, and smooths nothing; `detector` treats each image as a photo; the others are the
            smoothers of the tracker.
        aligner: finds the landmarks.
        images: of one size.
        times: when each was taken, s, which some smoothers need; 30 a second when not given.

    Raises:
        InputError: there is no such way.
    """
    if way not in FOLLOWERS:
        raise InputError(f"no smoothing {way!r}; choose from {', '.join(FOLLOWERS)}")
    if way == FROM_LAST_FRAME:
        found = _from_last_frame(aligner, images)
    elif way == DETECTOR:
        found = (_points(_largest(aligner.align(image))) for image in images)
    else:
        found = _tracked(way, aligner, images, (k / _RATE for k in count()) if times is None else times)
    lost = np.full((68, 2), np.nan, np.float32)
    points = [lost if landmarks is None else landmarks[:, :2] for landmarks in found]
    return np.stack(points) if points else np.zeros((0, 68, 2), np.float32)


def _from_last_frame(aligner: FaceAligner, images: Iterable[Image]) -> Iterator[Landmarks | None]:
    last: Landmarks | None = None
    for image in images:
        if last is None:
            last = _points(_largest(aligner.align(image)))
        if last is not None:  # the first image twice, so that all crops are cut by the same rule
            last = aligner.align(image, landmarks=[last])[0].landmarks
        yield last


def _tracked(
    smoothing: str, aligner: FaceAligner, images: Iterable[Image], times: Iterable[float]
) -> Iterator[Landmarks | None]:
    tracker, smoother = FaceTracker(aligner), make_smoother(smoothing)
    for image, time in zip(images, times, strict=False):
        for faces in smoother.push(tracker.update(image), time):
            yield _of_one(faces)
    yield from map(_of_one, smoother.flush())


def _of_one(faces: list[TrackedFace]) -> Landmarks | None:
    """Return the landmarks of the first track; None while it is lost."""
    first = min(faces, key=lambda tracked: tracked.id, default=None)
    return first.face.landmarks if first is not None and first.visible else None


def _points(face: Face | None) -> Landmarks | None:
    return None if face is None else face.landmarks


def _largest(faces: list[Face]) -> Face | None:
    return max(faces, key=lambda f: f.detection.box.width * f.detection.box.height, default=None)
