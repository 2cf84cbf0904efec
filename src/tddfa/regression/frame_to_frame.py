"""A network that follows faces from frame to frame: where they were → what they are now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tddfa.errors import PackError
from tddfa.imaging.pyramid import Pyramid, pyramids_of
from tddfa.regression.closeups import CloseUps
from tddfa.regression.crop import batch, check_bounded, regress_crops, shows_image
from tddfa.regression.expressions import corrected_camera, upright_rotation
from tddfa.runtime import Network
from tddfa.types import FaceParams, Image

_OUTPUTS = ("pose", "identity", "expression")

# Cosine of the angle between a face and the viewer from which on it is followed: of 35°. From farther aside
# the close-ups show one half of it.
_LEAST_FACING = 0.82

_HALF_MM = 120.0  # half a head around the origin of the model, which lies in it

# Largest correction that is accepted: half the tangent of a turn (of 14°), logarithm of the scale, and shift,
# mm. The network learned from corrections half as large; a face that moved more has to be looked for.
_LARGEST = np.array([0.12, 0.12, 0.12, 0.12, 9.0, 9.0], np.float32)

# Correction after which the views were so far off that the face is read again where it is: a turn of 3°, a
# fortieth of the size, or 3 mm.
_OFF = np.array([0.026, 0.026, 0.026, 0.025, 3.0, 3.0], np.float32)


class FollowingNetwork:
    """Follow faces: read each from close-ups of where it was a frame ago.

    One run of a small network for each face, where two networks find out as much from a crop alone.

    Args:
        network: close-ups (n, h, w, 3), RGB bytes, and the rotations of the faces (n, 6) → `pose` (n, 6), see
            `corrected_camera`; `identity` (n, i); `expression` (n, e) in [0, 1].
        closeups: where the close-ups lie on the face.
    """

    def __init__(self, network: Network, closeups: CloseUps) -> None:
        self._network, self._closeups = network, closeups

    def __call__(
        self, images: Sequence[Image | Pyramid], faces: Sequence[FaceParams]
    ) -> list[FaceParams | None]:
        """Return the faces as they are in this frame, with the confidences they had.

        Args:
            images: the image of each face, or its pyramid.
            faces: of the frame before, moved to where they are expected.

        Returns:
            None for faces that are turned away, outside the image, or not where they were expected.

        Raises:
            PackError: the network gives something else.
        """
        pyramids = pyramids_of(images)
        read = self._read_all(pyramids, faces)
        off = [k for k, each in enumerate(read) if each is not None and not each.is_settled]
        again = self._read_all([pyramids[k] for k in off], [each.face for k in off if (each := read[k])])
        for k, each in zip(off, again, strict=True):
            read[k] = each
        return [None if each is None or _looks_away(each.face) else each.face for each in read]

    def _read_all(self, pyramids: Sequence[Pyramid], faces: Sequence[FaceParams]) -> list[_Read | None]:
        """Return what the network reads of each face.

        None where it is turned away, outside the image, or moved too far.
        """
        pairs = zip(pyramids, faces, strict=True)
        shown = [
            None if _looks_away(face) or not _is_in_image(face, pyramid.image) else (pyramid, face)
            for pyramid, face in pairs
        ]
        return [each if each and each.is_near else None for each in regress_crops(shown, self._read)]

    def _read(self, shown: Sequence[tuple[Pyramid, FaceParams]]) -> list[_Read]:
        """Return what the network reads of one batch."""
        views = batch([self._closeups(image, face.camera) for image, face in shown])
        rotations = np.array([upright_rotation(face.camera) for _, face in shown], np.float32)
        output = self._network(views, rotations)
        if not output.keys() >= set(_OUTPUTS):
            raise PackError(
                f"the pack's network that follows faces gives {', '.join(output)}, but needs "
                f"{', '.join(_OUTPUTS)}"
            )
        poses, identities, expressions = (output[name] for name in _OUTPUTS)
        check_bounded("corrections", poses)
        out: list[_Read] = []
        for k, (_, before) in enumerate(shown):
            camera = corrected_camera(before.camera, poses[k])
            face = FaceParams(camera, identities[k], expressions[k], before.confidence)
            if before.corrective is not None:
                face = face.with_identity(before.identity)  # it is the same person
            size = np.abs(poses[k])
            out.append(_Read(face, bool((size <= _LARGEST).all()), bool((size <= _OFF).all())))
        return out


class _Read(NamedTuple):
    """What the network read.

    Attributes:
        face: with a corrected camera.
        is_near: whether it is where it was expected, more or less.
        is_settled: whether its views were at the right place.
    """

    face: FaceParams
    is_near: bool
    is_settled: bool


def _is_in_image(face: FaceParams, image: Image) -> bool:
    """Return whether the image shows some of a face, and not so much else that none could be seen."""
    a, b, c, _ = face.camera[0].tolist()
    (x, y), half = face.camera[:2, 3].tolist(), _HALF_MM * math.hypot(a, b, c)
    return shows_image(image, x - half, y - half, x + half, y + half)


def _looks_away(face: FaceParams) -> bool:
    """Return whether a face is turned too far from the viewer."""
    return _facing(face) < _LEAST_FACING


def _facing(face: FaceParams) -> float:
    """Return the cosine of the angle between a face and the viewer."""
    a, b, _, c, d, _ = upright_rotation(face.camera)
    return b * c - a * d
