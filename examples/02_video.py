"""Follow the faces of a video: say who looks where, draw them, and write a table.

Run: python examples/02_video.py [VIDEO [SMOOTHING]]
"""

import sys
from pathlib import Path

from tddfa import FaceAligner, FaceTracker, VideoReader
from tddfa.streams import TableSink, VideoSink, follow

path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "clip.mp4"
smoother = sys.argv[2] if len(sys.argv) > 2 else "one-euro"  # or window, zero-phase, none

reader, tracker = VideoReader(path), FaceTracker(FaceAligner())
states = {}
with (
    VideoSink(f"{path.stem}_landmarks.mp4", reader, draw="2d_sparse") as video,
    TableSink(f"{path.stem}.csv") as table,
):
    for frame in follow(reader, tracker, smoother):
        for face in frame.faces:
            if face.state not in ("tracked", states.get(face.id)):
                print(f"{frame.time:5.2f} s: face {face.id} is {face.state}")
            states[face.id] = face.state
        video.write(frame)
        table.write(frame)
