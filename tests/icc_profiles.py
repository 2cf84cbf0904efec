"""ICC profiles of RGB, made from primaries and a curve."""

from __future__ import annotations

import struct

import numpy as np

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.9642, 1.0, 0.8249])
_D65 = (0.3127, 0.3290)
SRGB = [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)]
P3 = [(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)]
_ADOBE = [(0.64, 0.33), (0.21, 0.71), (0.15, 0.06)]


def _numbers(values) -> bytes:
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def parametric(kind: int, *values: float) -> bytes:
    """A parametric curve, type 0 to 4."""
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + _numbers(values)


def gamma(value: float) -> bytes:
    """A curve of one power."""
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256)) + b"\0\0"


def table(values) -> bytes:
    """A curve of evenly spaced values, 0…1."""
    codes = np.rint(np.asarray(values) * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(codes)) + codes.tobytes()


def primaries_of(xy) -> np.ndarray:
    """XYZ of primaries, adapted from D65 to D50."""
    white = np.array([_D65[0] / _D65[1], 1, (1 - sum(_D65)) / _D65[1]])
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in xy]).T
    columns = columns * np.linalg.solve(columns, white)
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    return np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ columns


def profile_of(xy, curve: bytes, *, matrix: np.ndarray | None = None) -> bytes:
    """An ICC profile of RGB with primaries (or a matrix to XYZ) and one curve."""
    matrix = primaries_of(xy) if matrix is None else matrix
    tags = {"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(90)}
    tags |= {"wtpt": b"XYZ \0\0\0\0" + _numbers(_D50), "cprt": b"text\0\0\0\0none\0"}
    for k, channel in enumerate("rgb"):
        tags |= {f"{channel}XYZ": b"XYZ \0\0\0\0" + _numbers(matrix[:, k]), f"{channel}TRC": curve}
    start, entries, body = 132 + 12 * len(tags), b"", b""
    for name, value in tags.items():
        entries += name.encode() + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = bytearray(128)
    head[:12] = struct.pack(">I", start + len(body)) + bytes(4) + b"\x02\x40\0\0"
    head[12:24], head[36:40], head[68:80] = b"mntrRGB XYZ ", b"acsp", _numbers(_D50)
    return bytes(head) + struct.pack(">I", len(tags)) + entries + body


SRGB_CURVE = parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
DISPLAY_P3 = profile_of(P3, SRGB_CURVE)
PROFILES = {
    "Display P3": DISPLAY_P3,
    "Adobe RGB": profile_of(_ADOBE, gamma(2.19921875)),
    "gamma 1.8": profile_of(SRGB, parametric(0, 1.8)),
    "a table": profile_of(P3, table(np.linspace(0, 1, 1024) ** 2.2)),
    "light itself": profile_of(P3, b"curv\0\0\0\0\0\0\0\0"),
    "type 1": profile_of(P3, parametric(1, 2.2, 1.02, -0.02)),
    "type 2": profile_of(P3, parametric(2, 2.2, 0.9, 0.0, 0.1)),
    "type 4": profile_of(P3, parametric(4, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0.0, 0.0)),
}
