"""Depth maps as 16-bit PNG: any program opens it, and its scale is inside.

Source: W3C, "Portable Network Graphics (PNG) Specification", third edition, 11.3.3.3 (tEXt).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tddfa.errors import InputError
from tddfa.export.files import writer_of
from tddfa.imaging.files import encode_image
from tddfa.provenance import png_text
from tddfa.shapes import Float32
from tddfa.types.arguments import shown

_SIGNATURE_AND_HEADER = 8 + 25  # bytes before the chunks that may stand anywhere
_LEVELS = 65535


def depth_png_bytes(depth: Float32[np.ndarray, "height width"]) -> bytes:
    """Return a depth map as a grey PNG of 16 bits: 0 where there is no face, 1 nearest, 65535 farthest.

    depth = depth_offset + depth_scale · value; the file holds both numbers, and depth_unit, as text (tEXt).

    Args:
        depth: px away from the camera, NaN where there is no face; see `tddfa.render.depth_map`.

    Raises:
        InputError: it is no depth map.
    """
    given: Any = depth
    if (
        not isinstance(given, np.ndarray)
        or depth.ndim != 2
        or depth.dtype.kind not in "fiu"
        or depth.size == 0
    ):
        raise InputError(f"depth is {shown(depth)}; a depth map (height, width) of numbers is needed")
    known = np.isfinite(depth)
    near, far = (float(depth[known].min()), float(depth[known].max())) if known.any() else (0.0, 0.0)
    scale = (far - near) / (_LEVELS - 1) or 1.0
    offset = near - scale
    values = np.zeros(depth.shape, np.uint16)
    values[known] = np.clip(np.rint((depth[known].astype(np.float64) - offset) / scale), 1, _LEVELS)
    texts = {"depth_scale": repr(scale), "depth_offset": repr(offset), "depth_unit": "px"}
    png = encode_image(values, "png")
    chunks = [png_text(name, text) for name, text in texts.items()]
    return b"".join([png[:_SIGNATURE_AND_HEADER], *chunks, png[_SIGNATURE_AND_HEADER:]])


write_depth_png = writer_of(depth_png_bytes)
