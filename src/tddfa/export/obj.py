"""OBJ: meshes as text, with a colour per vertex or with a texture.

Source: Wavefront, "Object files (.obj)" and "Material library file (.mtl)", version 3.0.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from tddfa.errors import InputError
from tddfa.export.files import write
from tddfa.export.text import decimals, lines, text_triangles
from tddfa.export.upright import upright_vertices, vertex_colors
from tddfa.imaging.files import encode_image
from tddfa.types import Face, Image, Topology


def write_obj(
    path: str | os.PathLike[str],
    image: Image,
    faces: Sequence[Face],
    *,
    textures: Sequence[Image] | None = None,
) -> None:
    """Write the meshes of all faces to one OBJ file.

    With textures, `<stem>.mtl` and `<stem>_<face>.png` are written beside it, with _ for spaces in their
    names: in these formats a space ends a name.

    Args:
        path: ends in .obj.
        image: the photo, for its height and colours.
        faces: whose meshes to write.
        textures: one per face in its texture layout, row 0 is v = 1; without them each vertex has the
            colour of its pixel.

    Raises:
        InputError: there are textures, but not one per face, or a model has no texture layout.
        ExportFileError: a file cannot be written.
    """
    path = Path(path)
    if textures is None:
        write(path, obj_bytes(image, faces))
        return
    stem = "_".join(path.stem.split())
    pictures = [f"{stem}_{i + 1}.png" for i in range(len(faces))]
    data = obj_bytes(image, faces, material_file=f"{stem}.mtl")
    if len(textures) != len(faces):
        raise InputError(f"{len(textures)} textures for {len(faces)} faces; give one per face")
    # What others refer to comes first: a viewer never finds a name that is not there yet.
    for name, texture in zip(pictures, textures, strict=True):
        write(path.with_name(name), encode_image(texture, "png"))
    materials = [f"newmtl face_{i + 1}\nKd 1 1 1\nmap_Kd {name}\n" for i, name in enumerate(pictures)]
    write(path.with_name(f"{stem}.mtl"), "\n".join(materials).encode())
    write(path, data)


def obj_bytes(image: Image, faces: Sequence[Face], *, material_file: str | None = None) -> bytes:
    """The meshes of all faces as one OBJ file: x right, y up, z towards the viewer, px.

    Args:
        image: the photo, for its height and colours.
        faces: whose meshes to write; with materials, as one object each.
        material_file: name of the file with the materials `face_1`, `face_2`, … of the faces; the vertices
            then have texture coordinates instead of colours.

    Raises:
        InputError: a material file is named, but a model has no texture layout.
    """
    corners: list[bytes] = []
    vertices: list[bytes] = []
    start = 1
    for i, face in enumerate(faces):
        mesh = face.mesh
        points = upright_vertices(mesh, image.shape[0])
        columns = [decimals(points[:, k], 2) for k in range(3)]
        if material_file is None:
            rgb = vertex_colors(image, mesh) / 255
            columns += [decimals(rgb[:, k], 2) for k in range(3)]
        vertices.append(lines("v ", columns))
        if material_file is not None:
            uv = mesh.topology.uv
            if uv is None:
                raise InputError("this model has no texture layout (UV), so it cannot carry a texture")
            vertices.append(lines("vt ", [decimals(uv[:, k], 6) for k in range(2)]))
            corners.append(f"o face_{i + 1}\nusemtl face_{i + 1}\n".encode())
        corners.append(_triangles(mesh.topology, start, material_file is not None))
        start += len(points)
    head = [f"mtllib {material_file}\n".encode()] if material_file is not None else []
    return b"".join(head + vertices + corners)


# The triangles of a model are the same in every file: kept, they cost nothing from the second file on.
@lru_cache(maxsize=8)
def _triangles(topology: Topology, start: int, textured: bool) -> bytes:
    return text_triangles(topology.triangles, len(topology.colors), start, "f ", twice=textured)
