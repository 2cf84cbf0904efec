"""The faces of a camera as they come, in text: what to build on for avatars, robots or games.

Run: python examples/03_live.py [VIDEO]  (the first camera when no video is given)
"""

import sys

from tddfa import FaceAligner, FaceTracker, VideoReader
from tddfa.tracking import OneEuro
from tddfa.video import Camera

frames = VideoReader(sys.argv[1]) if len(sys.argv) > 1 else Camera(0)
tracker, smoother = FaceTracker(FaceAligner(), max_faces=1), OneEuro()
for frame in frames:
    (people,) = smoother.push(tracker.update(frame.image), frame.time)
    for person in people:
        pose = person.face.pose
        print(f"{frame.time:6.2f} s  yaw {pose.yaw_deg:+6.1f}  pitch {pose.pitch_deg:+6.1f}  {person.state}")
