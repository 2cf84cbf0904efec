"""A second network reads close-ups of a face: expressions, and corrections of camera and identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tddfa.errors import PackError
from tddfa.imaging.pyramid import Pyramid
from tddfa.regression.closeups import CloseUps
from tddfa.runtime import Network
from tddfa.shapes import Float, Float32, Float64
from tddfa.types import FaceParams, Image

_OUTPUTS = ("pose", "identity", "expression")


class ExpressionNetwork:
    """Read the expressions of faces whose camera is known.

    Args:
        network: close-ups (n, h, w, 3), RGB bytes, and `state` of the first answers → `pose` (n, 6), see
            `corrected_camera`; `identity` (n, i), added to the first answer; `expression` (n, e) in [0, 1].
            It knows upright faces only, as the views show them.
        closeups: where the close-ups lie on the face.
    """

    def __init__(self, network: Network, closeups: CloseUps) -> None:
        self._network, self._closeups = network, closeups

    @classmethod
    def from_arrays(cls, network: Network, arrays: Mapping[str, np.ndarray]) -> ExpressionNetwork:
        """Return the reader of a pack.

        Args:
            network: the network.
            arrays: `eyes`, `mouth` and `face`, points of the model frame, mm.
        """
        return cls(network, CloseUps(*(arrays[k].astype(np.float32) for k in ("eyes", "mouth", "face"))))

    def __call__(
        self,
        images: Sequence[Image | Pyramid],
        cameras: Sequence[Float[np.ndarray, "3 4"]],
        faces: Sequence[FaceParams],
    ) -> list[FaceParams]:
        """Return the faces with their expressions read anew.

        Args:
            images: what shows each face.
            cameras: of each face in the frame of its image in `images`.
            faces: the first answers, in any frame that is neither turned nor mirrored against that one.

        Raises:
            PackError: the network gives something else.
        """
        views = np.stack([self._closeups(image, c) for image, c in zip(images, cameras, strict=True)])
        output = self._network(views, np.stack([state(face) for face in faces]))
        if not set(_OUTPUTS) <= set(output):
            raise PackError(
                f"the pack's network of expressions gives {', '.join(output)}, but needs "
                f"{', '.join(_OUTPUTS)}"
            )
        return [
            replace(
                face,
                camera=corrected_camera(face.camera, output["pose"][k]),
                identity=face.identity + output["identity"][k],
                expression=output["expression"][k],
            )
            for k, face in enumerate(faces)
        ]


def roll_correction(camera: Float[np.ndarray, "3 4"]) -> Float64[np.ndarray, "2 2"]:
    """Return the turn of the image after which a face is upright in it.

    Args:
        camera: `image_from_model` of the face.
    """
    up = np.asarray(camera[:2, 1], np.float64)
    if np.hypot(*up) < 0.3 * np.linalg.norm(camera[0, :3]):
        # Seen from far above or below, a face has no upward direction in the image; there its side tells.
        up = np.array([camera[1, 0], -camera[0, 0]], np.float64)
    x, y = up / max(float(np.hypot(*up)), 1e-9)
    return np.array([[-y, x], [-x, -y]])


def state(face: FaceParams) -> Float32[np.ndarray, " s"]:
    """Return what the network knows of a first answer: rotation of the upright face, identity, expression."""
    rows = roll_correction(face.camera) @ face.camera[:2, :3] / np.linalg.norm(face.camera[0, :3])
    return np.concatenate([rows.ravel(), face.identity, face.expression]).astype(np.float32)


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
    back = roll_correction(camera).T
    a, b = back @ np.asarray(pose[:2], np.float64)
    x, y = back @ np.asarray(pose[4:6], np.float64)
    c, log_scale = float(pose[2]), float(pose[3])
    turn = np.array(
        [
            [1 + a * a - b * b - c * c, 2 * (a * b - c), 2 * (a * c + b)],
            [2 * (a * b + c), 1 - a * a + b * b - c * c, 2 * (b * c - a)],
            [2 * (a * c - b), 2 * (b * c + a), 1 - a * a - b * b + c * c],
        ]
    ) / (1 + a * a + b * b + c * c)
    size = float(np.linalg.norm(camera[0, :3]))
    out = np.array(camera, np.float64)
    out[:, :3] = np.exp(log_scale) * turn @ out[:, :3]
    out[:2, 3] += size * np.array([x, y])
    return out
