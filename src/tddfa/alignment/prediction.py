"""What a network predicted for a face, and the crop that it saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.geometry.quarter_turns import quarter_turns
from tddfa.imaging.pyramid import Pyramid, images_for
from tddfa.regression import Regressor
from tddfa.regression.crop import Square, extent
from tddfa.shapes import Float, Float32
from tddfa.types import BoundingBox, FaceParams, Image

Landmarks: TypeAlias = Float32[np.ndarray, "68 3"]
LandmarkModel: TypeAlias = Callable[[FaceParams], Landmarks]

Source: TypeAlias = Image | Pyramid
"""An image, or its pyramid, which all crops of the image share."""

# Confidence below which a crop around the landmarks has to confirm that there is a face: three of seven false
# faces of 700 images without one do not pass it. It is below this for one face in sixteen.
_CLEAR_CONFIDENCE = 0.9995


@dataclass(frozen=True, eq=False)
class Prediction:
    """The parameters that a network predicted for a crop.

    Attributes:
        params: the parameters.
        cropped: the detection box or the landmarks that the crop was cut around.
        model: parameters → landmarks, px.
        is_exact: whether the network may have the last word on a face that its crop frames well.
    """

    params: FaceParams
    cropped: BoundingBox | Landmarks
    model: LandmarkModel
    is_exact: bool = False

    @cached_property
    def landmarks(self) -> Landmarks:
        """The 68 landmarks, image frame, px."""
        return self.model(self.params)

    @cached_property
    def turns(self) -> int:
        """Number of `np.rot90` of the image after which the face is upright."""
        return quarter_turns(self.landmarks)

    @property
    def is_sure(self) -> bool:
        """Whether the network has no doubt that this is a face, or cannot tell."""
        return self.params.confidence is None or self.params.confidence >= _CLEAR_CONFIDENCE

    @property
    def is_of_box(self) -> bool:
        """Whether the crop was that of a detection box."""
        return isinstance(self.cropped, BoundingBox)

    def moves_crop(self, regressor: Regressor, limit: float) -> bool:
        """Return whether the crop around the landmarks differs from the one that the network saw.

        Args:
            regressor: cuts the crops.
            limit: largest shift and growth that count as none, in sides of the crop.
        """
        if isinstance(self.cropped, BoundingBox):
            around = regressor.box_around(self.landmarks, self.cropped)
            before, turns = _square_of_box(self.cropped), 0
            after = None if around is None else _square_of_box(around)
        else:
            before, turns = _square_of_points(self.cropped), quarter_turns(self.cropped)
            after = _square_of_points(self.landmarks)
        if before is None or after is None:
            return True
        (x, y, side), (new_x, new_y, new_side) = before, after
        shift = max(abs(new_x - x), abs(new_y - y))
        return turns != self.turns or not (shift < limit * side and abs(math.log(new_side / side)) < limit)


def predict_boxes(
    regressor: Regressor, model: LandmarkModel, images: Sequence[Source], boxes: Sequence[BoundingBox]
) -> list[Prediction | None]:
    """Return the prediction for each detection box; None where no crop can be cut."""
    params = regressor.from_boxes(images_for(regressor, images), boxes)
    return [None if p is None else Prediction(p, box, model) for p, box in zip(params, boxes, strict=True)]


def predict_again(
    regressor: Regressor, images: Sequence[Source], predictions: Sequence[Prediction]
) -> list[Prediction | None]:
    """Return the prediction for the crop around each one's landmarks; None where no crop can be cut."""
    params = predict_points(regressor, images, [each.landmarks for each in predictions])
    return [
        None if p is None else Prediction(p, before.landmarks, before.model)
        for p, before in zip(params, predictions, strict=True)
    ]


def predict_points(
    regressor: Regressor, images: Sequence[Source], points: Sequence[Float[np.ndarray, "_n _d"]]
) -> list[FaceParams | None]:
    """Return the parameters for the crop around each set of points; None where no crop can be cut."""
    return regressor.from_points(images_for(regressor, images), points)


def _square_of_box(box: BoundingBox) -> Square:
    return *box.center, (box.width + box.height) / 2


def _square_of_points(points: Landmarks) -> Square | None:
    if (box := extent(points)) is None:
        return None
    x, y, width, height = box
    return x, y, max(width, height)
