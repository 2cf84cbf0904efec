"""Colours of what a photo does not show of a head: scalp, forehead under hair, inside of the mouth."""

from __future__ import annotations

import numpy as np

from tddfa.geometry.percentiles import row_medians
from tddfa.render.kernel_values import TexelLayout
from tddfa.shapes import Float32
from tddfa.types import Topology

# Scalp and hairline, which have the colour of the skin, and the inside of the mouth, teeth and tongue, RGB.
_COLORS = np.array([(0, 0, 0), (0, 0, 0), (104, 46, 46), (228, 220, 206), (182, 96, 96)], np.float32)

N_OUTSIDE = 2
"""Number of the materials, the first ones, that lie outside the mouth."""

# Way from what a photo shows to the colours above, as a share of the texture's side: long over the scalp,
# where hair turns into skin, and short in the mouth, where lips do not.
_FADE = np.array([1 / 24, 1 / 24, 1 / 128, 1 / 128, 1 / 128], np.float32)

_BRIGHT = (
    160.0  # brightness of skin in good light, of 255; teeth are as dark as the photo, but not as dark skin
)
_COLORFUL = (
    30.0  # difference between the channels of skin; that of grey photos has none, and so has their mouth
)
_ALIKE = (
    45.0  # levels by which skin differs from its median in light and shadow; hair, eyes and lips differ more
)
_SKIN, _HAIR = 36.0, 72.0  # levels by which colours at the hairline differ from skin: still skin, and hair
_FEW = 20_000  # texels that a median is taken of


def filled(
    colors: Float32[np.ndarray, "3 size size"],
    trust: Float32[np.ndarray, "size size"],
    layout: TexelLayout,
) -> tuple[
    Float32[np.ndarray, "3 size size"], Float32[np.ndarray, "size size"], Float32[np.ndarray, "size size"]
]:
    """Return the colours of texels with those of the materials added, and their trust with and without them.

    The trust in a material is small: next to what the photo shows, the fill of a texture follows the photo,
    and farther away the material.

    Args:
        colors: 0 to 255, as far as they are trusted.
        trust: in [0, 1].
        layout: where materials are.
    """
    skin = skin_color(colors, trust)
    if skin is None or not len(layout.material_texels):
        return colors, trust, trust
    at, shares = layout.material_texels, layout.material_shares
    colors, seen = colors.reshape(3, -1).copy(), trust.reshape(-1).copy()
    unlike = np.abs(colors[:, at] - skin[:, None]).max(axis=0)
    hair = np.clip((unlike - _SKIN) / (_HAIR - _SKIN), 0, 1)
    seen[at] *= (1 - shares[:, 0]) * (1 - shares[:, 1] * hair)
    weight = (shares / (_FADE * layout.size).clip(1) ** 2).astype(np.float32)
    total = weight.sum(axis=1)
    material = (weight @ _palette(skin)) / np.maximum(total, np.float32(1e-12))[:, None]
    added = (1 - seen[at]) * total
    both = seen.copy()
    both[at] += added
    colors[:, at] = (seen[at] * colors[:, at] + added * material.T) / np.maximum(both[at], np.float32(1e-12))
    shape = trust.shape
    return colors.reshape(3, *shape), both.reshape(shape), seen.reshape(shape)


def skin_color(
    colors: Float32[np.ndarray, "3 size size"], trust: Float32[np.ndarray, "size size"]
) -> Float32[np.ndarray, "3"] | None:
    """Return the colour of the skin, RGB; None where the photo shows nothing of the face."""
    at = np.flatnonzero(trust > 0.5)
    if not len(at):
        return None
    # `take` and `partition` take a third of the time of an index and `np.median`.
    shown = colors.reshape(3, -1).take(at[:: max(1, len(at) // _FEW)], axis=1)
    middle = row_medians(shown)
    alike = np.flatnonzero(np.abs(shown - middle[:, None]).max(axis=0) < _ALIKE)
    return row_medians(shown.take(alike, axis=1)) if len(alike) else middle


def texel_materials(
    topology: Topology,
    texel_index: np.ndarray,
    corners: np.ndarray,
    weights: Float32[np.ndarray, "n 2"],
) -> tuple[np.ndarray, Float32[np.ndarray, "n_material 5"]]:
    """Return the texels of a layout that have materials, as flat indices, and how far they are each."""
    materials = topology.materials
    if materials is None:
        return np.zeros(0, np.int32), np.zeros((0, 5), np.float32)
    has_one = np.asarray(materials.any(axis=1))
    some = has_one[corners].any(axis=1)
    corners, weights = corners[some], weights[some]
    first = materials[corners[:, 0]]
    shares = first.copy()
    for k in (1, 2):
        shares += weights[:, k - 1, None] * (materials[corners[:, k]] - first)
    return texel_index[some], np.clip(shares, 0, 1)


def _palette(skin: Float32[np.ndarray, "3"]) -> Float32[np.ndarray, "5 3"]:
    """Return the colours of the materials in the light of a photo."""
    palette = _COLORS * np.clip(skin.mean() / _BRIGHT, 0.6, 1)
    grey = palette.mean(axis=1, keepdims=True)
    palette = grey + min(1.0, float(np.ptp(skin)) / _COLORFUL) * (palette - grey)
    palette[:2] = skin
    return palette.astype(np.float32)
