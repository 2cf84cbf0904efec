"""The Virtual Motion Capture protocol: what VSeeFace, Warudo, VNyan and VMagicMirror take, as OSC bundles.

Source: https://protocol.vmc.info, version 3.1, messages from a performer to a marionette.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.export.capture import ARKIT_SHAPES, FaceCapture, quaternion
from tddfa.export.osc import MAX_DATAGRAM, bundles, message
from tddfa.geometry.rotation import head_rotation, rotation_about, rotation_vector
from tddfa.shapes import Float64
from tddfa.types import HeadPose

SHAPES = ("all", "arkit", "vrm")
"""Choices of `VmcOptions.shapes`."""

NAMES = ("arkit", "unity")
"""Choices of `VmcOptions.names`."""

_CALIBRATED, _NORMAL_MODE = 3, 0
_NO_SHIFT = (0.0, 0.0, 0.0)
_NO_TURN = (0.0, 0.0, 0.0, 1.0)
_LOADED = 1
_FLOAT = struct.Struct(">f")

# From the model frame (x to the subject's left) to Unity's (left-handed, x to the avatar's right): a mirror.
_MIRROR_X = np.diag([-1.0, 1.0, 1.0])
# From the image frame to the model frame of a face that looks at the camera.
_MODEL_FROM_IMAGE = np.diag([1.0, -1.0, -1.0])

VRM1_NAMES: Mapping[str, str] = {
    **{"Joy": "happy", "Angry": "angry", "Sorrow": "sad"},
    **{"A": "aa", "I": "ih", "U": "ou", "E": "ee", "O": "oh"},
    **{"Blink_L": "blinkLeft", "Blink_R": "blinkRight"},
    **{"LookUp": "lookUp", "LookDown": "lookDown", "LookLeft": "lookLeft", "LookRight": "lookRight"},
}
"""VRM 0 preset → VRM 1 preset."""


@dataclass(frozen=True, slots=True)
class VmcOptions:
    """What is sent of a face.

    Attributes:
        shapes: "arkit" for the 52 expressions, "vrm" for the presets of VRM 0 and VRM 1, "all" for both.
        names: spelling of the expressions, "arkit" (jawOpen) or "unity" (JawOpen).
        neck: part of the head's rotation that the neck takes, 0 to 1.

    Raises:
        InputError: a value is unknown or out of range.
    """

    shapes: str = "all"
    names: str = "arkit"
    neck: float = 0.0

    def __post_init__(self) -> None:
        for name, value, known in (("shapes", self.shapes, SHAPES), ("names", self.names, NAMES)):
            if value not in known:
                raise InputError(f"{name}={value!r} is unknown; choose from {', '.join(known)}")
        if not 0 <= self.neck <= 1:
            raise InputError(f"neck={self.neck}; it takes 0 to 1")


def encode(
    capture: FaceCapture | None,
    *,
    time: float,
    options: VmcOptions | None = None,
    max_bytes: int = MAX_DATAGRAM,
) -> list[bytes]:
    """Return the datagrams of one frame: OSC bundles, the last of which applies the frame.

    Args:
        capture: the face; None says that nothing is tracked.
        time: s since the sender started.
        options: what is sent.
        max_bytes: size of a datagram.
    """
    options = options or VmcOptions()
    tracked = int(capture is not None and not capture.held)
    head = [
        message("/VMC/Ext/OK", _LOADED, _CALIBRATED, _NORMAL_MODE, tracked),
        message("/VMC/Ext/T", float(time)),
    ]
    if capture is None:
        return list(bundles(head, max_bytes))
    apply = message("/VMC/Ext/Blend/Apply")
    content = chain(head, _bones(capture, options), _blends(capture, options), [apply])
    return list(bundles(content, max_bytes))


def vrm_presets(shapes: Mapping[str, float]) -> dict[str, float]:
    """Return the values of the VRM 0 presets, 0 to 1.

    The vowels share the mouth: an open mouth is A, rounded O, spread E; a closed one rounded U, spread I.
    `Blink` is left out, since avatars add it to `Blink_L` and `Blink_R`.

    Args:
        shapes: ARKit expressions by name.
    """
    shape = {name: min(max(value, 0.0), 1.0) for name, value in shapes.items()}

    def both(name: str) -> float:
        return min(shape[f"{name}Left"], shape[f"{name}Right"])

    opened = shape["jawOpen"] * (1 - shape["mouthClose"])
    rounded = max(shape["mouthPucker"], shape["mouthFunnel"])
    spread = both("mouthStretch") * (1 - rounded)
    plain = 1 - rounded - spread
    # Both eyes look the same way; a squint shows in the bones alone.
    to_right = shape["eyeLookInLeft"] - shape["eyeLookOutLeft"]
    to_right = (to_right + shape["eyeLookOutRight"] - shape["eyeLookInRight"]) / 2
    up = both("eyeLookUp") - both("eyeLookDown")
    presets = {
        **{"Joy": both("mouthSmile"), "Angry": both("browDown"), "Sorrow": both("mouthFrown")},
        **{"A": opened * plain, "O": opened * rounded, "E": opened * spread},
        **{"U": (1 - opened) * rounded, "I": (1 - opened) * spread},
        **{"Blink_L": shape["eyeBlinkLeft"], "Blink_R": shape["eyeBlinkRight"]},
        **{"LookUp": up, "LookDown": -up, "LookLeft": -to_right, "LookRight": to_right},
    }
    return {name: min(max(value, 0.0), 1.0) for name, value in presets.items()}


def head_quaternion(pose: HeadPose, part: float = 1.0) -> tuple[float, float, float, float]:
    """Return the rotation of a head in Unity's frame as a quaternion (x, y, z, w).

    Unity is left-handed: x to the right of an avatar that looks along z, y up.

    Args:
        pose: of the head.
        part: how much of the rotation, from 0 to 1, along the great circle.
    """
    rotation = _MODEL_FROM_IMAGE @ head_rotation(pose)
    if part != 1:
        rotation = rotation_about(part * rotation_vector(rotation))
    return _unity(rotation)


def _bones(capture: FaceCapture, options: VmcOptions) -> Iterator[bytes]:
    """Yield the messages of root and bones; positions stay at the parent, as the avatar's own are better."""
    yield _transform("/VMC/Ext/Root/Pos", "root", _NO_TURN)
    neck = head_quaternion(capture.head, options.neck) if options.neck else _NO_TURN
    yield _transform("/VMC/Ext/Bone/Pos", "Neck", neck)
    yield _transform("/VMC/Ext/Bone/Pos", "Head", head_quaternion(capture.head, 1 - options.neck))
    for name, eye in (("LeftEye", capture.left_eye), ("RightEye", capture.right_eye)):
        turned = head_quaternion(HeadPose(eye.yaw_deg, eye.pitch_deg, 0.0))
        yield _transform("/VMC/Ext/Bone/Pos", name, turned)


def _blends(capture: FaceCapture, options: VmcOptions) -> Iterator[bytes]:
    values: dict[str, float] = {}
    if options.shapes in ("all", "vrm"):
        presets = vrm_presets(capture.shapes)
        values |= presets | {VRM1_NAMES[name]: value for name, value in presets.items()}
    if options.shapes in ("all", "arkit"):
        spell = _unity_name if options.names == "unity" else str
        values |= {spell(name): capture.shapes[name] for name in ARKIT_SHAPES}
    for name, value in values.items():
        yield _blend_head(name) + _FLOAT.pack(value)


@lru_cache(maxsize=256)
def _blend_head(name: str) -> bytes:
    """Return the message of a blend shape without its value: three quarters of a frame's time go here."""
    return message("/VMC/Ext/Blend/Val", name, 0.0)[: -_FLOAT.size]


def _transform(address: str, name: str, turned: tuple[float, float, float, float]) -> bytes:
    return message(address, name, *_NO_SHIFT, *turned)


def _unity_name(name: str) -> str:
    return name[0].upper() + name[1:]


def _unity(rotation: Float64[np.ndarray, "3 3"]) -> tuple[float, float, float, float]:
    x, y, z, w = quaternion(_MIRROR_X @ rotation @ _MIRROR_X)
    return (-x, -y, -z, -w) if w < 0 else (x, y, z, w)  # no jump on the way to half a turn
