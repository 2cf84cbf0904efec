"""FaceBoxes as published: the network, which anchor should find which face, and what it costs to miss.

Source: Zhang et al., "FaceBoxes: A CPU real-time face detector with high accuracy", 2017; names of the
weights as in the checkpoint of FaceBoxes, so that either can take the other's place.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tddfa.detection.faceboxes import VARIANCES, anchor_boxes

_MEAN_BGR = (104.0, 117.0, 123.0)
# Channels of the three maps that faces are found on, and how many anchors each of their places has.
_HEADS = ((128, 21), (256, 1), (256, 1))


class _Basic(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return torch.relu(self.bn(self.conv(x)))


class _CRelu(nn.Module):
    """Convolution and batch norm, once as they are and once negated, then ReLU: two filters for one.

    Source: Shang et al., "Understanding and improving convolutional neural networks via concatenated
        rectified linear units", ICML 2016.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        y = self.bn(self.conv(x))
        return torch.relu(torch.cat([y, -y], 1))


class _Inception(nn.Module):
    """Four branches that see 1, 3, 3 and 5 pixels."""

    def __init__(self):
        super().__init__()
        self.branch1x1 = _Basic(128, 32, 1)
        self.branch1x1_2 = _Basic(128, 32, 1)
        self.branch3x3_reduce = _Basic(128, 24, 1)
        self.branch3x3 = _Basic(24, 32, 3)
        self.branch3x3_reduce_2 = _Basic(128, 24, 1)
        self.branch3x3_2 = _Basic(24, 32, 3)
        self.branch3x3_3 = _Basic(32, 32, 3)

    def forward(self, x: Float[Tensor, "b 128 h w"]) -> Float[Tensor, "b 128 h w"]:
        pooled = nn.functional.avg_pool2d(x, 3, 1, 1)
        branches = (
            self.branch1x1(x),
            self.branch1x1_2(pooled),
            self.branch3x3(self.branch3x3_reduce(x)),
            self.branch3x3_3(self.branch3x3_2(self.branch3x3_reduce_2(x))),
        )
        return torch.cat(branches, 1)


@dataclass(frozen=True, slots=True)
class AnchorOutput:
    """What the network says of every anchor, in the order of `tddfa.detection.faceboxes.anchor_boxes`.

    Attributes:
        offsets: of centre and log sides, in units of the anchor and of the variances.
        logits: of "no face" and "face".
    """

    offsets: Float[Tensor, "b n 4"]
    logits: Float[Tensor, "b n 2"]


class FaceBoxesNetwork(nn.Module):
    """Images (BGR, less their mean) → offsets and logits of all anchors."""

    def __init__(self):
        super().__init__()
        self.conv1 = _CRelu(3, 24, 7, 4)
        self.conv2 = _CRelu(48, 64, 5, 2)
        self.inception1, self.inception2, self.inception3 = _Inception(), _Inception(), _Inception()
        self.conv3_1, self.conv3_2 = _Basic(128, 128, 1), _Basic(128, 256, 3, 2)
        self.conv4_1, self.conv4_2 = _Basic(256, 128, 1), _Basic(128, 256, 3, 2)
        self.loc = nn.ModuleList([nn.Conv2d(c, 4 * n, 3, padding=1) for c, n in _HEADS])
        self.conf = nn.ModuleList([nn.Conv2d(c, 2 * n, 3, padding=1) for c, n in _HEADS])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight)
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0.02)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> AnchorOutput:
        """Offsets and logits, finest level first."""
        x = nn.functional.max_pool2d(self.conv1(images), 3, 2, 1)
        x = nn.functional.max_pool2d(self.conv2(x), 3, 2, 1)
        first = self.inception3(self.inception2(self.inception1(x)))
        second = self.conv3_2(self.conv3_1(first))
        third = self.conv4_2(self.conv4_1(second))

        def rows(heads: nn.ModuleList, numbers: int) -> Tensor:
            maps = [
                head(x).permute(0, 2, 3, 1) for head, x in zip(heads, (first, second, third), strict=True)
            ]
            return torch.cat([m.reshape(len(m), -1, numbers) for m in maps], 1).float()

        return AnchorOutput(rows(self.loc, 4), rows(self.conf, 2))


def faceboxes_input(images: Tensor) -> Float[Tensor, "b 3 h w"]:
    """RGB bytes (b, h, w, 3) as the network takes them."""
    return images.flip(3).permute(0, 3, 1, 2).float() - torch.tensor(_MEAN_BGR, device=images.device).view(
        1, 3, 1, 1
    )


@dataclass(frozen=True, slots=True)
class MultiBoxConfig:
    """When an anchor belongs to a face, and how much boxes and negatives count."""

    overlap: float = 0.35
    least_overlap: float = 0.2  # of a face's best anchor: a face that no anchor resembles is not asked for
    boxes: float = 2.0
    negatives: int = 7  # to one positive, the hardest ones
    fewest_negatives: int = 21  # of an image, so that those without a face teach as well


@dataclass(frozen=True, slots=True)
class Matches:
    """What every anchor of an image should say.

    Attributes:
        positive: whether it should find a face.
        box: x0, y0, x1, y1 of that face; of any face where there is none.
    """

    positive: Bool[Tensor, " n"]
    box: Float[Tensor, "n 4"]


def overlaps(boxes: Float[Tensor, "m 4"], others: Float[Tensor, "n 4"]) -> Float[Tensor, "m n"]:
    """Intersection over union of every pair."""
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(2)
    areas = [(b[:, 2:] - b[:, :2]).prod(1) for b in (boxes, others)]
    return shared / (areas[0][:, None] + areas[1][None] - shared).clamp(min=1e-6)


def match(boxes: Float[Tensor, "m 4"], anchors: Float[Tensor, "n 4"], config: MultiBoxConfig) -> Matches:
    """Which anchor belongs to which face: each face's best one, and all that overlap it enough.

    Args:
        boxes: of the faces, x0, y0, x1, y1; rows of NaN are no faces.
        anchors: centre and sides.
        config: how much is enough.

    Source: Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, section 2.2.
    """
    boxes = boxes[torch.isfinite(boxes).all(1)]
    if not len(boxes):
        return Matches(torch.zeros(len(anchors), dtype=torch.bool), torch.zeros(len(anchors), 4))
    corners = torch.cat([anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], 1)
    shared = overlaps(boxes, corners)
    best, owner = shared.max(0)
    positive = best >= config.overlap
    best_of_face, best_anchor = shared.max(1)
    for face in torch.nonzero(best_of_face >= config.least_overlap)[:, 0].tolist():
        owner[best_anchor[face]] = face
        positive[best_anchor[face]] = True
    return Matches(positive, boxes[owner])


def encode(boxes: Float[Tensor, "n 4"], anchors: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """The offsets that make these boxes of these anchors; the inverse of what detection does."""
    center, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    shift = (center - anchors[:, :2]) / anchors[:, 2:] / VARIANCES[0]
    return torch.cat([shift, (sides.clamp(min=1e-3) / anchors[:, 2:]).log() / VARIANCES[1]], 1)


def hard_negatives(
    cost: Float[Tensor, "b n"],
    positive: Bool[Tensor, "b n"],
    ratio: int,
    fewest: int,
) -> Bool[Tensor, "b n"]:
    """The costliest anchors without a face: `ratio` to each positive of their image, or `fewest`."""
    wanted: Int[Tensor, "b 1"] = (positive.sum(1, keepdim=True) * ratio).clamp(min=fewest)
    ranked = cost.masked_fill(positive, -1.0)
    rank = ranked.argsort(1, descending=True).argsort(1)
    return (rank < wanted) & ~positive


@dataclass(frozen=True, slots=True)
class MultiBoxTask:
    """Softmax over the positives and the hardest negatives, smooth L1 on the boxes of the positives.

    Source: FaceBoxes, section 3.3.
    """

    config: MultiBoxConfig

    def losses(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `tddfa_train.loop.task.Task`."""
        images, config = batch["image"], self.config
        predicted: AnchorOutput = network(faceboxes_input(images))
        anchors = torch.from_numpy(anchor_boxes(images.shape[1], images.shape[2]))
        matches = [match(boxes, anchors, config) for boxes in batch["boxes"].cpu()]
        device = predicted.logits.device
        positive = torch.stack([m.positive for m in matches]).to(device)
        targets = torch.stack([encode(m.box, anchors) for m in matches]).to(device)
        cost = nn.functional.cross_entropy(
            predicted.logits.flatten(0, 1), positive.flatten().long(), reduction="none"
        ).view(positive.shape)
        negative = hard_negatives(cost.detach(), positive, config.negatives, config.fewest_negatives)
        n_positive = positive.sum().clamp(min=1)
        boxes = nn.functional.smooth_l1_loss(predicted.offsets[positive], targets[positive], reduction="sum")
        return {
            "score": cost[positive | negative].sum() / n_positive,
            "boxes": config.boxes * boxes / n_positive,
        }
