"""MediaPipe Face Landmarker as a teacher: 478 points with irises and 51 expression weights of each face.

Its weights do not enter what is trained; its answers are labels. Source: the Face Landmarker task of
MediaPipe (Apache-2.0), to be downloaded from its authors.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from tddfa.errors import InputError

_BEST_SIDE = 480
"""Side that crops are enlarged to, px: below about 250 px the teacher misses faces and detail."""

N_POINTS = 478


@dataclass(frozen=True, slots=True, eq=False)
class TeacherAnswers:
    """What the teacher says of a set of face crops.

    Attributes:
        found: crops in which it found a face, as they are and mirrored.
        points: of the crop as it is, px; NaN where no face was found.
        weights: mean of the crop's and the mirrored crop's expression weights, sides exchanged back.
        names: of the weights.
    """

    found: Bool[np.ndarray, " n"]
    points: Float32[np.ndarray, "n 478 2"]
    weights: Float32[np.ndarray, "n k"]
    names: tuple[str, ...]


class FaceLandmarker:
    """MediaPipe's task, run on crops of one face each.

    Args:
        task: the file `face_landmarker.task`.

    Raises:
        InputError: mediapipe is not installed, or the file cannot be used.
    """

    def __init__(self, task: Path):
        try:
            import mediapipe  # pyright: ignore[reportMissingImports]
            from mediapipe.tasks.python import BaseOptions, vision  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise InputError(
                "the teacher needs mediapipe, which is not installed: pip install 'tddfa-train[teacher]'"
            ) from None
        if not task.is_file():
            raise InputError(f"there is no file {task}; give MediaPipe's face_landmarker.task")
        self._mediapipe: Any = mediapipe
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(task)), output_face_blendshapes=True, num_faces=1
        )
        try:
            self._landmarker: Any = vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{task} is no task of the Face Landmarker: {error}") from None

    def answer(
        self, crop: UInt8[np.ndarray, "s s 3"]
    ) -> tuple[Float32[np.ndarray, "478 2"], dict[str, float]] | None:
        """Return points (px, pixel centres at integers) and weights by name; None where no face is found."""
        factor = max(1, round(_BEST_SIDE / len(crop)))
        large = cv2.resize(crop, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        image = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(large)
        )
        result = self._landmarker.detect(image)
        if not result.face_landmarks:
            return None
        side = len(crop)
        points = np.array([[p.x, p.y] for p in result.face_landmarks[0]], np.float32) * side - 0.5
        weights = {c.category_name: float(c.score) for c in result.face_blendshapes[0]}
        weights.pop("_neutral", None)
        return points, weights


def exchange_sides(weights: Mapping[str, float]) -> dict[str, float]:
    """Name the weights of a mirrored crop as those of the crop."""
    swapped: dict[str, float] = {}
    for name, value in weights.items():
        if name.endswith("Left"):
            name = name.removesuffix("Left") + "Right"
        elif name.endswith("Right"):
            name = name.removesuffix("Right") + "Left"
        swapped[name] = value
    return swapped


def teach(landmarker: FaceLandmarker, crops: Iterable[UInt8[np.ndarray, "s s 3"]]) -> TeacherAnswers:
    """Ask the teacher about every crop and its mirror image.

    A weight and the same of the mirrored crop agree at r .81 to .97 and differ by a bias between the sides
    (blink .12 and .09, squint .41 and .31 at rest): the mean has neither side's.
    """
    points: list[np.ndarray] = []
    weights: list[dict[str, float]] = []
    for crop in crops:
        seen, mirrored = landmarker.answer(crop), landmarker.answer(np.ascontiguousarray(crop[:, ::-1]))
        if seen is None or mirrored is None:
            points.append(np.full((N_POINTS, 2), np.nan, np.float32))
            weights.append({})
            continue
        points.append(seen[0])
        back = exchange_sides(mirrored[1])
        weights.append({name: (value + back[name]) / 2 for name, value in seen[1].items()})
    names = tuple(next((list(w) for w in weights if w), []))
    table = [[w.get(name, 0.0) for name in names] for w in weights]
    return TeacherAnswers(
        found=np.array([bool(w) for w in weights]),
        points=np.array(points, np.float32).reshape(-1, N_POINTS, 2),
        weights=np.array(table, np.float32).reshape(len(weights), len(names)),
        names=names,
    )
