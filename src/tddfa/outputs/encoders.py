"""One function per kind: the names and bytes of its files, the file that others belong to last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import tddfa.export as export  # its names are loaded when they are used
from tddfa.errors import InputError
from tddfa.export.obj import material_name, texture_name
from tddfa.imaging.files import encode_image
from tddfa.outputs.scene import Scene
from tddfa.outputs.target import Target
from tddfa.render import OVERLAYS

Files: TypeAlias = Iterator[tuple[str, bytes]]
"""Name and contents of each file."""


def overlay(scene: Scene, target: Target) -> Files:
    """Yield the image with its faces drawn."""
    drawn = OVERLAYS[target.kind](scene.image, scene.faces, background=target.options.background)
    yield target.name, encode_image(drawn, target.options.format)


def depth(scene: Scene, target: Target) -> Files:
    """Yield the depth as an image, and as numbers with their mask where `raw_depth` is set."""
    yield from overlay(scene, target)
    if target.options.raw_depth:
        values, mask = scene.depth
        yield f"{target.stem}.npy", export.npy_bytes(values)
        yield f"{target.stem}_mask.png", encode_image(mask.astype("uint8") * 255, "png")


def ply(scene: Scene, target: Target) -> Files:
    """Yield the meshes with the colours of their vertices."""
    heads = scene.cropped(target.options.crop)
    # The photo shows a face, but not the back of a head.
    colors = None if heads is scene else heads.vertex_colors
    yield target.name, export.ply_bytes(scene.image, heads.faces, vertex_colors=colors)


def obj(scene: Scene, target: Target) -> Files:
    """Yield the meshes as text, with materials and textures where `texture` is set."""
    heads = scene.cropped(target.options.crop)
    textures = heads.textures if target.options.texture else None
    if target.options.texture and textures is None:
        raise InputError("this model has no texture layout (UV): leave --texture out")
    colors = None if heads is scene or target.options.texture else heads.vertex_colors
    yield from export.obj_files(
        target.stem, scene.image, heads.faces, textures=textures, vertex_colors=colors
    )


def obj_sides(target: Target, index: int) -> list[str]:
    """Return the names of the texture of a face and of the materials, where `texture` is set."""
    if not target.options.texture:
        return []
    return [texture_name(target.stem, index), material_name(target.stem)]


def glb(scene: Scene, target: Target) -> Files:
    """Yield the textured meshes with their blendshapes."""
    heads = scene.cropped(target.options.crop)
    yield (
        target.name,
        export.glb_bytes(
            scene.image,
            heads.faces,
            textures=heads.textures,
            neutral=target.options.neutral,
            frontal=target.options.frontal,
            full_mesh=target.options.full_mesh,
        ),
    )


def depth16(scene: Scene, target: Target) -> Files:
    """Yield the depth as a PNG of 16 bits."""
    yield target.name, export.depth_png_bytes(scene.depth[0])


def json(scene: Scene, target: Target) -> Files:
    """Yield the faces as a JSON record."""
    yield target.name, export.json_bytes(scene.image, scene.faces)


def npz(scene: Scene, target: Target) -> Files:
    """Yield the faces as NumPy arrays."""
    yield target.name, export.npz_bytes(scene.image, scene.faces)


def table(scene: Scene, target: Target) -> Files:
    """Yield a table with a row for each face, of the columns that videos have."""
    names = export.columns(scene.faces[0].model.expression_names)
    yield target.name, export.table_bytes(target.kind, names, export.to_rows(scene.faces))
