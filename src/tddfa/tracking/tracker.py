"""Who is who from frame to frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from tddfa.detection import Detector
from tddfa.errors import InputError
from tddfa.shapes import Float, Float32
from tddfa.tracking.evidence import consistency, detector_knows, inside, overlap, same_place, seen_by
from tddfa.tracking.face import State, TrackedFace
from tddfa.tracking.motion import Path, Place, moved
from tddfa.types import BoundingBox, Detection, Face, Image

_BELIEVED = 0.5  # confidence of a face that is there
_DOUBTS_ALLOWED = 1  # frames in which a face is doubted before it is lost
_SEARCH_EVERY = 4  # frames between searches while someone is lost or nobody is there,
_HASTE = 5  # but after a loss in every frame for so long, then in every second, …

_INSIDE = 0.3  # part of a face that has to be in the picture
_SMALLEST_PX, _LARGEST = 8.0, 4.0  # size of a face; the largest in sides of the picture

_ONE_FACE = 0.55  # overlap of two faces that are one
_CONTACT = 0.1  # overlap from which one face may be taken for the other

# How far a lost face may be from where it was expected, in sizes: at once, and per frame since.
_REACH, _REACH_PER_FRAME = 1.0, 0.25
_MAX_ZOOM = 2.0
_SIZE_CHANGE = 0.1  # how much of a new size a face has as a rule


@runtime_checkable
class Aligner(Protocol):
    """What a tracker asks of a `FaceAligner`."""

    @property
    def detector(self) -> Detector:
        """What looks for faces."""
        ...

    def align(
        self,
        image: Image,
        *,
        boxes: Iterable[Any] | None = None,
        landmarks: Iterable[Float[np.ndarray, "n d"]] | None = None,
    ) -> list[Face]:
        """The faces in boxes or on landmarks."""
        ...

    def align_candidates(
        self, image: Image, *, select: Callable[[list[Detection]], Iterable[Detection]] | None = None
    ) -> list[Face]:
        """The faces of an image among the candidates that `select` picks from the detector's."""
        ...


@dataclass(slots=True, eq=False)
class _Track:
    """A person.

    Attributes:
        id: for the outside.
        face: as it was last seen.
        path: where it was before.
        size: of the face as a rule, px: what leaves the picture or is covered is seen in strange sizes.
        born: frame in which the person was first seen.
        confidence: of the face.
        state: as it will be reported.
        doubts: frames for which the face was not found, although it is not lost yet.
        checked: frame in which a detector last looked here.
        denied: it saw nothing.
        apart: the path as it was before the face touched another; None when it does not.
    """

    id: int
    face: Face
    path: Path
    size: float
    born: int
    confidence: float
    state: State
    doubts: int = 0
    checked: int = 0
    denied: bool = False
    apart: Path | None = None

    @property
    def box(self) -> BoundingBox:
        return BoundingBox.around(self.face.landmarks)

    @property
    def visible(self) -> bool:
        return self.state != "lost"


class FaceTracker:
    """Follows every face of a video.

    In each frame the faces are looked for where they were, moved on with their velocity. Whether a face is
    still there, the network says (`FaceParams.confidence`); with networks that do not, the face has to agree
    with the place it was looked for, and the detector is asked now and then. The whole picture is searched
    every few frames, when a face is lost, and while one is. People who return within the grace time keep
    their id. The same frames give the same faces, always.

    Args:
        aligner: finds faces and their parameters.
        max_faces: follow at most this many at a time, the largest first; None for all.
        detect_every: frames between searches of the whole picture.
        check_every: frames between looks of the detector at each face.
        grace: for how many frames a lost face is waited for.
        min_score: of the detection of somebody who may have come back.
        new_score: of the detection of somebody new: something faint, which a photo shows once, a video would
            follow for seconds.
        motion: "constant-velocity", or "none" to look exactly where the face was, as 3DDFA_V2 does.
        follow: cut the next crop around the "landmarks" or, as 3DDFA_V2 does for its dense pictures, around
            the whole "mesh".

    Raises:
        InputError: a number is out of range.

    Example:
        >>> tracker = FaceTracker(FaceAligner())
        >>> for frame in VideoReader("clip.mp4"):
        ...     for person in tracker.update(frame.image):
        ...         print(frame.index, person.id, person.face.pose.yaw_deg)
    """

    def __init__(
        self,
        aligner: Aligner,
        *,
        max_faces: int | None = None,
        detect_every: int = 30,
        check_every: int = 6,
        grace: int = 60,
        min_score: float = 0.2,
        new_score: float = 0.5,
        motion: Literal["constant-velocity", "none"] = "constant-velocity",
        follow: Literal["landmarks", "mesh"] = "landmarks",
    ) -> None:
        numbers = {"detect_every": detect_every, "check_every": check_every, "max_faces": max_faces}
        for name, number in numbers.items():
            if number is not None and number < 1:
                raise InputError(f"{name}={number}; it takes 1 or more")
        if grace < 0:
            raise InputError(f"grace={grace}; it takes 0 or more")
        for name, score in {"min_score": min_score, "new_score": new_score}.items():
            if not 0 <= score <= 1:
                raise InputError(f"{name}={score}; it takes 0 to 1")
        self._aligner = aligner
        self._max_faces = max_faces
        self._detect_every, self._check_every, self._grace = detect_every, check_every, grace
        self._min_score, self._new_score = min_score, new_score
        self._motion, self._follow = motion, follow
        self._tracks: list[_Track] = []
        self._frame = -1
        self._searched = -detect_every
        self._next_id = 0

    def track(self, images: Iterable[Image]) -> Iterator[list[TrackedFace]]:
        """For each picture its faces; see `update`."""
        return map(self.update, images)

    def update(self, image: Image) -> list[TrackedFace]:
        """The faces of the next picture of the video, by id; also those that are lost and waited for.

        Args:
            image: RGB; may be of another size than the one before, or without a pixel.
        """
        self._frame += 1
        self._tracks = [t for t in self._tracks if self._frame - t.path.frame <= self._grace]
        missing = [t for t in self._tracks if not t.visible]
        if image.size:
            missing += self._look_again(image)
            missing += self._part()
            newly = len([t for t in missing if t.visible])
            if self._search_is_due(newly > 0):
                self._search(image, missing)
        else:
            missing = list(self._tracks)
        for track in missing:
            self._miss(track)
        return [TrackedFace(t.id, t.face, t.confidence, self._frame - t.born, t.state) for t in self._tracks]

    def _see(self, track: _Track, face: Face, confidence: float) -> None:
        track.state = "tracked" if track.visible else "returned"
        track.face, track.confidence, track.doubts = face, confidence, 0
        place = Place.of(face)
        track.size *= (place.size / track.size) ** _SIZE_CHANGE
        track.path = track.path.then(place, self._frame)

    def _miss(self, track: _Track) -> None:
        if track.path.frame == self._frame:
            return  # found after all
        if track.visible and track.doubts < _DOUBTS_ALLOWED:
            track.doubts += 1
            track.state, track.confidence = "tracked", min(track.confidence, _BELIEVED)
        else:
            track.state, track.confidence, track.apart, track.denied = "lost", 0.0, None, False

    # Looking where the faces were

    def _look_again(self, image: Image) -> list[_Track]:
        """Follow every visible face; returns those that are not there any more."""
        missing: list[_Track] = []
        tracks: list[_Track] = []
        expected: list[Float32[np.ndarray, "68 3"]] = []
        crops: list[Float32[np.ndarray, "n 3"]] = []
        for track in self._tracks:
            if not track.visible:
                continue
            start = Place.of(track.face)
            end = start if self._motion == "none" else track.path.ahead()
            landmarks = moved(track.face.landmarks, start, end)
            if not _can_be_there(BoundingBox.around(landmarks), image):
                track.doubts = _DOUBTS_ALLOWED  # no doubt: it has left the picture
                missing.append(track)
                continue
            tracks.append(track)
            expected.append(landmarks)
            crops.append(moved(track.face.mesh.vertices, start, end) if self._follow == "mesh" else landmarks)
        faces = self._aligner.align(image, landmarks=crops) if crops else []
        for track, points, face in zip(tracks, expected, faces, strict=True):
            confidence = self._confidence(track, BoundingBox.around(points), face, image)
            if confidence >= _BELIEVED:
                self._see(track, face, confidence)
            else:
                missing.append(track)
        return missing

    def _confidence(self, track: _Track, expected: BoundingBox, face: Face, image: Image) -> float:
        """How sure it is that `face` is there, and that of `track`."""
        found = BoundingBox.around(face.landmarks)
        if not _can_be_there(found, image):
            return 0.0
        if face.params.confidence is not None:
            return face.params.confidence
        agreement = consistency(expected, face)
        due = self._frame - track.checked >= self._check_every
        if agreement >= _BELIEVED and not due and not track.denied:
            return max(agreement, track.confidence)
        track.checked = self._frame
        seen = seen_by(self._aligner.detector, image, found)
        track.denied = seen is None or not same_place(seen.box, found)
        if seen is not None and not track.denied:
            return max(seen.score, agreement)
        # The detector's silence counts where it would see a face, elsewhere the agreement alone.
        return agreement * _BELIEVED if detector_knows(face) else agreement

    # Faces that touch

    def _part(self) -> list[_Track]:
        """Where two tracks have come to lie on one face, returns the one that does not belong there."""
        seen = [t for t in self._tracks if t.visible and t.path.frame == self._frame]
        strangers: list[_Track] = []
        touching: set[int] = set()
        for i, a in enumerate(seen):
            for b in seen[i + 1 :]:
                shared = overlap(a.box, b.box)
                if shared > _CONTACT:
                    touching |= {a.id, b.id}
                if shared > _ONE_FACE:
                    strangers.append(max((a, b), key=self._strangeness))
        for track in seen:
            if track.id not in touching:
                track.apart = None
            elif track.apart is None:
                track.apart = Path(track.path.places[:-1] or track.path.places, self._frame - 1)
        for track in strangers:
            # Its places since they touched were drawn to the other face.
            track.path = track.apart or track.path
            track.doubts = _DOUBTS_ALLOWED
        return strangers

    def _strangeness(self, track: _Track) -> tuple[float, int]:
        """How far a face is from where its path led before it touched another; the later one on a tie."""
        before = track.apart or track.path
        return Place.of(track.face).distance(before.at(self._frame)), track.id

    # Looking for faces in the whole picture

    def _search_is_due(self, newly_missing: bool) -> bool:
        if newly_missing:
            return True
        visible = sum(t.visible for t in self._tracks)
        if self._max_faces is not None and visible >= self._max_faces:
            return False
        wait = self._detect_every if visible else min(_SEARCH_EVERY, self._detect_every)
        for track in self._tracks:
            if not track.visible:
                wait = min(wait, _SEARCH_EVERY, 1 + (self._frame - track.path.frame) // _HASTE)
        return self._frame - self._searched >= wait

    def _search(self, image: Image, missing: list[_Track]) -> None:
        """Find the people who are missing, and new ones."""
        self._searched = self._frame
        seen = [t for t in self._tracks if t.visible and t.path.frame == self._frame]

        # A faint detection can only be somebody who is missing.
        least = self._min_score if missing else max(self._min_score, self._new_score)

        def strangers(candidates: list[Detection]) -> list[Detection]:
            likely = [d for d in candidates if d.score >= least and _can_be_there(d.box, image)]
            return self._unexplained(likely, seen)

        found = self._aligner.align_candidates(image, select=strangers)
        # The nearest pairs first.
        pairs = sorted(
            (Place.of_box(f.detection.box).distance(t.path.at(self._frame)), t.id, k)
            for t in missing
            for k, f in enumerate(found)
            if self._may_be(t, f.detection)
        )
        by_id = {t.id: t for t in missing}
        taken: set[int] = set()
        for _, person, k in pairs:
            track = by_id[person]
            if k in taken or track.path.frame == self._frame:
                continue
            taken.add(k)
            look = self._first_look(image, found[k])
            if look is not None:
                self._see(track, *look)
        newcomers = [
            f for k, f in enumerate(found) if k not in taken and f.detection.score >= self._new_score
        ]
        room = len(newcomers)
        if self._max_faces is not None:
            newcomers.sort(key=lambda f: -f.detection.box.width * f.detection.box.height)
            room = max(self._max_faces - sum(t.visible for t in self._tracks), 0)
        for newcomer in newcomers[:room]:
            look = self._first_look(image, newcomer)
            if look is not None:
                self._tracks.append(self._newcomer(*look))
                self._next_id += 1

    def _newcomer(self, face: Face, confidence: float) -> _Track:
        now, place = self._frame, Place.of(face)
        return _Track(
            id=self._next_id,
            face=face,
            path=Path((place,), now),
            size=place.size,
            born=now,
            confidence=confidence,
            state="new",
            checked=now,
        )

    def _unexplained(self, detections: list[Detection], seen: list[_Track]) -> list[Detection]:
        """The detections that are not of faces that are followed already, best first."""
        free = list(detections)
        for track in seen:
            best = max(free, key=lambda d: overlap(d.box, track.box), default=None)
            if best is not None and same_place(best.box, track.box):
                free.remove(best)
        return [d for d in free if all(overlap(d.box, t.box) < _ONE_FACE for t in seen)]

    def _may_be(self, track: _Track, detection: Detection) -> bool:
        place, expected = Place.of_box(detection.box), track.path.at(self._frame)
        reach = _REACH + _REACH_PER_FRAME * (self._frame - track.path.frame)
        zoom = max(place.size / track.size, track.size / place.size)
        return place.distance(expected) <= reach and zoom <= _MAX_ZOOM

    def _first_look(self, image: Image, face: Face) -> tuple[Face, float] | None:
        """A face that a search found, and how sure it is that it is there and nobody who is followed."""
        box = BoundingBox.around(face.landmarks)
        if not _can_be_there(box, image):
            return None
        confidence = face.params.confidence
        if confidence is None:
            # Detectors place their boxes loosely: a second look, where the first one saw the face.
            points = face.mesh.vertices if self._follow == "mesh" else face.landmarks
            detection = face.detection
            face = self._aligner.align(image, landmarks=[points])[0]
            confidence = detection.score if consistency(box, face) > 0 else 0.0
        found = BoundingBox.around(face.landmarks)
        known = [t.box for t in self._tracks if t.visible and t.path.frame == self._frame]
        alone = all(overlap(found, other) < _ONE_FACE for other in known)
        return (
            (face, confidence) if confidence >= _BELIEVED and alone and _can_be_there(found, image) else None
        )


def _can_be_there(box: BoundingBox, image: Image) -> bool:
    """Whether a face in this box could be seen: large enough, and enough of it in the picture."""
    height, width = image.shape[:2]
    side = max(box.width, box.height)
    return _SMALLEST_PX <= side <= _LARGEST * max(height, width) and inside(box, height, width) >= _INSIDE
