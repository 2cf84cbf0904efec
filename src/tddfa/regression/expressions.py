"""A second network reads close-ups of a face: expressions, and corrections of camera and identity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from tddfa.errors import PackError
from tddfa.imaging.pyramid import Pyramid, pyramids_of
from tddfa.regression.closeups import CloseUps
from tddfa.regression.crop import batch, check_bounded, regress_crops
from tddfa.runtime import Network
from tddfa.shapes import Float, Float32, Float64
from tddfa.types import BoundingBox, FaceParams, Image

_OUTPUTS = ("pose", "identity", "expression")
_PERSON = "person"

# Beyond these a camera shows nothing; the networks of any pack may say so.
_SMALLEST, _LARGEST_LOG_SCALE = 1e-9, 50.0


_Shown: TypeAlias = tuple[Pyramid, Float[np.ndarray, "3 4"], FaceParams]
"""What shows a face, `camera` of the face in that frame, and the face itself."""


class ExpressionNetwork:
    """Read the expressions of faces whose camera is known.

    Args:
        network: close-ups (n, h, w, 3), RGB bytes, and `state` of the first answers → `pose` (n, 6), see
            `corrected_camera`; `identity` (n, i), added to the first answer; `expression` (n, e) in [0, 1];
            and, from networks that tell it, `person` (n, i), the identity without what is particular to the
            image. It knows upright faces only, as the views show them.
        closeups: where the close-ups lie on the face.
    """

    def __init__(self, network: Network, closeups: CloseUps) -> None:
        self._network, self._closeups = network, closeups

    def __call__(self, images: Sequence[Image | Pyramid], faces: Sequence[FaceParams]) -> list[FaceParams]:
        """Return the faces with their expressions read anew.

        Args:
            images: the image of each face, or its pyramid.
            faces: what another network predicted.

        Raises:
            PackError: the network gives something else.
        """
        return self._batches(images, [face.camera for face in faces], faces)

    def from_crops(
        self, crops: Sequence[Image], squares: Sequence[BoundingBox], faces: Sequence[FaceParams]
    ) -> list[FaceParams]:
        """Return the faces in crops that were cut before, in the frames of their images.

        Args:
            crops: square images of any size.
            squares: where each was cut from its image, px.
            faces: what another network predicted, in the frames of the images.
        """
        each = zip(crops, squares, faces, strict=True)
        cameras = [crop_camera(face.camera, square, len(crop)) for crop, square, face in each]
        return self._batches(crops, cameras, faces)

    def _batches(
        self,
        images: Sequence[Image | Pyramid],
        cameras: Sequence[Float[np.ndarray, "3 4"]],
        faces: Sequence[FaceParams],
    ) -> list[FaceParams]:
        """Return the faces that `images` show with `cameras`."""
        shown = list(zip(pyramids_of(images), cameras, faces, strict=True))
        return [face for face in regress_crops(shown, self._read) if face is not None]

    def _read(self, shown: Sequence[_Shown]) -> list[FaceParams]:
        """Return the faces of one batch."""
        faces = [face for _, _, face in shown]
        views = batch([self._closeups(image, camera) for image, camera, _ in shown])
        output = self._network(views, batch([state(face) for face in faces]))
        if not output.keys() >= set(_OUTPUTS):
            raise PackError(
                f"the pack's network of expressions gives {', '.join(output)}, but needs "
                f"{', '.join(_OUTPUTS)}"
            )
        poses, identities, expressions = (output[name] for name in _OUTPUTS)
        check_bounded("corrections", poses)
        read = [
            FaceParams(
                corrected_camera(face.camera, poses[k]),
                face.shape + identities[k],
                expressions[k],
                face.confidence,
            )
            for k, face in enumerate(faces)
        ]
        if _PERSON not in output:
            return read
        return [face.with_identity(person) for face, person in zip(read, output[_PERSON], strict=True)]


def crop_camera(
    camera: Float[np.ndarray, "3 4"], square: BoundingBox, side: int
) -> Float64[np.ndarray, "3 4"]:
    """Return the camera of a crop for that of the image it was cut from.

    Args:
        camera: `image_from_model`.
        square: where the crop was cut from the image, px.
        side: side of the crop, px of the crop.
    """
    # The corner of a square is a pixel that was cut, and the position of a pixel is its centre.
    step, middle = side / square.width, (square.width - 1) / 2
    out = step * camera
    out[:2, 3] -= step * (square.x0 + middle) - (side - 1) / 2, step * (square.y0 + middle) - (side - 1) / 2
    return out


def roll_correction(camera: Float[np.ndarray, "3 4"]) -> Float64[np.ndarray, "2 2"]:
    """Return the turn of the image after which a face is upright in it.

    Args:
        camera: `image_from_model` of the face.
    """
    x, y = _upward(camera.tolist())
    return np.array([[-y, x], [-x, -y]])


def state(face: FaceParams) -> Float32[np.ndarray, " s"]:
    """Return what the network knows of a first answer: rotation of the upright face, identity, expression."""
    turned = upright_rotation(face.camera)
    shape = face.shape
    start = len(turned) + len(shape)
    out = np.empty(start + len(face.expression), np.float32)
    out[: len(turned)] = turned
    out[len(turned) : start], out[start:] = shape, face.expression
    return out


def upright_rotation(camera: Float[np.ndarray, "3 4"]) -> list[float]:
    """Return the first two rows of the rotation of a face in the image in which it is upright."""
    rows = camera.tolist()
    x, y = _upward(rows)
    (a, b, c, _), (d, e, f, _), _ = rows
    size = max(math.hypot(a, b, c), _SMALLEST)
    turned = (x * d - y * a, x * e - y * b, x * f - y * c, -x * a - y * d, -x * b - y * e, -x * c - y * f)
    return [value / size for value in turned]


def _upward(rows: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the direction in the image, of length 1, in which the head of a face is; `rows`: of its camera.

    Plain numbers: NumPy takes ten times as long for so few.
    """
    (a, x, c, _), (d, y, _, _), _ = rows
    length = math.hypot(x, y)
    if length < 0.3 * math.hypot(a, x, c):
        # Seen from far above or below, a face has no upward direction in the image; there its side tells.
        x, y, length = d, -a, math.hypot(a, d)
    length = max(length, 1e-9)
    return x / length, y / length


def corrected_camera(
    camera: Float[np.ndarray, "3 4"], pose: Float[np.ndarray, "6"]
) -> Float64[np.ndarray, "3 4"]:
    """Turn, scale and shift what a camera shows, about the model's origin.

    Args:
        camera: px from mm.
        pose: half the tangent of the turn about x, y and z (Cayley's parameters), the logarithm of the scale,
            and the shift in x and y, mm; x and y are those of the image in which the face is upright.

    Source: Cayley's rational form of a rotation.
    """
    rows = camera.tolist()
    up_x, up_y = _upward(rows)
    a, b, c, log_scale, x, y = pose.tolist()
    a, b = -up_y * a - up_x * b, up_x * a - up_y * b
    x, y = -up_y * x - up_x * y, up_x * x - up_y * y
    turn = (
        (1 + a * a - b * b - c * c, 2 * (a * b - c), 2 * (a * c + b)),
        (2 * (a * b + c), 1 - a * a + b * b - c * c, 2 * (b * c - a)),
        (2 * (a * c - b), 2 * (b * c + a), 1 - a * a - b * b + c * c),
    )
    scale = math.exp(min(log_scale, _LARGEST_LOG_SCALE)) / (1 + a * a + b * b + c * c)
    size = math.hypot(*rows[0][:3])
    first, second, third = ([scale * value for value in row[:3]] for row in rows)
    out = [[t * u + s * v + r * w for u, v, w in zip(first, second, third, strict=True)] for t, s, r in turn]
    shift = size * x, size * y, 0.0
    return np.array([[*row, old[3] + more] for row, old, more in zip(out, rows, shift, strict=True)])
