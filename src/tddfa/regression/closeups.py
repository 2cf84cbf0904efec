"""Close-ups of eyes and mouth with the pose of the head taken out, for networks that read expressions."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tddfa.shapes import Float, Float32
from tddfa.types import Image

# Views are sampled bilinearly; where one shows less than two of three pixels, the image is reduced first.
_COARSEST = 1.5

_Places = Float32[np.ndarray, "_h _w 2"]


@dataclass(frozen=True, slots=True, eq=False)
class CloseUps:
    """Where each pixel of the views lies on the face.

    The views are one image: the eyes, and below them mouth and face side by side. A view samples the image
    where the camera shows points of a mean face, so that eyes and mouth are always seen from the front, at
    the same place and in the same size.

    Attributes:
        eyes: points of the model frame, mm.
        mouth: points of the model frame, mm.
        face: points of the model frame, mm; as high as the mouth's, and both as wide as those of the eyes.
    """

    eyes: Float32[np.ndarray, "eyes_height eyes_width 3"]
    mouth: Float32[np.ndarray, "mouth_height mouth_width 3"]
    face: Float32[np.ndarray, "mouth_height face_width 3"]

    def __call__(self, image: Image, camera: Float[np.ndarray, "3 4"]) -> Image:
        """Return the views of a face.

        Args:
            image: the image.
            camera: `image_from_model` of the face.

        Returns:
            RGB; black where the image ends.
        """
        rows = np.asarray(camera[:2], np.float32)
        size = float(np.linalg.norm(rows[0, :3]))
        eyes, mouth, face = (
            _view(image, grid @ rows[:, :3].T + rows[:, 3], size * float(grid[0, 1, 0] - grid[0, 0, 0]))
            for grid in (self.eyes, self.mouth, self.face)
        )
        return np.concatenate([eyes, np.concatenate([mouth, face], axis=1)])


def _view(image: Image, places: _Places, step: float) -> Image:
    """Return the image at some places, which are about `step` pixels apart."""
    if step > _COARSEST:
        image, places = _reduced(image, places, step)
    # Both coordinates in one map, which OpenCV allows and its type stubs do not know.
    return cv2.remap(image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)  # pyright: ignore


def _reduced(image: Image, places: _Places, step: float) -> tuple[Image, _Places]:
    """Return the part of the image that a view shows, reduced to about its resolution, and the new places."""
    height, width = image.shape[:2]
    low = places.min((0, 1)) - step
    high = places.max((0, 1)) + step + 1
    x0, y0 = np.clip(np.floor(low), 0, (width - 1, height - 1)).astype(int).tolist()
    x1, y1 = np.clip(np.ceil(high), (x0 + 1, y0 + 1), (width, height)).astype(int).tolist()
    size = max(1, round((x1 - x0) / step)), max(1, round((y1 - y0) / step))
    part = cv2.resize(image[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    ratio = np.array([size[0] / (x1 - x0), size[1] / (y1 - y0)], np.float32)
    # The position of a pixel is its centre.
    shift = (np.float32(0.5) - np.array([x0, y0], np.float32)) * ratio - np.float32(0.5)
    return part, places * ratio + shift
