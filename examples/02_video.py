"""Follow the faces of a video: say who looks where, draw them, and write a table.

Run: python examples/02_video.py [VIDEO]
"""

import sys
from pathlib import Path

from tddfa import FaceAligner, FaceTracker, VideoReader
from tddfa.render import draw_landmarks
from tddfa.tracking import OneEuro, TableWriter
from tddfa.video import VideoWriter

source = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "clip.mp4"

aligner = FaceAligner()
tracker, smoother = FaceTracker(aligner), OneEuro()
reader = VideoReader(source)
with (
    VideoWriter(f"{source.stem}_landmarks.mp4", rate=reader.rate, sound_of=reader) as video,
    TableWriter(f"{source.stem}.csv", aligner.model.expression_names) as table,
):
    for frame in reader:
        (people,) = smoother.push(tracker.update(frame.image), frame.time)
        for person in people:
            if person.state != "tracked":
                print(f"{frame.time:5.2f} s: person {person.id} is {person.state}")
        video.write(draw_landmarks(frame.image, [p.face for p in people if p.visible]), frame.time)
        table.write(people, frame.index, frame.time)
