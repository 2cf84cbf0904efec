"""Crops and clips with eye aspect ratios measured by MediaPipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import DatasetError
from tddfa.evaluation.data.arrays import (
    existing_folder,
    names_and_numbers,
    numbers,
    read_npz,
    same_count,
    table_rows,
    take,
)
from tddfa.evaluation.data.images import ImageSource, TarShards, require
from tddfa.evaluation.metrics import aspect_ratio
from tddfa.shapes import Float64, Int

# FaceMesh points of each eye in the order of `aspect_ratio`, the subject's right eye first.
_EYES = ((33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380))

# FaceMesh points of the face's outline above the level of the brows, which no 68 landmarks reach.
_FOREHEAD = (10, 21, 54, 67, 103, 109, 162, 251, 284, 297, 332, 338, 389)

_PX = 64.0  # the file has 1/64 px


@dataclass(frozen=True, slots=True, eq=False)
class EyeCrops:
    """Crops with MediaPipe's points.

    Attributes:
        folder: where they were read from.
        names: of the crops.
        images: the crops.
        corners: two opposite corners of the box around the points from brows to chin, px.
        ratios: aspect ratio of the right and the left eye.
        yaw_deg: of the heads.
    """

    folder: Path
    names: tuple[str, ...]
    images: ImageSource
    corners: Float64[np.ndarray, "n 2 2"]
    ratios: Float64[np.ndarray, "n 2"]
    yaw_deg: Float64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True, eq=False)
class EyeClip:
    """A clip with the reference's aspect ratios of some of its frames.

    Attributes:
        path: the clip.
        frames: numbers of the frames with a reference.
        ratios: aspect ratio of the right and the left eye in those frames.
    """

    path: Path
    frames: Int[np.ndarray, " n"]
    ratios: Float64[np.ndarray, "n 2"]


def read_eye_crops(folder: Path) -> EyeCrops:
    """Return the crops of a folder in which MediaPipe found a face.

    Raises:
        DatasetError: the set is missing or incomplete.
    """
    path = existing_folder(folder) / "mediapipe.npz"
    arrays = read_npz(path)
    found = numbers(take(arrays, "found", path), (None,), f"found in {path}", kinds="biu").astype(bool)
    indices = numbers(take(arrays, "indices", path), (None,), f"indices in {path}", kinds="iu")
    place = {int(number): k for k, number in enumerate(indices)}
    points = numbers(take(arrays, "xy", path), (None, len(indices), 2), f"xy in {path}") / _PX
    missing = [number for eye in _EYES for number in eye if number not in place]
    if missing:
        raise DatasetError(
            f"{path} lacks the FaceMesh point {missing[0]}, which the aspect ratio of eyes needs"
        )
    names, yaw = names_and_numbers(folder / "index.csv", "yaw_deg")
    counts = {"names": len(names), "faces in mediapipe.npz": len(points), "marks in found": len(found)}
    same_count(counts, folder)
    if not found.any():
        raise DatasetError(f"the set in {folder} is empty: MediaPipe found no face in it")
    shards = sorted(folder.glob("*.tar"))
    if not shards:
        raise DatasetError(f"{folder} has no .tar files with the crops")
    images = TarShards(shards)
    kept = np.flatnonzero(found)
    names = tuple(names[k] for k in kept)
    require(images, names, folder)
    below_brows = [k for number, k in place.items() if number not in _FOREHEAD]
    face = points[kept][:, below_brows]
    eyes = [points[kept][:, [place[number] for number in eye]] for eye in _EYES]
    return EyeCrops(
        folder,
        names,
        images,
        np.stack([face.min(axis=1), face.max(axis=1)], axis=1),
        np.stack([aspect_ratio(eye) for eye in eyes], axis=1),
        yaw[kept],
    )


def read_eye_clips(folder: Path) -> list[EyeClip]:
    """Return the clips of a folder, with the reference in its eyes.csv.

    Raises:
        DatasetError: the table is missing or damaged, or names a clip that is not there.
    """
    path = existing_folder(folder) / "eyes.csv"
    rows: dict[str, dict[int, tuple[float, float]]] = {}
    try:
        for row in table_rows(path):
            measured = int(row["frame"]), float(row["right"]), float(row["left"])
            if measured[0] < 0 or not np.isfinite(measured).all():
                raise ValueError(f"a row has the numbers {', '.join(map(str, measured))}")
            frames = rows.setdefault(row["clip"], {})
            if measured[0] in frames:
                raise ValueError(f"frame {measured[0]} of {row['clip']} is there twice")
            frames[measured[0]] = measured[1:]
    except (KeyError, ValueError) as error:
        raise DatasetError(
            f"{path} is not a table with the columns clip, frame, right, left: {error}"
        ) from None
    if not rows:
        raise DatasetError(f"{path} is empty: it has no frames")
    for clip in rows:
        if not (folder / clip).is_file():
            raise DatasetError(f"{path} names the clip {clip}, which is not in {folder}")
    return [
        EyeClip(
            folder / clip,
            np.array(list(measured), np.int64),
            np.array(list(measured.values()), np.float64),
        )
        for clip, measured in rows.items()
    ]
