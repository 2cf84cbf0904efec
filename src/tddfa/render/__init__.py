"""Image + faces → images: landmarks, meshes, depth, PNCC, normals, head pose, textures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tddfa.deprecation import renamed_names
from tddfa.kinds import functions
from tddfa.render.compose import Background, Drawing
from tddfa.render.dense import draw_dense
from tddfa.render.depth import depth_map, draw_depth
from tddfa.render.fragments import Fragments
from tddfa.render.heat import draw_heat, draw_regions
from tddfa.render.landmarks import draw_landmarks
from tddfa.render.lighting import Light
from tddfa.render.normals import draw_normals
from tddfa.render.pncc import draw_pncc
from tddfa.render.pose import draw_pose
from tddfa.render.rasterizer import rasterize
from tddfa.render.shaded import draw_shaded
from tddfa.render.textured import draw_textured
from tddfa.render.uv_texture import Texture, draw_uv_texture, face_textures, merge_textures
from tddfa.render.wireframe import draw_wireframe

OVERLAYS: dict[str, Callable[..., Any]] = functions("draw")
"""Kind → `draw(image, faces, *, background="photo", **style) -> image`; `tddfa.kinds` has a line for each."""

__getattr__ = renamed_names(__name__, {"Picture": "tddfa.render:Drawing"})

__all__ = [
    "OVERLAYS",
    "Background",
    "Drawing",
    "Fragments",
    "Light",
    "Texture",
    "depth_map",
    "draw_dense",
    "draw_depth",
    "draw_heat",
    "draw_landmarks",
    "draw_normals",
    "draw_pncc",
    "draw_pose",
    "draw_regions",
    "draw_shaded",
    "draw_textured",
    "draw_uv_texture",
    "draw_wireframe",
    "face_textures",
    "merge_textures",
    "rasterize",
]
