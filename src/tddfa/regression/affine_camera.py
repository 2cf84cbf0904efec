"""The networks of tddfa_train: crop → camera, identity, expression, confidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import PackError
from tddfa.geometry.quarter_turns import quarter_turns, turned_back
from tddfa.imaging.pyramid import Pyramid, pyramids_of, warp_square
from tddfa.imaging.warp import resize
from tddfa.packs.specs import AffineCameraSpec
from tddfa.regression.crop import (
    Square,
    batch,
    box_in_crop,
    check_bounded,
    extent,
    regress_crops,
    shows_image,
)
from tddfa.runtime import Network
from tddfa.shapes import Float, Float64
from tddfa.types import BoundingBox, FaceParams, Image

_OUTPUTS = ("camera", "identity", "expression", "confidence")


@dataclass(frozen=True, slots=True, eq=False)
class _Crop:
    """What the network sees of one face.

    Attributes:
        pixels: RGB (size, size, 3), after the turns.
        square: where it was cut from the image.
        turns: number of `np.rot90` that turned it upright.
    """

    pixels: Image
    square: Square
    turns: int = 0


class AffineCameraRegressor:
    """A network that predicts an affine camera in pixels of the crop, with the exact way back into the image.

    Args:
        network: RGB crops (n, size, size, 3) → `camera` (n, 3, 4), crop from model with the pixel
            conventions of the image frame; `identity` (n, i); `expression` (n, e); `confidence` (n,) in
            [0, 1].
        size: side of the crop, px.
        box_scale: side of the crop in mean sides of a detection box.
        box_down: distance of the crop's centre below the centre of the box, in mean sides of the box.
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
        self._network, self._size = network, size
        self._box_scale, self._box_down, self._points_scale = box_scale, box_down, points_scale

    @classmethod
    def from_spec(
        cls, network: Network, spec: AffineCameraSpec, _arrays: Callable[[str], Mapping[str, Any]]
    ) -> AffineCameraRegressor:
        """Return the regressor that a manifest describes."""
        return cls(
            network,
            size=spec.size,
            box_scale=spec.crop.box_scale,
            box_down=spec.crop.box_down,
            points_scale=spec.crop.points_scale,
        )

    takes_pyramids = True
    """Whether pyramids may be given for images: those of one image share its halves."""

    def from_boxes(
        self, images: Sequence[Image | Pyramid], boxes: Sequence[BoundingBox]
    ) -> list[FaceParams | None]:
        """Return the parameters of the face in each detection box; None where no crop can be cut."""
        crops = [
            self._crop(pyramid, self._around_box(box))
            for pyramid, box in zip(pyramids_of(images), boxes, strict=True)
        ]
        return regress_crops(crops, self._decode)

    def from_points(
        self, images: Sequence[Image | Pyramid], points: Sequence[Float[np.ndarray, "_n _d"]]
    ) -> list[FaceParams | None]:
        """Return the parameters of the face on each set of points; None where no crop can be cut.

        68 landmarks also tell where a face has its chin: its crop is turned until the face is upright.
        """
        crops = [
            self._crop(pyramid, self._around_points(p), quarter_turns(p))
            for pyramid, p in zip(pyramids_of(images), points, strict=True)
        ]
        return regress_crops(crops, self._decode)

    def from_crops(self, crops: Sequence[Image], squares: Sequence[BoundingBox]) -> list[FaceParams]:
        """Return the parameters of the faces in crops that were cut before, in the frames of their images."""
        cut = [
            # The corner of a square is a pixel that was cut, and the position of a pixel is its centre.
            _Crop(
                resize(crop, self._size, self._size),
                (box.x0 + (box.width - 1) / 2, box.y0 + (box.height - 1) / 2, box.width),
            )
            for crop, box in zip(crops, squares, strict=True)
        ]
        return [params for params in regress_crops(cut, self._decode) if params is not None]

    def box_around(self, points: Float[np.ndarray, "n d"], like: BoundingBox) -> BoundingBox | None:
        """Return the detection box, in the shape of `like`, that has the same crop as the points."""
        square = self._around_points(points)
        if square is None:
            return None
        return box_in_crop(square, like, scale=self._box_scale, down=self._box_down)

    def _around_box(self, box: BoundingBox) -> Square:
        mean_side = (box.width + box.height) / 2
        x, y = box.center
        return x, y + self._box_down * mean_side, self._box_scale * mean_side

    def _around_points(self, points: Float[np.ndarray, "n d"]) -> Square | None:
        if (box := extent(points)) is None:
            return None
        x, y, width, height = box
        return x, y, self._points_scale * max(width, height)

    def _crop(self, pyramid: Pyramid, square: Square | None, turns: int = 0) -> _Crop | None:
        if square is None:
            return None
        x, y, side = square
        if side < 1 or not shows_image(pyramid.image, x - side / 2, y - side / 2, x + side / 2, y + side / 2):
            return None
        pixels = warp_square(pyramid, x, y, side, self._size)
        if turns:
            pixels = np.rot90(pixels, turns)
        return _Crop(pixels, square, turns)

    def _decode(self, crops: Sequence[_Crop]) -> list[FaceParams]:
        output = self._network(batch([crop.pixels for crop in crops]))
        if not output.keys() >= set(_OUTPUTS):
            raise PackError(f"the pack's network gives {', '.join(output)}, but needs {', '.join(_OUTPUTS)}")
        cameras, identities, expressions, confidences = (output[name] for name in _OUTPUTS)
        check_bounded("cameras", cameras)
        faces: list[FaceParams] = []
        for k, crop in enumerate(crops):
            camera = cameras[k].astype(np.float64)
            if crop.turns:
                camera = turned_back(camera, crop.turns, self._size, self._size)
            seen = image_camera(camera, crop.square, self._size)
            faces.append(FaceParams(seen, identities[k], expressions[k], float(confidences[k])))
        return faces


def image_camera(camera: Float64[np.ndarray, "3 4"], square: Square, size: int) -> Float64[np.ndarray, "3 4"]:
    """Return `image_from_model` for `crop_from_model`; the origin of the model is put at z = 0.

    Args:
        camera: `crop_from_model`.
        square: where the crop was cut from the image.
        size: side of the crop, px of the crop.
    """
    x, y, side = square
    step = side / size
    out, middle = camera * step, step * (size - 1) / 2
    out[:, 3] = float(out[0, 3]) + (x - middle), float(out[1, 3]) + (y - middle), 0.0
    return out
