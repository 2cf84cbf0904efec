"""What the two implementations of the kernel share: regions, limits, and where texels lie."""

from __future__ import annotations

from dataclasses import field
from typing import TypeAlias

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Bool, Float32, Int32

SUBPIXELS = 256
"""Steps of the fixed-point grid per pixel."""

MAX_COORDINATE = 2.0**21
"""Largest |x| and |y|, px. Up to it, edge functions fit in 64 bits."""

Region: TypeAlias = tuple[int, int, int, int]
"""First column, first row, width and height of a part of an image."""

Buffers: TypeAlias = tuple[Int32[np.ndarray, "h w"], Float32[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]
"""Triangle (−1: none), weights of its corners, depth (infinite: none)."""

EDGE_ON, TRUSTED = np.float32(0.26), np.float32(0.6)
"""Cosine between surface and viewer at which trust in a texel starts, and at which it is full. Below 0.26
(75°) a pixel is smeared over many texels."""

PER_LIGHT = np.float32(1 / 56)
"""1 / levels. Two halves of a face whose colours differ by 56 levels are not the same skin in other light."""


@dataclass(frozen=True, slots=True, eq=False)
class DepthBuffer:
    """The depth of one face in the cells of the part of the image that it covers.

    Attributes:
        scale: cells per px.
        region: the part of the image, cells.
        depth: depth of the face, px; infinite beside it.
    """

    scale: float
    region: Region
    depth: Float32[np.ndarray, "h w"]


@dataclass(frozen=True, slots=True, eq=False)
class TexelLayout:
    """Where each texel lies on a mesh.

    Attributes:
        size: side of the texture, texels.
        covered: texels that belong to the face.
        texel_index: flat indices of the covered texels.
        corners: vertices of the triangle of each covered texel.
        weights: barycentric weights of the second and the third corner.
        symmetric: whether the layout is its own mirror image.
        material_texels: flat indices of the texels with materials; see `Topology.materials`.
        material_shares: how far they are each of the materials.
    """

    size: int
    covered: Bool[np.ndarray, "size size"]
    texel_index: Int32[np.ndarray, " n_covered"]
    corners: Int32[np.ndarray, "n_covered 3"]
    weights: Float32[np.ndarray, "n_covered 2"]
    symmetric: bool
    material_texels: Int32[np.ndarray, " n_material"] = field(default_factory=lambda: np.zeros(0, np.int32))
    material_shares: Float32[np.ndarray, "n_material 5"] = field(
        default_factory=lambda: np.zeros((0, 5), np.float32)
    )


@dataclass(frozen=True, slots=True, eq=False)
class FaceView:
    """What an image shows of a face: a z-buffer over the face, in cells of a pixel or more.

    Attributes:
        image_size: height and width of the image, px.
        scale: cells per px.
        region: the part of the image, cells.
        depth: depth of the face, px; infinite beside it, and minus infinity where another face is in front.
        edge_distance: trust that follows from the distance to the outline: 0 where the mesh may miss the
            face, 1 where it does not.
    """

    image_size: tuple[int, int]
    scale: float
    region: Region
    depth: Float32[np.ndarray, "h w"]
    edge_distance: Float32[np.ndarray, "h w"]


def coarse_levels(size: int) -> int:
    """Return how many of the finest levels of a texture the difference in light leaves out."""
    return max(size.bit_length() - 5, 0)
