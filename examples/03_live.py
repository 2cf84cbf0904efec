"""The faces of a camera as they come, in text: what to build on for avatars, robots or games.

Run: python examples/03_live.py [VIDEO [SMOOTHING]]  (the first camera when no video is given)
"""

import sys

from tddfa import FaceAligner, FaceTracker, VideoReader
from tddfa.streams import follow
from tddfa.video import Camera

source = VideoReader(sys.argv[1]) if len(sys.argv) > 1 else Camera(0)
smoother = sys.argv[2] if len(sys.argv) > 2 else "one-euro"  # the others delay what is live

for frame in follow(source, FaceTracker(FaceAligner(), max_faces=1), smoother):
    for face in frame.faces:
        pose = face.face.pose
        print(f"{frame.time:6.2f} s  yaw {pose.yaw_deg:+6.1f}  pitch {pose.pitch_deg:+6.1f}  {face.state}")
