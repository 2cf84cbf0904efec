"""Faces that touch: whose is the one on which two tracks have come to lie?"""

from __future__ import annotations

from collections.abc import Iterable

from tddfa.tracking.appearance import Appearance
from tddfa.tracking.identity import LOOK_WEIGHT
from tddfa.tracking.track import MAX_MISSED, Track
from tddfa.tracking.trajectory import FacePosition
from tddfa.tracking.visibility import yaw_deg
from tddfa.types import Image

ONE_FACE_IOU = 0.55
"""Overlap of two faces that are one."""
_CONTACT_IOU = 0.1  # overlap from which one face may be taken for the other


def resolve_contacts(tracks: Iterable[Track], image: Image, frame: int) -> list[Track]:
    """Where two tracks have come to lie on one face, return the one that does not belong there.

    Args:
        tracks: of the faces that were seen in this frame.
        image: the frame.
        frame: its number.
    """
    seen = list(tracks)
    false_tracks: list[Track] = []
    touching: set[int] = set()
    for i, a in enumerate(seen):
        for b in seen[i + 1 :]:
            shared = a.box.iou(b.box)
            if shared > _CONTACT_IOU:
                touching |= {a.key, b.key}
            if shared > ONE_FACE_IOU:
                false_tracks.append(max((a, b), key=lambda t: (_deviation(t, image, frame), t.key)))
    for track in seen:
        if track.key not in touching:
            track.path_before_contact = None
        elif track.path_before_contact is None:
            track.path_before_contact = track.path.without_last()
    for track in false_tracks:
        # Its positions since the contact belong to the other face.
        track.path = track.path_before_contact or track.path
        track.n_missed = MAX_MISSED
    return false_tracks


def _deviation(track: Track, image: Image, frame: int) -> float:
    """Return how far a face is from where its path led before a contact, and from what it looked like."""
    before = track.path_before_contact or track.path
    distance = FacePosition.of_box(track.box).distance(before.predict(frame))
    difference = track.difference(Appearance.of(image, track.face), yaw_deg(track.face))
    return distance + LOOK_WEIGHT * (difference or 0.0)
