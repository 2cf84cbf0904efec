"""Camera and coefficients of a morphable model, taught through points, differences of points, and weights."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tddfa_train.alignment.network import FaceOutput
from tddfa_train.landmarks.task import masked_distance, network_input
from tddfa_train.point_model import PointModel

# Pairs of MediaPipe's points whose difference says an expression, each side by itself.
# Source of the indices: MediaPipe's canonical face mesh (Apache-2.0).
_PAIRS = {
    "lids": (
        ((159, 145), (158, 153), (160, 144), (157, 154), (161, 163)),
        ((386, 374), (385, 380), (387, 373), (384, 381), (388, 390)),
    ),
    "lips": (((13, 14), (82, 87), (312, 317), (80, 88), (310, 318), (0, 17), (37, 84), (267, 314)),),
    "brows": (
        ((105, 159), (66, 158), (107, 157), (63, 160), (55, 133), (107, 336)),
        ((334, 386), (296, 385), (336, 384), (293, 387), (285, 362)),
    ),
    "corners": (
        ((61, 291), (61, 4), (291, 4), (61, 13), (291, 13), (61, 14), (291, 14), (61, 133), (291, 362)),
    ),
}


# No teacher knows these and no render shows them: what a network says of them is chance.
_UNTAUGHT = ("tongueOut",)


def difference_pairs(numbers: Int[np.ndarray, " points"]) -> Int[Tensor, "pairs 2"]:
    """Find the pairs of points whose differences are compared, as positions in a set of MediaPipe's points.

    Args:
        numbers: MediaPipe's number of each point of the set, ascending.
    """
    pairs = np.array([pair for groups in _PAIRS.values() for group in groups for pair in group])
    known = np.isin(pairs, numbers).all(1)
    return torch.from_numpy(np.searchsorted(numbers, pairs[known]))


@dataclass(frozen=True, slots=True)
class AlignmentLossConfig:
    """Weights of the terms.

    Attributes:
        depth: of the 68 points' depth.
        mediapipe: of MediaPipe's points.
        differences: of lid to lid, lip to lip, brow to eye, corner to corner and nose.
        surface: of points all over the face, where labels have them.
        expression: of the expression weights, where labels have them.
        gaze: how much more the expressions of gaze count: eyes are small, and noise makes a network cautious.
        rest: L1 on expressions where labels have none, so that a face at rest is at 0.
        identity: of the identity coefficients, where labels have them.
        identity_prior: of their square where labels have none.
        rotation: of the head's rotation, where labels have a camera.
        confidence: of "this crop is a well-framed face".
        direct: of the points that the network reads without the model, where it has such a head.
    """

    depth: float = 0.3
    mediapipe: float = 1.0
    differences: float = 1.0
    surface: float = 0.5
    expression: float = 6.0
    gaze: float = 1.0
    rest: float = 0.02
    identity: float = 0.03
    identity_prior: float = 5e-5
    rotation: float = 0.3
    confidence: float = 0.05
    direct: float = 1.0


@dataclass(frozen=True, slots=True)
class AlignmentTask:
    """L1 on points in units of half a crop, squared errors of coefficients.

    Points say what geometry says; several expressions share their geometry, and the weights of renders and of
    fits to a teacher that sees them tell those apart.

    Attributes:
        config: weights of the terms.
        landmarks: the 68 points.
        mediapipe: MediaPipe's points, with `mediapipe_weight` and `pairs`; None where no folder has them.
        mediapipe_weight: how much each point counts.
        pairs: points whose differences are compared.
        surface: points all over the face; None where no folder has them.
        expression_scale: how much the error of each expression counts: rare ones move little on average.
    """

    config: AlignmentLossConfig
    landmarks: PointModel
    mediapipe: PointModel | None = None
    mediapipe_weight: Float[Tensor, " points"] | None = None
    pairs: Int[Tensor, "pairs 2"] | None = None
    surface: PointModel | None = None
    expression_scale: Float[Tensor, " e"] | None = None

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `tddfa_train.loop.task.Task`."""
        return self.compare(network(network_input(batch["crop"])), batch)

    def compare(self, face: FaceOutput, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute the loss terms of a network's answer to a batch."""
        half = batch["crop"].shape[1] / 2
        weights = face.weights()
        config = self.config
        terms = self._landmark_terms(face, weights, batch, half)
        if self.mediapipe is not None and self.mediapipe_weight is not None:
            shown = self.mediapipe(face.camera, face.identity, weights)[..., :2]
            terms |= self._mediapipe_terms(shown / half, batch["mediapipe"] / half, batch)
        if self.surface is not None and "surface" in batch:
            shown = self.surface(face.camera, face.identity, weights)
            known = torch.isfinite(batch["surface"]).all(2).all(1) * batch["is_face"]
            error = surface_distance(shown, batch["surface"].nan_to_num(), known)
            terms["surface"] = config.surface * error / half
        if face.points is not None:
            terms["direct"] = config.direct * self._direct_error(face.points / half, batch, half)
        terms |= self._coefficient_terms(face, batch)
        terms["confidence"] = config.confidence * nn.functional.binary_cross_entropy_with_logits(
            face.confidence, batch["is_face"]
        )
        return terms

    def _direct_error(self, points: Tensor, batch: dict[str, Tensor], half: float) -> Tensor:
        """Compare the points that are read without the model: the 68, then MediaPipe's."""
        marks, weight = batch["landmarks68"][..., :2] / half, batch["weight"]
        error = masked_distance(points[:, :68], marks, weight[:, None].expand(-1, 68))
        if self.mediapipe_weight is None:
            return error
        trust = batch["mediapipe_trust"][:, None] * self.mediapipe_weight
        return error + masked_distance(points[:, 68:], batch["mediapipe"] / half, trust)

    def _landmark_terms(
        self, face: FaceOutput, weights: Tensor, batch: dict[str, Tensor], half: float
    ) -> dict[str, Tensor]:
        truth, weight = batch["landmarks68"], batch["weight"]
        predicted = self.landmarks(face.camera, face.identity, weights)
        # Files of 300W-LP know no depth.
        has_depth = torch.isfinite(truth[..., 2]).all(1)
        depth, true_depth = predicted[..., 2], truth[..., 2].nan_to_num()
        depth_error = (
            (depth - depth.mean(1, keepdim=True)) - (true_depth - true_depth.mean(1, keepdim=True))
        ).abs() / half
        known = weight * has_depth
        return {
            "points": masked_distance(
                predicted[..., :2] / half, truth[..., :2] / half, weight[:, None].expand(-1, truth.shape[1])
            ),
            "depth": self.config.depth * _mean(depth_error.mean(1), known),
        }

    def _mediapipe_terms(
        self, shown: Float[Tensor, "b n 2"], truth: Float[Tensor, "b n 2"], batch: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        assert self.mediapipe_weight is not None
        trust = batch["mediapipe_trust"][:, None]
        terms = {
            "mediapipe": self.config.mediapipe * masked_distance(shown, truth, trust * self.mediapipe_weight)
        }
        if self.pairs is not None:
            first, second = self.pairs.unbind(1)
            across, true_across = shown[:, first] - shown[:, second], truth[:, first] - truth[:, second]
            # Closed lids and lips meet: what is left of a gap shows more than the same error of an open one.
            gap = true_across.nan_to_num(1.0).abs().sum(2)
            closed = 1 + 2 * torch.exp(-gap / 0.03)
            terms["differences"] = self.config.differences * masked_distance(
                across, true_across, trust * closed
            )
        return terms

    def _coefficient_terms(self, face: FaceOutput, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        config, is_face = self.config, batch["is_face"]
        if "expression" not in batch:
            resting = unlabelled = is_face
            expression = face.expression.new_zeros(())
            identity = rotation = expression
        else:
            known = batch["expression_weight"]
            if self.expression_scale is not None:
                known = known * self.expression_scale
            truth = batch["expression"]
            error = face.expression - truth
            # Below 0 and above 1 there is nothing to tell apart: the clamp gives the same weight.
            over = ((truth <= 0) & (error < 0)) | ((truth >= 1) & (error > 0))
            error = nn.functional.smooth_l1_loss(
                torch.where(over, 0.1 * error, error), torch.zeros_like(error), reduction="none"
            )
            expression = (error * known).mean(1).mean()
            fitted = batch["fit_weight"]
            identity = _mean((face.identity - batch["identity"]).square().mean(1), fitted)
            difference = (face_rotation(face.camera) - batch["rotation"]).square().sum((1, 2))
            rotation = _mean((difference + 1e-6).sqrt(), batch["rotation_weight"])
            unlabelled = is_face * (fitted <= 0)
            resting = is_face * (batch["expression_weight"].sum(1) <= 0)
        return {
            "expression": config.expression * expression,
            "rest": config.rest * _mean(face.weights().abs().mean(1), resting),
            "identity": config.identity * identity,
            "identity prior": config.identity_prior * _mean(face.identity.square().sum(1), unlabelled),
            "rotation": config.rotation * rotation,
        }


def face_rotation(camera: Float[Tensor, "b 3 4"]) -> Float[Tensor, "b 3 3"]:
    """Take the rotation out of a scaled orthographic camera."""
    linear = camera[:, :, :3]
    return linear / linear[:, :1].norm(dim=2, keepdim=True)


def _mean(value: Float[Tensor, " b"], weight: Float[Tensor, " b"]) -> Tensor:
    return (value * weight).sum() / weight.sum().clamp(min=1.0)


def surface_distance(
    points: Float[Tensor, "b n 3"], truth: Float[Tensor, "b n 3"], weight: Float[Tensor, " b"]
) -> Tensor:
    """Weighted mean of |Δx| + |Δy| + |Δz| / 3 of the points, px; depth is relative to its mean."""
    flat = (points[..., :2] - truth[..., :2]).abs().sum(2).mean(1)
    depth, true_depth = points[..., 2], truth[..., 2]
    deep = ((depth - depth.mean(1, keepdim=True)) - (true_depth - true_depth.mean(1, keepdim=True))).abs()
    return _mean(flat + deep.mean(1) / 3, weight)


def regressed_expressions(names: tuple[str, ...], basis: Float[np.ndarray, "n 3 e"]) -> Tensor:
    """Choose the expressions that are estimated: all that move something, but for those no label knows.

    Args:
        names: of the expressions.
        basis: their displacements.
    """
    if not names:
        return torch.zeros(0, dtype=torch.bool)
    taught = np.array([name not in _UNTAUGHT for name in names])
    return torch.from_numpy((np.abs(basis).max((0, 1)) > 0) & taught)
