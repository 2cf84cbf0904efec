"""Small evaluation sets in the layouts of docs/evaluation.md, whose right answers are known."""

from __future__ import annotations

import csv
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import scipy.io

import toys
from tddfa import FaceAligner
from tddfa.imaging.files import encode_image
from tddfa.types import BoundingBox

N = 12
YAW = np.array([0.0, 10, -30, 30, 30.5, -45, 60, -60, 60.5, -75, 90, 97], np.float32)
IN_BINS = (4, 4, 4)


@dataclass(frozen=True)
class ToySet:
    """Faces whose prediction by the toy network, and its error, are known."""

    names: list[str]
    crops: list[np.ndarray]
    squares: np.ndarray
    predicted: np.ndarray
    truth: np.ndarray
    shift: np.ndarray
    poses: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """NME of each face: all points are off by the same way."""
        sides = self.truth.max(axis=1) - self.truth.min(axis=1)
        return 100 * np.hypot(*self.shift.T) / np.sqrt(sides[:, 0] * sides[:, 1])


def toy_set(aligner: FaceAligner) -> ToySet:
    rng = np.random.default_rng(3)
    corners = rng.integers(20, 120, (N, 2)).astype(np.float32)
    sides = rng.integers(150, 260, (N, 1)).astype(np.float32)
    squares = np.hstack([corners, corners + sides])
    crops = [np.roll(toys.image(120), k, axis=0) for k in range(N)]
    faces = aligner.align_crops(crops, [BoundingBox(0, 0, 120, 120)] * N)
    predicted = np.stack([f.landmarks for f in faces]).astype(np.float64)
    # The benchmark's way back into the image.
    predicted[:, :, :2] = predicted[:, :, :2] * sides[:, None] / 120 + corners[:, None]
    predicted[:, :, 2] *= sides / 120
    shift = rng.uniform(-9, 9, (N, 2))
    truth = predicted[:, :, :2] + shift[:, None]
    poses = np.column_stack([rng.uniform(-20, 20, N), YAW, rng.uniform(-20, 20, N)]).astype(np.float32)
    poses[1, 0] = 100.0  # too far to be trusted
    return ToySet(
        [f"image{k:05}.jpg" for k in range(1, N + 1)], crops, squares, predicted, truth, shift, poses
    )


def write_tar(path: Path, names: list[str], images: list[np.ndarray]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, image in zip(names, images, strict=True):
            data = encode_image(image, "png")
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, BytesIO(data))


def write_archive(folder: Path, data: ToySet) -> None:
    """labels.npz and crops.tar."""
    folder.mkdir(exist_ok=True)
    write_tar(folder / "crops.tar", data.names, data.crops)
    points = np.concatenate([data.truth, np.zeros((N, 68, 1))], axis=2).transpose(0, 2, 1)
    np.savez(
        folder / "labels.npz",
        names=data.names,
        roi_box=data.squares,
        pts68=points,
        pts68_reannotated=(data.truth - data.shift[:, None] / 2).transpose(0, 2, 1),
        yaw_deg=YAW,
        pitch_yaw_roll_deg=data.poses,
    )


def write_v2(folder: Path, data: ToySet) -> None:
    """The arrays of the first 3DDFA project."""
    configs, files = folder / "test.configs", folder / "test.data"
    crops = files / "AFLW2000-3D_crop"
    for path in (configs, crops):
        path.mkdir(parents=True)
    (files / "AFLW2000-3D_crop.list").write_text("\n".join(data.names) + "\n")
    for name, image in zip(data.names, data.crops, strict=True):
        (crops / name).write_bytes(encode_image(image, "png"))
    np.save(configs / "AFLW2000-3D.pts68.npy", data.truth.transpose(0, 2, 1))
    again = data.truth - data.shift[:, None] / 2
    np.save(configs / "AFLW2000-3D-Reannotated.pts68.npy", again.transpose(0, 2, 1))
    np.save(configs / "AFLW2000-3D.pose.npy", YAW)
    np.save(configs / "AFLW2000-3D_crop.roi_box.npy", data.squares)


def write_original(folder: Path, data: ToySet) -> None:
    """Images with their .mat annotation."""
    folder.mkdir()
    for k, name in enumerate(data.names):
        (folder / name).write_bytes(encode_image(toys.image(450), "png"))
        annotation = {
            "pt3d_68": np.concatenate([data.truth[k], np.zeros((68, 1))], axis=1).T,
            "Pose_Para": np.concatenate([np.deg2rad(data.poses[k]), np.zeros(4)])[None],
        }
        scipy.io.savemat(folder / Path(name).with_suffix(".mat"), annotation)


def write_aflw(folder: Path, data: ToySet, points21: np.ndarray) -> None:
    """Crops with 21 points in px of the crop."""
    folder.mkdir()
    write_tar(folder / "crops.tar", data.names, data.crops)
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("name", "yaw"), *zip(data.names, YAW.tolist(), strict=True)])
    pts68 = data.truth  # any 68 points of a size will do
    np.savez(folder / "pts21.npz", pts21=points21, pts68=pts68)
