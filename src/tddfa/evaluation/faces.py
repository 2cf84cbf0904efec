"""The faces that a pack finds in the crops or images of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from tddfa.alignment import FaceAligner
from tddfa.evaluation.data.images import ImageSource
from tddfa.geometry.boxes import intersection_over_union
from tddfa.shapes import Float64
from tddfa.types import BoundingBox, Detection, Face, Image

_BATCH = 16

MIN_OVERLAP = 0.3
"""Minimum overlap (intersection over union) of a detection with the box of the true landmarks; below it, the
detection is another face."""


def faces_in_crops(
    aligner: FaceAligner,
    crops: ImageSource,
    names: Sequence[str],
    squares: Float64[np.ndarray, "n 4"],
    title: str,
) -> list[Face]:
    """Return the face of each ready-made crop, in the frame of the image that it was cut from.

    Points return to the image as the benchmark defines it, x · (ex - sx) / side + sx, for every pack. The
    boxes may mean centres or corners of pixels; the truth was made with the same boxes.
    """
    faces: list[Face] = []
    for start in progress(range(0, len(names), _BATCH), title):
        part = slice(start, start + _BATCH)
        images = [crops.read(name) for name in names[part]]
        found = aligner.align_crops(images, [BoundingBox(0, 0, *image.shape[1::-1]) for image in images])
        faces += [
            _in_image(face, square, image)
            for face, square, image in zip(found, squares[part], images, strict=True)
        ]
    return faces


def _in_image(face: Face, square: Float64[np.ndarray, "4"], crop: Image) -> Face:
    """Return a face of a crop in the frame of the image, by the benchmark's rule."""
    per_px = (square[2:] - square[:2]) / crop.shape[1::-1]
    scale = np.array([*per_px, per_px.mean()], np.float32)
    shift = np.array([*square[:2], 0.0], np.float32)
    camera = face.params.camera * scale[:, None]
    camera[:, 3] += shift
    return replace(
        face,
        detection=Detection(BoundingBox(*map(float, square))),
        params=replace(face.params, camera=camera),
    )


def faces_around_points(
    aligner: FaceAligner,
    images: ImageSource,
    names: Sequence[str],
    points: Float64[np.ndarray, "n p 2"],
    title: str,
) -> list[Face]:
    """Return the face of each image, cropped around true points by the pack's own rule."""
    return [
        aligner.align(images.read(name), landmarks=[true])[0]
        for name, true in zip(progress(names, title), points, strict=True)
    ]


def faces_by_detector(
    aligner: FaceAligner,
    images: ImageSource,
    names: Sequence[str],
    points: Float64[np.ndarray, "n p 2"],
    title: str,
) -> list[Face | None]:
    """Return the face that the pack detects at the true points; None where it detects none."""
    return [
        _matching(aligner.align(images.read(name)), BoundingBox.around(true))
        for name, true in zip(progress(names, title), points, strict=True)
    ]


T = TypeVar("T")


def progress(items: Sequence[T], title: str) -> Iterable[T]:
    """Return `items` with a progress bar on a terminal."""
    from tqdm import tqdm

    return tqdm(items, desc=title, disable=None, leave=False)


def _matching(faces: Sequence[Face], truth: BoundingBox) -> Face | None:
    if not faces:
        return None
    boxes = np.array([tuple(face.detection.box) for face in faces])
    overlap = intersection_over_union(boxes, np.array([tuple(truth)]))[:, 0]
    best = int(overlap.argmax())
    return faces[best] if overlap[best] >= MIN_OVERLAP else None
