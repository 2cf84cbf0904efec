"""A pack's faces in the crops or pictures of a set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from tddfa.alignment import FaceAligner
from tddfa.evaluation.data.pictures import Pictures
from tddfa.geometry.boxes import intersection_over_union
from tddfa.shapes import Float64
from tddfa.types import BoundingBox, Detection, Face, Image

_BATCH = 16

MIN_OVERLAP = 0.3
"""A detection whose box overlaps that of the true landmarks less (shared over joint area) is another face."""


def faces_in_crops(
    aligner: FaceAligner,
    crops: Pictures,
    names: Sequence[str],
    squares: Float64[np.ndarray, "n 4"],
    title: str,
) -> list[Face]:
    """The face of each ready-made crop, in the frame of the picture that it was cut from.

    The way back is that of the benchmark, x · (ex - sx) / side + sx, for every pack. Whoever cut the crops
    may have meant centres of pixels or corners by these numbers; the truth was made by the same people.
    """
    faces: list[Face] = []
    for start in progress(range(0, len(names), _BATCH), title):
        part = slice(start, start + _BATCH)
        images = [crops.read(name) for name in names[part]]
        found = aligner.align_crops(images, [BoundingBox(0, 0, *image.shape[1::-1]) for image in images])
        faces += [
            _in_picture(face, square, image)
            for face, square, image in zip(found, squares[part], images, strict=True)
        ]
    return faces


def _in_picture(face: Face, square: Float64[np.ndarray, "4"], crop: Image) -> Face:
    """A face of a crop after the benchmark's way back."""
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
    pictures: Pictures,
    names: Sequence[str],
    points: Float64[np.ndarray, "n p 2"],
    title: str,
) -> list[Face]:
    """The face of each picture, cut around true points by the pack's own rule for points."""
    return [
        aligner.align(pictures.read(name), landmarks=[true])[0]
        for name, true in zip(progress(names, title), points, strict=True)
    ]


def faces_by_detector(
    aligner: FaceAligner,
    pictures: Pictures,
    names: Sequence[str],
    points: Float64[np.ndarray, "n p 2"],
    title: str,
) -> list[Face | None]:
    """The face that the pack finds by itself where the true points are; None where it finds none."""
    return [
        _matching(aligner.align(pictures.read(name)), BoundingBox.around(true))
        for name, true in zip(progress(names, title), points, strict=True)
    ]


T = TypeVar("T")


def progress(items: Sequence[T], title: str) -> Iterable[T]:
    """`items`, with a progress bar on a terminal."""
    from tqdm import tqdm

    return tqdm(items, desc=title, disable=None, leave=False)


def _matching(faces: Sequence[Face], truth: BoundingBox) -> Face | None:
    if not faces:
        return None
    boxes = np.array([tuple(face.detection.box) for face in faces])
    overlap = intersection_over_union(boxes, np.array([tuple(truth)]))[:, 0]
    best = int(overlap.argmax())
    return faces[best] if overlap[best] >= MIN_OVERLAP else None
