"""How well held-out faces of dataset folders are aligned, by pose and by who or what they show."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from tqdm import tqdm

from tddfa.alignment import FaceAligner
from tddfa.evaluation.metrics import box_sizes, landmark_errors
from tddfa.evaluation.report import Report, View
from tddfa.geometry.boxes import intersection_over_union
from tddfa_train.data.folder import open_face_folder
from tddfa_train.data.renders import eye_aspect
from tddfa_train.loop.intervals import mean_interval

# UTKFace: [age]_[gender]_[race]_[date and time], with the codes that its authors give.
_UTKFACE = re.compile(r"(?:^|_)(\d{1,3})_[01]_([0-4])_\d{12,}")
_RACES = ("White", "Black", "Asian", "Indian", "Other")
_AGES = ((0, 9), (10, 24), (25, 59), (60, 120))
_MASK = re.compile(r"(?:^|_)(mask|none)-")
# Lower end of each tone's individual typology angle, degrees.
# Source: Chardon, Cretois and Hourseau, "Skin colour typology and suntanning pathways", 1991.
_TONES = ((41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-90.0, "brown or dark"))
_YAWS = ((30.0, "0–30°"), (60.0, "30–60°"), (np.inf, "beyond 60°"))
# Eye aspect ratios of MediaPipe's points below and above which eyes are surely closed and surely open.
_CLOSED, _OPEN = 0.15, 0.22


def skin_angle_deg(image: UInt8[np.ndarray, "h w 3"], landmarks: Float[np.ndarray, "68 2"]) -> float:
    """Individual typology angle of the cheeks: how light the skin is in this image, in this light.

    Args:
        image: RGB.
        landmarks: of the face, px.

    Source: Chardon et al. 1991: atan((L* − 50) / b*).
    """
    size = float(np.sqrt(np.prod(np.ptp(landmarks, axis=0))))
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    mask = np.zeros(image.shape[:2], np.uint8)
    for points in ((2, 31, 48), (14, 35, 54)):
        x, y = landmarks[list(points)].mean(0)
        cv2.circle(mask, (round(float(x)), round(float(y))), max(1, round(0.06 * size)), 1, -1)
    if not mask.any():
        return float("nan")
    lightness, _, yellow = np.median(lab[mask > 0], axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, max(float(yellow), 1e-3))))


def groups_of(name: str, yaw_deg: float, subset: str, skin_deg: float) -> dict[str, str]:
    """What is known of a face, by the question that it answers.

    Args:
        name: of the image; UTKFace and the face-mask set say in it whom and what they show.
        yaw_deg: of the head.
        subset: where the image comes from; empty when unknown.
        skin_deg: from `skin_angle_deg`.
    """
    groups = {"yaw": next(title for high, title in _YAWS if abs(yaw_deg) <= high)}
    if subset:
        groups["set"] = subset
    if found := _UTKFACE.search(name):
        age = int(found[1])
        low, high = next((a, b) for a, b in _AGES if age <= b)
        groups["age"] = f"{low}–{high}" if high < 100 else f"{low} and over"
        groups["race code of UTKFace"] = _RACES[int(found[2])]
    mask = _MASK.search(name)
    if mask:
        groups["mask"] = "with mask" if mask[1] == "mask" else "without mask"
    if np.isfinite(skin_deg) and not (mask and mask[1] == "mask"):
        groups["skin in the image"] = next(title for low, title in _TONES if skin_deg >= low)
    return groups


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Faces that never trained.

    Attributes:
        images: their images.
        landmarks: labels, px of the images.
        rows: name, yaw and groups of each.
        eye_aspect: of MediaPipe's points, NaN where unknown.
    """

    images: list[UInt8[np.ndarray, "s s 3"]]
    landmarks: Float[np.ndarray, "n 68 d"]
    rows: list[dict[str, Any]]
    eye_aspect: Float[np.ndarray, " n"]


def held_out_faces(folders: Sequence[str], every: int) -> HeldOut:
    """The faces that `held_out_every` keeps from training.

    Args:
        folders: dataset folders.
        every: each n-th face.
    """
    images: list[np.ndarray] = []
    landmarks: list[np.ndarray] = []
    rows: list[dict[str, Any]] = []
    aspects: list[float] = []
    for folder in map(Path, folders):
        faces = open_face_folder(folder)
        labels = faces.labels
        for row in range(0, len(faces), every):
            image, points = np.array(faces.images[row]), labels["landmarks68"][row]
            name = str(labels["names"][row]) if "names" in labels else f"{folder.name} {row}"
            subset = str(labels["subset"][row]) if "subset" in labels else folder.name
            yaw = float(labels["yaw_deg"][row])
            groups = groups_of(name, yaw, subset, skin_angle_deg(image, points[:, :2]))
            images.append(image)
            landmarks.append(points)
            rows.append({"name": name, "yaw_deg": yaw, "groups": groups})
            aspects.append(float(labels["eye_aspect"][row]) if "eye_aspect" in labels else np.nan)
    return HeldOut(images, np.stack(landmarks), rows, np.array(aspects))


def measure_groups(aligner: FaceAligner, faces: HeldOut) -> Report:
    """Distance of the landmarks to the labels, % of the face's size, by group.

    Args:
        aligner: sees each face in a crop around its labelled landmarks.
        faces: held out from training.
    """
    predicted: list[np.ndarray] = []
    for image, points in tqdm(
        zip(faces.images, faces.landmarks, strict=True),
        total=len(faces.images),
        desc="held-out faces",
        unit="face",
        disable=None,
    ):
        predicted.append(aligner.align(image, landmarks=[points])[0].landmarks)
    found, truth = np.stack(predicted), faces.landmarks[..., :2].astype(np.float64)
    errors = landmark_errors(found[..., :2], truth, box_sizes(truth))
    rows = [row | {"error": float(e)} for row, e in zip(faces.rows, errors, strict=True)]
    record = {
        "count": len(rows),
        "unit": "mean distance to the labels, % of the face's size",
        "all": _summary(errors.tolist()),
        "groups": group_means(rows),
        "eyes": _eyes(eye_aspect(found), faces),
    }

    def view(k: int) -> View:
        return View(faces.images[k], truth[k], found[k, :, :2].astype(np.float64))

    return Report(record, "", rows, view)


def group_means(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Count, mean error and half width of its 95 % interval: by question, by answer."""
    members: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        for question, answer in row["groups"].items():
            members.setdefault(question, {}).setdefault(answer, []).append(row["error"])
    return {
        question: {answer: _summary(errors) for answer, errors in sorted(answers.items())}
        for question, answers in members.items()
    }


def _summary(errors: list[float]) -> dict[str, float]:
    mean, half = mean_interval(errors)
    summary: dict[str, float] = {"count": len(errors), "mean": mean}
    return summary | ({"half_width": half} if np.isfinite(half) else {})


def _eyes(ratios: Float[np.ndarray, " n"], faces: HeldOut) -> dict[str, Any] | None:
    """How well the eye aspect ratio tells closed eyes from open ones: area under the curve."""
    frontal = np.array([abs(row["yaw_deg"]) < 40 for row in faces.rows])
    closed = ratios[frontal & (faces.eye_aspect < _CLOSED)]
    opened = ratios[frontal & (faces.eye_aspect > _OPEN)]
    if not len(closed) or not len(opened):
        return None
    wins = (opened[:, None] > closed) + 0.5 * (opened[:, None] == closed)
    return {"auc": float(wins.mean()), "closed": len(closed), "open": len(opened)}


def detector_recall(
    aligner: FaceAligner,
    images: Sequence[UInt8[np.ndarray, "h w 3"]],
    boxes: Sequence[Float[np.ndarray, "n 4"]],
    overlap: float = 0.4,
) -> dict[str, Any]:
    """How many of the given boxes are found, and how many boxes are found beside them.

    Args:
        aligner: looks for faces.
        images: RGB.
        boxes: x0, y0, x1, y1 of the faces of each.
        overlap: intersection over union that is the same face.
    """
    hit = extra = 0
    for image, known in zip(images, boxes, strict=True):
        found = np.array([list(face.detection.box) for face in aligner.align(image)], np.float64)
        found = found.reshape(-1, 4)
        shared = intersection_over_union(known.astype(np.float64), found)
        pairs = np.argwhere(shared >= overlap)
        taken: set[tuple[str, int]] = set()
        for face, box in sorted(map(tuple, pairs.tolist()), key=lambda pair: -shared[pair]):
            if ("face", face) not in taken and ("box", box) not in taken:
                taken |= {("face", face), ("box", box)}
        matched = len(taken) // 2
        hit, extra = hit + matched, extra + len(found) - matched
    n_boxes = sum(map(len, boxes))
    return {
        "photos": len(images),
        "boxes": n_boxes,
        "found": hit,
        "recall": hit / max(1, n_boxes),
        "beside": extra,
        "overlap": overlap,
    }
