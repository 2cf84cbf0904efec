"""Trackers, smoothers, readers and writers refuse what they cannot use, in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CLIP = Path(__file__).parents[2] / "examples" / "clip.mp4"
PROGRAM = """
import sys
import numpy as np
from tddfa import FaceTracker, VideoReader
from tddfa.errors import InputError
from tddfa.runtime import onnx_engine
from tddfa.streams import VideoSink, follow
from tddfa.tracking import Window, make_smoother
from tddfa.video import VideoWriter

clip, image = sys.argv[1], np.zeros((32, 40, 3), np.uint8)
def refused(word, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except InputError as error:
        text = str(error)
        assert word in text and chr(10) not in text and len(text) < 300, text
        return
    raise AssertionError(f"not refused: {word} {arguments} {options}")

odd = (None, "2", 1.5, float("nan"), float("inf"), [1], image, True, object(), -1)
for value in odd:
    for name in ("detect_every", "check_every", "grace", "max_faces"):
        if not (name == "max_faces" and value is None):
            refused(name, FaceTracker, None, **{name: value})
    for name in ("n_pre", "n_next"):
        refused(name, Window, **{name: value})
    refused("threads", onnx_engine, threads=value)
for value in (None, "0.5", 1.5, float("nan"), [1], image, True, -0.1):
    for name in ("min_score", "new_score"):
        refused(name, FaceTracker, None, **{name: value})
for value in (None, "fast", 3, image, ["none"]):
    refused("motion", FaceTracker, None, motion=value)
    refused("follow", FaceTracker, None, follow=value)
    refused("smoothing", make_smoother, value)
    refused("device", onnx_engine, device=value)
for value in ("2", float("nan"), float("inf"), [1], image, True, -1, 0):
    refused("timeout_s", VideoReader, clip, timeout_s=value)
    refused("rate", VideoWriter, "a.mp4", rate=value)
    refused("rate", VideoSink, "a.mp4", rate=value)
for value in (3, b"a.mp4", image, "a" + chr(0) + ".mp4"):
    refused("path", VideoWriter, value, rate=25)
    refused("path", VideoSink, value)
for value in (None, 3, object()):
    refused("source", follow, value, FaceTracker(None))
tracker = FaceTracker(None)
arrays = (image[..., 0], np.zeros((32, 40, 4), np.uint8), image / 255, image.astype(np.uint16), image[None])
for value in (*arrays, None, "a.jpg", image.tolist(), np.zeros(3), np.zeros((0, 4))):
    refused("the image", tracker.update, value)
assert tracker.update(image[:0]) == []
"""


def test_trackers_smoothers_readers_and_writers_check_what_they_are_given(tmp_path) -> None:
    # In a process of its own, as the type checks of the tests would speak up first.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(CLIP)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
