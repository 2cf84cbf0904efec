"""A clip to measure on, made from the example photo."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from benchmarks.speed.scenes import portrait


def write_clip(path: Path, n_frames: int) -> None:
    """Write a 1280×720 clip of a head that sways: H.264, 30 frames a second."""
    import av

    image = portrait()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "20"}
        for k in range(n_frames):
            moved = np.roll(image, round(24 * math.sin(k / 10)), axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode(None))
