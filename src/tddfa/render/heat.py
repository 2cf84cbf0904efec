"""Heat maps of values of vertices, and named parts of the face in colours of their own."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tddfa.imaging.colormap import COLORMAPS, false_colors
from tddfa.render.compose import Background, Drawing, paint
from tddfa.shapes import Bool, Float, Float32
from tddfa.types import Face, Image
from tddfa.types.arguments import (
    as_color,
    check_choice,
    check_kind,
    check_numbers,
    faces_of,
    per_face,
    per_vertex,
)

_GOLDEN_RATIO = 0.618034


def draw_heat(
    image: Image,
    faces: Iterable[Face],
    values: Sequence[Float[np.ndarray, "_"]],
    *,
    limits: tuple[float, float] | None = None,
    colormap: str = "turbo",
    alpha: float = 0.7,
    background: Background = "photo",
) -> Drawing:
    """Return the image with a number of every vertex as a colour: an error, a displacement, a confidence.

    Args:
        image: the image of the faces.
        faces: faces whose meshes are drawn.
        values: one array per face, one value per vertex.
        limits: the values that take the first and the last colour; None for the smallest and largest.
        colormap: turbo, viridis, magma, inferno, plasma, cividis or jet.
        alpha: share of the image that the mesh hides.
        background: what lies under and around the meshes.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    faces = faces_of(image, faces)
    check_choice("colormap", colormap, tuple(COLORMAPS))
    each = per_face("values", values, faces)
    pairs = zip(each, faces, strict=True)
    values = [per_vertex(f"values[{k}]", v, face, "fiub") for k, (v, face) in enumerate(pairs)]
    values = [v if v.dtype.kind == "f" else v.astype(np.float64) for v in values]
    if limits is not None:
        check_numbers("limits", limits, 2)
    known = [v[np.isfinite(v)] for v in values]
    if limits is None:
        present = np.concatenate([np.zeros(0), *known])
        limits = (float(present.min()), float(present.max())) if present.size else (0.0, 1.0)
    low, high = limits
    scale = 1 / (high - low) if high > low else 0.0
    colors = [false_colors((v - low) * scale, colormap) for v in values]
    return paint(image, faces, colors, alpha=alpha, background=background)


def draw_regions(
    image: Image,
    faces: Iterable[Face],
    regions: Mapping[str, Bool[np.ndarray, " n_vertices"]],
    *,
    colors: Mapping[str, tuple[int, int, int]] | None = None,
    alpha: float = 0.6,
    background: Background = "photo",
) -> Drawing:
    """Return the image with named parts of every face in colours of their own, the rest grey.

    Args:
        image: the image of the faces.
        faces: faces of one model whose meshes are drawn.
        regions: masks of the model's vertices by name, as `MorphableModel.regions`; a later one covers an
            earlier one.
        colors: RGB of some or all regions, 0 to 255; the others get hues far apart.
        alpha: share of the image that the mesh hides.
        background: what lies under and around the meshes.

    Raises:
        InputError: an argument is not possible; the message says what is.
    """
    faces = faces_of(image, faces)
    check_kind("regions", regions, Mapping, "masks by name are needed")
    masks = {
        name: per_vertex(f"the mask of region {name!r}", mask, face, "b")
        for face in faces
        for name, mask in regions.items()
    }
    given: Any = {} if colors is None else colors
    check_kind("colors", given, Mapping, "colours by name are needed")
    chosen_colors = {name: as_color(color, f"the colour of region {name!r}") for name, color in given.items()}
    if not faces:
        return paint(image, [], [], background=background)
    rgb: Float32[np.ndarray, "n_vertices 3"] = np.full((len(faces[0].mesh.vertices), 3), 0.5, np.float32)
    for i, (name, mask) in enumerate(masks.items()):
        chosen = chosen_colors.get(name)
        hue = colorsys.hsv_to_rgb(i * _GOLDEN_RATIO % 1, 0.75, 1.0)
        rgb[mask] = hue if chosen is None else np.array(chosen) / 255
    return paint(image, faces, [rgb] * len(faces), alpha=alpha, background=background)
