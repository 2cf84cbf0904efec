"""AFLW2000-3D, from three layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import DatasetError, require_extra
from tddfa.evaluation.data.arrays import (
    distinct,
    existing_folder,
    finite,
    first_line,
    points_last,
    read_npy,
    read_npz,
    same_count,
    take,
    texts,
    with_extent,
)
from tddfa.evaluation.data.images import FolderImages, ImageSource, TarImages, require
from tddfa.evaluation.data.v2_files import V2Folder, squares_from
from tddfa.shapes import Float64, Shaped

_LAYOUTS = (
    "labels.npz with crops.tar, the arrays of the first 3DDFA project (AFLW2000-3D.pts68.npy …), or the "
    "original .jpg and .mat files"
)


@dataclass(frozen=True, slots=True, eq=False)
class Aflw2000:
    """The faces of the set, or of a part of it; all coordinates are px of the 450 px images.

    Attributes:
        folder: where it was read from.
        names: of the faces.
        truths: 68 points of each face, by name of the ground truth; "original" is always there.
        yaw_deg: as published, for the bins.
        pitch_yaw_roll_deg: the head poses; None where the layout has none.
        crops: the official 120 px crops; None where the layout has none.
        squares: the places (x0, y0, x1, y1) of the crops; None without crops.
        images: the 450 px images, of some or all of the faces; None where there are none.
    """

    folder: Path
    names: tuple[str, ...]
    truths: Mapping[str, Float64[np.ndarray, "n 68 2"]]
    yaw_deg: Float64[np.ndarray, " n"]
    pitch_yaw_roll_deg: Float64[np.ndarray, "n 3"] | None
    crops: ImageSource | None
    squares: Float64[np.ndarray, "n 4"] | None
    images: ImageSource | None

    def __len__(self) -> int:
        return len(self.names)


def read_aflw2000(folder: Path) -> Aflw2000:
    """Read the set in a folder, in any layout of docs/evaluation.md.

    Raises:
        DatasetError: there is no such layout, or it is incomplete.
    """
    existing_folder(folder)
    if (folder / "labels.npz").exists():
        return _from_archive(folder)
    if V2Folder(folder).find("AFLW2000-3D.pts68.npy"):
        return _from_v2(V2Folder(folder))
    mats = sorted(folder.glob("image*.mat"))
    if mats:
        return _from_original(folder, mats)
    raise DatasetError(f"{folder} holds no AFLW2000-3D; readable are {_LAYOUTS}")


def _from_archive(folder: Path) -> Aflw2000:
    path = folder / "labels.npz"
    labels = read_npz(path)
    names = distinct(texts(take(labels, "names", path), f"names in {path}"), path)
    truths = {"original": points_last(take(labels, "pts68", path), 68, f"pts68 in {path}")}
    if "pts68_reannotated" in labels:
        truths["reannotated"] = points_last(labels["pts68_reannotated"], 68, f"pts68_reannotated in {path}")
    pose = labels.get("pitch_yaw_roll_deg")
    crops = TarImages(folder / "crops.tar")
    require(crops, names, folder / "crops.tar")
    full = folder / "full450.tar"
    return _made(
        folder,
        names,
        truths,
        finite(take(labels, "yaw_deg", path), (None,), "yaw_deg"),
        None if pose is None else finite(pose, (None, 3), "pitch_yaw_roll_deg"),
        crops,
        squares_from(finite(take(labels, "roi_box", path), (None, 4), "roi_box"), path),
        TarImages(full) if full.exists() else None,
    )


def _from_v2(files: V2Folder) -> Aflw2000:
    def array(name: str) -> Shaped[np.ndarray, "..."]:
        return read_npy(files.need(name))

    crops, names = files.crops("AFLW2000-3D_crop")
    require(crops, names, files.root)
    truths = {"original": points_last(array("AFLW2000-3D.pts68.npy"), 68, "AFLW2000-3D.pts68.npy")}
    if files.find("AFLW2000-3D-Reannotated.pts68.npy"):
        truths["reannotated"] = points_last(
            array("AFLW2000-3D-Reannotated.pts68.npy"), 68, "AFLW2000-3D-Reannotated.pts68.npy"
        )
    roi = finite(array("AFLW2000-3D_crop.roi_box.npy"), (None, 4), "AFLW2000-3D_crop.roi_box.npy")
    images, poses = None, None
    originals = files.find("AFLW2000-3D") or files.find("AFLW2000")
    if originals is not None:
        images = FolderImages(originals)
        mats = [originals / Path(name).with_suffix(".mat") for name in names]
        if all(mat.exists() for mat in mats):
            poses = np.array([_read_mat(mat)[1] for mat in mats])
    return _made(
        files.root,
        names,
        truths,
        finite(array("AFLW2000-3D.pose.npy"), (None,), "AFLW2000-3D.pose.npy"),
        poses,
        crops,
        squares_from(roi, files.need("AFLW2000-3D_crop.roi_box.npy")),
        images,
    )


def _from_original(folder: Path, mats: Sequence[Path]) -> Aflw2000:
    read = [_read_mat(path) for path in mats]
    poses = np.array([pose for _, pose in read])
    images = FolderImages(folder)
    names = tuple(path.with_suffix(".jpg").name for path in mats)
    require(images, names, folder)
    return Aflw2000(
        folder,
        names,
        {"original": with_extent(np.array([points for points, _ in read]), f"the truth in {folder}")},
        poses[:, 1],
        poses,
        None,
        None,
        images,
    )


def _read_mat(path: Path) -> tuple[Float64[np.ndarray, "68 2"], Float64[np.ndarray, "3"]]:
    """Return the 68 points and (pitch, yaw, roll) of an original annotation."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise require_extra("reading .mat files", "convert", "scipy") from None
    try:
        content = loadmat(str(path), variable_names=["pt3d_68", "Pose_Para"])
    except Exception as error:  # scipy's reader raises many types of errors for damaged files
        raise DatasetError(f"{path} is damaged or no MATLAB file: {first_line(error)}") from None
    annotation = {name: array for name, array in content.items() if isinstance(array, np.ndarray)}
    points, pose = take(annotation, "pt3d_68", path), take(annotation, "Pose_Para", path)
    if pose.size < 3:
        raise DatasetError(f"Pose_Para in {path} has {pose.size} numbers; pitch, yaw, roll are needed")
    return (
        points_last(points[None], 68, f"pt3d_68 in {path}")[0],
        np.rad2deg(finite(pose.ravel()[:3], (3,), f"Pose_Para in {path}")),
    )


def _made(
    folder: Path,
    names: tuple[str, ...],
    truths: Mapping[str, Float64[np.ndarray, "_ 68 2"]],
    yaw_deg: Float64[np.ndarray, " _"],
    poses: Float64[np.ndarray, "_ 3"] | None,
    crops: ImageSource,
    squares: Float64[np.ndarray, "_ 4"],
    images: ImageSource | None,
) -> Aflw2000:
    """Return the set, when its parts have the same number of faces."""
    counts = {
        "names": len(names),
        **{f"faces in the {name} truth": len(points) for name, points in truths.items()},
        "yaw angles": len(yaw_deg),
        "crop boxes": len(squares),
    }
    if poses is not None:
        counts["head poses"] = len(poses)
    same_count(counts, folder)
    for name, points in truths.items():
        with_extent(points, f"the {name} truth in {folder}")
    return Aflw2000(folder, names, truths, yaw_deg, poses, crops, squares, images)
