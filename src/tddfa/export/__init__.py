"""Faces → files: PLY, OBJ, GLB, JSON, NPZ; depth maps → PNG, NPY."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tddfa.deprecation import renamed_names
from tddfa.export.depth_png import depth_png_bytes, write_depth_png
from tddfa.export.glb import clip_glb_bytes, glb_bytes, write_glb
from tddfa.export.npz import npy_bytes, npz_bytes, write_npy, write_npz
from tddfa.export.obj import obj_bytes, obj_files, write_obj
from tddfa.export.ply import ply_bytes, write_ply
from tddfa.export.record import SCHEMA, face_record, image_record, json_bytes, write_json
from tddfa.export.rows import columns, face_row, to_rows
from tddfa.export.tables import table_bytes
from tddfa.kinds import functions

EXPORTS: dict[str, Callable[..., Any]] = functions("write")
"""Kind of file → `write(path, image, faces, **options)`; each writes all faces of the image to one file."""

__all__ = [
    "EXPORTS",
    "SCHEMA",
    "clip_glb_bytes",
    "columns",
    "depth_png_bytes",
    "face_record",
    "face_row",
    "glb_bytes",
    "image_record",
    "json_bytes",
    "npy_bytes",
    "npz_bytes",
    "obj_bytes",
    "obj_files",
    "ply_bytes",
    "table_bytes",
    "to_rows",
    "write_depth_png",
    "write_glb",
    "write_json",
    "write_npy",
    "write_npz",
    "write_obj",
    "write_ply",
]

__getattr__ = renamed_names(__name__, {"picture_record": "tddfa.export.record:image_record"})
