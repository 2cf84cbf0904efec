"""Small stand-ins with the real layouts: a face model, networks, and a project in the published layout.

The toy detector sees one face in the middle of a picture of up to 128 px; the toy regressor says that it
looks straight ahead. The toy face is the front half of an ellipsoid.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import scipy.io

GRID = 15  # vertices in each direction of the toy face
FACE_UM = np.array([70_000.0, 90_000.0, 60_000.0])  # half axes, in the published model's unit
N_IDENTITY, N_EXPRESSION = 40, 10
DETECTED_SIDE = 512 * np.exp(-8 * 0.2)  # what the toy detector's offsets make of its 512 px anchor


def ellipsoid_grid(n: int = GRID) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (n², 3), outward triangles (m, 3) and uv (n², 2) of half an ellipsoid."""
    v, u = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n), indexing="ij")
    x, y = 0.95 * (2 * u - 1), 0.95 * (2 * v - 1)
    x, y = x * np.sqrt(1 - y**2 / 2), y * np.sqrt(1 - x**2 / 2)  # square → disc
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, None))
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    k = np.arange(n * n).reshape(n, n)
    a, b, c, d = k[:-1, :-1].ravel(), k[:-1, 1:].ravel(), k[1:, 1:].ravel(), k[1:, :-1].ravel()
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    return vertices, triangles, np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float32)


def face_model_files(seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """What the published face model's files hold: the model, its triangles (3, m) and its uv."""
    rng = np.random.default_rng(seed)
    vertices, triangles, uv = ellipsoid_grid()
    n = len(vertices)
    landmarks = np.linspace(0, n - 1, 68).astype(np.int64)
    model = {
        "u": (vertices * FACE_UM).reshape(-1, 1).astype(np.float32),
        "w_shp": rng.normal(0, 1e-3, (3 * n, N_IDENTITY)).astype(np.float32),
        "w_exp": rng.normal(0, 1e-3, (3 * n, N_EXPRESSION)).astype(np.float32),
        "keypoints": (landmarks[:, None] * 3 + np.arange(3)).ravel(),
    }
    return model, triangles.T, uv


def frontal_params() -> np.ndarray:
    """The 62 numbers of an upright face that fills the middle of a 120 px crop, looking ahead."""
    scale = 40 / FACE_UM[0]
    camera = np.array([[scale, 0, 0, 61.0], [0, scale, 0, 60.0], [0, 0, scale, 1.0]])
    return np.concatenate([camera.ravel(), np.zeros(N_IDENTITY + N_EXPRESSION)]).astype(np.float32)


def _norm(state: dict[str, np.ndarray], name: str, channels: int, rng: np.random.Generator) -> None:
    state[f"{name}.weight"] = rng.uniform(0.5, 1.5, channels).astype(np.float32)
    state[f"{name}.bias"] = rng.normal(0, 0.1, channels).astype(np.float32)
    state[f"{name}.running_mean"] = rng.normal(0, 0.1, channels).astype(np.float32)
    state[f"{name}.running_var"] = rng.uniform(0.5, 1.5, channels).astype(np.float32)
    state[f"{name}.num_batches_tracked"] = np.array(1, np.int64)


def _kernels(rng: np.random.Generator, out: int, into: int, size: int) -> np.ndarray:
    return rng.normal(0, np.sqrt(2 / (into * size * size)), (out, into, size, size)).astype(np.float32)


def mobilenet_state(width: float, rng: np.random.Generator, bias: np.ndarray | None = None) -> dict:
    """A state dict of MobileNetV1 with random weights; with `bias`, one that always says `bias`."""
    plan = [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
    names = [
        *("dw2_1", "dw2_2", "dw3_1", "dw3_2", "dw4_1", "dw4_2"),
        *(f"dw5_{k}" for k in range(1, 7)),
        "dw6",
    ]
    channels = int(32 * width)
    state = {"conv1.weight": _kernels(rng, channels, 3, 3)}
    _norm(state, "bn1", channels, rng)
    for name, full in zip(names, plan, strict=True):
        out = int(full * width)
        state[f"{name}.conv_dw.weight"] = _kernels(rng, channels, 1, 3)
        _norm(state, f"{name}.bn_dw", channels, rng)
        state[f"{name}.conv_sep.weight"] = _kernels(rng, out, channels, 1)
        _norm(state, f"{name}.bn_sep", out, rng)
        channels = out
    head = np.zeros((62, channels)) if bias is not None else rng.normal(0, 0.05, (62, channels))
    state["fc_param.weight"] = head.astype(np.float32)
    state["fc_param.bias"] = (np.zeros(62) if bias is None else bias).astype(np.float32)
    # The landmark head of the published checkpoints, which inference drops.
    state["fc_lm.weight"] = np.zeros((136, channels), np.float32)
    state["fc_lm.bias"] = np.zeros(136, np.float32)
    return {f"module.{k}": v for k, v in state.items()}


def resnet22_state(rng: np.random.Generator) -> dict:
    """A state dict of ResNet-22 with random weights."""
    state: dict[str, np.ndarray] = {"conv1.weight": _kernels(rng, 32, 3, 5)}
    _norm(state, "bn1", 32, rng)
    state["conv2.weight"] = _kernels(rng, 64, 32, 3)
    _norm(state, "bn2", 64, rng)
    channels = 64
    for stage, out, blocks in (("layer1", 128, 3), ("layer2", 256, 4), ("layer3", 512, 3)):
        for k in range(blocks):
            state[f"{stage}.{k}.conv1.weight"] = _kernels(rng, out, channels, 3)
            _norm(state, f"{stage}.{k}.bn1", out, rng)
            state[f"{stage}.{k}.conv2.weight"] = 0.3 * _kernels(rng, out, out, 3)
            _norm(state, f"{stage}.{k}.bn2", out, rng)
            if k == 0:
                state[f"{stage}.0.downsample.0.weight"] = _kernels(rng, out, channels, 1)
                _norm(state, f"{stage}.0.downsample.1", out, rng)
            channels = out
    state["conv_param.weight"] = _kernels(rng, 62, 512, 1)
    state["conv_param.bias"] = rng.normal(0, 0.1, 62).astype(np.float32)
    return {f"module.{k}": v for k, v in state.items()}


def faceboxes_state(rng: np.random.Generator | None = None) -> dict:
    """A state dict of FaceBoxes: random, or (without `rng`) one that sees a face per 128 px."""
    random = rng or np.random.default_rng(0)
    state: dict[str, np.ndarray] = {}

    def conv(name: str, out: int, into: int, size: int) -> None:
        state[f"{name}.conv.weight"] = _kernels(random, out, into, size)
        _norm(state, f"{name}.bn", out, random)

    conv("conv1", 24, 3, 7)
    conv("conv2", 64, 48, 5)
    for k in (1, 2, 3):
        block = f"inception{k}"
        for branch in ("branch1x1", "branch1x1_2"):
            conv(f"{block}.{branch}", 32, 128, 1)
        for branch in ("branch3x3_reduce", "branch3x3_reduce_2"):
            conv(f"{block}.{branch}", 24, 128, 1)
        for branch, into in (("branch3x3", 24), ("branch3x3_2", 24), ("branch3x3_3", 32)):
            conv(f"{block}.{branch}", 32, into, 3)
    for name, out, into, size in (
        ("conv3_1", 128, 128, 1),
        ("conv3_2", 256, 128, 3),
        ("conv4_1", 128, 256, 1),
        ("conv4_2", 256, 128, 3),
    ):
        conv(name, out, into, size)
    for level, (channels, anchors) in enumerate(((128, 21), (256, 1), (256, 1))):
        for head, numbers in (("loc", 4), ("conf", 2)):
            kernels = _kernels(random, anchors * numbers, channels, 3)
            bias = np.zeros(anchors * numbers, np.float32)
            if rng is None:
                kernels[:] = 0
                if head == "loc":
                    bias[2::4] = bias[3::4] = -8
                else:
                    bias[1::2] = 8 if level == 2 else -8
            state[f"{head}.{level}.weight"], state[f"{head}.{level}.bias"] = kernels, bias
    return state


def write_v2_project(folder: Path) -> None:
    """A project in the published layout, with pickles of arrays in the place of checkpoints."""
    for sub in ("weights", "configs", "FaceBoxes/weights"):
        (folder / sub).mkdir(parents=True)
    rng = np.random.default_rng(1)
    mean, std = frontal_params(), np.ones(62, np.float32)
    model, triangles, uv = face_model_files()

    def dump(name: str, content: object) -> None:
        (folder / name).write_bytes(pickle.dumps(content, protocol=4))

    dump("weights/mb05_120x120.pth", {"state_dict": mobilenet_state(0.125, rng, np.zeros(62))})
    dump("FaceBoxes/weights/FaceBoxesProd.pth", faceboxes_state())
    dump("configs/param_mean_std_62d_120x120.pkl", {"mean": mean, "std": std})
    dump("configs/bfm_noneck_v3.pkl", model)
    dump("configs/tri.pkl", triangles)
    np.save(folder / "configs/indices.npy", np.arange(len(uv)))
    scipy.io.savemat(folder / "configs/BFM_UV.mat", {"UV": uv})


def image(side: int = 120) -> np.ndarray:
    """A picture in which the toy detector sees one face."""
    rows, columns = np.mgrid[0:side, 0:side]
    return np.stack([rows * 2 % 256, columns * 2 % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)
