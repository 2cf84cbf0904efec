"""AFLW with its 21 points, from two layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import DatasetError
from tddfa.evaluation.data.arrays import (
    existing_folder,
    finite,
    names_and_numbers,
    points_last,
    read_npy,
    read_npz,
    same_count,
    take,
    with_extent,
)
from tddfa.evaluation.data.images import ImageSource, TarImages, require
from tddfa.evaluation.data.v2_files import V2Folder, squares_from
from tddfa.evaluation.metrics import box_sizes
from tddfa.shapes import Bool, Float64, Shaped


@dataclass(frozen=True, slots=True, eq=False)
class Aflw:
    """Crops with 21 annotated points.

    Attributes:
        folder: where it was read from.
        names: of the faces.
        points: px of the image that the crops were cut from.
        visible: which of them were marked.
        sizes: of the box of 68 points, √(width · height), px; None where nobody knows such points.
        sizes_from: where those points come from, for people.
        yaw_deg: for the bins.
        crops: 120 px.
        squares: the places (x0, y0, x1, y1) of the crops.
    """

    folder: Path
    names: tuple[str, ...]
    points: Float64[np.ndarray, "n 21 2"]
    visible: Bool[np.ndarray, "n 21"]
    sizes: Float64[np.ndarray, " n"] | None
    sizes_from: str
    yaw_deg: Float64[np.ndarray, " n"]
    crops: ImageSource
    squares: Float64[np.ndarray, "n 4"]

    def __len__(self) -> int:
        return len(self.names)


def read_aflw(folder: Path) -> Aflw:
    """Read the set in a folder, in any layout of docs/evaluation.md.

    Raises:
        DatasetError: there is no such layout, or it is incomplete.
    """
    existing_folder(folder)
    if (folder / "pts21.npz").exists():
        return _from_crops(folder)
    if V2Folder(folder).find("AFLW_GT_pts21.npy"):
        return _from_v2(V2Folder(folder))
    raise DatasetError(
        f"{folder} holds no AFLW; readable are pts21.npz with crops.tar and index.csv, or the arrays of the "
        "first 3DDFA project (AFLW_GT_pts21.npy …)"
    )


def _from_crops(folder: Path) -> Aflw:
    labels = folder / "pts21.npz"
    arrays = read_npz(labels)
    points, visible = _points(take(arrays, "pts21", labels), "pts21")
    names, yaw = names_and_numbers(folder / "index.csv", "yaw")
    crops = TarImages(folder / "crops.tar")
    require(crops, names, folder / "crops.tar")
    teachers = sorted(folder.glob("teacher_*.npz"))
    points68, source = None, ""
    if "pts68" in arrays:
        points68, source = points_last(arrays["pts68"], 68, "pts68"), "the true 68 points"
    elif teachers:
        points68 = points_last(take(read_npz(teachers[0]), "lm68", teachers[0]), 68, "lm68")
        source = f"the 68 points of {teachers[0].stem}, not of people"
    counts = {"names": len(names), "faces in pts21": len(points)}
    same_count(counts if points68 is None else {**counts, "68 points": len(points68)}, folder)
    squares = np.tile(np.array([0.0, 0.0, 120.0, 120.0]), (len(names), 1))
    return Aflw(
        folder,
        names,
        points,
        visible,
        _sizes(points68, f"the 68 points in {folder}"),
        source,
        yaw,
        crops,
        squares,
    )


def _from_v2(files: V2Folder) -> Aflw:
    def array(name: str) -> Shaped[np.ndarray, "..."]:
        return read_npy(files.need(name))

    crops, names = files.crops("AFLW_GT_crop")
    require(crops, names, files.root)
    points, visible = _points(array("AFLW_GT_pts21.npy"), "AFLW_GT_pts21.npy")
    there = files.find("AFLW_GT_pts68.npy") is not None
    points68 = points_last(array("AFLW_GT_pts68.npy"), 68, "AFLW_GT_pts68.npy") if there else None
    yaw = finite(array("AFLW_GT_crop_yaws.npy"), (None,), "AFLW_GT_crop_yaws.npy")
    boxes = finite(array("AFLW_GT_crop_roi_box.npy"), (None, 4), "AFLW_GT_crop_roi_box.npy")
    counts = {
        "names": len(names),
        "faces in pts21": len(points),
        "yaw angles": len(yaw),
        "crop boxes": len(boxes),
    }
    same_count(counts if points68 is None else {**counts, "faces in pts68": len(points68)}, files.root)
    squares = squares_from(boxes, files.need("AFLW_GT_crop_roi_box.npy"))
    source = "the 68 points of the benchmark" if there else ""
    return Aflw(
        files.root,
        names,
        points,
        visible,
        _sizes(points68, f"the 68 points in {files.root}"),
        source,
        yaw,
        crops,
        squares,
    )


def _sizes(points68: Float64[np.ndarray, "n 68 2"] | None, what: str) -> Float64[np.ndarray, " n"] | None:
    return None if points68 is None else box_sizes(with_extent(points68, what))


def _points(
    values: Shaped[np.ndarray, "..."], what: str
) -> tuple[Float64[np.ndarray, "n 21 2"], Bool[np.ndarray, "n 21"]]:
    points = points_last(values, 21, what)
    return points, (points != -1).all(axis=2)
