"""Batches whose labels are a camera and coefficients, as the recipe of 3DDFA_V2 needs them."""

import numpy as np
from jaxtyping import Float, Float32

from tddfa.morphable.model import MorphableModel
from tddfa.types import FaceParams
from tddfa_train.data.batches import Batch, LandmarkBatches, LandmarkDataConfig


def moved_params(
    params: FaceParams, matrix: Float32[np.ndarray, "2 3"], model: MorphableModel
) -> Float32[np.ndarray, " p"]:
    """The numbers (3x4 matrix row by row, identity, expression) of a face after its image was warped.

    Args:
        params: of the face in the image.
        matrix: crop from image; one that mirrors gives the mirrored face's coefficients.
        model: knows its own mirror image.
    """
    linear = matrix[:, :2].astype(np.float64)
    camera = params.camera.astype(np.float64)
    if np.linalg.det(linear) < 0:
        params = model.mirrored(FaceParams(camera, params.identity, params.expression), image_width=1.0)
        camera = params.camera
        linear = linear * np.array([-1.0, 1.0])  # the mirrored image, about x = 0, is warped without a mirror
    scale = np.sqrt(np.linalg.det(linear))
    moved = np.zeros((3, 4))
    moved[:2] = linear @ camera[:2]
    moved[:2, 3] += matrix[:, 2]
    moved[2] = scale * camera[2]
    return np.concatenate([moved.ravel(), params.identity, params.expression]).astype(np.float32)


class ParameterBatches(LandmarkBatches):
    """Batches with `params` beside the landmarks; every folder needs fits (`tddfa-train fit`)."""

    def __init__(self, config: LandmarkDataConfig, n_steps: int, model: MorphableModel):
        super().__init__(config, n_steps)
        self.model = model
        self.mirrors = self.mirrors and model.identity_mirror_sign is not None

    def more_labels(self, labels: dict[str, np.ndarray], matrix: Float32[np.ndarray, "2 3"]) -> Batch:
        """The parameters in the crop."""
        params = FaceParams(labels["camera"].astype(np.float64), labels["identity"], labels["expression"])
        return {"params": moved_params(params, matrix, self.model)}

    def statistics(self, most: int = 2000) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
        """Mean and standard deviation of the parameters as training will see them, for z-scores.

        Args:
            most: samples to take; fewer where there are few faces.
        """
        count = min(most, 10 * len(self.rows))
        batches = [self[step]["params"] for step in range(-(-count // self.config.batch_size))]
        together = np.concatenate(batches).astype(np.float64)
        return together.mean(0), np.maximum(together.std(0), 1e-4)
