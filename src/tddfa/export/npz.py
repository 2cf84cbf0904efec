"""NPZ: faces as NumPy arrays; NPY: one array."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from tddfa.errors import InputError
from tddfa.export.files import writer_of
from tddfa.export.record import SCHEMA
from tddfa.types import Face, Image
from tddfa.types.arguments import faces_of, shown


def npz_bytes(image: Image, faces: Iterable[Face]) -> bytes:
    """Return the faces of an image as one NPZ file of plain arrays, n faces each.

    `box` (n, 4) and `score` (n,); `confidence` (n,), NaN of networks that tell none; `landmarks` (n, 68, 3)
    and `vertices` (n, v, 3) in the image frame, px; `pose_deg` (n, 3): yaw, pitch, roll; `gaze_deg` (n, 4):
    yaw and pitch in the head, yaw and pitch in the image, missing for models whose eyes do not turn; `camera`
    (n, 3, 4); `identity` (n, i) and `shape` (n, i), the coefficients of the person and of the mesh;
    `expression` (n, e) and `expression_names` (e,); `triangles` (t, 3); `image_size` (height, width);
    `schema`.

    Args:
        image: RGB; only its size is written.
        faces: faces of the image, of one model.

    Raises:
        InputError: the image is not RGB, or the faces are of different models, or no faces.
    """
    faces = faces_of(image, faces)
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
            "confidence": np.array(
                [np.nan if f.params.confidence is None else f.params.confidence for f in faces], np.float32
            ),
            "landmarks": np.stack([f.landmarks for f in faces]),
            "pose_deg": np.array([(f.pose.yaw_deg, f.pose.pitch_deg, f.pose.roll_deg) for f in faces]),
            "camera": np.stack([f.params.camera for f in faces]),
            "identity": np.stack([f.params.identity for f in faces]),
            "shape": np.stack([f.params.shape for f in faces]),
            "expression": np.stack([f.params.expression for f in faces]),
            "expression_names": np.array(faces[0].model.expression_names),
            "vertices": np.stack([f.mesh.vertices for f in faces]),
            "triangles": faces[0].mesh.triangles,
        }
        gazes = [gaze for f in faces if (gaze := f.gaze) is not None]
        if len(gazes) == len(faces):
            arrays["gaze_deg"] = np.array(
                [(g.yaw_deg, g.pitch_deg, g.image_yaw_deg, g.image_pitch_deg) for g in gazes], np.float32
            )
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def npy_bytes(array: np.ndarray) -> bytes:
    """Return one array, such as a depth map, as an NPY file.

    Args:
        array: of numbers.

    Raises:
        InputError: it is no array of numbers.
    """
    given: Any = array
    if not isinstance(given, np.ndarray) or array.dtype.kind not in "biufc":
        raise InputError(f"array is {shown(array)}; an array of numbers is needed")
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


write_npz = writer_of(npz_bytes)
write_npy = writer_of(npy_bytes)
