"""What a tracker knows of one person."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import field, replace

from tddfa.dataclass import dataclass
from tddfa.tracking.appearance import Appearance, AppearanceMemory
from tddfa.tracking.face import State, TrackedFace
from tddfa.tracking.person import PersonShape
from tddfa.tracking.shots import DISSOLVE_FRAMES
from tddfa.tracking.trajectory import FacePosition, Trajectory, moved_box, moved_params
from tddfa.tracking.visibility import yaw_deg
from tddfa.types import BoundingBox, Detection, Face

MIN_CONFIDENCE = 0.5
"""Confidence from which a face is there."""
MAX_MISSED = 1
"""Frames without the face before it counts as lost."""
REACH = 1.0
"""Distance from where a face was expected, in sizes of it, up to which it has not jumped."""

_SIZE_ADAPTATION = 0.1  # part of a new size in the typical one
_N_RECENT = 2 * DISSOLVE_FRAMES
_SAME_YAW_DEG = 20.0  # turn of the head over which appearances can be compared

# Distance of the most similar half of a face from the frame before, up to which it is the same person's. Of
# 3403 pairs of people in photos whose whole faces differ, none lies below it, and two below 0.25.
_SAME_HALF = 0.2


@dataclass(slots=True, eq=False)
class Track:
    """One person over time.

    Attributes:
        key: number of the track inside the tracker, in order of appearance.
        face: the face as it was last seen.
        box: box around its landmarks, px.
        path: its last positions.
        typical_size: size of the face, averaged, px: at the image border or half covered it seems smaller.
        confidence: probability that the face is there.
        state: as it is reported.
        id: as it is reported; None until the face is confirmed.
        first_frame: frame in which the face was first reported.
        n_to_confirm: frames in which the face still has to be seen before it is reported.
        n_missed: frames in a row in which the face was not found, although it does not count as lost yet.
        n_followed: frames since it was cropped anew, from any number of the cycle of verifications on.
        last_check: frame in which the detector was last asked about this face.
        detector_rejected: whether the detector found no face there.
        path_before_contact: the path as it was before the face touched another; None without contact.
        in_earlier_shot: whether the face was last seen before a cut, or only its look can tell who it is.
        has_left: whether it is away for longer than the grace time, and known only by its look.
        probation: differences between what is remembered and the frames since it came back, while only its
            place says that it is the same person; None otherwise.
        recent: what the face looked like in the last frames, oldest first, and its yaw, degrees; None where
            not all of it was seen.
        memory: what it looked like over time, from each direction.
        person: its identity over the shot.
    """

    key: int
    face: Face
    box: BoundingBox
    path: Trajectory
    typical_size: float
    confidence: float
    state: State
    id: int | None
    first_frame: int
    n_to_confirm: int = 0
    n_missed: int = 0
    n_followed: int = 0
    last_check: int = 0
    detector_rejected: bool = False
    path_before_contact: Trajectory | None = None
    in_earlier_shot: bool = False
    has_left: bool = False
    probation: list[float] | None = None
    recent: deque[tuple[Appearance | None, float]] = field(default_factory=lambda: deque(maxlen=_N_RECENT))
    memory: AppearanceMemory = field(default_factory=AppearanceMemory)
    person: PersonShape = field(default_factory=PersonShape)

    @property
    def visible(self) -> bool:
        """Whether the face does not count as lost."""
        return self.state != "lost"

    @property
    def is_settled(self) -> bool:
        """Whether the face was there in the frame before, and nothing is open about it."""
        known = self.id is not None and self.state != "lost" and self.n_missed == 0
        return (
            known and not self.in_earlier_shot and self.probation is None and self.path_before_contact is None
        )

    def difference(self, appearance: Appearance | None, yaw_deg: float) -> float | None:
        """Return how differently a face looks from what is remembered; None where it cannot be told."""
        return None if appearance is None else self.memory.distance(appearance, yaw_deg)

    def jumped_to(self, appearance: Appearance, n_frames: int = 1) -> float:
        """Return how differently a face looks from some frames before; 0 where it cannot be told."""
        before = self.recent[-min(n_frames, len(self.recent))][0]
        return 0.0 if before is None else appearance.distance(before) or 0.0

    def has_become_another(self, appearance: Appearance, limit: float) -> bool:
        """Return whether a face differs by more than `limit` from the frame before, in every half."""
        last = self.recent[-1][0]
        return last is not None and _is_another(appearance, last, limit)

    def has_drifted_to_another(self, appearance: Appearance, yaw_deg: float, limit: float) -> bool:
        """Return whether a face differs by more than `limit` from a dozen frames ago, in every half."""
        if len(self.recent) < _N_RECENT:
            return False  # the track may have begun in the middle of a dissolve
        before, yaw_before_deg = self.recent[-DISSOLVE_FRAMES]
        if before is None or abs(yaw_deg - yaw_before_deg) > _SAME_YAW_DEG:
            return False
        return _is_another(appearance, before, limit)

    def forget_drift(self) -> None:
        """Remember the face as it looked a dozen frames ago, before it became another."""
        since = list(self.recent)[-DISSOLVE_FRAMES:]
        appearance, yaw_deg = since[0]
        if appearance is not None:
            self.memory.replace(appearance, yaw_deg, [yaw for _, yaw in since])

    def see(self, appearance: Appearance | None, yaw_deg: float) -> None:
        """Take what the face looks like in this frame; None where that cannot be told."""
        if self.state != "tracked":
            self.recent.clear()
        is_fresh = not self.recent or appearance is not self.recent[-1][0]
        whole = appearance is not None and appearance.whole
        self.recent.append((appearance if whole else None, yaw_deg))
        if appearance is not None and is_fresh and self.probation is None:
            self.memory.add(appearance, yaw_deg)

    def move_on(
        self,
        face: Face,
        box: BoundingBox,
        confidence: float,
        appearance: Appearance | None,
        frame: int,
        *,
        is_resized: bool,
    ) -> None:
        """Continue with the face of a frame.

        Args:
            face: the face.
            box: around its landmarks, px.
            confidence: probability that it is there.
            appearance: what it looks like; None where that cannot be told.
            frame: number of the frame.
            is_resized: whether the frame has another size than the one before.
        """
        position = FacePosition.of_box(box)
        has_jumped = position.distance(self.path.predict(frame)) > REACH
        is_back = self.in_earlier_shot or not self.visible or has_jumped or is_resized
        self.state = "returned" if is_back else "tracked"
        if self.in_earlier_shot:
            self.path, self.typical_size = Trajectory.begin(position, frame), position.size
            self.person = PersonShape()  # a shot gives the same numbers whatever was before it
            self.in_earlier_shot = self.has_left = False
        else:
            # A jump is no velocity: the next frames would be cropped where it leads.
            extended = Trajectory.begin if has_jumped else self.path.extended
            self.path = extended(position, frame)
            self.typical_size *= (position.size / self.typical_size) ** _SIZE_ADAPTATION
        self.face, self.box, self.confidence, self.n_missed = self.person.see(face), box, confidence, 0
        self.see(appearance, yaw_deg(face))

    def miss(self) -> None:
        """Take that the face was not found in a frame."""
        is_lost = not self.visible or self.n_missed >= MAX_MISSED or self.in_earlier_shot
        self.n_missed += 1
        if is_lost:
            self.state, self.confidence = "lost", 0.0
            self.path_before_contact, self.detector_rejected, self.probation = None, False, None
        else:
            self.state, self.confidence = "tracked", min(self.confidence, MIN_CONFIDENCE)

    def scale(self, x: float, y: float) -> None:
        """Follow an image that has become `x` times as wide and `y` times as high."""
        start = FacePosition.of_box(self.box)
        end = start.scaled(x, y)
        detection = Detection(moved_box(self.face.box, start, end), self.face.score)
        self.face = replace(self.face, detection=detection, params=moved_params(self.face.params, start, end))
        self.box = moved_box(self.box, start, end)
        self.path = self.path.scaled(x, y)
        if self.path_before_contact is not None:
            self.path_before_contact = self.path_before_contact.scaled(x, y)
        self.typical_size *= math.sqrt(x * y)

    def reported(self, frame: int) -> TrackedFace:
        """Return the track as the outside sees it."""
        assert self.id is not None
        return TrackedFace(self.id, self.face, self.confidence, frame - self.first_frame, self.state)


def _is_another(appearance: Appearance, before: Appearance, limit: float) -> bool:
    """Return whether two faces look different, and not because something covers a part of one."""
    distance = appearance.distance(before)
    if distance is None or distance <= limit:
        return False
    return appearance.half_distance(before) > _SAME_HALF
