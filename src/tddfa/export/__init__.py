"""Faces → files: PLY, OBJ, GLB, JSON, NPZ; depth maps → PNG, NPY."""

from __future__ import annotations

from tddfa.deprecation import renamed_names
from tddfa.kinds import functions
from tddfa.lazy import lazy_names

EXPORTS = functions("write")
"""Kind of file → `write(path, image, faces, **options)`; each writes all faces of the image to one file."""

# `__init__.pyi` has the same names.
_PUBLIC = {
    "tddfa.export.depth_png": "depth_png_bytes write_depth_png",
    "tddfa.export.glb": "clip_glb_bytes glb_bytes write_glb",
    "tddfa.export.npz": "npy_bytes npz_bytes write_npy write_npz",
    "tddfa.export.obj": "obj_bytes obj_files write_obj",
    "tddfa.export.ply": "ply_bytes write_ply",
    "tddfa.export.record": "SCHEMA face_record image_record json_bytes write_json",
    "tddfa.export.rows": "columns face_row to_rows",
    "tddfa.export.tables": "table_bytes",
}

__getattr__ = lazy_names(
    __name__, _PUBLIC, renamed_names(__name__, {"picture_record": "tddfa.export.record:image_record"})
)

__all__ = sorted(["EXPORTS", *" ".join(_PUBLIC.values()).split()])  # pyright: ignore[reportUnsupportedDunderAll]
