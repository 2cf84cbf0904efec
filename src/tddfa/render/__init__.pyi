from tddfa.lazy import LazyFunctions
from tddfa.render.compose import Background as Background
from tddfa.render.compose import Drawing as Drawing
from tddfa.render.dense import draw_dense as draw_dense
from tddfa.render.depth import depth_map as depth_map
from tddfa.render.depth import draw_depth as draw_depth
from tddfa.render.fragments import Fragments as Fragments
from tddfa.render.heat import draw_heat as draw_heat
from tddfa.render.heat import draw_regions as draw_regions
from tddfa.render.landmarks import draw_landmarks as draw_landmarks
from tddfa.render.lighting import Light as Light
from tddfa.render.normals import draw_normals as draw_normals
from tddfa.render.pncc import draw_pncc as draw_pncc
from tddfa.render.pose import draw_pose as draw_pose
from tddfa.render.rasterizer import rasterize as rasterize
from tddfa.render.shaded import draw_shaded as draw_shaded
from tddfa.render.textured import draw_textured as draw_textured
from tddfa.render.uv_texture import Texture as Texture
from tddfa.render.uv_texture import draw_uv_texture as draw_uv_texture
from tddfa.render.uv_texture import face_textures as face_textures
from tddfa.render.uv_texture import merge_textures as merge_textures
from tddfa.render.uv_texture import texture_colors as texture_colors
from tddfa.render.visibility import visible_landmarks as visible_landmarks
from tddfa.render.visibility import visible_vertices as visible_vertices
from tddfa.render.wireframe import draw_wireframe as draw_wireframe

OVERLAYS: LazyFunctions
