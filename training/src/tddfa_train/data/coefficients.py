"""Batches with the coefficients of faces beside their points: exact for renders, fitted for photos."""

import numpy as np
from jaxtyping import Float, Float32

from tddfa.errors import InputError
from tddfa.morphable.model import MorphableModel
from tddfa.types import FaceParams
from tddfa_train.data.batches import Batch, LandmarkBatches, LandmarkDataConfig
from tddfa_train.parameters.batches import moved_params

_MOST_BOOST = 8.0
_MOVED = 0.3


class CoefficientBatches(LandmarkBatches):
    """Batches with `rotation`, `identity`, `expression` and their weights.

    Folders without fits (`camera`, `identity`, `expression`) give rows of weight 0. Faces with rare
    expressions, or with different ones on the two sides, are drawn more often.

    Args:
        config: as for `LandmarkBatches`.
        n_steps: of the training.
        model: of the coefficients.
        held_out: as for `LandmarkBatches`.
    """

    def __init__(
        self, config: LandmarkDataConfig, n_steps: int, model: MorphableModel, *, held_out: bool = False
    ):
        self.model = model
        super().__init__(config, n_steps, held_out=held_out)
        self.mirrors = self.mirrors and model.identity_mirror_sign is not None

    def _weight(self) -> Float[np.ndarray, " n"]:
        boosts = [
            rarity(folder.labels["expression"] * folder.labels["expression_weight"], self.model)
            if "expression_weight" in folder.labels
            else np.ones(len(folder))
            for folder in self.folders
        ]
        return super()._weight() * np.concatenate(boosts)

    def more_labels(self, labels: dict[str, np.ndarray], matrix: Float32[np.ndarray, "2 3"]) -> Batch:
        """Return the coefficients in the crop, and how much each counts."""
        model = self.model
        n_identity, n_expression = model.n_identity, model.n_expression
        if "expression_weight" not in labels:
            return {
                "rotation": np.eye(3, dtype=np.float32),
                "rotation_weight": np.zeros((), np.float32),
                "identity": np.zeros(n_identity, np.float32),
                "fit_weight": np.zeros((), np.float32),
                "expression": np.zeros(n_expression, np.float32),
                "expression_weight": np.zeros(n_expression, np.float32),
            }
        camera = labels["camera"].astype(np.float64)
        numbers = moved_params(FaceParams(camera, labels["identity"], labels["expression"]), matrix, model)
        weight = labels["expression_weight"]
        if np.linalg.det(matrix[:, :2]) < 0:
            flipped = model.mirrored(FaceParams(camera, labels["identity"], weight), image_width=1.0)
            weight = flipped.expression
        return {
            "rotation": nearest_rotation(numbers[:12].reshape(3, 4)[:2, :3]),
            "rotation_weight": np.asarray(labels["rotation_weight"], np.float32),
            "identity": numbers[12 : 12 + n_identity],
            "fit_weight": np.asarray(labels["fit_weight"], np.float32),
            "expression": numbers[12 + n_identity :],
            "expression_weight": weight.astype(np.float32),
        }


def nearest_rotation(rows: Float[np.ndarray, "2 3"]) -> Float32[np.ndarray, "3 3"]:
    """Turn the first two rows of a camera into a rotation, its first row's direction kept."""
    first = rows[0] / np.linalg.norm(rows[0])
    second = rows[1] - (rows[1] @ first) * first
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)]).astype(np.float32)


def rarity(expression: Float[np.ndarray, "n e"], model: MorphableModel) -> Float[np.ndarray, " n"]:
    """Compute how much more often faces are drawn for what they show.

    A face counts more for each expression above 0.3 that few faces show, and for each one that differs
    between the two sides.

    Args:
        expression: weights in [0, 1].
        model: knows the twins.

    Raises:
        InputError: the weights are of another model.
    """
    if expression.shape[1] != model.n_expression:
        raise InputError(
            f"the labels have {expression.shape[1]} expressions, the model has {model.n_expression}; "
            f"fit them again with 'tddfa-train fit'"
        )
    ids = np.zeros((1, model.n_identity), np.float32)
    order = model.mirrored(
        FaceParams(np.eye(3, 4), ids[0], np.arange(model.n_expression, dtype=np.float32)), 1.0
    ).expression.astype(int)
    moved = np.clip(expression / _MOVED, 0, 2) * (expression > 0.5 * _MOVED)
    sided = np.clip(np.abs(expression - expression[:, order]) / _MOVED, 0, 2) / 2
    sided *= sided > 0.33
    boost = np.ones(len(expression))
    for activity in (moved, sided):
        share = activity.mean(0)
        gain = np.where(share > 1e-4, np.clip(0.03 / np.maximum(share, 1e-6), 0, 4), 0)
        boost += activity @ gain
    return np.minimum(boost, _MOST_BOOST)
