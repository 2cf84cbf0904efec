"""Values of vertices as a heat map, and named parts of the face in colours of their own."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence

import numpy as np

from tddfa.errors import InputError
from tddfa.imaging.colormap import false_colors
from tddfa.render.compose import Background, Picture, paint
from tddfa.shapes import Bool, Float, Float32
from tddfa.types import Face, Image

_GOLDEN_RATIO = 0.618034


def draw_heat(
    image: Image,
    faces: Sequence[Face],
    values: Sequence[Float[np.ndarray, "_"]],
    *,
    limits: tuple[float, float] | None = None,
    colormap: str = "turbo",
    alpha: float = 0.7,
    background: Background = "photo",
) -> Picture:
    """The picture with a number of every vertex as a colour: an error, a displacement, a confidence.

    Args:
        image: the photo.
        faces: whose meshes to draw.
        values: one array per face, one value per vertex.
        limits: the values that take the first and the last colour; None for the smallest and largest.
        colormap: turbo, viridis, magma, inferno, plasma, cividis or jet.
        alpha: how much of the photo the mesh hides.
        background: what lies under and around the meshes.

    Raises:
        InputError: there is not one value per vertex, or no such colour map.
    """
    _check(faces, values, "values")
    known = [v[np.isfinite(v)] for v in values]
    if limits is None:
        present = np.concatenate([np.zeros(0), *known])
        limits = (float(present.min()), float(present.max())) if present.size else (0.0, 1.0)
    low, high = limits
    scale = 1 / (high - low) if high > low else 0.0
    colors = [false_colors((v - low) * scale, colormap) for v in values]
    return paint(image, [f.mesh for f in faces], colors, alpha=alpha, background=background)


def draw_regions(
    image: Image,
    faces: Sequence[Face],
    regions: Mapping[str, Bool[np.ndarray, " n_vertices"]],
    *,
    colors: Mapping[str, tuple[int, int, int]] | None = None,
    alpha: float = 0.6,
    background: Background = "photo",
) -> Picture:
    """The picture with named parts of every face in colours of their own, the rest grey.

    Args:
        image: the photo.
        faces: whose meshes to draw, of one model.
        regions: masks of the model's vertices by name, as `MorphableModel.regions`; a later one covers an
            earlier one.
        colors: RGB of some or all regions, 0 to 255; the others get hues far apart.
        alpha: how much of the photo the mesh hides.
        background: what lies under and around the meshes.

    Raises:
        InputError: a mask does not fit the mesh.
    """
    for mask in regions.values():
        _check(faces, [mask] * len(faces), "mask of a region")
    if not faces:
        return paint(image, [], [], background=background)
    rgb: Float32[np.ndarray, "n_vertices 3"] = np.full((len(faces[0].mesh.vertices), 3), 0.5, np.float32)
    for i, (name, mask) in enumerate(regions.items()):
        chosen = (colors or {}).get(name)
        hue = colorsys.hsv_to_rgb(i * _GOLDEN_RATIO % 1, 0.75, 1.0)
        rgb[mask] = hue if chosen is None else np.array(chosen) / 255
    return paint(image, [f.mesh for f in faces], [rgb] * len(faces), alpha=alpha, background=background)


def _check(faces: Sequence[Face], values: Sequence[np.ndarray], what: str) -> None:
    if len(values) != len(faces):
        raise InputError(f"{len(values)} arrays of {what} for {len(faces)} faces; give one per face")
    for face, value in zip(faces, values, strict=True):
        n = len(face.mesh.vertices)
        if value.shape != (n,):
            raise InputError(
                f"a {what} array has the shape {value.shape}; the mesh has {n} vertices, so ({n},)"
            )
