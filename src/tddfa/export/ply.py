"""PLY: meshes as binary or text.

Source: Turk, "The PLY polygon file format", 1994.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from tddfa.export.files import write
from tddfa.export.text import decimals, integers, lines, rows
from tddfa.export.upright import joined_triangles, upright_vertices, vertex_colors
from tddfa.types import Face, Image


def write_ply(
    path: str | os.PathLike[str],
    image: Image,
    faces: Sequence[Face],
    *,
    ascii: bool = False,
    colors: bool = True,
) -> None:
    """Write the meshes of all faces to one PLY file; see `ply_bytes`.

    Raises:
        ExportFileError: the file cannot be written; nothing is left behind.
    """
    write(path, ply_bytes(image, faces, ascii=ascii, colors=colors))


def ply_bytes(image: Image, faces: Sequence[Face], *, ascii: bool = False, colors: bool = True) -> bytes:
    """The meshes of all faces as one PLY file: x right, y up, z towards the viewer, px.

    Args:
        image: the photo, for its height and colours.
        faces: whose meshes to write.
        ascii: text with two decimals instead of little-endian floats.
        colors: give each vertex the colour of its pixel.
    """
    empty = np.zeros((0, 3), np.float32)
    vertices = np.concatenate([empty, *(upright_vertices(f.mesh, image.shape[0]) for f in faces)])
    triangles = joined_triangles(faces)
    rgb = np.concatenate([empty.astype(np.uint8), *(vertex_colors(image, f.mesh) for f in faces)])
    header = [
        "ply",
        f"format {'ascii' if ascii else 'binary_little_endian'} 1.0",
        f"element vertex {len(vertices)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {channel}" for channel in ("red", "green", "blue") if colors),
        f"element face {len(triangles)}",
        "property list uchar int vertex_indices",
        "end_header",
        "",
    ]
    start = "\n".join(header).encode("ascii")
    if ascii:
        columns = [decimals(vertices[:, k], 2) for k in range(3)]
        columns += [integers(rgb[:, k]) for k in range(3) if colors]
        index = integers(np.arange(len(vertices)))
        corners = [rows(index, triangles[:, k]) for k in range(3)]
        return start + lines("", columns) + lines("3 ", corners)
    points = np.empty(len(vertices), np.dtype([("xyz", "<f4", 3), *([("rgb", "u1", 3)] if colors else [])]))
    points["xyz"] = vertices
    if colors:
        points["rgb"] = rgb
    polygons = np.empty(len(triangles), np.dtype([("count", "u1"), ("corners", "<i4", 3)]))
    polygons["count"] = 3
    polygons["corners"] = triangles
    return b"".join([start, points.tobytes(), polygons.tobytes()])
