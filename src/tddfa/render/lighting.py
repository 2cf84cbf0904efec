"""Phong light on the vertices of a mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from tddfa.geometry.triangles import vertex_normals
from tddfa.types import Mesh


@dataclass(frozen=True, slots=True)
class Light:
    """A white lamp and how a surface answers it.

    Attributes:
        ambient: brightness without the lamp.
        directional: added where the surface faces the lamp.
        specular: added where the surface mirrors the lamp to the viewer.
        exponent: how small the highlight is.
        position: of lamp and viewer, in a frame where the mesh fills the unit cube around 0: x right,
            y down, z towards the viewer.

    Source: the defaults are those of 3DDFA_V2's `3d` picture.
    """

    ambient: float = 0.3
    directional: float = 0.6
    specular: float = 0.1
    exponent: int = 5
    position: tuple[float, float, float] = (0.0, 0.0, 5.0)


def phong(mesh: Mesh, light: Light) -> Float32[np.ndarray, "n_vertices 1"]:
    """Brightness of each vertex, in [0, 1].

    Args:
        mesh: in the image frame.
        light: lamp and surface.

    Source: Phong, "Illumination for computer generated pictures", 1975. As in 3DDFA_V2 the highlight sums
    the powers of the three products rather than raising their sum: pictures stay comparable.
    """
    towards_viewer = np.array([1, 1, -1], np.float32)
    normals = vertex_normals(mesh.vertices, mesh.triangles) * towards_viewer
    position = np.array(light.position, np.float32)
    to_lamp = position - _unit_cube(mesh.vertices * towards_viewer)
    to_lamp /= np.linalg.norm(to_lamp, axis=1, keepdims=True)
    cosine = np.einsum("ij,ij->i", normals, to_lamp)[:, None]
    mirrored = 2 * cosine * normals - to_lamp
    highlight = ((to_lamp * mirrored) ** light.exponent).sum(axis=1, keepdims=True)
    brightness = (
        light.ambient
        + light.directional * np.clip(cosine, 0, 1)
        + light.specular * np.where(cosine != 0, np.clip(highlight, 0, 1), 0)
    )
    return np.clip(brightness, 0, 1).astype(np.float32)


def _unit_cube(vertices: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
    low = vertices.min(axis=0)
    side = (vertices - low).max()
    scaled = (vertices - low) * np.float32(2 / side if side > 0 else 0)
    return scaled - scaled.max(axis=0) / 2
