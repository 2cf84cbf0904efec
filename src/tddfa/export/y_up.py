"""The frame of PLY and OBJ files: x right, y up, z towards the viewer, px."""

from __future__ import annotations

import numpy as np

from tddfa.shapes import Float32, UInt8
from tddfa.types import Image, Mesh


def y_up_vertices(mesh: Mesh, height: int) -> Float32[np.ndarray, "n_vertices 3"]:
    """Return the vertices with x to the right, y up from the lower border of the image, z to the viewer, px.

    z is 0 at the farthest point of the mesh, as in the files of 3DDFA_V2.

    Args:
        mesh: mesh in the image frame.
        height: height of the image, px.
    """
    vertices = np.empty_like(mesh.vertices)
    vertices[:, 0] = mesh.vertices[:, 0]
    vertices[:, 1] = height - mesh.vertices[:, 1]
    vertices[:, 2] = mesh.vertices[:, 2].max(initial=-np.inf) - mesh.vertices[:, 2]
    return vertices


def vertex_colors(image: Image, mesh: Mesh) -> UInt8[np.ndarray, "n_vertices 3"]:
    """Return the RGB of the pixel under each vertex; outside the image, of the nearest pixel."""
    height, width = image.shape[:2]
    x = np.rint(np.clip(mesh.vertices[:, 0], 0, width - 1)).astype(np.int64)
    y = np.rint(np.clip(mesh.vertices[:, 1], 0, height - 1)).astype(np.int64)
    return image[y, x]
