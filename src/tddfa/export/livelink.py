"""Live Link Face: the datagrams that Unreal's Live Link takes, and the CSV files of the app.

Source: AppleARKitLiveLinkSource.cpp and LiveLinkFaceImporterFactory.cpp of Unreal Engine (layout, order of
the curves, columns); angles and signs as the app records them (docs/live.md).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from tddfa.errors import InputError
from tddfa.export.capture import EyeRotation, FaceCapture
from tddfa.types.arguments import shown

_PACKET_VERSION = 6
_MAX_NAME_BYTES = 255
_DEVICE_ID_LENGTH = 36  # a UUID; receivers count on it
_MAX_SUBFRAME = 1 - 2**-24  # the largest float32 below 1

SHAPES: tuple[str, ...] = (
    *("eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft"),
    *("eyeSquintLeft", "eyeWideLeft"),
    *("eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight"),
    *("eyeSquintRight", "eyeWideRight"),
    *("jawForward", "jawLeft", "jawRight", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight"),
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)
"""The 52 ARKit expressions in the order of a datagram (`EARFaceBlendShape` of Unreal Engine)."""

ROTATIONS: tuple[str, ...] = (
    *("HeadYaw", "HeadPitch", "HeadRoll"),
    *("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll"),
)
"""The angles behind the expressions, rad, limited to −1 … 1."""

# The app writes the right of these pairs first, in its files only.
_RIGHT_FIRST = {"jawLeft": "jawRight", "jawRight": "jawLeft", "mouthLeft": "mouthRight"}
_RIGHT_FIRST["mouthRight"] = "mouthLeft"
_CSV_SHAPES = tuple(_RIGHT_FIRST.get(name, name) for name in SHAPES)

CSV_RATE = 60
"""Frames per second of the timecode in CSV files, whatever the rate of the recording: readers count on it."""

CSV_COLUMNS: tuple[str, ...] = (
    *("Timecode", "BlendShapeCount"),
    *(name[0].upper() + name[1:] for name in _CSV_SHAPES),
    *ROTATIONS,
)
"""The header of a CSV file."""


def encode(
    capture: FaceCapture | None,
    *,
    subject: str,
    device_id: str,
    time: float,
    rate: tuple[int, int] = (60, 1),
) -> bytes:
    """Return the datagram of one frame.

    Args:
        capture: the face; None says that there is none.
        subject: name of the subject in Unreal's Live Link window.
        device_id: UUID of the sender, 36 characters.
        time: s since midnight; it becomes the frame number, as in the timecode of the app.
        rate: frames per second, as numerator and denominator.

    Returns:
        u8 6, i32 36, the device ID, i32 length, the subject; then, with a face, i32 frame, f32 subframe,
        i32 numerator, i32 denominator, u8 61 and 61 f32. Numbers are big-endian.

    Raises:
        InputError: the subject is empty or longer than 255 bytes, or the device ID is no UUID.
    """
    name, device = subject.encode(), device_id.encode()
    if not 0 < len(name) <= _MAX_NAME_BYTES:
        raise InputError(f"subject {shown(subject)} has {len(name)} bytes; a Live Link subject has 1 to 255")
    if len(device) != _DEVICE_ID_LENGTH:
        raise InputError(f"device ID {device_id!r} is no UUID of {_DEVICE_ID_LENGTH} characters")
    header = struct.pack(
        f">Bi{len(device)}si{len(name)}s", _PACKET_VERSION, len(device), device, len(name), name
    )
    if capture is None:
        return header
    numerator, denominator = rate
    frame, subframe = _frame_time(time, numerator / denominator)
    values = curve_values(capture)
    return header + struct.pack(
        f">ifiiB{len(values)}f", frame, subframe, numerator, denominator, len(values), *values
    )


def curve_values(capture: FaceCapture, shapes: Sequence[str] = SHAPES) -> list[float]:
    """Return the 61 numbers of a face: 52 expressions, then `ROTATIONS`.

    The head's angles are positive to the subject's left, up, and towards the subject's right shoulder; the
    eyes' are positive to the subject's right and down, as the app has them.
    """
    head = capture.head
    return [
        *(capture.shapes[name] for name in shapes),
        *map(_limited, (-head.yaw_deg, head.pitch_deg, -head.roll_deg)),
        *_eye(capture.left_eye),
        *_eye(capture.right_eye),
    ]


def csv_row(capture: FaceCapture | None, time: float) -> list[str]:
    """Return the cells of a frame in a CSV file of the app, by `CSV_COLUMNS`.

    Args:
        capture: the face; None leaves all numbers at 0 and says 0 expressions, which readers skip.
        time: s since midnight.
    """
    values = [0.0] * (len(CSV_COLUMNS) - 2)
    if capture is not None:
        values = curve_values(capture, _CSV_SHAPES)
    count = 0 if capture is None else len(values)
    return [timecode(time), str(count), *(f"{value:.10f}" for value in values)]


def timecode(time: float, rate: int = CSV_RATE) -> str:
    """Return the timecode `hh:mm:ss:ff.fff` of a time of day.

    Args:
        time: s since midnight; days are taken off.
        rate: frames per second.
    """
    thousandths = round(time * rate * 1000) % (86400 * rate * 1000)
    seconds, rest = divmod(thousandths, rate * 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}:{rest / 1000:06.3f}"


def _frame_time(time: float, rate: float) -> tuple[int, float]:
    frames = time * rate
    whole = math.floor(frames)
    return whole, min(frames - whole, _MAX_SUBFRAME)


def _eye(eye: EyeRotation) -> tuple[float, float, float]:
    return _limited(eye.yaw_deg), _limited(-eye.pitch_deg), 0.0


def _limited(angle_deg: float) -> float:
    return max(-1.0, min(1.0, math.radians(angle_deg))) + 0.0
