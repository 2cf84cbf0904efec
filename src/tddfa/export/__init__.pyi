from tddfa.export.depth_png import depth_png_bytes as depth_png_bytes
from tddfa.export.depth_png import write_depth_png as write_depth_png
from tddfa.export.glb import clip_glb_bytes as clip_glb_bytes
from tddfa.export.glb import glb_bytes as glb_bytes
from tddfa.export.glb import write_glb as write_glb
from tddfa.export.npz import npy_bytes as npy_bytes
from tddfa.export.npz import npz_bytes as npz_bytes
from tddfa.export.npz import write_npy as write_npy
from tddfa.export.npz import write_npz as write_npz
from tddfa.export.obj import obj_bytes as obj_bytes
from tddfa.export.obj import obj_files as obj_files
from tddfa.export.obj import write_obj as write_obj
from tddfa.export.ply import ply_bytes as ply_bytes
from tddfa.export.ply import write_ply as write_ply
from tddfa.export.record import SCHEMA as SCHEMA
from tddfa.export.record import face_record as face_record
from tddfa.export.record import image_record as image_record
from tddfa.export.record import json_bytes as json_bytes
from tddfa.export.record import write_json as write_json
from tddfa.export.rows import columns as columns
from tddfa.export.rows import face_row as face_row
from tddfa.export.rows import to_rows as to_rows
from tddfa.export.tables import table_bytes as table_bytes
from tddfa.lazy import LazyFunctions

EXPORTS: LazyFunctions
