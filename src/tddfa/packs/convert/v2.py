"""The networks of 3DDFA_V2 as packs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.errors import PackError, require_extra
from tddfa.packs.convert.catalog import LICENCE, V2_PACKS, V2Pack
from tddfa.packs.convert.networks import CROP_SIZE, N_PARAMS, REGRESSORS, faceboxes, normalised_state
from tddfa.packs.convert.pickles import load_arrays
from tddfa.packs.convert.sources import COMMIT, Progress, Source, SourceFile
from tddfa.packs.manifest import FILE_NAME, Manifest, PackedFile
from tddfa.packs.pack import ModelPack
from tddfa.packs.specs import (
    FaceBoxesSpec,
    LinearModelSpec,
    PixelSpec,
    SquarePixelSpec,
    V2Parameters,
    V2RegressorSpec,
)
from tddfa.packs.store import install

N_IDENTITY, N_EXPRESSION = 40, 10
_UM_PER_MM = 1000.0  # the Basel model is in micrometres


def install_v2(name: str, location: str | None = None, progress: Progress | None = None) -> ModelPack:
    """Convert a network of 3DDFA_V2 into the installed pack `name`.

    Args:
        name: key of `V2_PACKS`.
        location: a local copy of 3DDFA_V2 or a URL of one; None downloads from its repository.
        progress: told about downloads.

    Raises:
        PackError: a file is missing, damaged, unsafe or not of this architecture; nothing is left behind.
        MissingExtraError: the `convert` extra is not installed.
    """
    pack = V2_PACKS[name]
    if location is None and pack.architecture == "resnet22":
        raise PackError(
            "the weights of ResNet-22 are not in 3DDFA_V2's repository; download resnet22.pth by the link "
            "in its weights/readme.md, put it into weights/ of a local copy and use --from DIR"
        )
    return install(name, lambda folder: write_v2(pack, Source(location, folder.parent, progress), folder))


def write_v2(pack: V2Pack, source: Source, folder: Path) -> None:
    """Write the pack's files and its manifest into an empty folder."""
    used: list[SourceFile] = []

    def load(name: str) -> Any:
        used.append(source.get(name))
        return load_arrays(used[-1].path)

    files = {
        "regressor.onnx": REGRESSORS[pack.architecture](_state_dict(load(pack.weights), pack.weights)),
        "detector.onnx": faceboxes(_state_dict(load("FaceBoxes/weights/FaceBoxesProd.pth"), "FaceBoxes")),
        "statistics.npz": _npz(_statistics(load("configs/param_mean_std_62d_120x120.pkl"))),
    }
    bfm, triangles = load("configs/bfm_noneck_v3.pkl"), load("configs/tri.pkl")
    uv_file, indices_file = source.get("configs/BFM_UV.mat"), source.get("configs/indices.npy")
    used += [uv_file, indices_file]
    files["model.npz"] = _npz(_face_model(bfm, triangles, _uv(uv_file, indices_file)))

    weights_original = used[0].published
    manifest = Manifest(
        name=pack.name,
        title=pack.title,
        licence=LICENCE,
        provenance={
            "project": "3DDFA_V2, Guo et al., ECCV 2020, https://github.com/cleardusk/3DDFA_V2",
            "commit": COMMIT,
            "from": source.location,
            "files": {f.name: {"git_blob": f.blob, "published": f.published} for f in used},
        },
        files={name: PackedFile.of(data) for name, data in files.items()},
        detector=FaceBoxesSpec(
            file="detector.onnx",
            input=PixelSpec(channels="bgr", mean=(104, 117, 123), scale=1.0),
            max_height=720,
            max_width=1080,
        ),
        regressor=V2RegressorSpec(
            file="regressor.onnx",
            architecture=pack.architecture,
            input=SquarePixelSpec(size=CROP_SIZE, channels="bgr", mean=(127.5, 127.5, 127.5), scale=1 / 128),
            statistics="statistics.npz",
            parameters=V2Parameters(
                layout="12 camera (3x4, row by row, of a crop with y up), 40 identity, 10 expression",
                identity=N_IDENTITY,
                expression=N_EXPRESSION,
                mm_per_model_unit=1 / _UM_PER_MM,
            ),
        ),
        model=LinearModelSpec(file="model.npz"),
        measured=pack.measured if weights_original else {},
    )
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")


def _state_dict(checkpoint: Any, name: str) -> Mapping[str, np.ndarray[Any, Any]]:
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, np.ndarray) for v in state.values()):
        raise PackError(f"{name} is not a checkpoint: it holds no state dict of tensors")
    return normalised_state(state)


def _statistics(content: Any) -> dict[str, np.ndarray[Any, Any]]:
    return {key: _array(content, key, (N_PARAMS,), np.float32) for key in ("mean", "std")}


def _face_model(bfm: Any, triangles: Any, uv: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    mean = _array(bfm, "u", (None, 1), np.float64).reshape(-1, 3) / _UM_PER_MM
    n = len(mean)
    # Columns beyond these are components that the networks of 3DDFA_V2 do not predict.
    identity = _array(bfm, "w_shp", (3 * n, None), np.float64)[:, :N_IDENTITY] / _UM_PER_MM
    expression = _array(bfm, "w_exp", (3 * n, None), np.float64)[:, :N_EXPRESSION] / _UM_PER_MM
    keypoints = _array(bfm, "keypoints", (204,), np.int64).reshape(68, 3)
    faces = np.asarray(triangles, np.int32)
    if identity.shape[1] != N_IDENTITY or expression.shape[1] != N_EXPRESSION:
        raise PackError(
            "the face model has too few components: 40 for identity and 10 for expression are needed"
        )
    if faces.ndim != 2 or faces.shape[0] != 3 or faces.min() < 0 or faces.max() >= n:
        raise PackError(
            "configs/tri.pkl does not fit the face model: it must be (3, triangles) of its vertices"
        )
    if len(uv) != n:
        raise PackError(f"the UV layout has {len(uv)} points and the face model {n} vertices")
    if keypoints.min() < 0 or keypoints.max() >= 3 * n:
        raise PackError("the face model's landmarks lie outside its vertices")
    return {
        "mean": mean.astype(np.float32),
        "identity_basis": identity.reshape(n, 3, N_IDENTITY).astype(np.float32),
        "expression_basis": expression.reshape(n, 3, N_EXPRESSION).astype(np.float32),
        "expression_names": np.array([f"bfm_expression_{k:02d}" for k in range(N_EXPRESSION)]),
        "triangles": outward(mean, np.ascontiguousarray(faces.T)),
        "uv": uv,
        "landmark_vertices": (keypoints[:, 0] // 3).astype(np.int32),
    }


def outward(mean: np.ndarray[Any, Any], triangles: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Triangles turned counter-clockwise seen from outside: from the front, as most of a face is seen."""
    a, b, c = (mean[triangles[:, k]] for k in range(3))
    if np.cross(b - a, c - a)[:, 2].sum() < 0:
        return np.ascontiguousarray(triangles[:, ::-1])
    return triangles


def _uv(uv_file: SourceFile, indices_file: SourceFile) -> np.ndarray[Any, Any]:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise require_extra("converting weights of 3DDFA_V2", "convert", "scipy") from None
    try:
        uv = np.asarray(loadmat(uv_file.path, variable_names=["UV"])["UV"], np.float32)
        indices = np.load(indices_file.path, allow_pickle=False).ravel().astype(np.int64)
        return np.ascontiguousarray(uv[indices])
    except Exception as error:  # SciPy raises anything on a damaged file
        reason = " ".join(str(error).split())[:300]
        raise PackError(f"the UV layout cannot be read ({type(error).__name__}: {reason})") from None


def _array(
    content: Any, key: str, shape: tuple[int | None, ...], dtype: type[np.generic]
) -> np.ndarray[Any, Any]:
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, np.ndarray):
        raise PackError(f"a file of the face model has no array {key!r}")
    if value.ndim != len(shape) or any(
        want is not None and want != have for want, have in zip(shape, value.shape, strict=True)
    ):
        raise PackError(f"array {key!r} of the face model has the shape {value.shape}, not {shape}")
    return value.astype(dtype)


def _npz(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()
