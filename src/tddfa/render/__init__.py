"""Image + faces → images: landmarks, meshes, depth, PNCC, normals, head pose, textures."""

from __future__ import annotations

from tddfa.deprecation import renamed_names
from tddfa.kinds import functions
from tddfa.lazy import lazy_names

OVERLAYS = functions("draw")
"""Kind → `draw(image, faces, *, background="photo", **style) -> image`; `tddfa.kinds` has a line for each."""

# `__init__.pyi` has the same names.
_PUBLIC = {
    "tddfa.render.compose": "Background Drawing",
    "tddfa.render.dense": "draw_dense",
    "tddfa.render.depth": "depth_map draw_depth",
    "tddfa.render.fragments": "Fragments",
    "tddfa.render.heat": "draw_heat draw_regions",
    "tddfa.render.landmarks": "draw_landmarks",
    "tddfa.render.lighting": "Light",
    "tddfa.render.normals": "draw_normals",
    "tddfa.render.pncc": "draw_pncc",
    "tddfa.render.pose": "draw_pose",
    "tddfa.render.rasterizer": "rasterize",
    "tddfa.render.shaded": "draw_shaded",
    "tddfa.render.textured": "draw_textured",
    "tddfa.render.uv_texture": "Texture draw_uv_texture face_textures merge_textures texture_colors",
    "tddfa.render.visibility": "visible_landmarks visible_vertices",
    "tddfa.render.wireframe": "draw_wireframe",
}

__getattr__ = lazy_names(__name__, _PUBLIC, renamed_names(__name__, {"Picture": "tddfa.render:Drawing"}))

__all__ = sorted(["OVERLAYS", *" ".join(_PUBLIC.values()).split()])  # pyright: ignore[reportUnsupportedDunderAll]
