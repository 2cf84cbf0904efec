"""Trackers, smoothers, readers and writers refuse what they cannot use, in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CLIP = Path(__file__).parents[2] / "examples" / "clip.mp4"
REFUSED = """
from tddfa.errors import InputError

def refused(word, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except InputError as error:
        text = str(error)
        assert word in text and chr(10) not in text and len(text) < 300, text
        return
    raise AssertionError(f"not refused: {word} {arguments} {options}")
"""
PROGRAM = """
import sys
import numpy as np
from tddfa import FaceTracker, VideoReader
from tddfa.runtime import onnx_engine
from tddfa.streams import VideoSink, follow
from tddfa.tracking import Window, make_smoother
from tddfa.video import Camera, ImageSequence, Moment, VideoWriter, open_video

clip, image = sys.argv[1], np.zeros((32, 40, 3), np.uint8)

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
for value in (None, "good", 3, image, ["best"]):
    refused("quality", FaceTracker, None, quality=value)
for value in ("2", float("nan"), float("inf"), [1], image, True, -1, 0):
    refused("timeout_s", VideoReader, clip, timeout_s=value)
    refused("rate", VideoWriter, "a.mp4", rate=value)
    refused("rate", VideoSink, "a.mp4", rate=value)
for value in (3, b"a.mp4", image, "a" + chr(0) + ".mp4"):
    refused("path", VideoWriter, value, rate=25)
    refused("path", VideoSink, value)
for value in (None, "a", [1, 2], object()):
    refused("a frame to write is RGB", VideoWriter("a.mp4", rate=25).write, value, 0.0)
for value in (None, "0", float("nan"), [0]):
    refused("the time of a frame", VideoWriter("a.mp4", rate=25).write, image, value)
refused("is not open", VideoWriter("a.mp4", rate=25).write, image, 0.0)
refused("sound_of", VideoWriter, "a.mp4", rate=25, sound_of=clip)
with open(sys.executable, encoding="latin-1") as text:
    refused('open(path, "rb")', VideoReader, text)
for value in (None, 3, object()):
    refused("source", follow, value, FaceTracker(None))
tracker = FaceTracker(None)
refused("pass VideoReader('clip.mp4')", follow, "clip.mp4", tracker)
refused("pass FaceTracker(FaceAligner())", follow, [], object())
refused("one-euro", follow, [], tracker, object())
refused("Frame(index, time in s, image)", list, follow([image], tracker))
arrays = (image[..., 0], np.zeros((32, 40, 4), np.uint8), image / 255, image.astype(np.uint16), image[None])
for value in (*arrays, None, "a.jpg", image.tolist(), np.zeros(3), np.zeros((0, 4))):
    refused("the image", tracker.update, value)
assert tracker.update(image[:0]) == []
for value in (2.5, -1, [1], image, True, object(), Moment(-1), Moment(1, "m"), "soon", "-3"):
    for name in ("start", "end"):
        for make, place in ((VideoReader, clip), (open_video, clip), (ImageSequence, ["a.png"])):
            refused("give a frame (90) or a time", make, place, **{name: value})
for value in (0, -1, "25", float("nan"), [1], image, True, 1e9):
    refused("fps", open_video, ["a.png"], fps=value)
for value in (-1, 1.5, None, True, [0], image, "", " "):
    refused("camera", Camera, value)
for value in ("1", -1, float("nan"), image):
    refused("patience_s", Camera, 0, patience_s=value)
refused("connect", Camera, 0, connect=3)
"""
SINKS = """
import sys
import numpy as np
from tddfa.streams import *
from tddfa.streams import TrackedFrame

image = np.zeros((32, 40, 3), np.uint8)
class Paper:
    def show(self, image, text): pass
    def pressed(self): return ()
    def close(self): pass

def to(url):
    return Destination.parse(url)


senders = {LiveLinkSink: "livelink", VmcSink: "vmc", OpenSeeFaceSink: "osf", WebSocketSink: "ws"}
sinks = [
    *((lambda make=make, scheme=scheme: make(to(f"{scheme}://127.0.0.1:{0 if scheme == 'ws' else 39999}")))
      for make, scheme in senders.items()),
    *((lambda kind=kind: TableSink(f"a.{kind}", ["blink"])) for kind in ("csv", "jsonl", "npz")),
    lambda: AnimationSink(".", "a"), lambda: LiveLinkCsvSink("b.csv"), lambda: TimelineSink("t"),
    lambda: VideoSink("a.mp4"), lambda: WindowSink(screen=Paper()),
]
odd = (None, "2", 1.5, [1], image, object(), (0, 0.0, image, ()))
frame = TrackedFrame(0, 0.0, image, ())
for make in sinks:
    for value in odd:
        refused("frame is a", make().write, value)
    sink = make()
    if sink.needs_image:
        refused("images=True", sink.write, TrackedFrame(0, 0.0, None, ()))
    if not isinstance(sink, (AnimationSink, TimelineSink, WindowSink)):  # these collect, or need no opening
        refused("is not open", sink.write, frame)
        with sink:
            sink.write(frame)
        refused("is not open", sink.write, frame)
for value in (None, 3, "vmc://127.0.0.1", image, object()):
    for make in senders:
        refused("destination", make, value)
    if not isinstance(value, str):
        refused("destination", open_sink, value)
for value in ("me", 3, image, object()):
    for make, scheme in senders.items():
        refused("avatar", make, to(f"{scheme}://127.0.0.1"), avatar=value)
    refused("settings", Avatar, value)
    refused("calibration", Avatar, calibration=value)
for value in (3, b"a.csv", image, None, "a" + chr(0)):
    refused("path", TableSink, value)
    refused("path", LiveLinkCsvSink, value)
    refused("folder", AnimationSink, value, "a")
    refused("folder", WindowSink, folder=value)
    if value is not None:
        refused("report", TimelineSink, "t", report=value)
for value in (None, 3, image, ["a"]):
    refused("stem", AnimationSink, ".", value)
    refused("title", TimelineSink, value)
    refused("overlay", VideoSink, "a.mp4", draw=value)
    refused("overlay", WindowSink, draw=value)
for value in ("clip.mp4", 3, image, object()):
    refused("like", VideoSink, "a.mp4", value)
for value in (None, 3, image, [1.0], {"jawOpen": "much"}, {3: 1.0}, {"jawOpen": float("nan")}):
    refused("", AvatarSettings, gains=value)
    refused("", AvatarSettings, dead_zones=value)
for value in ("1", [1], image, -1, float("nan")):
    for name in ("head_gain", "head_range_deg", "eye_range_deg", "hold_s", "ease_s"):
        refused(name.split("_")[0], AvatarSettings, **{name: value})
for value in (None, "biggest", 1.0, True, -1, image, [0]):
    refused("'largest', 'all' or the ID of a face", AvatarSettings, face=value)
assert type(AvatarSettings(face=np.int64(1)).face) is int  # an ID from a table of NumPy
for value in (None, "no", 1, image):
    for name in ("link_blinks", "mirrored"):
        refused(f"{name}=", AvatarSettings, **{name: value})
for value in odd:
    refused("frame is a", Avatar().captures, value)
for value in (None, "2", float("nan"), float("inf"), image):
    refused("frame.time=", Avatar().captures, TrackedFrame(0, value, image, ()))
    for make in sinks:
        refused("frame.time=", make().write, TrackedFrame(0, value, image, ()))
for value in (None, 3, object(), iter(())):
    for make in sinks:
        refused("frame.faces is a", make().write, TrackedFrame(0, 0.0, image, value))
for value in (None, 3, image, object()):
    for make in sinks:
        refused("frame.faces[0] is a", make().write, TrackedFrame(0, 0.0, image, (value,)))
refused("sinks[0] is a list", write_frames, [], [TableSink("a.csv")])
for value in (None, 3, object()):
    refused("frames is a", write_frames, value, TableSink("c.csv"))
"""


def test_trackers_smoothers_readers_and_writers_check_what_they_are_given(tmp_path) -> None:
    # In a process of its own, as the type checks of the tests would speak up first.
    done = subprocess.run(
        [sys.executable, "-c", REFUSED + PROGRAM, str(CLIP)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


def test_sinks_check_what_they_are_given_and_that_they_are_open(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSED + SINKS], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
