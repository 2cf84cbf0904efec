"""Faces from frame to frame: each person keeps a stable id."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from tddfa.detection import Detector
from tddfa.detection.faint import is_clear, worth_verifying
from tddfa.shapes import Float, Float32
from tddfa.tracking.appearance import RELIABLE_PX, Appearance
from tddfa.tracking.face import TrackedFace
from tddfa.tracking.frame_to_frame import VERIFY_EVERY, FollowingAligner, followed, turn_of
from tddfa.tracking.person import PersonShape
from tddfa.tracking.presence import (
    crop_consistency,
    detect_near,
    is_near_frontal,
    is_same_face,
    part_inside,
)
from tddfa.tracking.rejections import Rejections
from tddfa.tracking.shots import ShotDetector
from tddfa.tracking.track import Track
from tddfa.tracking.trajectory import FacePosition, Trajectory, moved_box, moved_to
from tddfa.types import BoundingBox, Detection, Face, Image
from tddfa.types.arguments import check_choice, check_count, check_number
from tddfa.types.image import check_image

_MIN_CONFIDENCE = 0.5  # confidence from which a face is there
_MAX_MISSED = 1  # frames without the face before it counts as lost

# Frames after a loss in which a face is also looked for where it was: detectors miss many profiles.
_RECOVER_FRAMES = 10

_N_CONFIRM = 3  # frames in a row in which a face that the detector doubts has to be seen,
# with this confidence, before it is reported. Of 53 doubted faces of photos 50 reach it, of 8 false ones 5.
_MIN_CONFIRM = 0.999
_MIN_CREDIBLE = 0.98  # confidence from which such a face is tracked until then

# Frames in which somebody else in the place of a lost face has to be seen: the lost face itself looks
# different while it comes out from behind something.
_N_SETTLE = 5

_SEARCH_EVERY = 4  # frames between searches while a face is lost or none is there;
_EAGER_FRAMES = 5  # after a loss in every frame for so long, then in every second, …

# Frames between searches in ever larger copies of the image, for small faces, while no face is there. In 4K
# they take up to forty times as long as others: the wait doubles with each search in vain.
_SMALL_EVERY, _SMALL_EVERY_MOST = 12, 48

_MIN_INSIDE = 0.3  # part of a face that has to be in the image

# A face is seen as a whole away from the image border and behind no other face. For that the box around the
# landmarks is scaled, as the networks squeeze half a face into its visible half.
_WHOLE = 1.2
_MIN_WHOLE = 0.93  # part of that box that has to be in the image
_MAX_COVERED = 0.05  # part of that box that the box of another face may share
_MIN_SIDE_PX, _MAX_SIDE = 8.0, 4.0  # sides of a face; the largest in sides of the image

_HEAD = 1.8  # side of the box around a head and its neck, in sides of the box around the landmarks
_MAX_PART = 0.3  # area of an ear or a neck that the detector takes for a face, in areas of the face

_ONE_FACE_IOU = 0.55  # overlap of two faces that are one
_CONTACT_IOU = 0.1  # overlap from which one face may be taken for the other

# How far a lost face may be from where it was expected, in sizes: at once, and per frame since.
_REACH, _REACH_PER_FRAME = 1.0, 0.25
_MAX_ZOOM = 2.0
_MAX_BLIND_REACH = 2.5  # the same for a face whose look cannot be told
_SIZE_ADAPTATION = 0.1  # part of a new size in the typical one

# Distances between appearances (see `Appearance.distance`). A track of this shot keeps its ID up to the
# second limit; a track from before a cut, or from elsewhere, gets it back up to the first one. Of pairs of
# frames of one clip 96 % lie below the first and 98.6 % below the second; of pairs of people in one photo, in
# the same light, 2.5 % and 7.6 %; of other pairs of people 0.1 % and 0.2 %.
_SAME_LOOK, _OTHER_LOOK = 0.35, 0.5

# A track that returned by its place, without an appearance below the first limit, is compared in more frames
# (fewest, most), and is another person's above this mean.
_MIN_PROBATION, _N_PROBATION = 3, 4
_OTHER_MEAN_LOOK = 0.36

# Distance up to which a track is recalled after the grace time, and number of such tracks, the latest first.
_RECALLED_LOOK, _MAX_RECALLED = 0.25, 16
_LOOK_WEIGHT = 1.0  # sizes of the face of a path that weigh as much as one unit of that distance

# Distance of the appearance of a face that is followed from that of the frame before, from which on it is
# cropped anew.
_FOLLOWED_LOOK = 0.25

_RESTING = 0.002  # dissimilarity of two frames of a still camera, up to which little can have changed
_RESTING_FACE = 0.05  # the same for a face: movement in its sizes
_LOOK_EVERY = 3  # frames between looks at a face then

Selection = Callable[[list[Detection]], Iterable[Detection]]


@runtime_checkable
class Aligner(Protocol):
    """What a tracker requires of a `FaceAligner`."""

    @property
    def detector(self) -> Detector:
        """What finds faces."""
        ...

    def align(
        self,
        image: Image,
        *,
        boxes: Iterable[Any] | None = None,
        landmarks: Iterable[Float[np.ndarray, "n d"]] | None = None,
    ) -> list[Face]:
        """Return the faces in boxes or on landmarks."""
        ...

    def align_candidates(self, image: Image, *, select: Selection | None = None) -> list[Face]:
        """Return the faces of an image among the candidates that `select` picks from the detector's."""
        ...


@runtime_checkable
class SearchingAligner(Protocol):
    """An aligner that can search for smaller faces than `align_candidates` finds; a `FaceAligner` can."""

    def search_candidates(self, image: Image, *, select: Selection | None = None) -> list[Face]:
        """Return the faces among the candidates of ever larger copies of an image, while there is none."""
        ...


class _Expected(NamedTuple):
    """Where the face of a track should be: the box around its landmarks, and what its crop is cut around."""

    track: Track
    box: BoundingBox
    crop: Float32[np.ndarray, "n 3"]


class FaceTracker:
    """Track every face of a video.

    In each frame, each face is looked for where it was, moved on with its velocity: followed by one network
    where the aligner can (`FaceAligner.follow`), and cropped anew where it cannot, where anything is in
    doubt, or always (`quality`). Whether it is still there, the network predicts (`FaceParams.confidence`),
    for faces that are followed in every sixth frame; with networks that do not, the face has to agree with
    its crop, and the detector is asked now and then. The whole image is searched every few frames, when
    a face is lost, and while one is; while no face is there, larger copies of the image, which show small
    faces, are searched now and then. People who return within the grace time keep their id, if they look as
    before. At a cut every track ends; people who look the same in the next shot get their id back, and
    everybody else gets a new one. People who stay away longer are recognised by their appearance alone. The
    same frames give the same faces, always.

    Args:
        aligner: finds faces and their parameters.
        max_faces: track at most this many at a time, the largest first; None for all.
        detect_every: frames between searches of the whole image.
        check_every: frames between the detector's checks of each face, with networks without a confidence.
        grace: number of frames for which a lost face is waited for, and reported as lost.
        recall: number of frames for which somebody who left keeps the id and gets it back when they look
            very much the same; at least the grace time.
        min_score: detection score below which candidates are not verified.
        new_score: detection score from which a new face is reported at once. A fainter one is reported when
            the network has seen it in three frames; networks without a confidence never report it.
        motion: "constant-velocity", or "none" to crop exactly where the face was, in every frame, as 3DDFA_V2
            does.
        follow: cut the next crop around the "landmarks" or, as 3DDFA_V2 does for its dense images, in every
            frame around the whole "mesh".
        quality: "fast", or "best" to crop each face anew in every frame and read it with the networks of
            photos: its landmarks are a quarter nearer to the truth and its expressions follow quick movements
            better, in two to three times the time for each face.

    Raises:
        InputError: a number is out of range.

    Example:
        >>> tracker = FaceTracker(FaceAligner())
        >>> for frame in VideoReader("clip.mp4"):
        ...     for tracked in tracker.update(frame.image):
        ...         print(frame.index, tracked.id, tracked.face.pose.yaw_deg)
    """

    def __init__(
        self,
        aligner: Aligner,
        *,
        max_faces: int | None = None,
        detect_every: int = 30,
        check_every: int = 6,
        grace: int = 60,
        recall: int = 1800,
        min_score: float = 0.0,
        new_score: float = 0.5,
        motion: Literal["constant-velocity", "none"] = "constant-velocity",
        follow: Literal["landmarks", "mesh"] = "landmarks",
        quality: Literal["fast", "best"] = "fast",
    ) -> None:
        check_count("detect_every", detect_every)
        check_count("check_every", check_every)
        if max_faces is not None:
            check_count("max_faces", max_faces)
        check_count("grace", grace, least=0)
        check_count("recall", recall, least=0)
        check_number("min_score", min_score, 0, 1)
        check_number("new_score", new_score, 0, 1)
        check_choice("motion", motion, ("constant-velocity", "none"))
        check_choice("follow", follow, ("landmarks", "mesh"))
        check_choice("quality", quality, ("fast", "best"))
        self._aligner = aligner
        self._max_faces = max_faces
        self._detect_every, self._check_every, self._grace = detect_every, check_every, grace
        self._recall = max(recall, grace)
        self._min_score, self._new_score = min_score, new_score
        self._motion, self._follow, self._quality = motion, follow, quality
        self._shots = ShotDetector()
        self._rejections = Rejections()
        self._tracks: list[Track] = []
        self._frame = -1
        self._last_search = -detect_every
        self._defer_search = self._is_resized = False
        self._to_search: Image | None = None
        self._size: tuple[int, int] | None = None
        self._n_tracks = self._n_ids = self._n_searches = 0
        self._small_wait, self._next_small = _SMALL_EVERY, 0

    def track(self, images: Iterable[Image]) -> Iterator[list[TrackedFace]]:
        """Yield the faces of each image; see `update`."""
        return map(self.update, images)

    def update(self, image: Image, *, defer_search: bool = False) -> list[TrackedFace]:
        """Return the faces of the next frame, by id; also those that are lost and waited for.

        Args:
            image: RGB; may be of another size than the one before, or without a pixel.
            defer_search: while no face is missing, leave the search for new ones, which takes longer than
                following, to `search`. New faces are reported one frame later then.

        Raises:
            InputError: the image is not RGB in 8 bits.
        """
        given: Any = image
        if not isinstance(given, np.ndarray) or image.size or image.ndim != 3:
            check_image(given)
        self.search()
        self._defer_search = defer_search
        self._frame += 1
        self._let_go()
        missing = self._update_tracks(image) if image.size else list(self._tracks)
        for track in missing:
            self._mark_missed(track)
        self._tracks = [t for t in self._tracks if t.id is not None or t.n_missed == 0]
        reported = [t.reported(self._frame) for t in self._tracks if t.id is not None and not t.has_left]
        return sorted(reported, key=lambda tracked: tracked.id)

    def search(self) -> None:
        """Search the frame of the last `update` for new faces, where that was deferred and is due.

        The next `update` does it otherwise.
        """
        image, self._to_search = self._to_search, None
        if image is not None:
            self._search(image, [t for t in self._tracks if t.has_left], reported=True)

    def _let_go(self) -> None:
        """Mark the tracks that are missing after the grace time, and drop those that cannot be recalled."""
        for track in self._tracks:
            if self._frame - track.path.frame > self._grace:
                track.has_left = track.in_earlier_shot = True
        left = [t for t in self._tracks if t.has_left and t.id is not None]
        left = [t for t in left if self._frame - t.path.frame <= self._recall]
        left = sorted(left, key=lambda t: t.path.frame)[-_MAX_RECALLED:]
        self._tracks = [t for t in self._tracks if not t.has_left] + left

    def _update_tracks(self, image: Image) -> list[Track]:
        """Find the tracks and new faces in an image; returns the tracks that are missing."""
        self._resize(image)
        self._shots.update(image)
        if self._shots.is_cut:
            self._rejections.clear()
            self._small_wait, self._next_small = _SMALL_EVERY, self._frame
            for track in self._tracks:
                track.in_earlier_shot = True
        missing = [t for t in self._tracks if not t.visible]
        missing += self._follow_tracks(image)
        missing += self._resolve_contacts(image)
        self._recover(image, missing)
        newly_missing = any(t.visible for t in missing)
        if self._shots.is_cut or self._search_is_due(newly_missing):
            waited_for = any(not t.has_left for t in missing)
            if self._defer_search and not waited_for and any(t.visible for t in self._tracks):
                self._to_search = image.copy()  # whoever shows a live frame draws on it meanwhile
            else:
                self._search(image, missing)
        return [t for t in missing if t.path.frame < self._frame]

    def _resize(self, image: Image) -> None:
        """Move the tracks to where they are if the image has another size than the one before."""
        height, width = size = image.shape[:2]
        before, self._size = self._size or size, size
        self._is_resized = size != before
        if self._is_resized:
            self._rejections.clear()
            for track in self._tracks:
                track.scale(width / before[1], height / before[0])

    def _update(
        self,
        track: Track,
        face: Face,
        box: BoundingBox,
        confidence: float,
        appearance: Appearance | None,
    ) -> None:
        """Continue a track with the face of this frame."""
        position = FacePosition.of_box(box)
        has_jumped = position.distance(track.path.predict(self._frame)) > _REACH
        if track.in_earlier_shot or not track.visible or has_jumped or self._is_resized:
            track.state = "returned"
        else:
            track.state = "tracked"
        if track.in_earlier_shot:
            track.path, track.typical_size = Trajectory.begin(position, self._frame), position.size
            track.person = PersonShape()  # a shot gives the same numbers whatever was before it
            track.in_earlier_shot = track.has_left = False
        else:
            # A jump is no velocity: the next frames would be cropped where it leads.
            extended = Trajectory.begin if has_jumped else track.path.extended
            track.path = extended(position, self._frame)
            track.typical_size *= (position.size / track.typical_size) ** _SIZE_ADAPTATION
        track.face, track.box, track.confidence, track.n_missed = track.person.see(face), box, confidence, 0
        track.n_followed = turn_of(box)
        track.see(appearance, _yaw_deg(face))
        if track.id is None:
            track.n_to_confirm -= 1
            if track.n_to_confirm <= 0:
                self._report(track)

    def _mark_missed(self, track: Track) -> None:
        if track.visible and track.n_missed < _MAX_MISSED and not track.in_earlier_shot:
            track.n_missed += 1
            track.state, track.confidence = "tracked", min(track.confidence, _MIN_CONFIDENCE)
        else:
            track.n_missed += 1
            track.state, track.confidence = "lost", 0.0
            track.path_before_contact, track.detector_rejected, track.probation = None, False, None

    def _report(self, track: Track) -> None:
        """Give a track its id."""
        track.id, track.state, track.first_frame = self._n_ids, "new", self._frame
        self._n_ids += 1

    # Looking where the faces were

    def _follow_tracks(self, image: Image) -> list[Track]:
        """Continue every visible track; returns those whose face is not there."""
        missing: list[Track] = []
        expected: list[_Expected] = []
        for track in self._tracks:
            if not track.visible:
                continue
            start = FacePosition.of_box(track.box)
            still = self._motion == "none" or track.in_earlier_shot
            end = start if still else track.path.predict_crop()
            landmarks = moved_to(track.face.landmarks, start, end)
            box = track.box if landmarks is track.face.landmarks else BoundingBox.around(landmarks)
            if not _can_be_face(box, image):
                track.n_missed = _MAX_MISSED  # it has left the image and counts as lost at once
                missing.append(track)
                continue
            mesh = self._follow == "mesh"
            crop = moved_to(track.face.mesh.vertices, start, end) if mesh else landmarks
            expected.append(_Expected(track, box, crop))
        kept = self._followed(image, [each.track for each in expected])
        anew = [each for each in expected if each.track.key not in kept]
        faces = self._aligner.align(image, landmarks=[each.crop for each in anew]) if anew else []
        found = dict(zip((each.track.key for each in anew), faces, strict=True))
        for track, where, _ in expected:
            face, appearance = kept.get(track.key) or (found[track.key], None)
            box = BoundingBox.around(face.landmarks)
            confidence = self._confidence(track, where, face, box, image)
            if confidence >= _MIN_CONFIDENCE and appearance is None:
                appearance = self._followed_appearance(track, face, box, image)
            is_doubted = track.id is None and track.n_to_confirm > 0
            if confidence < (_MIN_CONFIRM if is_doubted else _MIN_CONFIDENCE):
                if not self._may_be_blurred(track, image):
                    track.n_missed = _MAX_MISSED
                missing.append(track)
            elif self._is_somebody_else(track, face, appearance):
                track.n_missed = _MAX_MISSED
                missing.append(track)
            else:
                owner = self._owner(track, face, appearance)
                n_followed = track.n_followed + 1
                self._update(owner or track, face, box, confidence, appearance)
                track.n_missed = 0 if owner is None else 1
                if track.key in kept:
                    track.n_followed = n_followed
        return missing

    def _followed(self, image: Image, tracks: Sequence[Track]) -> dict[int, tuple[Face, Appearance | None]]:
        """Return the faces that one look at where they were suffices for, and their looks, by track."""
        aligner = None if self._shots.has_changed or self._is_resized else self._follower
        tracks = [track for track in tracks if track.is_settled and _is_inside(track.box, image)]
        if aligner is None or not tracks:
            return {}
        out: dict[int, tuple[Face, Appearance | None]] = {}
        for track, face in zip(tracks, followed(aligner, image, tracks), strict=True):
            if face is None or not _is_inside(box := BoundingBox.around(face.landmarks), image):
                continue
            appearance = self._followed_appearance(track, face, box, image)
            # What looks different has to be looked at anew, also where it fades frame by frame.
            if appearance is None or all(
                track.jumped_to(appearance, n) <= _FOLLOWED_LOOK for n in (1, VERIFY_EVERY)
            ):
                out[track.key] = face, appearance
        return out

    @cached_property
    def _follower(self) -> FollowingAligner | None:
        """What follows faces; None where each is cropped anew."""
        aligner = self._aligner
        as_3ddfa_v2 = self._motion == "none" or self._follow == "mesh"
        if as_3ddfa_v2 or self._quality == "best" or not isinstance(aligner, FollowingAligner):
            return None
        return aligner if aligner.can_follow else None

    def _confidence(
        self, track: Track, expected: BoundingBox, face: Face, found: BoundingBox, image: Image
    ) -> float:
        """Return how probable it is that `face` is there, and that of `track`."""
        if not _can_be_face(found, image):
            return 0.0
        if face.params.confidence is not None:
            return face.params.confidence
        consistency = crop_consistency(expected, face)
        due = self._frame - track.last_check >= self._check_every
        if consistency >= _MIN_CONFIDENCE and not due and not track.detector_rejected:
            return max(consistency, track.confidence)
        track.last_check = self._frame
        detection = detect_near(self._aligner.detector, image, found)
        track.detector_rejected = detection is None or not is_same_face(detection.box, found)
        if detection is not None and not track.detector_rejected:
            return max(detection.score, consistency)
        # A missing detection counts where the detector would find a face; elsewhere consistency alone does.
        return consistency * _MIN_CONFIDENCE if is_near_frontal(face) else consistency

    def _may_be_blurred(self, track: Track, image: Image) -> bool:
        """Return whether a face that the network does not see may be there: its place looks as before."""
        appearance = _appearance(image, track.face, track.box, ())
        if appearance is None:
            return _is_inside(track.box, image)  # it is too small to tell; at the border it rather leaves
        last, yaw_deg = track.recent[-1]
        distance = track.difference(appearance, yaw_deg) if last is None else appearance.distance(last)
        return distance is not None and distance <= _OTHER_LOOK

    def _recover(self, image: Image, missing: list[Track]) -> None:
        """Look for faces that were lost a moment ago where they should be; continue those that are there."""
        lost: list[Track] = []
        crops: list[Float32[np.ndarray, "n 3"]] = []
        for track in missing:
            start, end = FacePosition.of_box(track.box), track.path.predict(self._frame)
            if self._can_recover(track) and _can_be_face(moved_box(track.box, start, end), image):
                lost.append(track)
                crops.append(moved_to(track.face.landmarks, start, end))
        found = self._aligner.align(image, landmarks=crops) if crops else []
        for track, face in zip(lost, found, strict=True):
            if (face.params.confidence or 0.0) < _MIN_CREDIBLE:
                continue
            verified = self._verified(image, face)
            if verified is None:
                continue
            known = [t.box for t in self._tracks if t.visible and t.path.frame == self._frame]
            appearance = _appearance(image, face, verified[1], known)
            if self._looks_same(track, face, appearance):
                self._update(track, *verified, appearance)

    def _can_recover(self, track: Track) -> bool:
        """Return whether a track was lost a moment ago, and the network can tell whether it is there."""
        just_lost = not track.visible and self._frame - track.path.frame <= _RECOVER_FRAMES
        is_known = track.id is not None and not track.in_earlier_shot
        return just_lost and is_known and track.face.params.confidence is not None

    def _is_somebody_else(self, track: Track, face: Face, appearance: Appearance | None) -> bool:
        """Return whether the face where a track was is another person's."""
        if track.in_earlier_shot:
            difference = track.difference(appearance, _yaw_deg(face))
            return difference is None or difference > _SAME_LOOK
        if appearance is None or not appearance.whole:
            return False
        if track.probation is not None:
            # A face that entered the image where another one left is whole only now.
            difference = track.difference(appearance, _yaw_deg(face))
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
        if self._shots.has_changed and track.has_drifted_to_another(appearance, _yaw_deg(face), _OTHER_LOOK):
            track.in_earlier_shot = True  # in the course of a dissolve
            track.forget_drift()  # or the other face, which was learned on the way, gets the ID back
            return True
        return False

    def _owner(self, track: Track, face: Face, appearance: Appearance | None) -> Track | None:
        """Return the lost track that an unconfirmed one turns out to be the continuation of."""
        if track.id is not None or appearance is None or not appearance.whole:
            return None
        lost = [t for t in self._tracks if not t.visible and t.id is not None]
        costs = [
            (cost, t.key, t) for t in lost if (cost := self._match_cost(t, face, appearance)) is not None
        ]
        return min(costs)[2] if costs else None

    def _followed_appearance(
        self, track: Track, face: Face, box: BoundingBox, image: Image
    ) -> Appearance | None:
        """Return what the face of a track looks like; in an image that rests, from a few frames ago."""
        rests = self._shots.difference < _RESTING and (self._frame - track.key) % _LOOK_EVERY
        # A small face may move in an image that rests, and a wrong path may lead away from a face at rest.
        moves = FacePosition.of_box(box).distance(FacePosition.of_box(track.box)) > _RESTING_FACE
        if rests and not moves and track.recent:
            return track.recent[-1][0]
        others = [t.box for t in self._tracks if t.visible and t is not track and not t.in_earlier_shot]
        return _appearance(image, face, box, others)

    # Faces that touch

    def _resolve_contacts(self, image: Image) -> list[Track]:
        """Where two tracks have come to lie on one face, return the one that does not belong there."""
        seen = [t for t in self._tracks if t.visible and t.path.frame == self._frame]
        false_tracks: list[Track] = []
        touching: set[int] = set()
        for i, a in enumerate(seen):
            for b in seen[i + 1 :]:
                shared = a.box.iou(b.box)
                if shared > _CONTACT_IOU:
                    touching |= {a.key, b.key}
                if shared > _ONE_FACE_IOU:
                    false_tracks.append(max((a, b), key=lambda t: (self._path_deviation(t, image), t.key)))
        for track in seen:
            if track.key not in touching:
                track.path_before_contact = None
            elif track.path_before_contact is None:
                track.path_before_contact = track.path.without_last()
        for track in false_tracks:
            # Its positions since the contact belong to the other face.
            track.path = track.path_before_contact or track.path
            track.n_missed = _MAX_MISSED
        return false_tracks

    def _path_deviation(self, track: Track, image: Image) -> float:
        """Return how far a face is from where its path led before a contact, and from what it looked like."""
        before = track.path_before_contact or track.path
        distance = FacePosition.of_box(track.box).distance(before.predict(self._frame))
        difference = track.difference(Appearance.of(image, track.face), _yaw_deg(track.face))
        return distance + _LOOK_WEIGHT * (difference or 0.0)

    # Looking for faces in the whole image

    def _search_is_due(self, newly_missing: bool) -> bool:
        if newly_missing:
            return True
        n_visible = sum(t.visible for t in self._tracks)
        if self._max_faces is not None and n_visible >= self._max_faces:
            return False
        wait = self._detect_every if n_visible else min(_SEARCH_EVERY, self._detect_every)
        for track in self._tracks:
            if not track.visible and not track.has_left:
                wait = min(wait, _SEARCH_EVERY, 1 + (self._frame - track.path.frame) // _EAGER_FRAMES)
        return self._frame - self._last_search >= wait

    def _search(self, image: Image, missing: list[Track], *, reported: bool = False) -> None:
        """Find the missing faces, and new ones; `reported`: the faces of this frame are told already."""
        self._last_search = self._frame
        seen = [t for t in self._tracks if t.visible and t.path.frame == self._frame]

        # Verifying faint candidates takes longer than finding them. While all faces are there, every second
        # search leaves them out.
        self._n_searches += 1
        thorough = any(not t.has_left for t in missing) or not seen or self._n_searches % 2
        min_score = self._min_score if thorough else max(self._min_score, self._new_score)

        def unknown(candidates: list[Detection]) -> list[Detection]:
            likely = [d for d in candidates if d.score >= min_score and _can_be_face(d.box, image)]
            free, known = self._unmatched(likely, seen)
            faint = [d for d in free if d.score < self._new_score]
            worth = worth_verifying(faint, [d.box for d in known], [d.box for d in known if is_clear(d)])
            # A missing face may be half occluded by another one, and faint.
            wanted = [d for d in faint if d in worth or self._could_match(d, missing)]
            wanted = [d for d in wanted if not any(_is_part(d.box, t.box) for t in seen)]
            clear = [d for d in free if d.score >= self._new_score]
            return clear + self._rejections.without_rejected(wanted, self._frame)

        found, chosen = self._candidates(image, unknown, searching=not seen)
        self._rejections.update(chosen, [face.box for face in found], self._frame)
        known = [t.box for t in seen]
        looks = [_appearance(image, face, BoundingBox.around(face.landmarks), known) for face in found]
        # The best pairs first.
        pairs = sorted(
            (cost, track.key, k)
            for track in missing
            for k, (face, look) in enumerate(zip(found, looks, strict=True))
            if (cost := self._match_cost(track, face, look)) is not None
        )
        by_key = {t.key: t for t in missing}
        taken: set[int] = set()
        for _, key, k in pairs:
            track = by_key[key]
            if k in taken or track.path.frame == self._frame:
                continue
            taken.add(k)
            verified = self._verified(image, found[k])
            if verified is not None:
                look = looks[k]
                if track.id is not None and not self._looks_same(track, found[k], look):
                    track.probation = []
                self._update(track, *verified, look)
                track.in_earlier_shot = reported  # the next frame tells that the face is back
        new = [k for k, face in enumerate(found) if k not in taken and self._is_credible(face)]
        room = len(new)
        if self._max_faces is not None:
            new.sort(key=lambda k: -found[k].box.area)
            room = max(self._max_faces - sum(t.visible for t in self._tracks), 0)
        for k in new[:room]:
            verified = self._verified(image, found[k])
            if verified is not None:
                self._begin_track(*verified, looks[k], reported=reported)

    def _candidates(
        self, image: Image, select: Callable[[list[Detection]], list[Detection]], *, searching: bool
    ) -> tuple[list[Face], list[Detection]]:
        """Return the faces among the candidates that `select` picks, and these candidates.

        Args:
            image: the frame.
            select: picks candidates.
            searching: whether no face is there, so that small ones are worth a longer search.
        """
        aligner = self._aligner
        picked: list[Detection] = []

        def pick(candidates: list[Detection]) -> list[Detection]:
            picked[:] = select(candidates)
            return list(picked)

        if not searching or self._frame < self._next_small or not isinstance(aligner, SearchingAligner):
            return aligner.align_candidates(image, select=pick), picked

        def pick_more(candidates: list[Detection]) -> list[Detection]:
            more = select(candidates)
            picked.extend(more)
            return more

        found = aligner.search_candidates(image, select=pick_more)
        self._next_small = self._frame + self._small_wait
        self._small_wait = _SMALL_EVERY if found else min(2 * self._small_wait, _SMALL_EVERY_MOST)
        return found, picked

    def _unmatched(
        self, detections: list[Detection], seen: list[Track]
    ) -> tuple[list[Detection], list[Detection]]:
        """Return the detections that are not of tracked faces, best first, and those that are."""
        free, matched = list(detections), list[Detection]()
        for track in seen:
            best = max(free, key=lambda d: d.box.iou(track.box), default=None)
            if best is not None and is_same_face(best.box, track.box):
                free.remove(best)
                matched.append(best)
        return [d for d in free if all(d.box.iou(t.box) < _ONE_FACE_IOU for t in seen)], matched

    def _could_match(self, detection: Detection, missing: list[Track]) -> bool:
        """Return whether a detection lies where a missing face may be by now."""
        position = FacePosition.of_box(detection.box)
        return any(not t.in_earlier_shot and self._fits_path(t, position) for t in missing)

    def _match_cost(self, track: Track, face: Face, appearance: Appearance | None) -> float | None:
        """Return how badly a found face fits a missing track; None where it cannot be that person's."""
        difference = track.difference(appearance, _yaw_deg(face))
        looks_same = difference is not None and difference <= _SAME_LOOK
        if track.has_left:
            return difference if difference is not None and difference <= _RECALLED_LOOK else None
        position = FacePosition.of_box(face.box)
        distance = position.distance(track.path.predict(self._frame))
        if not looks_same:
            if difference is not None and appearance is not None and appearance.whole:
                looks_other = difference > _OTHER_LOOK
            else:
                looks_other = distance > _MAX_BLIND_REACH
            if track.in_earlier_shot or looks_other or not self._fits_path(track, position):
                return None
        return distance + _LOOK_WEIGHT * min(difference or 0.0, _OTHER_LOOK)

    def _looks_same(self, track: Track, face: Face, appearance: Appearance | None) -> bool:
        """Return whether a face, seen as a whole, looks as remembered."""
        if appearance is None or not appearance.whole:
            return False
        difference = track.difference(appearance, _yaw_deg(face))
        return difference is not None and difference <= _SAME_LOOK

    def _fits_path(self, track: Track, position: FacePosition) -> bool:
        """Return whether a lost face can have come to a position."""
        reach = _REACH + _REACH_PER_FRAME * (self._frame - track.path.frame)
        zoom = max(position.size / track.typical_size, track.typical_size / position.size)
        return position.distance(track.path.predict(self._frame)) <= reach and zoom <= _MAX_ZOOM

    def _is_credible(self, face: Face) -> bool:
        """Return whether a new face may be tracked: verified by the network, or clear to the detector."""
        confidence = face.params.confidence
        return face.score >= self._new_score or (confidence is not None and confidence >= _MIN_CREDIBLE)

    def _verified(self, image: Image, face: Face) -> tuple[Face, BoundingBox, float] | None:
        """Return a found face, its box and confidence; None where it is not there, or is tracked already."""
        box = BoundingBox.around(face.landmarks)
        if not _can_be_face(box, image):
            return None
        confidence = face.params.confidence
        if confidence is None:
            # Detectors place their boxes loosely: the face is cropped again where it was found.
            points = face.mesh.vertices if self._follow == "mesh" else face.landmarks
            detection = face.detection
            face = self._aligner.align(image, landmarks=[points])[0]
            confidence = detection.score if crop_consistency(box, face) > 0 else 0.0
            found = BoundingBox.around(face.landmarks)
        else:
            found = box
        known = [t.box for t in self._tracks if t.visible and t.path.frame == self._frame]
        is_alone = all(found.iou(other) < _ONE_FACE_IOU for other in known)
        is_there = confidence >= _MIN_CONFIDENCE and _can_be_face(found, image)
        return (face, found, confidence) if is_alone and is_there else None

    def _begin_track(
        self,
        face: Face,
        box: BoundingBox,
        confidence: float,
        appearance: Appearance | None,
        *,
        reported: bool,
    ) -> None:
        now = self._frame
        position = FacePosition.of_box(box)
        track = Track(
            key=self._n_tracks,
            face=face,
            box=box,
            path=Trajectory.begin(position, now),
            typical_size=position.size,
            confidence=confidence,
            state="new",
            id=None,
            first_frame=now,
            n_to_confirm=_N_CONFIRM - 1,
            n_followed=turn_of(box),
            last_check=now,
        )
        track.face = track.person.see(face)
        track.see(appearance, _yaw_deg(face))
        lost = [t for t in self._tracks if t.path.frame < now and not t.in_earlier_shot]
        if any(self._fits_path(t, position) for t in lost):
            track.n_to_confirm = _N_SETTLE - 1
        self._n_tracks += 1
        self._tracks.append(track)
        if face.score >= self._new_score and track.n_to_confirm < _N_SETTLE - 1:
            track.n_to_confirm = 0
            if not reported:
                self._report(track)


def _appearance(
    image: Image, face: Face, box: BoundingBox, others: Iterable[BoundingBox]
) -> Appearance | None:
    """Return what a face looks like, and whether all of it was seen; None for small faces."""
    if math.sqrt(box.area) < RELIABLE_PX:
        return None
    around = box.scaled(_WHOLE)
    whole = _is_inside(box, image) and not any(
        (shared := around.intersection(other.scaled(_WHOLE))) and shared.area > _MAX_COVERED * around.area
        for other in others
    )
    return Appearance.of(image, face, whole=whole)


def _is_inside(box: BoundingBox, image: Image) -> bool:
    """Return whether all of a face lies in the image."""
    return part_inside(box.scaled(_WHOLE), *image.shape[:2]) >= _MIN_WHOLE


def _is_part(box: BoundingBox, face: BoundingBox) -> bool:
    """Return whether a small box lies on the head of a face, as those around ears and necks do."""
    x, y = box.center
    head = face.scaled(_HEAD)
    return box.area < _MAX_PART * face.area and head.x0 < x < head.x1 and head.y0 < y < head.y1


def _yaw_deg(face: Face) -> float:
    """Return how far a face is turned to the side, degrees: enough to compare, and cheaper than its pose."""
    forward = face.params.camera[:, 2]
    return math.degrees(math.asin(min(max(forward[0] / max(math.hypot(*forward), 1e-9), -1.0), 1.0)))


def _can_be_face(box: BoundingBox, image: Image) -> bool:
    """Return whether a face in this box could be seen: large enough, and enough of it in the image."""
    height, width = image.shape[:2]
    side = max(box.width, box.height)
    large_enough = _MIN_SIDE_PX <= side <= _MAX_SIDE * max(height, width)
    return large_enough and part_inside(box, height, width) >= _MIN_INSIDE
