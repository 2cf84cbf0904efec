"""Faces → files: PLY, OBJ, JSON, NPZ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tddfa.export.npz import write_npz
from tddfa.export.obj import obj_bytes, write_obj
from tddfa.export.ply import ply_bytes, write_ply
from tddfa.export.record import SCHEMA, face_record, picture_record, write_json

EXPORTS: dict[str, Callable[..., Any]] = {
    "ply": write_ply,
    "obj": write_obj,
    "json": write_json,
    "npz": write_npz,
}
"""Kind of file → `write(path, image, faces, **options)`; each writes all faces of the picture to one file."""

__all__ = [
    "EXPORTS",
    "SCHEMA",
    "face_record",
    "obj_bytes",
    "picture_record",
    "ply_bytes",
    "write_json",
    "write_npz",
    "write_obj",
    "write_ply",
]
