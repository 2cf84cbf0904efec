"""Align the faces of a photo, say where they look, and draw them.

Run: python examples/01_photo.py [PHOTO]
"""

import sys
from pathlib import Path

from tddfa import FaceAligner, read_image, write_image
from tddfa.render import draw_landmarks, draw_shaded

photo = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "photos" / "group.jpg"

image = read_image(photo)
faces = FaceAligner().align(image)
for face in faces:
    pose = face.pose
    print(f"yaw {pose.yaw_deg:+.1f}, pitch {pose.pitch_deg:+.1f}, roll {pose.roll_deg:+.1f} degrees")

write_image(f"{photo.stem}_landmarks.jpg", draw_landmarks(image, faces))
write_image(f"{photo.stem}_mesh.jpg", draw_shaded(image, faces))
