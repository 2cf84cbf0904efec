"""A reference for `tddfa eval eyes`: `EXE mediapipe_eyes.py DIR` writes DIR/eyes.csv for the clips in DIR.

Runs with a Python that has MediaPipe 0.10 with `solutions`, and OpenCV; imports nothing of tddfa.
"""

import csv
import sys
from pathlib import Path

# Corner, two of the upper lid, corner, two of the lower lid; the subject's right eye first.
EYES = ((33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380))


def main(folder):
    """Measure every clip of a folder."""
    import cv2
    import mediapipe
    import numpy as np

    rows = []
    for path in sorted(folder.glob("*.mp4")):
        mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=False, refine_landmarks=True)
        clip, frame = cv2.VideoCapture(str(path)), 0
        while True:
            there, image = clip.read()
            if not there:
                break
            found = mesh.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks
            if found:
                size = np.array([image.shape[1], image.shape[0]])
                points = np.array([(p.x, p.y) for p in found[0].landmark]) * size
                rows.append([path.name, frame, *(f"{ratio(points[list(eye)]):.4f}" for eye in EYES)])
            frame += 1
    with (folder / "eyes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["clip", "frame", "right", "left"], *rows])
    print(f"wrote {len(rows)} frames to {folder / 'eyes.csv'}")


def ratio(p):
    """Lid distance over width of an eye."""
    lids = ((p[1] - p[5]) ** 2).sum() ** 0.5 + ((p[2] - p[4]) ** 2).sum() ** 0.5
    return lids / (2 * ((p[0] - p[3]) ** 2).sum() ** 0.5)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
