"""What a network that ships says of the faces of a dataset folder, for networks that build on it."""

from pathlib import Path

import numpy as np

from tddfa import FaceAligner
from tddfa.errors import InputError
from tddfa.files import atomic_path
from tddfa_train.data.folder import open_face_folder

FIRST_ANSWER = ("first_camera", "first_identity", "first_expression")
"""Labels that are added."""

# Sigma of the crop's scale and place, in sides of the box around the landmarks: of crops that follow a face,
# and of those around a detection.
_JITTER = 0.03, 0.06


def add_answers(folder: Path, aligner: FaceAligner, *, seed: int = 0) -> int:
    """Add `first_camera`, `first_identity` and `first_expression` to the labels of a dataset folder.

    The crops are cut around the landmarks, moved a little, as those of a tracker or around a detection.

    Args:
        folder: the dataset folder; its labels are replaced.
        aligner: of the network.
        seed: of the moves.

    Returns:
        How many faces got an answer; the others keep the label's own numbers.

    Raises:
        InputError: a face got no answer, and has no fit.
    """
    faces = open_face_folder(folder)
    rng = np.random.default_rng(seed)
    n, model = len(faces), aligner.model
    camera = np.array(faces.labels.get("camera", np.full((n, 3, 4), np.nan)), np.float32)
    identity = np.zeros((n, model.n_identity), np.float32)
    expression = np.zeros((n, model.n_expression), np.float32)
    answered = 0
    for row in range(n):
        points = np.array(faces.labels["landmarks68"][row], np.float32)
        side = float(np.ptp(points[:, :2], axis=0).max())
        middle = points[:, :2].mean(0)
        jitter = _JITTER[row % len(_JITTER)]
        points[:, :2] = middle + (points[:, :2] - middle) * np.exp(rng.normal(0, jitter))
        points[:, :2] += rng.normal(0, jitter / 2, 2) * side
        image = np.ascontiguousarray(faces.images[row])
        (face,) = aligner.align(image, landmarks=[points], errors="none")
        if face is None:
            continue
        camera[row], identity[row] = face.params.camera, face.params.shape
        expression[row] = face.params.expression
        answered += 1
    if not np.isfinite(camera).all():
        raise InputError(
            f"{folder}: {n - answered} faces got no answer and have no camera of their own; "
            "'tddfa-train fit' gives them one"
        )
    labels = faces.labels | dict(zip(FIRST_ANSWER, (camera, identity, expression), strict=True))
    with atomic_path(folder / "labels.npz") as partial:
        np.savez(partial, **labels)  # pyright: ignore[reportArgumentType]
    return answered
