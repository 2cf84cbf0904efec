"""Whose face it is: by where the faces before it were, and by what they looked like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tddfa.tracking.appearance import Appearance
from tddfa.tracking.track import REACH, Track
from tddfa.tracking.trajectory import FacePosition
from tddfa.tracking.visibility import appearance_of, is_inside, yaw_deg
from tddfa.types import Face, Image

# How far a lost face may be from where it was expected, in sizes: at once (`REACH`), and per frame since.
_REACH_PER_FRAME = 0.25
_MAX_ZOOM = 2.0
_MAX_BLIND_REACH = 2.5  # the same for a face whose look cannot be told

# Distances between appearances (see `Appearance.distance`). A track of this shot keeps its ID up to the
# second limit; a track from before a cut, or from elsewhere, gets it back up to the first one. Of pairs of
# frames of one clip 96 % lie below the first and 98.6 % below the second; of pairs of people in one photo, in
# the same light, 2.5 % and 7.6 %; of other pairs of people 0.1 % and 0.2 %.
_SAME_LOOK, _OTHER_LOOK = 0.35, 0.5

# A track that returned by its place, without an appearance below the first limit, is compared in more frames
# (fewest, most), and is another person's above this mean.
_MIN_PROBATION, _N_PROBATION = 3, 4
_OTHER_MEAN_LOOK = 0.36

_RECALLED_LOOK = 0.25  # distance up to which a track is recalled after the grace time
LOOK_WEIGHT = 1.0
"""Sizes of the face of a path that weigh as much as one unit of that distance."""


def looks_same(track: Track, face: Face, appearance: Appearance | None) -> bool:
    """Return whether a face, seen as a whole, looks as remembered."""
    if appearance is None or not appearance.whole:
        return False
    difference = track.difference(appearance, yaw_deg(face))
    return difference is not None and difference <= _SAME_LOOK


def fits_path(track: Track, position: FacePosition, frame: int) -> bool:
    """Return whether a lost face can have come to a position by a frame."""
    reach = REACH + _REACH_PER_FRAME * (frame - track.path.frame)
    zoom = max(position.size / track.typical_size, track.typical_size / position.size)
    return position.distance(track.path.predict(frame)) <= reach and zoom <= _MAX_ZOOM


def match_cost(track: Track, face: Face, appearance: Appearance | None, frame: int) -> float | None:
    """Return how badly a found face fits a missing track; None where it cannot be that person's."""
    difference = track.difference(appearance, yaw_deg(face))
    looks_same = difference is not None and difference <= _SAME_LOOK
    if track.has_left:
        return difference if difference is not None and difference <= _RECALLED_LOOK else None
    position = FacePosition.of_box(face.box)
    distance = position.distance(track.path.predict(frame))
    if not looks_same:
        if difference is not None and appearance is not None and appearance.whole:
            looks_other = difference > _OTHER_LOOK
        else:
            looks_other = distance > _MAX_BLIND_REACH
        if track.in_earlier_shot or looks_other or not fits_path(track, position, frame):
            return None
    return distance + LOOK_WEIGHT * min(difference or 0.0, _OTHER_LOOK)


def pairs(
    missing: Iterable[Track], faces: Sequence[Face], looks: Sequence[Appearance | None], frame: int
) -> Iterator[tuple[Track, int]]:
    """Yield the missing tracks with the numbers of the faces that may be theirs, the best pairs first."""
    by_key = {track.key: track for track in missing}
    costs = sorted(
        (cost, key, k)
        for key, track in by_key.items()
        for k, (face, look) in enumerate(zip(faces, looks, strict=True))
        if (cost := match_cost(track, face, look, frame)) is not None
    )
    for _, key, k in costs:
        yield by_key[key], k


def owner_of(
    track: Track, tracks: Iterable[Track], face: Face, appearance: Appearance | None, frame: int
) -> Track | None:
    """Return the lost track that an unconfirmed one turns out to be the continuation of.

    Args:
        track: it.
        tracks: all tracks.
        face: the face of `track` in this frame.
        appearance: what it looks like.
        frame: number of the frame.
    """
    if track.id is not None or appearance is None or not appearance.whole:
        return None
    lost = [t for t in tracks if not t.visible and t.id is not None]
    costs = [(cost, t.key, t) for t in lost if (cost := match_cost(t, face, appearance, frame)) is not None]
    return min(costs)[2] if costs else None


def is_somebody_else(track: Track, face: Face, appearance: Appearance | None, *, changes: bool) -> bool:
    """Return whether the face where a track was is another person's.

    Args:
        track: what is known of the person; on probation, it learns.
        face: the face.
        appearance: what it looks like.
        changes: whether the image changes so much that one shot may dissolve into another.
    """
    if track.in_earlier_shot:
        difference = track.difference(appearance, yaw_deg(face))
        return difference is None or difference > _SAME_LOOK
    if appearance is None or not appearance.whole:
        return False
    if track.probation is not None:
        # A face that entered the image where another one left is whole only now.
        difference = track.difference(appearance, yaw_deg(face))
        if difference is not None:
            track.probation.append(difference)
        n = len(track.probation)
        if n >= _MIN_PROBATION and sum(track.probation) > n * _OTHER_MEAN_LOOK:
            # The track can return by its appearance only: another person is in its place.
            track.probation, track.in_earlier_shot = None, True
            return True
        if n == _N_PROBATION:
            track.probation = None
    if track.has_become_another(appearance, _OTHER_LOOK):
        return True
    if changes and track.has_drifted_to_another(appearance, yaw_deg(face), _OTHER_LOOK):
        track.in_earlier_shot = True  # in the course of a dissolve
        track.forget_drift()  # or the other face, which was learned on the way, gets the ID back
        return True
    return False


def may_be_blurred(track: Track, image: Image) -> bool:
    """Return whether a face that the network does not see may be there: its place looks as before."""
    appearance = appearance_of(image, track.face, track.box, ())
    if appearance is None:
        return is_inside(track.box, image)  # it is too small to tell; at the border it rather leaves
    last, last_yaw_deg = track.recent[-1]
    distance = track.difference(appearance, last_yaw_deg) if last is None else appearance.distance(last)
    return distance is not None and distance <= _OTHER_LOOK
