"""Follow faces with one look at where they were, and verify them now and then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from tddfa.tracking.track import Track
from tddfa.tracking.trajectory import FacePosition, moved_box, moved_params
from tddfa.types import BoundingBox, Detection, Face, Image

VERIFY_EVERY = 6
"""Frames between two in which the network that sees detections looks at a face as well."""

_MIN_CONFIDENCE = 0.9  # below which a face is cropped anew

# Speed, sizes of the face per frame, that is taken for noise: with it, the landmarks of a face at rest shake
# by .22 % of its size in a camera's noise, and without by .29 %.
_DEAD_ZONE = 0.03


@runtime_checkable
class FollowingAligner(Protocol):
    """An aligner that can follow faces at half the cost of finding them; a `FaceAligner` can."""

    @property
    def can_follow(self) -> bool:
        """Whether its networks can."""
        ...

    def follow(
        self,
        image: Image,
        faces: Iterable[Face],
        *,
        verify: Iterable[bool] | None = None,
        identify: Iterable[bool] | None = None,
    ) -> list[Face | None]:
        """Return the faces of the frame before; None for those that have to be found anew."""
        ...


def turn_of(box: BoundingBox) -> int:
    """Return where in the cycle of verifications a face begins that was cropped anew.

    Faces that were found together are verified in different frames, so that none takes much longer than the
    others; in which ones depends on nothing but the face, so that a part of a video gives the same numbers.
    """
    return int(abs(box.x0)) % VERIFY_EVERY + 1


def followed(aligner: FollowingAligner, image: Image, tracks: Sequence[Track]) -> list[Face | None]:
    """Return the faces of tracks in the next frame; None for those that have to be cropped anew.

    Args:
        aligner: follows them.
        image: the frame.
        tracks: whose faces were there in the frame before.
    """
    verify = [track.n_followed % VERIFY_EVERY == 0 for track in tracks]
    unknown = [not track.person.is_known for track in tracks]
    faces = aligner.follow(image, [_expected(track) for track in tracks], verify=verify, identify=unknown)
    return [
        face if face is not None and (face.confidence or 0.0) >= _MIN_CONFIDENCE else None for face in faces
    ]


def _expected(track: Track) -> Face:
    """Return the face of a track as it is expected in the next frame."""
    start, end = FacePosition.of_box(track.box), track.path.predict_crop(_DEAD_ZONE)
    face = replace(track.face, detection=Detection(moved_box(track.box, start, end)))
    return face if start == end else replace(face, params=moved_params(face.params, start, end))
