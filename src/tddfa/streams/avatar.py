"""From tracked faces to what avatars get: whose face, calibrated, with gains, and held while it is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.export.capture import EyeRotation, FaceCapture, eye_rotations
from tddfa.geometry.rotation import head_pose, head_rotation
from tddfa.streams.avatar_calibration import Calibration
from tddfa.streams.avatar_settings import AvatarSettings
from tddfa.streams.frame import TrackedFrame, check_frame
from tddfa.tracking.face import TrackedFace
from tddfa.types import HeadPose
from tddfa.types.arguments import check_flag, check_kind

CALIBRATION_S = 2.0
"""Time at rest that a calibration takes, s."""

# Another face takes over when it is this much larger: without a margin, two people at the same distance would
# alternate.
_TAKEOVER = 1.25
# Difference of linked blinks that does not count; what is more is stretched, so that a full wink stays one.
_WINK = 0.5
_MODEL_FROM_IMAGE = np.diag([1.0, -1.0, -1.0])
# Partner of each iBUG landmark in a mirror.
_MIRROR_LANDMARKS = np.array(
    [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *(27, 28, 29, 30, 35, 34, 33, 32, 31),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),
    ]
)


def as_avatar(avatar: Any) -> Avatar:
    """Return an avatar; the default one for None.

    Raises:
        InputError: it is something else.
    """
    if avatar is None:
        return Avatar()
    check_kind("avatar", avatar, Avatar, "its settings go into one: Avatar(settings)")
    return avatar


class Avatar:
    """Turns tracked frames into the captures that live sinks send.

    Several sinks may share one: a frame is worked on once.

    Args:
        settings: gains, ranges, which face; the defaults change no number.
        calibration: the face at rest, which is taken off.
        calibrate: whether to measure the face at rest first, for `CALIBRATION_S` of visible frames; until
            then, numbers are sent as they are.
        on_calibrated: called with the new calibration.
    """

    def __init__(
        self,
        settings: AvatarSettings | None = None,
        *,
        calibration: Calibration | None = None,
        calibrate: bool = False,
        on_calibrated: Callable[[Calibration], object] | None = None,
    ) -> None:
        if settings is not None:
            check_kind("settings", settings, AvatarSettings, "AvatarSettings() changes nothing")
        if calibration is not None:
            check_kind("calibration", calibration, Calibration, "on_calibrated is given one")
        check_flag("calibrate", calibrate)
        self.settings = settings or AvatarSettings()
        self.calibration = calibration
        self._on_calibrated = on_calibrated
        self._rest: list[FaceCapture] | None = [] if calibrate else None
        self._rest_since: float | None = None
        self._sent: dict[int, _Sent] = {}
        self._current: int | None = None
        self._frame: TrackedFrame | None = None
        self._captures: tuple[FaceCapture, ...] = ()

    @property
    def calibrating(self) -> bool:
        """Whether the face at rest is still being measured."""
        return self._rest is not None

    def calibrate(self, on_calibrated: Callable[[Calibration], object] | None = None) -> None:
        """Measure the face at rest anew, in the next `CALIBRATION_S` of visible frames.

        Args:
            on_calibrated: called with the new calibration, in place of what was given before.
        """
        self._on_calibrated = on_calibrated or self._on_calibrated
        self._rest, self._rest_since = [], None

    def captures(self, frame: TrackedFrame) -> tuple[FaceCapture, ...]:
        """Return what is sent of a frame, by slot; nothing while no face is there or held.

        Args:
            frame: the next frame, or the same again.

        Raises:
            InputError: `frame` is no tracked frame.
        """
        check_frame(frame)
        if frame is not self._frame:
            self._captures = tuple(self._next(frame))
            self._frame = frame
        return self._captures

    def _next(self, frame: TrackedFrame) -> list[FaceCapture]:
        visible = {t.id: t for t in frame.faces if t.visible}
        chosen = self._choose(visible, frame.time)
        held = {face_id: self._held(sent, frame.time) for face_id, sent in self._sent.items()}
        for face_id, capture in held.items():
            if capture is None and face_id not in chosen:
                del self._sent[face_id]
        for face_id in chosen:
            tracked = visible[face_id]
            slot = self._sent[face_id].capture.slot if face_id in self._sent else self._free_slot()
            raw = FaceCapture.of(tracked.face, face_id=face_id, slot=slot, confidence=tracked.confidence)
            self._measure_rest(raw, frame.time)
            width = None if frame.image is None else frame.image.shape[1]
            self._sent[face_id] = _Sent(self.adapted(raw, width), frame.time)
            held[face_id] = self._sent[face_id].capture
        captures = [capture for capture in held.values() if capture is not None]
        return sorted(captures, key=lambda capture: capture.slot)

    # Whose face

    def _choose(self, visible: Mapping[int, TrackedFace], time: float) -> list[int]:
        """Return the IDs of the visible faces that are sent."""
        face = self.settings.face
        if face == "all":
            return sorted(visible)
        chosen = face if isinstance(face, int) else self._largest(visible, time)
        if chosen != self._current:
            self._sent.clear()  # somebody else is never the way to rest of the one before
            self._current = chosen
        return [] if chosen is None or chosen not in visible else [chosen]

    def _largest(self, visible: Mapping[int, TrackedFace], time: float) -> int | None:
        """Return the ID of the largest face, or of the one before while it is hardly smaller or held."""
        current = self._current
        if not visible:
            return current
        largest = max(visible, key=lambda face_id: _size(visible[face_id]))
        if current is None or current == largest:
            return largest
        if current in visible:
            takes_over = _size(visible[largest]) > _TAKEOVER * _size(visible[current])
        else:
            sent = self._sent.get(current)
            takes_over = sent is None or time - sent.time > self.settings.hold_s
        return largest if takes_over else current

    def _free_slot(self) -> int:
        taken = {sent.capture.slot for sent in self._sent.values()}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    # Rest

    def _measure_rest(self, capture: FaceCapture, time: float) -> None:
        if self._rest is None or capture.slot != 0:
            return
        if self._rest_since is None or (self._rest and self._rest[-1].face_id != capture.face_id):
            self._rest, self._rest_since = [], time
        self._rest.append(capture)
        if time - self._rest_since >= CALIBRATION_S:
            self.calibration = Calibration.of(self._rest)
            self._rest = None
            if self._on_calibrated is not None:
                self._on_calibrated(self.calibration)

    def _held(self, sent: _Sent, time: float) -> FaceCapture | None:
        """Return what a face sends now: itself, or while it is lost, its last state on the way to rest."""
        lost_s = time - sent.time
        if lost_s <= 0:
            return sent.capture
        settings = self.settings
        held = replace(sent.capture, held=True, confidence=0.0)
        if lost_s <= settings.hold_s:
            return held
        if lost_s >= settings.hold_s + settings.ease_s:
            return None
        way = (lost_s - settings.hold_s) / settings.ease_s
        part = 1 - way * way * (3 - 2 * way)  # begins and ends softly
        return replace(
            held,
            shapes={name: part * value for name, value in held.shapes.items()},
            head=_scaled_pose(held.head, part),
            left_eye=_scaled_eye(held.left_eye, part),
            right_eye=_scaled_eye(held.right_eye, part),
        )

    # Numbers

    def adapted(self, capture: FaceCapture, width: int | None = None) -> FaceCapture:
        """Return a capture with the settings and the calibration applied.

        Args:
            capture: as the face is.
            width: of the image, px; a mirror image is mirrored in it.
        """
        settings, rest = self.settings, self.calibration
        shapes = dict(capture.shapes)
        if rest is not None:
            for name, value in rest.shapes.items():
                shapes[name] = _stretched(shapes[name], value)
        for name, zone in settings.dead_zones.items():
            shapes[name] = _stretched(shapes[name], zone)
        for name, gain in settings.gains.items():
            shapes[name] = min(shapes[name] * gain, 1.0)
        if settings.link_blinks:
            left, right = shapes["eyeBlinkLeft"], shapes["eyeBlinkRight"]
            shapes["eyeBlinkLeft"], shapes["eyeBlinkRight"] = _linked(left, right)
        left_eye, right_eye = self._eyes(capture, shapes)
        adapted = replace(
            capture, shapes=shapes, head=self._head(capture.head), left_eye=left_eye, right_eye=right_eye
        )
        return mirror_capture(adapted, width) if settings.mirrored else adapted

    def _eyes(self, capture: FaceCapture, shapes: Mapping[str, float]) -> tuple[EyeRotation, EyeRotation]:
        """Return the rotations of the eyes that go with adapted shapes."""
        most = self.settings.eye_range_deg
        if most is not None:
            return eye_rotations(shapes, (most, most))
        return (
            eye_rotations(shapes, capture.eye_range_deg)
            if self._changes_eyes
            else (
                capture.left_eye,
                capture.right_eye,
            )
        )

    @property
    def _changes_eyes(self) -> bool:
        changed = {*self.settings.gains, *self.settings.dead_zones}
        return self.calibration is not None or any(name.startswith("eyeLook") for name in changed)

    def _head(self, pose: HeadPose) -> HeadPose:
        settings = self.settings
        if self.calibration is not None:
            rest, head = (head_rotation(p) for p in (self.calibration.head, pose))
            # The rotation from the head at rest, as that head sees it: left of it is left, wherever the
            # camera stands.
            pose = head_pose(_MODEL_FROM_IMAGE @ rest.T @ head)
        if settings.head_gain != 1:
            pose = _scaled_pose(pose, settings.head_gain)
        if settings.head_range_deg < 180:
            most = settings.head_range_deg
            pose = HeadPose(
                *(min(max(a, -most), most) for a in (pose.yaw_deg, pose.pitch_deg, pose.roll_deg))
            )
        return pose


@dataclass(frozen=True, slots=True)
class _Sent:
    """What was last sent of a visible face, and when."""

    capture: FaceCapture
    time: float


def mirror_capture(capture: FaceCapture, width: int | None = None) -> FaceCapture:
    """Return the capture of the face in a mirror: left and right change places.

    Args:
        capture: of the face.
        width: of the image, px; without it, the face is mirrored in its own place.
    """
    edge = float(2 * capture.landmarks[:, 0].mean()) if width is None else width - 1.0
    flip_image = np.diag([-1.0, 1.0, 1.0])
    camera = flip_image @ capture.camera
    camera[0, 3] += edge
    camera[:, 0] *= -1  # the mirror image of a face is a face whose left side was the right one
    landmarks = capture.landmarks[_MIRROR_LANDMARKS] * np.array([-1, 1, 1], np.float32)
    landmarks[:, 0] += np.float32(edge)
    head = capture.head
    return replace(
        capture,
        shapes={_other_side(name): value for name, value in capture.shapes.items()},
        head=HeadPose(-head.yaw_deg, head.pitch_deg, -head.roll_deg),
        left_eye=EyeRotation(-capture.right_eye.yaw_deg, capture.right_eye.pitch_deg),
        right_eye=EyeRotation(-capture.left_eye.yaw_deg, capture.left_eye.pitch_deg),
        landmarks=landmarks,
        camera=camera,
    )


def _other_side(name: str) -> str:
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    return name.removesuffix("Right") + "Left" if name.endswith("Right") else name


def _stretched(value: float, rest: float) -> float:
    """Return how far a value is from rest to 1, at least 0."""
    return max(value - rest, 0.0) / (1 - rest)


def _linked(left: float, right: float) -> tuple[float, float]:
    mean, difference = (left + right) / 2, left - right
    beyond = max(abs(difference) - _WINK, 0.0) / (1 - _WINK)
    half = beyond / 2 if difference > 0 else -beyond / 2
    return min(max(mean + half, 0.0), 1.0), min(max(mean - half, 0.0), 1.0)


def _scaled_pose(pose: HeadPose, factor: float) -> HeadPose:
    return HeadPose(factor * pose.yaw_deg, factor * pose.pitch_deg, factor * pose.roll_deg)


def _scaled_eye(eye: EyeRotation, factor: float) -> EyeRotation:
    return EyeRotation(factor * eye.yaw_deg, factor * eye.pitch_deg)


def _size(tracked: TrackedFace) -> float:
    """Return the size of a face in the image, px."""
    width, height = np.ptp(tracked.face.landmarks[:, :2], axis=0).tolist()
    return float(width * height) ** 0.5


__all__ = ["CALIBRATION_S", "Avatar", "AvatarSettings", "Calibration", "mirror_capture"]
