"""Refinement: crop again around the landmarks, which frame a face better than a detector's box."""

from __future__ import annotations

from collections.abc import Sequence

from tddfa.alignment.prediction import Prediction, Source, predict_again
from tddfa.regression import Regressor

# A face is finished when its crop has moved by less than this part of its side, and grown or shrunk by less:
# 90 % of 211 faces are after one crop. Another one would change them by 0.3 % of their size, and their mean
# error on AFLW2000-3D from 2.877 to 2.875 %.
_SETTLED = 0.03

# The same for the crop of a detection box, in packs whose close-ups correct what is left: three quarters of
# the faces of photos are cropped again. With 0.08 it was half of them, and the error on AFLW2000-3D, from
# detections, 3.76 instead of 3.64 %; with 0 it would be 3.63 %.
_FRAMED = 0.05


def refine(
    regressor: Regressor,
    images: Sequence[Source],
    predictions: Sequence[Prediction],
    *,
    least: int,
    most: int,
) -> list[Prediction]:
    """Return the predictions after cropping again, until the crop of a face hardly moves.

    A face whose landmarks cannot be cropped stays as it was.

    Args:
        regressor: predicts the parameters of each crop.
        images: the image of each face.
        predictions: what is known of each face.
        least: number of crops of a face whose crop does not move, unless its prediction is exact.
        most: largest number of crops of a face, one after the other.
    """
    refined = list(predictions)
    moving = list(range(len(refined)))
    for n in range(most):
        moving = [
            k
            for k in moving
            if (n < least and not refined[k].is_exact) or _is_worth_a_crop(refined[k], regressor)
        ]
        if not moving:
            break
        again = predict_again(regressor, [images[k] for k in moving], [refined[k] for k in moving])
        cropped = [(k, new) for k, new in zip(moving, again, strict=True) if new is not None]
        for k, new in cropped:
            refined[k] = new
        moving = [k for k, _ in cropped]
    return refined


def _is_worth_a_crop(prediction: Prediction, regressor: Regressor) -> bool:
    """Return whether a face may be another one, or none, in the crop around its landmarks."""
    if not prediction.is_of_box:
        return prediction.moves_crop(regressor, _SETTLED)
    return not prediction.is_sure or prediction.moves_crop(regressor, _FRAMED)
