"""NPZ: faces as NumPy arrays; NPY: one array."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence

import numpy as np

from tddfa.errors import InputError
from tddfa.export.files import write
from tddfa.export.record import SCHEMA
from tddfa.types import Face, Image


def write_npz(path: str | os.PathLike[str], image: Image, faces: Sequence[Face]) -> None:
    """Write the faces of a picture as one NPZ file of plain arrays, n faces each.

    `box` (n, 4) and `score` (n,); `landmarks` (n, 68, 3) and `vertices` (n, v, 3) in the image frame, px;
    `pose_deg` (n, 3): yaw, pitch, roll; `camera` (n, 3, 4); `identity` (n, i); `expression` (n, e) and
    `expression_names` (e,); `triangles` (t, 3); `image_size` (height, width); `schema`.

    Args:
        path: where to.
        image: the photo; only its size is written.
        faces: found in it, of one model.

    Raises:
        InputError: the faces are of different models.
        ExportFileError: the file cannot be written; nothing is left behind.
    """
    arrays: dict[str, np.ndarray] = {
        "schema": np.array(SCHEMA),
        "image_size": np.array(image.shape[:2], np.int32),
    }
    if len({(len(f.mesh.vertices), len(f.mesh.triangles)) for f in faces}) > 1:
        raise InputError("the faces have meshes of different models; one NPZ file holds faces of one model")
    if faces:
        arrays |= {
            "box": np.array([tuple(f.detection.box) for f in faces], np.float32),
            "score": np.array([f.detection.score for f in faces], np.float32),
            "landmarks": np.stack([f.landmarks for f in faces]),
            "pose_deg": np.array([(f.pose.yaw_deg, f.pose.pitch_deg, f.pose.roll_deg) for f in faces]),
            "camera": np.stack([f.params.camera for f in faces]),
            "identity": np.stack([f.params.identity for f in faces]),
            "expression": np.stack([f.params.expression for f in faces]),
            "expression_names": np.array(faces[0].model.expression_names),
            "vertices": np.stack([f.mesh.vertices for f in faces]),
            "triangles": faces[0].mesh.triangles,
        }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write(path, buffer.getvalue())


def write_npy(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write one array, such as a depth map, as an NPY file.

    Args:
        path: where to.
        array: of numbers.

    Raises:
        ExportFileError: the file cannot be written; nothing is left behind.
    """
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write(path, buffer.getvalue())
