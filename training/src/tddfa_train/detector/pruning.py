"""Prune a detector: weights for a smaller one, from which training starts."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tddfa_train.detector.network import DetectorConfig, FaceDetector, top_down
from tddfa_train.networks.dense import ResidualBlock
from tddfa_train.networks.least_squares import convolution_of, effect, fitted, strongest


@torch.no_grad()
def pruned_detector(
    weights: Mapping[str, Tensor],
    larger: DetectorConfig,
    smaller: DetectorConfig,
    images: Float[Tensor, "b 3 h w"],
) -> dict[str, Tensor]:
    """Return weights for a smaller detector whose outputs come as near to a larger one's as they can.

    From the first convolution to the last, the channels stay that count most for the convolutions behind
    them. Each convolution is fitted to the outputs of the larger one at that point, from the inputs of the
    smaller one.

    Args:
        weights: of the larger detector.
        larger: its sizes; without batch norms.
        smaller: the other one's.
        images: as networks take them, sides in multiples of 64; a hundred of training.
    """
    teacher, student = FaceDetector(larger).eval(), FaceDetector(smaller).eval()
    teacher.load_state_dict(dict(weights))
    features = [nn.functional.relu(_take(teacher.stem, images, student.stem, images, None))]
    own_features = [student.stem(images)]
    # What reads each level's map: the next level, and the convolution that the heads share.
    readers = [[convolution_of(lateral)] for lateral in teacher.lateral]
    for level, down in enumerate(teacher.down[1:]):
        readers[level].append(convolution_of(_first(down)))
    for level, (down, small) in enumerate(zip(teacher.down, student.down, strict=True)):
        x, y = _level(down, small, features[-1], own_features[-1], readers[level])
        features.append(x)
        own_features.append(y)
    laterals = [teach(x) for teach, x in zip(teacher.lateral, features[1:], strict=True)]
    sums = top_down(laterals)
    # One choice for all levels, whose maps are added.
    each = [effect(x, convolution_of(smooth)) for x, smooth in zip(sums, teacher.smooth, strict=True)]
    kept = strongest(torch.stack([part / part.sum() for part in each]).sum(0), smaller.head)
    for teach, learn, x, y in zip(
        teacher.lateral, student.lateral, features[1:], own_features[1:], strict=True
    ):
        _take(teach, x, learn, y, kept)
    own = top_down([learn(y) for learn, y in zip(student.lateral, own_features[1:], strict=True)])
    for level, (x, y) in enumerate(zip(sums, own, strict=True)):
        head = teacher.heads[level]
        assert isinstance(head, nn.Conv2d)
        smooth = teacher.smooth[level](x)
        _take(
            teacher.smooth[level], x, student.smooth[level], y, strongest(effect(smooth, head), smaller.head)
        )
        _fit(student.heads[level], student.smooth[level](y), head(smooth))
    return student.state_dict()


def _level(
    teach: nn.Module, learn: nn.Module, x: Tensor, y: Tensor, readers: list[nn.Conv2d]
) -> tuple[Tensor, Tensor]:
    """Fit the convolutions of a level; return what both detectors give there.

    Args:
        teach: the level of the larger detector.
        learn: that of the smaller one.
        x: what the larger one reads.
        y: what the smaller one reads.
        readers: the convolutions that read the level's map.
    """
    assert isinstance(teach, nn.Sequential)
    assert isinstance(learn, nn.Sequential)
    (halve, body), (small_halve, small_body) = teach, learn
    after = halve(x)
    if not isinstance(body, ResidualBlock):
        kept = strongest(effect(after, convolution_of(body)), _outputs(small_halve))
        _take(halve, x, small_halve, y, kept)
        x, y = body(after), small_halve(y)
        _take(body, after, small_body, y, strongest(effect(x, *readers), _outputs(small_body)))
        return x, small_body(y)
    assert isinstance(small_body, ResidualBlock)
    _take(halve, x, small_halve, y, None)
    x, y = after, small_halve(y)
    within = body.first(x)
    kept = strongest(effect(within, convolution_of(body.second)), _outputs(small_body.first))
    _take(body.first, x, small_body.first, y, kept)
    # What the block's sum is, less what the smaller one has of it already.
    _fit(convolution_of(small_body.second), small_body.first(y), x + body.second(within) - y)
    return body(x), small_body(y)


def _take(teach: nn.Module, x: Tensor, learn: nn.Module, y: Tensor, kept: Tensor | None) -> Tensor:
    """Fit a layer to some outputs of another one; return all of those, before their activation."""
    answers = convolution_of(teach)(x)
    _fit(convolution_of(learn), y, answers if kept is None else answers[:, kept])
    return answers


def _fit(convolution: nn.Module, maps: Tensor, answers: Tensor) -> None:
    assert isinstance(convolution, nn.Conv2d)
    weight, bias = fitted(convolution, maps, answers)
    assert convolution.bias is not None
    convolution.weight.copy_(weight)
    convolution.bias.copy_(bias)


def _first(down: nn.Module) -> nn.Module:
    assert isinstance(down, nn.Sequential)
    return down[0]


def _outputs(layers: nn.Module) -> int:
    return convolution_of(layers).out_channels
