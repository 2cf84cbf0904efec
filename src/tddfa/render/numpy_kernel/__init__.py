"""The kernel in NumPy: the specification, and what runs where the native one is not built."""

from tddfa.render.numpy_kernel.blending import blend, blend_color, blended, direction_colors, paint, recolor
from tddfa.render.numpy_kernel.completion import complete, push_pull
from tddfa.render.numpy_kernel.rasterization import depth, interpolate, joined_triangles, rasterize
from tddfa.render.numpy_kernel.surface import bounds, phong, vertex_normals, visible, weighted
from tddfa.render.numpy_kernel.texels import texels

__all__ = [
    "blend",
    "blend_color",
    "blended",
    "bounds",
    "complete",
    "depth",
    "direction_colors",
    "interpolate",
    "joined_triangles",
    "paint",
    "phong",
    "push_pull",
    "rasterize",
    "recolor",
    "texels",
    "vertex_normals",
    "visible",
    "weighted",
]
