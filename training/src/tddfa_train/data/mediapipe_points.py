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


def mediapipe_weights(labels: Mapping[str, np.ndarray]) -> Tensor:
    """How much each of the labelled MediaPipe points counts; all the same where no group is named."""
    if "mediapipe_indices" not in labels:
        return torch.ones(labels["mediapipe"].shape[1])
    indices = labels["mediapipe_indices"]
    weight = np.ones(len(indices), np.float32)
    for group, value in _MEDIAPIPE_WEIGHTS.items():
        weight[np.isin(indices, labels[f"group_{group}"])] = value
    return torch.from_numpy(weight)


def mediapipe_labels(data: LandmarkBatches) -> Mapping[str, np.ndarray] | None:
    """Find the labels that say which MediaPipe points the folders have; None where none has any."""
    labelled = [f.labels for f in data.folders if "mediapipe" in f.labels]
    # Renders have exact points, but only photos say which points they are.
    return next((labels for labels in labelled if "mediapipe_indices" in labels), next(iter(labelled), None))
