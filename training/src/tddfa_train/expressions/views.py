"""Where the close-ups of eyes and mouth lie on the mean face."""

import numpy as np
from jaxtyping import Float32

from tddfa.morphable.model import MorphableModel
from tddfa.regression.closeups import CloseUps
from tddfa.types import FaceParams

# Width and height in pixels, and the left, upper, right and lower edge in the model frame, mm. Brows rise by
# a centimetre and a chin falls by two.
_EYES = (128, 56), (-54.0, 33.0, 54.0, -14.25)
_MOUTH = (80, 72), (-42.0, -36.0, 42.0, -111.6)
_FACE = (48, 72), (-75.0, 62.0, 75.0, -125.0)  # to the ears and the chin: pose and identity
_SMOOTH_MM = 4.0
HEIGHT, WIDTH = _EYES[0][1] + _MOUTH[0][1], _EYES[0][0]


def make_closeups(model: MorphableModel) -> CloseUps:
    """Lay the views over the mean face, on a smooth surface through the vertices that look forwards.

    Args:
        model: the open face model, with regions.
    """
    regions = model.regions or {}
    none = np.zeros(model.n_identity, np.float32), np.zeros(model.n_expression, np.float32)
    mesh = model.reconstruct(FaceParams(np.eye(3, 4), *none))
    inside = np.zeros(len(mesh.vertices), bool)
    for name in ("mouth", "teeth", "tongue", "eyeballs"):
        inside |= regions.get(name, inside)
    normals = _normals(mesh.vertices, mesh.topology.triangles)
    shown = mesh.vertices[(normals[:, 2] > 0.2) & ~inside]

    def grid(size: tuple[int, int], edges: tuple[float, float, float, float]) -> Float32[np.ndarray, "h w 3"]:
        x = np.linspace(edges[0], edges[2], size[0])
        y = np.linspace(edges[1], edges[3], size[1])
        places = np.stack(np.meshgrid(x, y), -1)
        square = ((places[:, :, None] - shown[None, None, :, :2]) ** 2).sum(-1)
        weight = np.exp(-(square - square.min(-1, keepdims=True)) / (2 * _SMOOTH_MM**2))
        z = (weight * shown[:, 2]).sum(-1) / weight.sum(-1)
        return np.concatenate([places, z[..., None]], -1).astype(np.float32)

    return CloseUps(grid(*_EYES), grid(*_MOUTH), grid(*_FACE))


def _normals(vertices: Float32[np.ndarray, "n 3"], triangles: np.ndarray) -> Float32[np.ndarray, "n 3"]:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    faces = np.cross(b - a, c - a)
    out = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(out, triangles[:, k], faces)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
