"""The example clip as the file that Chromium's fake camera plays."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

CLIP = Path(__file__).parents[1] / "examples" / "clip.mp4"


def write_y4m(path: Path, rate: Fraction = Fraction(30)) -> Path:
    """Write the frames of the clip as YUV4MPEG2, 640 × 480 at most, and return the path."""
    with av.open(str(CLIP)) as container, path.open("wb") as file:
        for index, frame in enumerate(container.decode(video=0)):
            scale = min(640 / frame.width, 480 / frame.height, 1)
            width, height = (2 * round(scale * side / 2) for side in (frame.width, frame.height))
            planes = frame.reformat(width, height, "yuv420p").to_ndarray()
            if index == 0:
                head = f"YUV4MPEG2 W{width} H{height} F{rate.numerator}:{rate.denominator} Ip A1:1 C420jpeg\n"
                file.write(head.encode())
            file.write(b"FRAME\n" + planes.tobytes())
    return path
