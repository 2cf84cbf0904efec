"""AFLW2000-3D, 68 points: normalised mean error by yaw, from the official crops."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from tddfa.errors import InputError


@dataclass(frozen=True, slots=True)
class Aflw2000:
    """Official crops with both ground truths, px of the source images.

    Attributes:
        crops: RGB.
        crop_boxes: sx, sy, ex, ey of each crop.
        original: points of the data set.
        reannotated: points of Bulat and Tzimiropoulos.
        yaw_deg: as published with the crops.
        angles_deg: pitch, yaw and roll of the fitted faces, where the labels have them.
    """

    crops: UInt8[np.ndarray, "n 120 120 3"]
    crop_boxes: Float[np.ndarray, "n 4"]
    original: Float[np.ndarray, "n 68 2"]
    reannotated: Float[np.ndarray, "n 68 2"]
    yaw_deg: Float[np.ndarray, "n"]
    angles_deg: Float[np.ndarray, "n 3"] | None = None


def open_aflw2000(crops: Path, labels: Path) -> Aflw2000:
    """The evaluation set from an array of crops and its labels.

    Raises:
        InputError: a file cannot be read or lacks a label.
    """
    try:
        with np.load(labels) as stored:
            return Aflw2000(
                crops=np.load(crops),
                crop_boxes=stored["roi_box"],
                original=stored["pts68"][:, :2].transpose(0, 2, 1),
                reannotated=stored["pts68_reannotated"].transpose(0, 2, 1),
                yaw_deg=np.abs(stored["yaw_deg"]),
                angles_deg=stored["pitch_yaw_roll_deg"] if "pitch_yaw_roll_deg" in stored.files else None,
            )
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"cannot read the evaluation set {crops}, {labels}: {error}") from None


def image_from_crop_points(
    points: Float[np.ndarray, "n 68 2"], crop_boxes: Float[np.ndarray, "n 4"], side: int = 120
) -> Float[np.ndarray, "n 68 2"]:
    """Crop points mapped through the stored boxes as the protocol says: x · (ex − sx) / side + sx."""
    scale = (crop_boxes[:, 2:] - crop_boxes[:, :2]) / side
    return points * scale[:, None] + crop_boxes[:, None, :2]


def nme_per_image(
    predicted: Float[np.ndarray, "n 68 2"], truth: Float[np.ndarray, "n 68 2"]
) -> Float[np.ndarray, "n"]:
    """Mean point distance over the geometric mean side of the true landmarks' box, percent."""
    size = np.sqrt(np.prod(np.ptp(truth, axis=1), axis=1))
    return 100 * np.linalg.norm(predicted - truth, axis=2).mean(1) / size


def nme_table(
    nme: Float[np.ndarray, "n"], yaw_deg: Float[np.ndarray, "n"], seed: int = 0
) -> dict[str, float]:
    """NME by |yaw| bin, mean of the bins with its 95 % bootstrap interval, and plain mean."""
    bins = np.digitize(np.abs(yaw_deg), (30, 60), right=True)
    means = [float(nme[bins == index].mean()) for index in range(3)]
    rng = np.random.default_rng(seed)
    resampled = [
        np.mean([rng.choice(nme[bins == index], (bins == index).sum()).mean() for index in range(3)])
        for _ in range(500)
    ]
    low, high = np.percentile(resampled, (2.5, 97.5))
    return {
        "yaw_0_30": means[0],
        "yaw_30_60": means[1],
        "yaw_60_90": means[2],
        "mean_of_bins": float(np.mean(means)),
        "low": float(low),
        "high": float(high),
        "mean": float(nme.mean()),
        "count": len(nme),
    }


def evaluate_points(points: Float[np.ndarray, "n 68 2"], data: Aflw2000) -> dict[str, dict[str, float]]:
    """Both tables for predicted crop points."""
    predicted = image_from_crop_points(points, data.crop_boxes)
    return {
        "original": nme_table(nme_per_image(predicted, data.original), data.yaw_deg),
        "reannotated": nme_table(nme_per_image(predicted, data.reannotated), data.yaw_deg),
    }
