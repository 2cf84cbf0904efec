"""The recipe of 3DDFA_V2: z-scored parameters, by VDC, WPDC, fWPDC, both jointly or meta-jointly, and LRR."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from tddfa_train.landmarks.task import masked_distance, network_input
from tddfa_train.parameters.losses import FaceBasis, fwpdc, vdc, wpdc
from tddfa_train.parameters.losses.combine import balanced, vanilla_joint
from tddfa_train.parameters.losses.meta_joint import Loss
from tddfa_train.point_model import PointModel

LossName = Literal["vdc", "wpdc", "fwpdc", "vanilla-joint", "meta-joint"]


@dataclass(frozen=True, slots=True)
class ParameterLossConfig:
    """Which cost, and whether landmarks are regressed beside it.

    Attributes:
        cost: "meta-joint" tries fWPDC and VDC on every `look_ahead` batches and keeps the better branch.
        look_ahead: batches of a meta-joint round.
        landmarks: landmark-regression regularisation (LRR).
    """

    cost: LossName = "vanilla-joint"
    look_ahead: int = 100
    landmarks: bool = True


class ParameterNetwork(nn.Module):
    """Trunk, parameters, and the landmark head that only training uses."""

    mean: Float[Tensor, " p"]
    std: Float[Tensor, " p"]

    def __init__(
        self, trunk: nn.Module, feature: int, mean: Float[np.ndarray, " p"], std: Float[np.ndarray, " p"]
    ):
        super().__init__()
        self.trunk = trunk
        self.fc = nn.Linear(feature, len(mean))
        self.fc_lm = nn.Linear(feature, 68 * 2)
        self.register_buffer("mean", torch.from_numpy(mean).float())
        self.register_buffer("std", torch.from_numpy(std).float())

    def forward(
        self, crops: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b p"], Float[Tensor, "b 68 2"]]:
        """Parameters, no longer z-scored, and landmarks in [0, 1] of the crop."""
        feature = self.trunk(crops).float()
        with torch.autocast(crops.device.type, enabled=False):
            return self.fc(feature) * self.std + self.mean, self.fc_lm(feature).view(-1, 68, 2)


@dataclass(frozen=True, slots=True)
class ParameterTask:
    """Losses of the recipe of 3DDFA_V2, for any morphable model."""

    config: ParameterLossConfig
    face: FaceBasis

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `tddfa_train.loop.task.Task`; meta-joint training calls `branches` instead."""
        predicted, landmarks = network(network_input(batch["crop"]))
        return self._terms(self.config.cost, network, predicted, landmarks, batch)

    def branches(self) -> tuple[Loss, Loss]:
        """What meta-joint optimisation chooses between: fWPDC and VDC."""
        return self._branch("fwpdc"), self._branch("vdc")

    def judge(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """VDC of a batch."""
        return vdc(self.face, network(network_input(batch["crop"]))[0], batch["params"])

    def _branch(self, cost: LossName) -> Loss:
        def loss(network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
            predicted, landmarks = network(network_input(batch["crop"]))
            return torch.stack(list(self._terms(cost, network, predicted, landmarks, batch).values())).sum()

        return loss

    def _terms(
        self,
        cost: LossName,
        network: nn.Module,
        predicted: Tensor,
        landmarks: Tensor,
        batch: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        truth, std = batch["params"], network.std
        assert isinstance(std, Tensor)
        if cost == "vdc":
            main = vdc(self.face, predicted, truth)
        elif cost == "wpdc":
            main = wpdc(self.face, predicted, truth, std)
        elif cost == "fwpdc":
            main = fwpdc(self.face, predicted, truth, std)
        else:
            main = vanilla_joint(fwpdc(self.face, predicted, truth, std), vdc(self.face, predicted, truth))
        terms = {"main": main}
        if self.config.landmarks:
            side = batch["crop"].shape[1]
            shown = batch["landmarks68"][..., :2] / side
            ones = torch.ones(shown.shape[:2], device=shown.device)
            terms["landmarks"] = balanced(main, masked_distance(landmarks, shown, ones))
        return terms


def crop_points(network: nn.Module, points: PointModel, crops: Tensor) -> Tensor:
    """Points of RGB crops (b, s, s, 3) under the network's parameters, px of the crop."""
    predicted, _ = network(network_input(crops))
    n = points.n_identity
    return points(predicted[:, :12].view(-1, 3, 4), predicted[:, 12 : 12 + n], predicted[:, 12 + n :])
