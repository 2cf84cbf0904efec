"""A long video through the command, while its memory is watched: python tests/fuzz/soak.py [--frames N].

The clip of the examples, small, is repeated until it has that many frames; tracking, smoothing, drawing and a
table run over it as `tddfa video` runs them. Prints the counts as JSON; ends with 1 if memory grew.

Memory swings by some 10 MB with the rows of a group of the table, and the allocator's pools fill during the
first ten thousands of frames. What is never given back raises the lowest value of each stretch of the run, so
the growth is the slope of these.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

CLIP = Path(__file__).parents[2] / "examples" / "clip.mp4"
_WARM_UP = 0.3  # part of the run whose growth does not count: caches, buffers and pools fill
_N_STRETCHES = 14  # of the rest, whose lowest values are compared; each holds several groups of the table

# Per frame. What the formats keep to their end: 0.06 kB of each row for the footer of a Parquet file of 273
# columns, and some 0.06 kB of each frame for the index of an MP4 file, 0.18 kB with two faces. Whatever else
# is kept of a face takes more: its landmarks alone 0.8 kB.
_MOST_GROWTH_KB = 0.3


def repeated_clip(path: Path, n_frames: int, width: int) -> Path:
    """Write a clip of so many frames: a short one, encoded once, whose packets are repeated."""
    with av.open(str(CLIP)) as source, av.open(str(path), "w") as file:
        video = source.streams.video[0]
        height = round(video.height * width / video.width / 2) * 2
        stream = file.add_stream("libx264", rate=25, options={"preset": "superfast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        encoded = [
            packet
            for frame in [*source.decode(video), None]
            for packet in stream.encode(None if frame is None else _shrunk(frame, width, height))
        ]
        pieces = [(bytes(packet), packet.is_keyframe) for packet in encoded]
        for n in range(n_frames):
            data, is_key = pieces[n % len(pieces)]
            packet = av.Packet(data)
            packet.pts = packet.dts = n
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, is_key
            file.mux(packet)
    return path


def _shrunk(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    small = frame.reformat(width, height, "yuv420p", interpolation="AREA")
    small.pts = None
    return small


def watched(command: list[str], every_s: float) -> tuple[int, float, list[float]]:
    """Run a command; return its exit code, how long it took, s, and its memory over time, MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    memory_mb: list[float] = []
    begin = time.monotonic()
    while process.poll() is None:
        try:
            text = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        if found := re.search(r"VmRSS:\s+(\d+) kB", text):
            memory_mb.append(int(found[1]) / 1024)
        time.sleep(every_s)
    return process.wait(), time.monotonic() - begin, memory_mb


def growth_mb(memory_mb: np.ndarray) -> float:
    """Return by how much the lowest memory rises from the first to the last sample, MB."""
    lowest = [part.min() for part in np.array_split(memory_mb, _N_STRETCHES) if len(part)]
    return float(np.polyfit(np.linspace(0, 1, len(lowest)), lowest, 1)[0]) if len(lowest) > 1 else 0.0


def soak(n_frames: int, width: int, pack: str, every_s: float) -> dict[str, Any]:
    """Return what came of a run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = repeated_clip(folder / "long.mp4", n_frames, width)
        out = folder / "out"
        command = [sys.executable, "-m", "tddfa", "video", str(clip), "--pack", pack, "-o", "2d_sparse"]
        code, seconds, memory_mb = watched([*command, "--data", "parquet", "-d", str(out)], every_s)
        import pyarrow.parquet as pq

        rows = pq.read_metadata(out / "long.parquet").num_rows
        with av.open(str(out / "long_2d_sparse.mp4")) as file:
            written = sum(1 for packet in file.demux(video=0) if packet.size)
    memory = np.array(memory_mb)
    per_frame_kb = growth_mb(memory[int(_WARM_UP * len(memory)) :]) * 1024 / ((1 - _WARM_UP) * n_frames)
    return {
        "frames": n_frames,
        "frames_written": written,
        "rows": rows,
        "exit_code": code,
        "seconds": round(seconds),
        "memory_mb": [round(float(v)) for v in np.percentile(memory, (0, 25, 50, 75, 100))],
        "memory_mb_over_time": [
            round(float(part.mean())) for part in np.array_split(memory, 10) if len(part)
        ],
        "lowest_mb_over_time": [round(float(part.min())) for part in np.array_split(memory, 10) if len(part)],
        "growth_kb_per_frame": round(float(per_frame_kb), 4),
    }


def main() -> int:
    """Run the soak; 1 when memory grew or a frame is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000, help="(default: 100000)")
    parser.add_argument("--width", type=int, default=96, help="of the frames, px (default: 96)")
    parser.add_argument("--pack", default="open:small", help="(default: open:small)")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between looks at the memory")
    args = parser.parse_args()
    result = soak(args.frames, args.width, args.pack, args.every)
    print(json.dumps(result), flush=True)
    whole = result["exit_code"] == 0 and result["frames_written"] == args.frames
    return 0 if whole and result["growth_kb_per_frame"] < _MOST_GROWTH_KB else 1


if __name__ == "__main__":
    sys.exit(main())
