"""The networks of tddfa_train: crop → camera, identity, expression, confidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from tddfa.errors import InputError, PackError
from tddfa.imaging.warp import resize, warp_square
from tddfa.regression.crop import box_in_crop, refuse_outside
from tddfa.regression.upright import quarter_turns, turned_back
from tddfa.runtime import Network
from tddfa.types import BoundingBox, FaceParams, Image

_OUTPUTS = ("camera", "identity", "expression", "confidence")


class TddfaRegressor:
    """A network that says its camera in pixels of the crop, with the exact way back into the picture.

    Args:
        network: RGB crops (n, size, size, 3) → `camera` (n, 3, 4), crop from model with the pixel
            conventions of the image frame; `identity` (n, i); `expression` (n, e); `confidence` (n,) in
            [0, 1].
        size: side of the crop, px.
        box_scale: side of the crop in mean sides of a detection box.
        box_down: how far its centre lies below the box's, in mean sides of the box.
        points_scale: side of the crop in longer sides of the box around landmarks.
    """

    def __init__(
        self,
        network: Network,
        *,
        size: int,
        box_scale: float,
        box_down: float,
        points_scale: float,
    ) -> None:
        self._network = network
        self._size = size
        self._box_scale, self._box_down, self._points_scale = box_scale, box_down, points_scale

    @classmethod
    def from_settings(
        cls, network: Network, settings: Mapping[str, Any], _: Callable[[str], Mapping[str, Any]]
    ) -> TddfaRegressor:
        """The regressor with the settings of a manifest."""
        crop = settings["crop"]
        return cls(
            network,
            size=settings["size"],
            box_scale=crop["box_scale"],
            box_down=crop["box_down"],
            points_scale=crop["points_scale"],
        )

    def from_boxes(self, image: Image, boxes: Sequence[BoundingBox]) -> list[FaceParams]:
        """The parameters of the faces in detection boxes."""
        return self._regress(image, [self._around_box(box) for box in boxes], [0] * len(boxes))

    def from_points(self, image: Image, points: Sequence[Float[np.ndarray, "n d"]]) -> list[FaceParams]:
        """The parameters of the faces that landmarks or vertices (px) lie on, as when tracking.

        68 landmarks say also where a face has its chin: its crop is turned until it stands upright.
        """
        return self._regress(
            image, [self._around_points(p) for p in points], [quarter_turns(p) for p in points]
        )

    def box_around(self, points: Float[np.ndarray, "n d"], like: BoundingBox) -> BoundingBox:
        """The detection box, in the shape of `like`, for which the same crop is cut as for the points."""
        return box_in_crop(*self._around_points(points), like, scale=self._box_scale, down=self._box_down)

    def from_crops(self, crops: Sequence[Image], squares: Sequence[BoundingBox]) -> list[FaceParams]:
        """The parameters of the faces in crops that were cut before, in the pictures they were cut from."""
        return self._decode(
            [resize(crop, self._size, self._size) for crop in crops],
            # The corner of a square is a pixel that was cut, and a pixel's place is its centre.
            [(box.x0 + (box.width - 1) / 2, box.y0 + (box.height - 1) / 2, box.width) for box in squares],
            [0] * len(crops),
        )

    def _around_box(self, box: BoundingBox) -> tuple[float, float, float]:
        mean_side = (box.width + box.height) / 2
        x, y = box.center
        return x, y + self._box_down * mean_side, self._box_scale * mean_side

    def _around_points(self, points: Float[np.ndarray, "n d"]) -> tuple[float, float, float]:
        box = BoundingBox.around(points.astype(np.float64))
        return *box.center, self._points_scale * max(box.width, box.height)

    def _regress(
        self, image: Image, squares: Sequence[tuple[float, float, float]], turns: Sequence[int]
    ) -> list[FaceParams]:
        crops: list[Image] = []
        for (x, y, side), turn in zip(squares, turns, strict=True):
            if side < 1:
                raise InputError("the box is smaller than a pixel")
            refuse_outside(image, x - side / 2, y - side / 2, x + side / 2, y + side / 2)
            crops.append(np.rot90(warp_square(image, x, y, side, self._size), turn))
        return self._decode(crops, squares, turns)

    def _decode(
        self,
        crops: Sequence[Image],
        squares: Sequence[tuple[float, float, float]],
        turns: Sequence[int],
    ) -> list[FaceParams]:
        if not crops:
            return []
        said = self._network(np.stack(crops))
        if not set(_OUTPUTS) <= set(said):
            raise PackError(f"the pack's network gives {', '.join(said)}, but needs {', '.join(_OUTPUTS)}")
        return [
            FaceParams(
                in_picture(
                    turned_back(said["camera"][k].astype(np.float64), turn, self._size, self._size),
                    square,
                    self._size,
                ),
                said["identity"][k],
                said["expression"][k],
                float(said["confidence"][k]),
            )
            for k, (square, turn) in enumerate(zip(squares, turns, strict=True))
        ]


def in_picture(
    camera: Float64[np.ndarray, "3 4"], square: tuple[float, float, float], size: int
) -> Float64[np.ndarray, "3 4"]:
    """`image_from_model` from `crop_from_model`, for a crop around (x, y) with a side.

    The origin of the model is put at z = 0: depth is relative.
    """
    x, y, side = square
    step = side / size
    out = camera * step
    out[:2, 3] += np.array([x, y]) - step * (size - 1) / 2
    out[2, 3] = 0.0
    return out
