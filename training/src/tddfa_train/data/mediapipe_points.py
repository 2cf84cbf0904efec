"""MediaPipe's points in labels: which folders have them, and how much each point counts."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tddfa_train.data.batches import LandmarkBatches

# MediaPipe's points by what they say beyond the 68: lids and lips much, the face oval and the irises nothing.
_MEDIAPIPE_WEIGHTS = {
    "lips": 2.0,
    "left_eye": 2.0,
    "right_eye": 2.0,
    "face_oval": 0.1,
    "left_iris": 0.0,
    "right_iris": 0.0,
}


MEDIAPIPE_GROUPS: Mapping[str, tuple[int, ...]] = {
    "lips": (
        *(0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185, 191, 267),
        *(269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415),
    ),
    "left_eye": (249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466),
    "right_eye": (7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246),
    "face_oval": (
        *(10, 21, 54, 58, 67, 93, 103, 109, 127, 132, 136, 148, 149, 150, 152, 162, 172, 176, 234, 251, 284),
        *(288, 297, 323, 332, 338, 356, 361, 365, 377, 378, 379, 389, 397, 400, 454),
    ),
    "left_iris": tuple(range(473, 478)),
    "right_iris": tuple(range(468, 473)),
}
"""Numbers of MediaPipe's points. Source: the connections of its face mesh (Apache-2.0)."""


def mediapipe_weights(labels: Mapping[str, np.ndarray]) -> Tensor:
    """How much each of the labelled MediaPipe points counts; all the same where no group is named."""
    if "mediapipe_indices" not in labels:
        return torch.ones(labels["mediapipe"].shape[1])
    indices = labels["mediapipe_indices"]
    weight = np.ones(len(indices), np.float32)
    for group, value in _MEDIAPIPE_WEIGHTS.items():
        weight[np.isin(indices, labels.get(f"group_{group}", MEDIAPIPE_GROUPS[group]))] = value
    return torch.from_numpy(weight)


def mediapipe_labels(data: LandmarkBatches) -> Mapping[str, np.ndarray] | None:
    """Find the labels that say which MediaPipe points the folders have; None where none has any."""
    labelled = [f.labels for f in data.folders if "mediapipe" in f.labels]
    # Renders have exact points, but only photos say which points they are.
    return next((labels for labels in labelled if "mediapipe_indices" in labels), next(iter(labelled), None))
