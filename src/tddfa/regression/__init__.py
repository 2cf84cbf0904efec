"""Image + box or points → FaceParams. A new parameter layout is a module and a line in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tddfa.deprecation import renamed_names
from tddfa.packs.specs import ANY_REGRESSOR, RegressorSpec
from tddfa.regression.affine_camera import AffineCameraRegressor
from tddfa.regression.v2 import V2Regressor
from tddfa.runtime import Network
from tddfa.shapes import Float
from tddfa.types import BoundingBox, FaceParams, Image


@runtime_checkable
class Regressor(Protocol):
    """Predicts the parameters of faces, those of many images in one batch.

    The parameters are in the frame of the face's own image. They are None for a face that no crop can be cut
    for: one that lies outside its image, has no extent, or is far larger than its image.
    """

    def from_boxes(self, images: Sequence[Image], boxes: Sequence[BoundingBox]) -> list[FaceParams | None]:
        """Return the parameters of the face in each detection box.

        Args:
            images: the image of each box; the same one as often as it has boxes.
            boxes: detection boxes, px.
        """
        ...

    def from_points(
        self, images: Sequence[Image], points: Sequence[Float[np.ndarray, "_n _d"]]
    ) -> list[FaceParams | None]:
        """Return the parameters of the face that each set of landmarks or vertices lies on.

        Args:
            images: the image of each set of points.
            points: landmarks or vertices of the face, px, as those of the frame before.
        """
        ...

    def from_crops(self, crops: Sequence[Image], squares: Sequence[BoundingBox]) -> list[FaceParams]:
        """Return the parameters of the faces in crops that were cut before.

        Args:
            crops: square images of any size.
            squares: where each was cut from its image, px; the parameters are in the frame of that image.
        """
        ...

    def box_around(self, points: Float[np.ndarray, "n d"], like: BoundingBox) -> BoundingBox | None:
        """Return the detection box, in the shape of `like`, that has the same crop as the points.

        None for points without an extent.
        """
        ...


REGRESSORS: Mapping[str, Callable[..., Regressor]] = {
    "3ddfa-v2": V2Regressor.from_spec,
    "affine-camera": AffineCameraRegressor.from_spec,
}
"""Kind in a pack's manifest → regressor from its network, its spec, and its arrays by file name."""


def make_regressor(
    network: Network, spec: RegressorSpec | Mapping[str, Any], arrays: Callable[[str], Mapping[str, Any]]
) -> Regressor:
    """Return the regressor that a manifest describes.

    Args:
        network: its network.
        spec: the manifest's `regressor`, or the JSON object of one.
        arrays: reads an .npz of the pack.

    Raises:
        PackError: its kind is unknown, or a field is missing or wrong.
    """
    read = ANY_REGRESSOR.read(spec, "regressor")
    return REGRESSORS[str(read.kind)](network, read, arrays)


__getattr__ = renamed_names(
    __name__,
    {
        "PublishedRegressor": "tddfa.regression:V2Regressor",
        "TddfaRegressor": "tddfa.regression:AffineCameraRegressor",
    },
)

__all__ = ["REGRESSORS", "AffineCameraRegressor", "Regressor", "V2Regressor", "make_regressor"]
