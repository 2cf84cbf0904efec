"""300W-LP and AFLW2000-3D as the field has them: an image and a .mat file of the same name."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from tqdm import tqdm

from tddfa.errors import InputError
from tddfa.imaging import read_image
from tddfa_train.data.augment import warp
from tddfa_train.data.folder import write_face_folder


@dataclass(frozen=True, slots=True, eq=False)
class MatFace:
    """What a .mat file says of a face.

    Attributes:
        landmarks: 68 points, image frame, px (the files count pixels from 1, and depth towards the viewer);
            depth is NaN where the file has none, as those of 300W-LP.
        angles_deg: pitch, yaw, roll; +yaw turns the nose to the left of the image.
        scale: px per unit of the Basel Face Model.
        identity: 199 coefficients of the Basel Face Model.
        expression: 29 coefficients of its expressions.
    """

    landmarks: Float32[np.ndarray, "68 3"]
    angles_deg: Float32[np.ndarray, "3"]
    scale: float
    identity: Float32[np.ndarray, "199"]
    expression: Float32[np.ndarray, "29"]


def read_mat(path: Path) -> MatFace:
    """The face of a .mat file.

    Raises:
        InputError: the file is not of 300W-LP or AFLW2000-3D.

    Source: layout of the files published with Zhu et al., CVPR 2016; `Pose_Para` is pitch, yaw, roll, three
        shifts and the scale.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(path)
        points = np.asarray(content["pt3d_68"] if "pt3d_68" in content else content["pt2d"], np.float64)
        pose = np.asarray(content["Pose_Para"], np.float64).ravel()
        identity, expression = (
            np.asarray(content[key], np.float32).ravel() for key in ("Shape_Para", "Exp_Para")
        )
    except (OSError, KeyError, ValueError, NotImplementedError) as error:
        raise InputError(f"{path} is not a label file of 300W-LP or AFLW2000-3D: {error}") from None
    landmarks = np.full((68, 3), np.nan, np.float32)
    landmarks[:, : len(points)] = points.T - np.array([1.0, 1.0, 0.0])[: len(points)]
    landmarks[:, 2] = landmarks[:, 2].mean() - landmarks[:, 2]
    return MatFace(landmarks, np.rad2deg(pose[:3]).astype(np.float32), float(pose[6]), identity, expression)


def prepare_mat_folder(source: Path, target: Path, *, side: int = 160, margin: float = 1.8) -> int:
    """Writes a dataset folder of all images that have a .mat file; the number of faces comes back.

    Args:
        source: folder with `name.jpg` and `name.mat`, subfolders included.
        target: folder to write.
        side: of the stored crops, px.
        margin: side of the crop over the longer side of the landmark box.
    """
    files = sorted(p for p in source.rglob("*.mat") if p.with_suffix(".jpg").exists())
    if not files:
        raise InputError(f"no image with a .mat file in {source}")
    images: list[np.ndarray] = []
    landmarks: list[np.ndarray] = []
    angles: list[np.ndarray] = []
    for path in tqdm(files, desc="faces", unit="face", disable=None):
        face = read_mat(path)
        low, high = face.landmarks[:, :2].min(0), face.landmarks[:, :2].max(0)
        scale = side / (margin * float((high - low).max()))
        offset = (side - 1) / 2 - scale * (low + high) / 2
        matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]], np.float32)
        images.append(warp(read_image(path.with_suffix(".jpg")), matrix, side))
        moved = face.landmarks * np.float32(scale)
        moved[:, :2] += offset
        landmarks.append(moved)
        angles.append(face.angles_deg)
    n = len(files)
    labels = {
        "landmarks68": np.stack(landmarks).astype(np.float32),
        "landmarks68_std": np.full(n, 0.6, np.float32),
        "yaw_deg": np.stack(angles)[:, 1],
        "angles_deg": np.stack(angles),
        "valid": np.tile(np.array([0, 0, side, side], np.float32), (n, 1)),
        "names": np.array([path.stem for path in files]),
    }
    write_face_folder(target, np.stack(images), labels)
    return n
