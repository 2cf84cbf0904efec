"""OBJ: meshes as text, with a colour per vertex or with a texture.

Source: Wavefront, "Object files (.obj)" and "Material library file (.mtl)", version 3.0.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from tddfa.errors import InputError
from tddfa.export.files import write
from tddfa.export.text import decimal_lines, text_triangles
from tddfa.export.y_up import face_colors, y_up_vertices
from tddfa.imaging.files import encode_image
from tddfa.shapes import UInt8
from tddfa.types import Face, Image, Topology
from tddfa.types.arguments import as_path, as_text, as_texture, faces_of, per_face


def write_obj(
    path: str | os.PathLike[str],
    image: Image,
    faces: Iterable[Face],
    *,
    textures: Iterable[Image] | None = None,
    vertex_colors: Iterable[UInt8[np.ndarray, "n_vertices 3"]] | None = None,
) -> None:
    """Write the meshes of all faces to one OBJ file.

    With textures, a material file and a PNG for each face are written beside it; see `obj_files`.

    Args:
        path: ends in .obj.
        image: RGB; gives its height and the colours of vertices.
        faces: faces of the image.
        textures: one per face in its texture layout, row 0 is v = 1; without textures each vertex has the
            colour of its pixel.
        vertex_colors: the colours of the vertices of each face, RGB, in place of those of the pixels.

    Raises:
        InputError: there are textures or colours, but not one per face, or a model has no texture layout.
        ExportFileError: a file cannot be written.
    """
    path = as_path("path", path)
    for name, data in obj_files(path.stem, image, faces, textures=textures, vertex_colors=vertex_colors):
        write(path if name.endswith(".obj") else path.with_name(name), data)


def obj_files(
    stem: str,
    image: Image,
    faces: Iterable[Face],
    *,
    textures: Iterable[Image] | None = None,
    vertex_colors: Iterable[UInt8[np.ndarray, "n_vertices 3"]] | None = None,
) -> list[tuple[str, bytes]]:
    """Return names and contents of the files of `write_obj`; a file comes before those that refer to it.

    They are `<stem>_<face>.png`, `<stem>.mtl` and `<stem>.obj`. Inside these formats a space ends a name; the
    names of the first two then have _ for it, and digits that make them as distinct as the stems are.

    Args:
        stem: name of the OBJ file without its suffix.
        image: RGB; gives its height and the colours of vertices.
        faces: faces of the image.
        textures: one per face, as in `write_obj`.
        vertex_colors: one array per face, as in `write_obj`.

    Raises:
        InputError: there are textures or colours, but not one per face, or a model has no texture layout.
    """
    stem, faces = as_text("stem", stem), faces_of(image, faces)
    if textures is None:
        return [(f"{stem}.obj", obj_bytes(image, faces, vertex_colors=vertex_colors))]
    images = [
        as_texture(f"textures[{k}]", texture)
        for k, texture in enumerate(per_face("textures", textures, faces))
    ]
    material = material_name(stem)
    data = obj_bytes(image, faces, material_file=material)
    names = [texture_name(stem, i) for i in range(len(faces))]
    materials = [f"newmtl face_{i + 1}\nKd 1 1 1\nmap_Kd {name}\n" for i, name in enumerate(names)]
    return [
        *((name, encode_image(texture, "png")) for name, texture in zip(names, images, strict=True)),
        (material, _text("\n".join(materials))),
        (f"{stem}.obj", data),
    ]


def material_name(stem: str) -> str:
    """Return the name of the material file of an OBJ file.

    Args:
        stem: name of the OBJ file without its suffix.
    """
    return f"{_one_word(stem)}.mtl"


def texture_name(stem: str, index: int) -> str:
    """Return the name of the texture of a face of an OBJ file.

    Args:
        stem: name of the OBJ file without its suffix.
        index: of the face, from 0.
    """
    return f"{_one_word(stem)}_{index + 1}.png"


def _one_word(stem: str) -> str:
    """Return a name that is one word for readers of OBJ and MTL, and different for different stems."""
    word = re.sub(r"[\s\x00-\x1f\x7f#\\\"']+", "_", stem)
    return word if word == stem else f"{word}-{zlib.crc32(_text(stem)):08x}"


def _text(text: str) -> bytes:
    # Names of files that are not UTF-8 come and go as they are.
    return text.encode("utf-8", "surrogateescape")


def obj_bytes(
    image: Image,
    faces: Iterable[Face],
    *,
    material_file: str | None = None,
    vertex_colors: Iterable[UInt8[np.ndarray, "n_vertices 3"]] | None = None,
) -> bytes:
    """Return the meshes of all faces as one OBJ file: x right, y up, z towards the viewer, px.

    Args:
        image: RGB; gives its height and the colours of vertices.
        faces: faces of the image; with materials, each is an object.
        material_file: name of the file with the materials `face_1`, `face_2`, … of the faces; the vertices
            then have texture coordinates instead of colours.
        vertex_colors: one array per face, as in `write_obj`.

    Raises:
        InputError: a material file is named, but a model has no texture layout.
    """
    faces = faces_of(image, faces)
    corners: list[bytes] = []
    vertices: list[bytes] = []
    start = 1
    colors = None if material_file is not None else face_colors(image, faces, vertex_colors)
    for i, face in enumerate(faces):
        mesh = face.mesh
        points = y_up_vertices(mesh, image.shape[0])
        columns = [*points.T] if colors is None else [*points.T, *(colors[i] / 255).T]
        vertices.append(decimal_lines("v ", columns, 2))
        if material_file is not None:
            uv = mesh.topology.uv
            if uv is None:
                raise InputError("this model has no texture layout (UV), so it cannot carry a texture")
            vertices.append(decimal_lines("vt ", [*uv.T], 6))
            corners.append(f"o face_{i + 1}\nusemtl face_{i + 1}\n".encode())
        corners.append(_triangles(mesh.topology, start, material_file is not None))
        start += len(points)
    head = [_text(f"mtllib {material_file}\n")] if material_file is not None else []
    return b"".join(head + vertices + corners)


# The triangles of a model are the same in every file: kept, they cost nothing from the second file on.
@lru_cache(maxsize=8)
def _triangles(topology: Topology, start: int, textured: bool) -> bytes:
    return text_triangles(topology.triangles, len(topology.colors), start, "f ", twice=textured)
