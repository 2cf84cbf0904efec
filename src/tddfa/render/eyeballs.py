"""Texels of eyeballs that a photo hides: behind closed lids lies no skin."""

from __future__ import annotations

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.geometry.percentiles import row_percentiles
from tddfa.render.kernel_values import TexelLayout
from tddfa.shapes import Float32, Int64, UInt8
from tddfa.types import Topology
from tddfa.types.eye_colors import (
    ELSEWHERE,
    IRIS_COLOR,
    IRIS_RADIUS_MM,
    PUPIL_RADIUS_MM,
    SCLERA_COLOR,
    eye_colors,
)

# Texels that an image shows this well tell how bright a face is, and what colour its eyes have.
_WELL_SEEN = 0.5

# Share of its front that an image shows of an open eye, at least; below it, it shows lashes and lids that the
# mesh misses.
_OPEN = 0.025
_FEWEST = 12  # texels that say a colour
_BRIGHT_SKIN = 190.0  # mean of the channels of skin beside which eyes have their usual colours
_DARKEST, _BRIGHTEST = 0.25, 0.95


@dataclass(frozen=True, slots=True, eq=False)
class EyeTexels:
    """The texels of one eyeball.

    Attributes:
        place: their flat indices.
        offsets: their places across the gaze from the middle of the pupil, mm.
    """

    place: Int64[np.ndarray, " n"]
    offsets: Float32[np.ndarray, "n 2"]


def eye_texels(topology: Topology, layout: TexelLayout) -> tuple[EyeTexels, ...]:
    """Return the texels of each eyeball in a layout; none for a model without."""
    offsets = topology.pupil_offsets
    if offsets is None:
        return ()
    on_eye = (offsets[layout.corners] < ELSEWHERE).all(axis=(1, 2))
    weights = np.pad(layout.weights[on_eye], [(0, 0), (1, 0)])
    weights[:, 0] = 1 - weights.sum(axis=1)
    place = layout.texel_index[on_eye].astype(np.int64)
    across = np.einsum("nk,nkc->nc", weights, offsets[layout.corners[on_eye]]).astype(np.float32)
    left_half = place % layout.size < layout.size // 2
    return tuple(EyeTexels(place[half], across[half]) for half in (left_half, ~left_half) if half.any())


def without_closed_eyes(
    trust: Float32[np.ndarray, "size size"], eyes: tuple[EyeTexels, ...]
) -> Float32[np.ndarray, "size size"]:
    """Return the trust in texels without that in eyes which hardly show."""
    closed = [eye.place for eye in eyes if trust.reshape(-1)[eye.place].mean() < _OPEN]
    if not closed:
        return trust
    trust = trust.copy()
    trust.reshape(-1)[np.concatenate(closed)] = 0
    return trust


def fill_eyes(
    image: UInt8[np.ndarray, "size size 3"],
    trust: Float32[np.ndarray, "size size"],
    eyes: tuple[EyeTexels, ...],
    *,
    symmetric: bool,
) -> None:
    """Draw the part of eyeballs that an image hides, in the colours that it shows of either, in place.

    Args:
        image: a texture without holes; the skin's colours in place of what is hidden.
        trust: trust in the texels, as `without_closed_eyes` returns it.
        eyes: the texels of the eyeballs.
        symmetric: whether a texel of one eye has its twin on the other one.
    """
    if not eyes:
        return
    flat, known = image.reshape(-1, 3), trust.reshape(-1)
    skin = flat.take(np.flatnonzero(known > _WELL_SEEN), axis=0)
    light = float(skin.mean()) / _BRIGHT_SKIN if len(skin) else 1.0
    light = min(max(light, _DARKEST), _BRIGHTEST)
    shown = [_shown(flat, known, eye) for eye in eyes]
    # Lashes and lids shade the white of the eye more often than it glares.
    iris, sclera = (
        row_percentiles(np.concatenate(part).T, rank) / 255
        if sum(map(len, part)) >= _FEWEST
        else np.asarray(usual) * light
        for part, rank, usual in zip(
            zip(*shown, strict=True), (50, 80), (IRIS_COLOR, SCLERA_COLOR), strict=True
        )
    )
    both = np.maximum(known, trust[:, ::-1].reshape(-1)) if symmetric else known
    for eye in eyes:
        drawn = 255 * eye_colors(eye.offsets, iris=_rgb(iris), sclera=_rgb(sclera))
        share = both[eye.place, None]
        mixed = share * flat[eye.place] + (1 - share) * drawn
        flat[eye.place] = np.rint(mixed.clip(0, 255)).astype(np.uint8)


def _shown(flat: np.ndarray, known: np.ndarray, eye: EyeTexels) -> tuple[np.ndarray, np.ndarray]:
    """Return the colours of iris and sclera that an image shows of an eye."""
    radius = np.linalg.norm(eye.offsets, axis=1)
    seen = known[eye.place] > _WELL_SEEN
    iris = seen & (radius > 1.2 * PUPIL_RADIUS_MM) & (radius < 0.85 * IRIS_RADIUS_MM)
    sclera = seen & (radius > 1.2 * IRIS_RADIUS_MM)
    return flat[eye.place[iris]], flat[eye.place[sclera]]


def _rgb(color: np.ndarray) -> tuple[float, float, float]:
    r, g, b = color.tolist()
    return r, g, b
