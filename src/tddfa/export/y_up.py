"""The frame of PLY and OBJ files: x right, y up, z towards the viewer, px."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tddfa.errors import InputError
from tddfa.geometry.percentiles import row_medians
from tddfa.shapes import Float32, UInt8
from tddfa.types import Face, Image, Mesh
from tddfa.types.arguments import per_face


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


def face_colors(
    image: Image, faces: Sequence[Face], given: Iterable[UInt8[np.ndarray, "n_vertices 3"]] | None
) -> list[UInt8[np.ndarray, "n_vertices 3"]]:
    """Return the RGB of each vertex of each face: those given, or those of the pixels.

    Raises:
        InputError: the given colours are not those of each vertex of each face.
    """
    if given is None:
        return [vertex_colors(image, face.mesh) for face in faces]
    given = per_face("vertex_colors", given, faces)
    shapes = [np.shape(colors) for colors in given]
    wanted = [face.mesh.vertices.shape for face in faces]
    if shapes != wanted:
        raise InputError(f"vertex_colors have the shapes {shapes}; the vertices of the faces have {wanted}")
    return [np.asarray(colors, np.uint8) for colors in given]


def vertex_colors(image: Image, mesh: Mesh) -> UInt8[np.ndarray, "n_vertices 3"]:
    """Return the RGB of the pixel under each vertex; outside the image, of the nearest pixel.

    Scalp, of which photos show hair, has the colour of the skin.
    """
    height, width = image.shape[:2]
    columns, rows = np.ascontiguousarray(mesh.vertices[:, :2].T)
    x = np.rint(np.clip(columns, 0, width - 1)).astype(np.intp)
    y = np.rint(np.clip(rows, 0, height - 1)).astype(np.intp)
    # Rows by one index take a quarter of the time of rows by two.
    colors = image.reshape(-1, 3).take(y * width + x, axis=0) if image.flags.c_contiguous else image[y, x]
    materials = mesh.topology.materials
    if materials is None or not materials[:, 0].any():
        return colors
    scalp = materials[:, :1]
    skin = row_medians(np.ascontiguousarray(colors[scalp[:, 0] == 0].T, np.float32))
    return np.rint(colors + scalp * (skin - colors)).astype(np.uint8)
