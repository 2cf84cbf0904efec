"""Image + box or points → FaceParams. A new parameter layout is a module and a line in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from tddfa.packs import make_part
from tddfa.regression.published import PublishedRegressor
from tddfa.regression.tddfa import TddfaRegressor
from tddfa.runtime import Network
from tddfa.types import BoundingBox, FaceParams, Image


@runtime_checkable
class Regressor(Protocol):
    """Finds the parameters of the faces of a picture, all in one batch."""

    def from_boxes(self, image: Image, boxes: Sequence[BoundingBox]) -> list[FaceParams]:
        """The parameters of the faces in detection boxes."""
        ...

    def from_points(self, image: Image, points: Sequence[Float[np.ndarray, "n d"]]) -> list[FaceParams]:
        """The parameters of the faces that landmarks or vertices (px) lie on, as when tracking."""
        ...

    def box_around(self, points: Float[np.ndarray, "n d"], like: BoundingBox) -> BoundingBox:
        """The detection box, in the shape of `like`, for which the same crop is cut as for the points."""
        ...

    def from_crops(self, crops: Sequence[Image], squares: Sequence[BoundingBox]) -> list[FaceParams]:
        """The parameters of the faces in crops that were cut before.

        Args:
            crops: square pictures of any size.
            squares: where each was cut from its picture, px; the parameters are in the frame of that picture.
        """
        ...


REGRESSORS: Mapping[
    str, Callable[[Network, Mapping[str, Any], Callable[[str], Mapping[str, Any]]], Regressor]
] = {
    "3ddfa-v2": PublishedRegressor.from_settings,
    "tddfa": TddfaRegressor.from_settings,
}
"""Kind in a pack's manifest → regressor from its network, its settings and its arrays by file name."""


def make_regressor(
    network: Network, settings: Mapping[str, Any], arrays: Callable[[str], Mapping[str, Any]]
) -> Regressor:
    """The regressor that a manifest describes.

    Args:
        network: its network.
        settings: the manifest's `regressor`.
        arrays: reads an .npz of the pack.

    Raises:
        PackError: its kind is unknown or its settings are incomplete or wrong.
    """
    return make_part("regressor", REGRESSORS, settings, network, settings, arrays)


__all__ = ["REGRESSORS", "PublishedRegressor", "Regressor", "TddfaRegressor", "make_regressor"]
