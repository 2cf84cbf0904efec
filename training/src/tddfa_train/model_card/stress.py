"""Photos made harder step by step: where alignment and detection break, in numbers and in images.

Truth is what the pack itself says of the photo as it is, moved along with the image.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from tddfa.alignment import FaceAligner
from tddfa.evaluation.metrics import box_sizes, landmark_errors
from tddfa_train.data.augment import motion_kernel, warp

_SIDE = 256  # of the image that is made harder
_FACE = 110.0  # px, longer side of the landmark box in it
_FOUND = (90, 230, 60)
_LOST = (230, 60, 50)

Degradation = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True, slots=True)
class Stress:
    """One way to make a photo harder.

    Attributes:
        roll_deg: the face is turned in the image, clockwise.
        degrade: image, landmarks → image.
    """

    roll_deg: float = 0.0
    degrade: Degradation = lambda image, landmarks, rng: image


def _dark(share: float) -> Degradation:
    def degrade(image: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.clip(image * share + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)

    return degrade


def _small(face_px: float) -> Degradation:
    def degrade(image: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        few = max(2, round(_SIDE * face_px / _FACE))
        little = cv2.resize(image, (few, few), interpolation=cv2.INTER_AREA)
        return cv2.resize(little, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)

    return degrade


def _motion(length: int) -> Degradation:
    def degrade(image: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return cv2.filter2D(image, -1, motion_kernel(length, 20.0))

    return degrade


def _cover(points: Sequence[int], colour: tuple[int, int, int], grow: float) -> Degradation:
    def degrade(image: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        some = landmarks[list(points), :2]
        middle = some.mean(0)
        hull = cv2.convexHull((middle + grow * (some - middle)).astype(np.float32))
        out = image.copy()
        cv2.fillConvexPoly(out, np.rint(hull).astype(np.int32), colour, cv2.LINE_AA)
        return out

    return degrade


def _hood(colour: tuple[int, int, int]) -> Degradation:
    def degrade(image: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        brows, mouth = landmarks[17:27, :2], landmarks[48:60, :2]
        forehead = brows + 0.2 * (brows.mean(0) - mouth.mean(0))
        face = cv2.convexHull(np.concatenate([landmarks[:17, :2], forehead]).astype(np.float32))[:, 0]
        shape = np.zeros(image.shape[:2], np.uint8)
        for size, value in ((1.6, 1), (0.97, 0)):
            outline = face.mean(0) + size * (face - face.mean(0))
            cv2.fillConvexPoly(shape, np.rint(outline).astype(np.int32), value)
        return np.where(shape[..., None] > 0, np.array(colour, np.uint8), image)

    return degrade


STRESSES: Mapping[str, Stress] = {
    "as it is": Stress(),
    "roll 45°": Stress(45),
    "roll 90°": Stress(90),
    "roll 135°": Stress(135),
    "roll 180°": Stress(180),
    "24 px face": Stress(degrade=_small(24)),
    "12 px face": Stress(degrade=_small(12)),
    "dark": Stress(degrade=_dark(0.08)),
    "motion": Stress(degrade=_motion(21)),
    "mask": Stress(degrade=_cover((*range(2, 15), 28), (190, 205, 215), 1.02)),
    "dark glasses": Stress(degrade=_cover((*range(17, 27), 1, 15, 29, 40, 47), (20, 20, 24), 0.95)),
    "hood": Stress(degrade=_hood((44, 52, 70))),
    "left half": Stress(
        degrade=_cover((27, 30, 33, 57, 8, *range(9, 17), *range(22, 27)), (120, 110, 100), 1.1)
    ),
}
"""Title → what happens to the photo."""


def stress(
    aligner: FaceAligner, photos: Sequence[UInt8[np.ndarray, "h w 3"]], seed: int = 0
) -> tuple[dict[str, dict[str, Any]], UInt8[np.ndarray, "h w 3"] | None]:
    """How far landmarks move, and which faces are still found, when photos get harder.

    Args:
        aligner: the pack, with its detector.
        photos: RGB.
        seed: of the noise.

    Returns:
        By stress: faces, faces found, mean error of the landmarks with and without the detector, % of the
        face's size, and the mean confidence, None where a
        pack has none. And an image: a row a face, a column a stress; landmarks of
        faces that are found are green, those that alignment alone gives are red. None where no photo shows
        a face.
    """
    rng = np.random.default_rng(seed)
    rows: list[np.ndarray] = []
    gathered: dict[str, list[tuple[float, float | None, float | None]]] = {title: [] for title in STRESSES}
    for photo in photos:
        for face in aligner.align(photo):
            tiles: list[np.ndarray] = []
            for title, one in STRESSES.items():
                image, truth = _placed(photo, face.landmarks, one.roll_deg)
                image = one.degrade(image, truth, rng)
                size = box_sizes(truth[None, :, :2])
                alone = aligner.align(image, landmarks=[truth])[0]
                error = _error(alone.landmarks, truth, size)
                found = [_error(other.landmarks, truth, size) for other in aligner.align(image)]
                # Beyond a third of the face it is another face, or none.
                best = min((e for e in found if e < 33), default=None)
                gathered[title].append((error, best, alone.params.confidence))
                tiles.append(_tile(image, alone.landmarks, title, found=best is not None))
            rows.append(np.concatenate(tiles, 1))
    table: dict[str, dict[str, Any]] = {}
    for title, results in gathered.items():
        if results:
            errors = [error for error, _, _ in results]
            by_detector = [best for _, best, _ in results if best is not None]
            table[title] = {
                "faces": len(results),
                "found": len(by_detector),
                "error": float(np.mean(errors)),
                "error_with_detector": _mean_of(by_detector),
                "confidence": _mean_of([c for _, _, c in results if c is not None]),
            }
    return table, np.concatenate(rows) if rows else None


def _mean_of(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _placed(
    photo: np.ndarray, landmarks: np.ndarray, roll_deg: float
) -> tuple[UInt8[np.ndarray, "s s 3"], Float[np.ndarray, "68 3"]]:
    """The face in the middle of a square image, turned, and its landmarks there."""
    points = landmarks.astype(np.float64)
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    scale = _FACE / (high - low).max()
    turn = np.deg2rad(roll_deg)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    offset = (_SIDE - 1) / 2 - linear @ ((low + high) / 2)
    matrix = np.column_stack([linear, offset]).astype(np.float32)
    moved = points * scale
    moved[:, :2] = points[:, :2] @ linear.T + offset
    return warp(photo, matrix, _SIDE, cv2.BORDER_REPLICATE), moved


def _error(landmarks: np.ndarray, truth: np.ndarray, size: np.ndarray) -> float:
    return float(landmark_errors(landmarks[None, :, :2], truth[None, :, :2], size)[0])


def _tile(image: np.ndarray, landmarks: np.ndarray, title: str, *, found: bool) -> np.ndarray:
    tile = image.copy()
    for x, y in landmarks[:, :2]:
        if np.isfinite([x, y]).all():
            cv2.circle(
                tile, (round(float(x)), round(float(y))), 2, _FOUND if found else _LOST, -1, cv2.LINE_AA
            )
    place, font = (6, 18), cv2.FONT_HERSHEY_SIMPLEX
    for colour, width in ((0, 0, 0), 3), ((255, 255, 255), 1):
        cv2.putText(tile, title.replace("°", " deg"), place, font, 0.5, colour, width, cv2.LINE_AA)
    return tile
