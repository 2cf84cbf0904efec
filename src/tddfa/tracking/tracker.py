"""Faces from frame to frame: each person keeps a stable id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from tddfa.detection.faint import is_clear, worth_verifying
from tddfa.shapes import Float32
from tddfa.tracking.aligners import Aligner, SearchingAligner
from tddfa.tracking.appearance import Appearance
from tddfa.tracking.contacts import ONE_FACE_IOU, resolve_contacts
from tddfa.tracking.face import TrackedFace
from tddfa.tracking.frame_to_frame import VERIFY_EVERY, FollowingAligner, followed, turn_of
from tddfa.tracking.identity import (
    fits_path,
    is_somebody_else,
    looks_same,
    may_be_blurred,
    owner_of,
    pairs,
)
from tddfa.tracking.presence import crop_consistency, detect_near, is_near_frontal, is_same_face
from tddfa.tracking.rejections import Rejections
from tddfa.tracking.schedule import SearchSchedule
from tddfa.tracking.shots import ShotDetector
from tddfa.tracking.track import MAX_MISSED, MIN_CONFIDENCE, Track
from tddfa.tracking.trajectory import FacePosition, Trajectory, moved_box, moved_to
from tddfa.tracking.visibility import appearance_of, can_be_face, is_inside, is_part, yaw_deg
from tddfa.types import BoundingBox, Detection, Face, Image
from tddfa.types.arguments import check_choice, check_count, check_number
from tddfa.types.image import check_image

# Frames after a loss in which a face is also looked for where it was: detectors miss many profiles.
_RECOVER_FRAMES = 10

_N_CONFIRM = 3  # frames in a row in which a face that the detector doubts has to be seen,
# with this confidence, before it is reported. Of 53 doubted faces of photos 50 reach it, of 8 false ones 5.
_MIN_CONFIRM = 0.999
_MIN_CREDIBLE = 0.98  # confidence from which such a face is tracked until then

# Frames in which somebody else in the place of a lost face has to be seen: the lost face itself looks
# different while it comes out from behind something.
_N_SETTLE = 5

_MAX_RECALLED = 16  # tracks that can be recalled after the grace time, the latest first

# Distance of the appearance of a face that is followed from that of the frame before, from which on it is
# cropped anew.
_FOLLOWED_LOOK = 0.25

_RESTING = 0.002  # dissimilarity of two frames of a still camera, up to which little can have changed
_RESTING_FACE = 0.05  # the same for a face: movement in its sizes
_LOOK_EVERY = 3  # frames between looks at a face then


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
        self._check_every, self._grace = check_every, grace
        self._recall = max(recall, grace)
        self._min_score, self._new_score = min_score, new_score
        self._motion, self._follow, self._quality = motion, follow, quality
        self._shots = ShotDetector()
        self._schedule = SearchSchedule(detect_every)
        self._rejections = Rejections()
        self._tracks: list[Track] = []
        self._frame = -1
        self._defer_search = self._is_resized = False
        self._to_search: Image | None = None
        self._size: tuple[int, int] | None = None
        self._n_tracks = self._n_ids = 0

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
            track.miss()
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
            self._schedule.begin_shot(self._frame)
            for track in self._tracks:
                track.in_earlier_shot = True
        missing = [t for t in self._tracks if not t.visible]
        missing += self._follow_tracks(image)
        missing += resolve_contacts(self._seen(), image, self._frame)
        self._recover(image, missing)
        newly_missing = any(t.visible for t in missing)
        if self._shots.is_cut or newly_missing or self._search_is_due():
            waited_for = any(not t.has_left for t in missing)
            if self._defer_search and not waited_for and any(t.visible for t in self._tracks):
                self._to_search = image.copy()  # whoever shows a live frame draws on it meanwhile
            else:
                self._search(image, missing)
        return [t for t in missing if t.path.frame < self._frame]

    def _seen(self) -> list[Track]:
        """Return the tracks whose faces were seen in this frame."""
        return [t for t in self._tracks if t.visible and t.path.frame == self._frame]

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
        track.move_on(face, box, confidence, appearance, self._frame, is_resized=self._is_resized)
        track.n_followed = turn_of(box)
        if track.id is None:
            track.n_to_confirm -= 1
            if track.n_to_confirm <= 0:
                self._report(track)

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
            if not can_be_face(box, image):
                track.n_missed = MAX_MISSED  # it has left the image and counts as lost at once
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
            if confidence >= MIN_CONFIDENCE and appearance is None:
                appearance = self._followed_appearance(track, face, box, image)
            is_doubted = track.id is None and track.n_to_confirm > 0
            if confidence < (_MIN_CONFIRM if is_doubted else MIN_CONFIDENCE):
                if not may_be_blurred(track, image):
                    track.n_missed = MAX_MISSED
                missing.append(track)
            elif is_somebody_else(track, face, appearance, changes=self._shots.has_changed):
                track.n_missed = MAX_MISSED
                missing.append(track)
            else:
                owner = owner_of(track, self._tracks, face, appearance, self._frame)
                n_followed = track.n_followed + 1
                self._update(owner or track, face, box, confidence, appearance)
                track.n_missed = 0 if owner is None else 1
                if track.key in kept:
                    track.n_followed = n_followed
        return missing

    def _followed(self, image: Image, tracks: Sequence[Track]) -> dict[int, tuple[Face, Appearance | None]]:
        """Return the faces that one look at where they were suffices for, and their looks, by track."""
        aligner = None if self._shots.has_changed or self._is_resized else self._follower
        tracks = [track for track in tracks if track.is_settled and is_inside(track.box, image)]
        if aligner is None or not tracks:
            return {}
        out: dict[int, tuple[Face, Appearance | None]] = {}
        for track, face in zip(tracks, followed(aligner, image, tracks), strict=True):
            if face is None or not is_inside(box := BoundingBox.around(face.landmarks), image):
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
        if not can_be_face(found, image):
            return 0.0
        if face.params.confidence is not None:
            return face.params.confidence
        consistency = crop_consistency(expected, face)
        due = self._frame - track.last_check >= self._check_every
        if consistency >= MIN_CONFIDENCE and not due and not track.detector_rejected:
            return max(consistency, track.confidence)
        track.last_check = self._frame
        detection = detect_near(self._aligner.detector, image, found)
        track.detector_rejected = detection is None or not is_same_face(detection.box, found)
        if detection is not None and not track.detector_rejected:
            return max(detection.score, consistency)
        # A missing detection counts where the detector would find a face; elsewhere consistency alone does.
        return consistency * MIN_CONFIDENCE if is_near_frontal(face) else consistency

    def _recover(self, image: Image, missing: list[Track]) -> None:
        """Look for faces that were lost a moment ago where they should be; continue those that are there."""
        lost: list[Track] = []
        crops: list[Float32[np.ndarray, "n 3"]] = []
        for track in missing:
            start, end = FacePosition.of_box(track.box), track.path.predict(self._frame)
            if self._can_recover(track) and can_be_face(moved_box(track.box, start, end), image):
                lost.append(track)
                crops.append(moved_to(track.face.landmarks, start, end))
        found = self._aligner.align(image, landmarks=crops) if crops else []
        for track, face in zip(lost, found, strict=True):
            if (face.params.confidence or 0.0) < _MIN_CREDIBLE:
                continue
            verified = self._verified(image, face)
            if verified is None:
                continue
            known = [t.box for t in self._seen()]
            appearance = appearance_of(image, face, verified[1], known)
            if looks_same(track, face, appearance):
                self._update(track, *verified, appearance)

    def _can_recover(self, track: Track) -> bool:
        """Return whether a track was lost a moment ago, and the network can tell whether it is there."""
        just_lost = not track.visible and self._frame - track.path.frame <= _RECOVER_FRAMES
        is_known = track.id is not None and not track.in_earlier_shot
        return just_lost and is_known and track.face.params.confidence is not None

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
        return appearance_of(image, face, box, others)

    # Looking for faces in the whole image

    def _search_is_due(self) -> bool:
        n_visible = sum(t.visible for t in self._tracks)
        is_full = self._max_faces is not None and n_visible >= self._max_faces
        return not is_full and self._schedule.is_due(self._frame, self._tracks)

    def _search(self, image: Image, missing: list[Track], *, reported: bool = False) -> None:
        """Find the missing faces, and new ones; `reported`: the faces of this frame are told already."""
        seen = self._seen()
        is_missing = any(not t.has_left for t in missing) or not seen
        thorough = self._schedule.begin_search(self._frame, is_missing=is_missing)
        min_score = self._min_score if thorough else max(self._min_score, self._new_score)

        def unknown(candidates: list[Detection]) -> list[Detection]:
            likely = [d for d in candidates if d.score >= min_score and can_be_face(d.box, image)]
            free, known = self._unmatched(likely, seen)
            faint = [d for d in free if d.score < self._new_score]
            worth = worth_verifying(faint, [d.box for d in known], [d.box for d in known if is_clear(d)])
            # A missing face may be half occluded by another one, and faint.
            wanted = [d for d in faint if d in worth or self._could_match(d, missing)]
            wanted = [d for d in wanted if not any(is_part(d.box, t.box) for t in seen)]
            clear = [d for d in free if d.score >= self._new_score]
            return clear + self._rejections.without_rejected(wanted, self._frame)

        found, chosen = self._candidates(image, unknown, searching=not seen)
        self._rejections.update(chosen, [face.box for face in found], self._frame)
        known = [t.box for t in seen]
        looks = [appearance_of(image, face, BoundingBox.around(face.landmarks), known) for face in found]
        taken: set[int] = set()
        for track, k in pairs(missing, found, looks, self._frame):
            if k in taken or track.path.frame == self._frame:
                continue
            taken.add(k)
            verified = self._verified(image, found[k])
            if verified is not None:
                look = looks[k]
                if track.id is not None and not looks_same(track, found[k], look):
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

        small = searching and self._schedule.small_is_due(self._frame)
        if not small or not isinstance(aligner, SearchingAligner):
            return aligner.align_candidates(image, select=pick), picked

        def pick_more(candidates: list[Detection]) -> list[Detection]:
            more = select(candidates)
            picked.extend(more)
            return more

        found = aligner.search_candidates(image, select=pick_more)
        self._schedule.end_small(self._frame, found=bool(found))
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
        return [d for d in free if all(d.box.iou(t.box) < ONE_FACE_IOU for t in seen)], matched

    def _could_match(self, detection: Detection, missing: list[Track]) -> bool:
        """Return whether a detection lies where a missing face may be by now."""
        position = FacePosition.of_box(detection.box)
        return any(not t.in_earlier_shot and fits_path(t, position, self._frame) for t in missing)

    def _is_credible(self, face: Face) -> bool:
        """Return whether a new face may be tracked: verified by the network, or clear to the detector."""
        confidence = face.params.confidence
        return face.score >= self._new_score or (confidence is not None and confidence >= _MIN_CREDIBLE)

    def _verified(self, image: Image, face: Face) -> tuple[Face, BoundingBox, float] | None:
        """Return a found face, its box and confidence; None where it is not there, or is tracked already."""
        box = BoundingBox.around(face.landmarks)
        if not can_be_face(box, image):
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
        known = [t.box for t in self._seen()]
        is_alone = all(found.iou(other) < ONE_FACE_IOU for other in known)
        is_there = confidence >= MIN_CONFIDENCE and can_be_face(found, image)
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
        track.see(appearance, yaw_deg(face))
        lost = [t for t in self._tracks if t.path.frame < now and not t.in_earlier_shot]
        if any(fits_path(t, position, self._frame) for t in lost):
            track.n_to_confirm = _N_SETTLE - 1
        self._n_tracks += 1
        self._tracks.append(track)
        if face.score >= self._new_score and track.n_to_confirm < _N_SETTLE - 1:
            track.n_to_confirm = 0
            if not reported:
                self._report(track)
