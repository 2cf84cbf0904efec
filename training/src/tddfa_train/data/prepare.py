"""A folder of photos becomes a dataset folder: faces found, cut out and labelled by a pack as teacher."""

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32
from tqdm import tqdm

from tddfa.alignment import FaceAligner
from tddfa.errors import ImageFileError, InputError
from tddfa.files import atomic_path, atomic_write
from tddfa.geometry.camera import camera_pose
from tddfa.imaging import read_image, write_image
from tddfa.imaging.format_names import IMAGE_SUFFIXES
from tddfa.morphable import open_face_model
from tddfa.provenance import is_ours
from tddfa.types import Image
from tddfa_train.data.augment import warp
from tddfa_train.data.face_landmarker import FaceLandmarker, teach
from tddfa_train.data.folder import open_face_folder, write_face_folder
from tddfa_train.data.points import IBUG68_MIRROR

log = logging.getLogger(__name__)

# Crops that the teacher sees: scale of the landmark box, and shift as a share of it.
_JITTER = (
    (0.9, 0.0, 0.0),
    (1.0, 0.0, 0.0),
    (1.1, 0.0, 0.0),
    (1.0, 0.04, 0.0),
    (1.0, -0.04, 0.0),
    (1.0, 0.0, 0.04),
)


def teacher_landmarks(
    aligners: Sequence[FaceAligner], image: Image, landmarks: Float[np.ndarray, "68 3"]
) -> tuple[Float32[np.ndarray, "68 3"], float]:
    """Landmarks averaged over teachers and their jittered and mirrored crops, and how far these disagree.

    Args:
        aligners: the teachers. The mean of two that err differently errs less than either.
        image: RGB.
        landmarks: a first guess; the crops are cut around it.

    Returns:
        The mean, image frame, px (its depth has mean 0), and the standard deviation over the crops, px, mean
        over points, x and y.
    """
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    middle, half = (low + high) / 2, (high - low) / 2
    corners: list[np.ndarray] = []
    for scale, dx, dy in _JITTER:
        center = middle + 2 * half * (dx, dy)
        corners.append(np.stack([center - half * scale, center + half * scale]).astype(np.float32))
    plain = [face.landmarks for each in aligners for face in each.align(image, landmarks=corners)]
    width = image.shape[1]
    flipped = np.ascontiguousarray(image[:, ::-1])
    mirrored_corners = [
        np.stack([np.array([width - 1 - c[1, 0], c[0, 1]]), np.array([width - 1 - c[0, 0], c[1, 1]])])
        for c in corners
    ]
    for face in (face for each in aligners for face in each.align(flipped, landmarks=mirrored_corners)):
        back = face.landmarks[IBUG68_MIRROR].copy()
        back[:, 0] = width - 1 - back[:, 0]
        plain.append(back)
    stack = np.stack(plain).astype(np.float64)
    stack[..., 2] -= stack[..., 2].mean(1, keepdims=True)
    return stack.mean(0).astype(np.float32), float(stack[..., :2].std(0).mean())


def _face_crop(
    image: Image, landmarks: Float[np.ndarray, "68 3"], side: int, margin: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The square around the landmarks, the landmarks in it, and the rectangle that has image behind it."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    scale = side / (margin * (high - low).max())
    offset = (side - 1) / 2 - scale * (low + high) / 2
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]], np.float32)
    crop = warp(image, matrix, side)
    moved = landmarks * scale
    moved[:, :2] += offset
    height, width = image.shape[:2]
    ends = np.array([offset[0], offset[1], scale * (width - 1) + offset[0], scale * (height - 1) + offset[1]])
    return crop, moved.astype(np.float32), np.clip(ends, 0, side).astype(np.float32)


def photos_in(folder: Path) -> list[Path]:
    """Images of a folder and its subfolders, in the order of their names.

    Hidden files, results of tddfa and images of dataset folders are left out.

    Raises:
        InputError: there is none.
    """
    if not folder.is_dir():
        what = "is a file; a folder of photos is needed" if folder.exists() else "does not exist"
        raise InputError(f"the folder of photos {folder} {what}")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not path.is_dir()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not (path.parent / "labels.npz").exists()
        and not is_ours(path)
    )
    if not found:
        raise InputError(f"no photos in {folder}; looked for {', '.join(sorted(IMAGE_SUFFIXES))}")
    return found


def prepare_folder(
    photos: Iterable[Path],
    target: Path,
    aligners: Sequence[FaceAligner],
    *,
    side: int = 160,
    margin: float = 1.8,
    smallest_face: float = 38.0,
    largest_spread: float = 0.022,
) -> dict[str, int]:
    """Writes a dataset folder of all faces in photos.

    Args:
        photos: image files; one that cannot be read is named, counted and left out.
        target: folder to write.
        aligners: label the faces, each of them; the first one finds them.
        side: of the stored crops, px.
        margin: side of the crop over the longer side of the landmark box.
        smallest_face: longer side of the landmark box in the photo, px.
        largest_spread: share of the landmark box; a face on which the teacher disagrees more is dropped.

    Returns:
        How many faces were kept and how many dropped, by reason.
    """
    counts = {"kept": 0, "unreadable photos": 0, "too small": 0, "teacher unsure": 0}
    images: list[np.ndarray] = []
    rows: dict[str, list[np.ndarray]] = {
        key: [] for key in ("landmarks68", "landmarks68_std", "yaw_deg", "valid", "names")
    }
    for path in tqdm(list(photos), desc="photos", unit="photo", disable=None):
        try:
            image = read_image(path)
        except ImageFileError as error:
            log.warning("left out: %s", error)
            counts["unreadable photos"] += 1
            continue
        for number, face in enumerate(aligners[0].align(image)):
            extent = float(np.ptp(face.landmarks[:, :2], axis=0).max())
            if extent < smallest_face:
                counts["too small"] += 1
                continue
            landmarks, spread = teacher_landmarks(aligners, image, face.landmarks)
            if spread > largest_spread * extent:
                counts["teacher unsure"] += 1
                continue
            crop, moved, valid = _face_crop(image, landmarks, side, margin)
            images.append(crop)
            rows["landmarks68"].append(moved)
            rows["landmarks68_std"].append(np.array(spread * side / (margin * extent), np.float32))
            rows["yaw_deg"].append(np.array(camera_pose(face.params.camera).yaw_deg, np.float32))
            rows["valid"].append(valid)
            rows["names"].append(np.array(f"{path.name}#{number}"))
            counts["kept"] += 1
    if not images:
        raise InputError(f"no face was kept: {', '.join(f'{n} {why}' for why, n in counts.items())}")
    write_face_folder(target, np.stack(images), {key: np.array(values) for key, values in rows.items()})
    atomic_write(target / "counts.json", (json.dumps(counts, indent=2) + "\n").encode())
    return counts


def ask_teacher(dataset: Path, teacher: FaceLandmarker) -> int:
    """Add a teacher's points and expression weights to a dataset folder; return how many faces have them.

    Args:
        dataset: folder of faces.
        teacher: of lids, brows, lips, irises and expressions.
    """
    faces = open_face_folder(dataset)
    answers = teach(teacher, tqdm(faces.images, desc="teacher", unit="face", disable=None))
    points = open_face_model(level=0, crop="head").landmark_sets["mediapipe478"]
    assert points.indices is not None
    labels = faces.labels | {
        "mediapipe": answers.points[:, points.indices],
        "mediapipe_indices": points.indices,
        "teacher_weights": answers.weights,
        "teacher_names": np.array(answers.names),
    }
    write_face_folder(dataset, np.asarray(faces.images), labels)
    return int(answers.found.sum())


def prepare_backgrounds(
    photos: Iterable[Path], target: Path, aligner: FaceAligner, *, count: int, side: int = 192, seed: int = 0
) -> int:
    """Writes an array of face-free squares (n, side, side, 3); how many there are comes back.

    Args:
        photos: image files, with or without faces.
        target: .npy file to write.
        aligner: its detector says where the faces are.
        count: squares to cut at most; photos give several each where they are needed.
        side: of the squares, px.
        seed: of their places.

    Raises:
        InputError: no square without a face was found.
    """
    rng = np.random.default_rng(seed)
    files = list(photos)
    each = -(-count // len(files))
    squares: list[np.ndarray] = []
    for path in tqdm(files, desc="photos", unit="photo", disable=None):
        try:
            image = read_image(path)
        except ImageFileError as error:
            log.warning("left out: %s", error)
            continue
        height, width = image.shape[:2]
        # Hair and necks are no background: a quarter of the box more on every side.
        faces = [np.array(list(d.box)) for d in aligner.detector.detect(image)]
        faces = [f + 0.25 * (f[2] - f[0]) * np.array([-1, -1, 1, 1]) for f in faces]
        kept = 0
        for _ in range(20 * each):
            extent = min(height, width) * rng.uniform(0.25, 1.0)
            if extent < side / 4:
                continue
            x, y = rng.uniform(0, width - extent), rng.uniform(0, height - extent)
            if any(x < f[2] and f[0] < x + extent and y < f[3] and f[1] < y + extent for f in faces):
                continue
            scale = side / extent
            middle = (scale - 1) / 2  # the square's edge, not the centre of its first pixel, moves to 0
            matrix = np.array([[scale, 0, middle - scale * x], [0, scale, middle - scale * y]], np.float32)
            squares.append(warp(image, matrix, side))
            kept += 1
            if kept == each:
                break
    if not squares:
        raise InputError("no part of these photos is without a face; add photos of scenery")
    with atomic_path(target) as partial, partial.open("wb") as file:
        np.save(file, np.stack(squares[:count]))
    return len(squares[:count])


def write_sheet(dataset: Path, most: int = 60) -> Path:
    """Writes `sheet.jpg` into a dataset folder: faces with their landmarks, spread over the set."""
    faces = open_face_folder(dataset)
    rows = np.unique(np.linspace(0, len(faces) - 1, min(most, len(faces))).round().astype(int))
    path = dataset / "sheet.jpg"
    write_image(path, contact_sheet(faces.images, faces.labels["landmarks68"], rows))
    return path


def contact_sheet(images: np.ndarray, landmarks: np.ndarray, rows: np.ndarray, columns: int = 10) -> Image:
    """Faces with their landmarks, to look at: labels that nobody looked at are wrong."""
    tiles: list[np.ndarray] = []
    for row in rows:
        tile = np.array(images[row])
        for x, y in landmarks[row, :, :2]:
            cv2.circle(tile, (round(float(x)), round(float(y))), 1, (0, 255, 0), -1)
        tiles.append(tile)
    while len(tiles) % columns:
        tiles.append(np.zeros_like(tiles[0]))
    return np.concatenate([np.concatenate(tiles[i : i + columns], 1) for i in range(0, len(tiles), columns)])
