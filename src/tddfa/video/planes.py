"""RGB images to the planes of a 4:2:0 frame; of a frame that was drawn on, only what was drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.imaging.yuv import scaler_options
from tddfa.shapes import Bool, UInt64
from tddfa.types import Image

# Numbers of ITU-T H.273. FFmpeg converts frames that do not say their matrix as BT.601.
_BT709, _UNSPECIFIED = 1, 2
_MATRICES = {1: 1, 2: 5, 4: 4, 5: 5, 6: 5, 7: 7}  # of a frame → what FFmpeg's scaler calls it
_LIMITED = 1

_BLOCK = 8192  # bytes of an image that have one sum
_NEAR_ROWS = 16  # drawings that lie nearer to each other than this are converted together


@dataclass(frozen=True, slots=True)
class Colors:
    """How the numbers of a frame are to be read, as in ITU-T H.273."""

    primaries: int = _BT709
    transfer: int = _BT709
    matrix: int = _BT709

    @classmethod
    def of(cls, frame: Any) -> Colors:
        """Return those of a decoded frame."""
        names = ("color_primaries", "color_trc", "colorspace")
        return cls(*(int(getattr(frame, name, _UNSPECIFIED)) for name in names))

    @property
    def scaler_matrix(self) -> int:
        """What FFmpeg's scaler calls the matrix."""
        return _MATRICES.get(self.matrix, _BT709)


def can_be_reused(frame: Any) -> bool:
    """Return whether the planes of a decoded frame may be written as they are."""
    return (
        frame.format.name == "yuv420p"
        and frame.width % 2 == 0
        and frame.height % 2 == 0
        and int(frame.color_range) in (0, _LIMITED)
        and int(frame.colorspace) in _MATRICES
    )


def note_image(frame: Any, image: Image) -> None:
    """Note the image of a decoded frame, so that `shows` can tell whether it was drawn on since."""
    frame.opaque = _sums(image)


def shows(frame: Any, image: Image) -> bool:
    """Return whether a decoded frame still shows its image: OpenCV draws on the array that it is given."""
    noted = frame.opaque
    return noted is not None and np.array_equal(noted, _sums(image))


def _sums(image: Image) -> UInt64[np.ndarray, " n_blocks"]:
    """Return the sum of each block of an image, in a twentieth of the time of a checksum."""
    data = np.ascontiguousarray(image).reshape(-1)
    n = data.size // _BLOCK * _BLOCK
    blocks = data[:n].view(np.uint64).reshape(-1, _BLOCK // 8)
    return np.append(np.add.reduce(blocks, axis=1), data[n:].sum(dtype=np.uint64))


def from_rgb(image: Image, width: int, height: int, colors: Colors) -> Any:
    """Return a 4:2:0 frame of an image, scaled to a size."""
    import av

    # On the image's own memory: from_ndarray would copy it, in 2 ms at 720p.
    pixels = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="rgb24")
    return pixels.reformat(
        width=width,
        height=height,
        format="yuv420p",
        dst_colorspace=colors.scaler_matrix,
        dst_color_range=_LIMITED,
        **scaler_options(pixels, width, height),
    )


def drawn_over(image: Image, original: Image, coded: Any, colors: Colors) -> Any:
    """Return a 4:2:0 frame of an image that differs from a decoded frame in places.

    What is the same is copied from the decoder, which is faster than converting it and loses nothing.

    Args:
        image: RGB, as drawn.
        original: RGB of the decoded frame.
        coded: the decoded frame; `can_be_reused`.
        colors: of both.
    """
    import av

    out = av.VideoFrame(coded.width, coded.height, "yuv420p")
    planes = [_pixels(plane) for plane in out.planes]
    for plane, source in zip(planes, coded.planes, strict=True):
        plane[:] = _pixels(source)
    for y0, y1, x0, x1 in changed_rectangles(image, original):
        part = from_rgb(image[y0:y1, x0:x1], x1 - x0, y1 - y0, colors)
        for plane, drawn, half in zip(planes, part.planes, (1, 2, 2), strict=True):
            plane[y0 // half : y1 // half, x0 // half : x1 // half] = _pixels(drawn)
    return out


def changed_rectangles(image: Image, original: Image) -> list[tuple[int, int, int, int]]:
    """Return rectangles (y0, y1, x0, x1) with even sides that hold every pixel in which two images differ."""
    height, width = image.shape[:2]
    rows = np.flatnonzero(_differ(image, original).any(axis=1))
    if not len(rows):
        return []
    out: list[tuple[int, int, int, int]] = []
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > _NEAR_ROWS) + 1):
        y0, y1 = _even(int(run[0]), int(run[-1]) + 1, height)
        differ = image[y0:y1] != original[y0:y1]
        columns = np.flatnonzero(differ.any(axis=0).any(axis=1))
        out.append((y0, y1, *_even(int(columns[0]), int(columns[-1]) + 1, width)))
    return out


def _differ(image: Image, original: Image) -> Bool[np.ndarray, "h n"]:
    """Return where two images differ, eight bytes at a time where rows allow it."""
    height = len(image)
    a, b = (np.ascontiguousarray(x).reshape(height, -1) for x in (image, original))
    if a.shape[1] % 8 == 0 and a.ctypes.data % 8 == 0 and b.ctypes.data % 8 == 0:
        a, b = a.view(np.uint64), b.view(np.uint64)
    return a != b


def _even(low: int, high: int, size: int) -> tuple[int, int]:
    """Return an interval of whole pairs of pixels around another, with one more on each side."""
    return max(low // 2 * 2 - 2, 0), min((high + 1) // 2 * 2 + 2, size)


def _pixels(plane: Any) -> np.ndarray:
    """Return the pixels of a plane, without the padding of its rows, on its own memory."""
    rows = np.frombuffer(plane, np.uint8)
    return rows[: plane.line_size * plane.height].reshape(plane.height, plane.line_size)[:, : plane.width]
