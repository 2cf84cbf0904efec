"""Faces → files: PLY, OBJ, GLB, JSON, NPZ; depth maps → PNG, NPY."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tddfa.export.depth_png import depth_png_bytes, write_depth_png
from tddfa.export.glb import clip_glb_bytes, glb_bytes, write_glb
from tddfa.export.npz import write_npy, write_npz
from tddfa.export.obj import obj_bytes, write_obj
from tddfa.export.ply import ply_bytes, write_ply
from tddfa.export.record import SCHEMA, face_record, picture_record, write_json
from tddfa.export.rows import columns, face_row, to_rows

EXPORTS: dict[str, Callable[..., Any]] = {
    "ply": write_ply,
    "obj": write_obj,
    "glb": write_glb,
    "json": write_json,
    "npz": write_npz,
}
"""Kind of file → `write(path, image, faces, **options)`; each writes all faces of the picture to one file."""

__all__ = [
    "EXPORTS",
    "SCHEMA",
    "clip_glb_bytes",
    "columns",
    "depth_png_bytes",
    "face_record",
    "face_row",
    "glb_bytes",
    "obj_bytes",
    "picture_record",
    "ply_bytes",
    "to_rows",
    "write_depth_png",
    "write_glb",
    "write_json",
    "write_npy",
    "write_npz",
    "write_obj",
    "write_ply",
]
