"""A teacher for `tddfa eval expressions`: what MediaPipe Face Landmarker finds in a folder.

    python mediapipe_faces.py face_landmarker.task DIR [OUT.npz]

DIR holds clips (*.mp4), tar files of images (portraits that `tddfa eval expressions` rendered), or images.
OUT (DIR/mediapipe.npz when not given) gets, for each image or frame, 478 points (px), 52 blendshapes and the
yaw. Runs with a Python of its own that has MediaPipe 0.10; imports nothing of tddfa.
"""

import sys
import tarfile
from pathlib import Path

import cv2
import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

ENLARGED = 500
"""Images with a shorter side are enlarged: the detector of the bundle finds small faces badly."""


def main(task, folder, target):
    """Measure every image and frame of a folder."""
    rows, columns = [], []
    for name, image, ms, finder in faces(task, folder):
        height, width = image.shape[:2]
        scale = max(1, -(-ENLARGED // min(height, width)))
        large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        rgb = mediapipe.Image(
            image_format=mediapipe.ImageFormat.SRGB, data=cv2.cvtColor(large, cv2.COLOR_BGR2RGB)
        )
        result = finder.detect(rgb) if ms is None else finder.detect_for_video(rgb, ms)
        row = (np.full((478, 3), np.nan), np.full(52, np.nan), np.nan)
        if result.face_landmarks:
            size = np.array([width, height, width])
            points = np.array([(p.x, p.y, p.z) for p in result.face_landmarks[0]]) * size
            points[:, :2] -= 0.5  # MediaPipe counts from the corner of the first pixel
            shapes = result.face_blendshapes[0]
            columns = [shape.category_name for shape in shapes]
            R = result.facial_transformation_matrixes[0][:3, :3]
            yaw = np.degrees(np.arctan2(R[0, 2], R[2, 2]))
            row = (points, np.array([shape.score for shape in shapes]), yaw)
        rows.append((name, *row))
    names, points, blendshapes, yaw = zip(*rows, strict=True)
    np.savez_compressed(
        target,
        source=np.array(f"mediapipe-{mediapipe.__version__}"),
        names=np.array(names),
        points478=np.stack(points).astype(np.float32),
        blendshapes=np.stack(blendshapes).astype(np.float32),
        blendshape_names=np.array(columns),
        yaw_deg=np.array(yaw, np.float32),
    )
    print(f"wrote {len(names)} rows to {target}, {int(np.isfinite(yaw).sum())} with a face")


def faces(task, folder):
    """Yield (name, image in BGR, time in ms or None, landmarker) of everything in a folder."""
    clips = sorted(folder.glob("*.mp4"))
    for path in clips:
        clip, frame = cv2.VideoCapture(str(path)), 0
        rate = clip.get(cv2.CAP_PROP_FPS) or 30
        # One landmarker per clip: in video mode it follows a face.
        with landmarker(task, vision.RunningMode.VIDEO) as finder:
            while True:
                there, image = clip.read()
                if not there:
                    break
                yield f"{path.name}/{frame:05d}", image, int(1000 * frame / rate), finder
                frame += 1
    if clips:
        return
    with landmarker(task, vision.RunningMode.IMAGE) as finder:
        for name, data in files(folder):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            if image is not None:
                yield name, image, None, finder


def files(folder):
    """Yield (name, bytes) of the members of the tar files, or else of the images."""
    archives = sorted(folder.glob("*.tar"))
    for path in archives:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile():
                    yield member.name, archive.extractfile(member).read()
    if not archives:
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"):
                yield path.name, path.read_bytes()


def landmarker(task, mode):
    """Return MediaPipe's Face Landmarker."""
    return vision.FaceLandmarker.create_from_options(
        vision.FaceLandmarkerOptions(
            base_options=BaseOptions(str(task)),
            running_mode=mode,
            num_faces=1,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
    )


if __name__ == "__main__":
    task, folder = map(Path, sys.argv[1:3])
    main(task, folder, Path(sys.argv[3]) if len(sys.argv) > 3 else folder / "mediapipe.npz")
