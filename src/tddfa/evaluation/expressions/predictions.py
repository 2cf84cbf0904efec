"""What a pack, or another program, finds in a list of faces: points, coefficients, head pose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32

from tddfa.alignment import FaceAligner
from tddfa.errors import DatasetError
from tddfa.evaluation.data.arrays import read_npz, take
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
    points478: Float32[np.ndarray, "n p d"] | None
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
            return np.isfinite(self.coefficients).all(axis=1)
        return np.isfinite(points).all(axis=(1, 2))

    def column(self, name: str) -> Float32[np.ndarray, " n"] | None:
        """Return one coefficient of every face; None where there is none of that name."""
        return self.coefficients[:, self.names.index(name)] if name in self.names else None


def predict_with_pack(
    aligner: FaceAligner, faces: Iterable[tuple[Image, Float[np.ndarray, "68 d"] | None]]
) -> Predictions:
    """Return what a pack finds in crops that it cuts around given landmarks.

    Args:
        aligner: with the pack.
        faces: the image of each face, and 68 points on it, px; None where the face is not known.
    """
    model = aligner.model
    scheme = getattr(model, "landmark_sets", {}).get(SCHEME)
    coefficients: list[np.ndarray] = []
    points68: list[np.ndarray] = []
    points478: list[np.ndarray] = []
    identity: list[np.ndarray] = []
    pose: list[tuple[float, float, float]] = []
    missing = np.nan
    for image, points in faces:
        if points is None:
            coefficients.append(np.full(model.n_expression, missing))
            points68.append(np.full((68, 3), missing))
            identity.append(np.full(model.n_identity, missing))
            pose.append((missing, missing, missing))
            if scheme is not None:
                points478.append(np.full((len(scheme), 3), missing))
            continue
        face = aligner.align(image, landmarks=[points])[0]
        coefficients.append(face.params.expression)
        points68.append(face.landmarks)
        identity.append(face.params.identity)
        pose.append((face.pose.yaw_deg, face.pose.pitch_deg, face.pose.roll_deg))
        if scheme is not None:
            points478.append(model.landmarks(face.params, SCHEME))
    numbers = np.zeros(0, np.int32) if scheme is None else scheme.numbers
    # Without MediaPipe's points it is another face model, whose coefficients are no ARKit expressions.
    arkit = "jawOpen" in model.expression_names
    return Predictions(
        source=aligner.pack.manifest.name,
        names=model.expression_names if arkit else (),
        coefficients=np.array(coefficients, np.float32)[:, : None if arkit else 0],
        points68=np.array(points68, np.float32),
        points478=np.array(points478, np.float32) if scheme is not None else None,
        indices478=numbers if numbers is not None else np.zeros(0, np.int32),
        identity=np.array(identity, np.float32),
        pose_deg=np.array(pose, np.float32),
    )


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
        DatasetError: the file is missing or damaged, or lacks a face.
    """
    arrays = read_npz(path)
    rows = {str(name): k for k, name in enumerate(take(arrays, "names", path).tolist())}
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
        source=str(arrays["source"]) if "source" in arrays else path.stem,
        names=columns,
        coefficients=np.zeros((len(names), 0), np.float32) if coefficients is None else coefficients,
        points68=rows_of("points68"),
        points478=points478,
        indices478=indices.astype(np.int32),
        identity=None,
        pose_deg=rows_of("pose_deg"),
    )


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
