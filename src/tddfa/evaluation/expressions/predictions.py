"""What a pack, or another program, finds in a list of faces: points, coefficients, head pose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tddfa.alignment import FaceAligner
from tddfa.dataclass import dataclass
from tddfa.errors import DatasetError
from tddfa.evaluation.data.arrays import numbers, read_npz, take, text, texts
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.shapes import Bool, Float, Float32, Int32, Shaped
from tddfa.types import Image

SCHEME = "mediapipe478"


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """One row per face; NaN where nothing was found.

    Attributes:
        source: who found them.
        names: of the coefficients; empty when there are none.
        coefficients: ARKit coefficients.
        points68: 68 landmarks, px; z too where it is known. None when there are none.
        points478: points of MediaPipe's scheme, px; None when there are none.
        indices478: their numbers.
        identity: coefficients of the shape of the face; None when there are none.
        pose_deg: yaw, pitch, roll; None when there are none.
    """

    source: str
    names: tuple[str, ...]
    coefficients: Float32[np.ndarray, "n e"]
    points68: Float32[np.ndarray, "n 68 d"] | None
    points478: Float32[np.ndarray, "n p c"] | None
    indices478: Int32[np.ndarray, " p"]
    identity: Float32[np.ndarray, "n i"] | None
    pose_deg: Float32[np.ndarray, "n 3"] | None

    def __len__(self) -> int:
        return len(self.coefficients)

    @property
    def found(self) -> Bool[np.ndarray, " n"]:
        """Which faces were found."""
        points = self.points68 if self.points68 is not None else self.points478
        if points is None:
            return np.asarray(np.isfinite(self.coefficients).all(axis=1))
        return np.asarray(np.isfinite(points).all(axis=(1, 2)))

    def column(self, name: str) -> Float32[np.ndarray, " n"] | None:
        """Return one coefficient of every face; None where there is none of that name."""
        return self.coefficients[:, self.names.index(name)] if name in self.names else None


def predict_with_pack(
    aligner: FaceAligner, images: Iterable[Image], landmarks: Iterable[Float[np.ndarray, "68 d"]]
) -> Predictions:
    """Return what a pack finds in crops that it cuts around given landmarks.

    Args:
        aligner: with the pack.
        images: the image of each face.
        landmarks: 68 points on each face, px.
    """
    model = aligner.model
    scheme = model.landmark_sets.get(SCHEME)
    faces = [
        aligner.align(image, landmarks=[points])[0] for image, points in zip(images, landmarks, strict=True)
    ]
    # The coefficients of another face model are no ARKit expressions.
    arkit = "jawOpen" in model.expression_names
    expressions = np.array([face.params.expression for face in faces], np.float32)
    points478 = None
    if scheme is not None:
        points478 = np.array([model.landmarks(face.params, SCHEME) for face in faces], np.float32)
    return Predictions(
        source=aligner.pack.manifest.name,
        names=model.expression_names if arkit else (),
        coefficients=expressions if arkit else expressions[:, :0],
        points68=np.array([face.landmarks for face in faces], np.float32),
        points478=points478,
        indices478=_indices(scheme),
        identity=np.array([face.params.identity for face in faces], np.float32),
        pose_deg=np.array(
            [(face.pose.yaw_deg, face.pose.pitch_deg, face.pose.roll_deg) for face in faces], np.float32
        ),
    )


def _indices(scheme: LandmarkSet | None) -> Int32[np.ndarray, " p"]:
    return np.zeros(0, np.int32) if scheme is None or scheme.indices is None else scheme.indices


def check_predictions(path: Path) -> None:
    """Refuse a file that cannot be one of predictions, before the faces are known.

    Raises:
        DatasetError: the file is missing or damaged, or has arrays that do not fit.
    """
    _read_arrays(path)


def read_predictions(
    path: Path, names: Sequence[str], place: Callable[[str], str] = lambda name: name
) -> Predictions:
    """Read what another program found.

    Args:
        path: an .npz file with `source`, `names` of the faces and any of `blendshapes` (n, e) with
            `blendshape_names`, `points478` (n, p, 2 or 3) with `indices478`, `points68`, `pose_deg` (n, 3).
        names: the faces that are asked for, in this order.
        place: the name of a face in the file.

    Raises:
        DatasetError: the file is missing or damaged, has arrays that do not fit, or lacks a face.
    """
    arrays, known = _read_arrays(path)
    rows = {name: k for k, name in enumerate(known)}
    absent = [name for name in names if place(name) not in rows]
    if absent:
        raise DatasetError(
            f"{path} lacks {len(absent)} of the {len(names)} faces that are measured; the first is "
            f"{absent[0]}. Make the file again, for these faces"
        )
    order = [rows[place(name)] for name in names]

    def rows_of(name: str) -> np.ndarray | None:
        return arrays[name][order].astype(np.float32) if name in arrays else None

    coefficients = rows_of("blendshapes")
    columns = tuple(map(str, arrays["blendshape_names"].tolist())) if coefficients is not None else ()
    points478 = rows_of("points478")
    indices = arrays["indices478"] if "indices478" in arrays else np.arange(478)
    return Predictions(
        source=str(arrays["source"].item()) if "source" in arrays else path.stem,
        names=columns,
        coefficients=np.zeros((len(names), 0), np.float32) if coefficients is None else coefficients,
        points68=rows_of("points68"),
        points478=points478,
        indices478=indices.astype(np.int32),
        identity=None,
        pose_deg=rows_of("pose_deg"),
    )


def _read_arrays(path: Path) -> tuple[Mapping[str, Shaped[np.ndarray, "..."]], tuple[str, ...]]:
    """Return the arrays of a file of predictions, which fit each other, and the names of its faces."""
    arrays = read_npz(path)
    names = texts(take(arrays, "names", path), f"names in {path}")

    def check(name: str, *sides: int) -> None:
        numbers(arrays[name], (len(names), *sides), f"{name} in {path}")

    if "source" in arrays:
        text(arrays["source"], f"source in {path}")
    if "blendshapes" in arrays:
        columns = take(arrays, "blendshape_names", path)
        check("blendshapes", len(texts(columns, f"blendshape_names in {path}")))
    if "points478" in arrays:
        n_points = 478
        if "indices478" in arrays:
            n_points = len(numbers(arrays["indices478"], (None,), f"indices478 in {path}", kinds="iu"))
        check("points478", n_points, _n_dimensions(arrays["points478"]))
    if "points68" in arrays:
        check("points68", 68, _n_dimensions(arrays["points68"]))
    if "pose_deg" in arrays:
        check("pose_deg", 3)
    return arrays, names


def _n_dimensions(points: Shaped[np.ndarray, "..."]) -> int:
    """Return 3 for points with a depth, and 2 for any others."""
    return 3 if points.shape[-1:] == (3,) else 2


def common_points(
    predicted: Predictions, indices: Int32[np.ndarray, " p"]
) -> tuple[Float32[np.ndarray, "n q d"], Int32[np.ndarray, " q"]] | None:
    """Return the points of MediaPipe's scheme that both have, and their places in `indices`; None without."""
    if predicted.points478 is None:
        return None
    mine = {int(number): k for k, number in enumerate(predicted.indices478)}
    shared = [k for k, number in enumerate(indices.tolist()) if number in mine]
    columns = [mine[int(indices[k])] for k in shared]
    return predicted.points478[:, columns], np.array(shared, np.int32)
