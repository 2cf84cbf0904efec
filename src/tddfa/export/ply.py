"""PLY: meshes as binary or text.

Source: Turk, "The PLY polygon file format", 1994.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from tddfa.export.files import writer_of
from tddfa.export.text import decimals, integers, lines, text_triangles
from tddfa.export.y_up import face_colors, y_up_vertices
from tddfa.shapes import UInt8
from tddfa.types import Face, Image, Topology
from tddfa.types.arguments import check_flag, faces_of


def ply_bytes(
    image: Image,
    faces: Iterable[Face],
    *,
    ascii: bool = False,
    colors: bool = True,
    vertex_colors: Iterable[UInt8[np.ndarray, "n_vertices 3"]] | None = None,
) -> bytes:
    """Return the meshes of all faces as one PLY file: x right, y up, z towards the viewer, px.

    Args:
        image: RGB; gives its height and the colours of vertices.
        faces: faces of the image.
        ascii: write text with two decimals instead of little-endian floats.
        colors: give each vertex the colour of its pixel.
        vertex_colors: the colours of the vertices of each face, RGB, in place of those of the pixels.

    Raises:
        InputError: the image is not RGB, or there are colours, but not those of each vertex of each face.
    """
    faces = faces_of(image, faces)
    check_flag("ascii", ascii)
    check_flag("colors", colors)
    empty = np.zeros((0, 3), np.float32)
    vertices = np.concatenate([empty, *(y_up_vertices(f.mesh, image.shape[0]) for f in faces)])
    n_triangles = sum(len(f.mesh.triangles) for f in faces)
    rgb = np.concatenate([empty.astype(np.uint8), *face_colors(image, faces, vertex_colors)])
    header = [
        "ply",
        f"format {'ascii' if ascii else 'binary_little_endian'} 1.0",
        f"element vertex {len(vertices)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {channel}" for channel in ("red", "green", "blue") if colors),
        f"element face {n_triangles}",
        "property list uchar int vertex_indices",
        "end_header",
        "",
    ]
    head = "\n".join(header).encode("ascii")
    starts = np.cumsum([0] + [len(f.mesh.vertices) for f in faces]).tolist()
    polygons = _text_polygons if ascii else _binary_polygons
    corners = [polygons(f.mesh.topology, start) for f, start in zip(faces, starts, strict=False)]
    if ascii:
        columns = [decimals(vertices[:, k], 2) for k in range(3)]
        columns += [integers(rgb[:, k]) for k in range(3) if colors]
        return b"".join([head, lines("", columns), *corners])
    points = np.empty(len(vertices), np.dtype([("xyz", "<f4", 3), *([("rgb", "u1", 3)] if colors else [])]))
    points["xyz"] = vertices
    if colors:
        points["rgb"] = rgb
    return b"".join([head, points.tobytes(), *corners])


write_ply = writer_of(ply_bytes)


# The triangles of a model are the same in every file: kept, they cost nothing from the second file on.
@lru_cache(maxsize=8)
def _binary_polygons(topology: Topology, start: int) -> bytes:
    polygons = np.empty(len(topology.triangles), np.dtype([("count", "u1"), ("corners", "<i4", 3)]))
    polygons["count"] = 3
    polygons["corners"] = topology.triangles + start
    return polygons.tobytes()


@lru_cache(maxsize=8)
def _text_polygons(topology: Topology, start: int) -> bytes:
    return text_triangles(topology.triangles, len(topology.colors), start, "3 ")
