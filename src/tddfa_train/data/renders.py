"""Pictures of the open face model itself: random people, expressions, light and scenery, every label exact.

They teach what photos with teachers do not: closed eyes, one-sided and rare expressions, odd light, any pose.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8
from tqdm import tqdm

from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.geometry.triangles import vertex_normals
from tddfa.morphable.model import MorphableModel
from tddfa.render.rasterizer import rasterize
from tddfa.types import FaceParams, HeadPose
from tddfa_train.data.folder import open_backgrounds, write_face_folder

# Skin from very light to very dark, RGB in [0, 1]; people lie between neighbours.
_SKIN = np.array(
    [
        [0.94, 0.80, 0.72],
        [0.87, 0.68, 0.56],
        [0.76, 0.56, 0.42],
        [0.58, 0.40, 0.28],
        [0.38, 0.25, 0.18],
        [0.24, 0.16, 0.12],
    ]
)
_HAIR = np.array(
    [[0.08, 0.06, 0.05], [0.25, 0.15, 0.08], [0.55, 0.38, 0.2], [0.75, 0.62, 0.4], [0.6, 0.6, 0.6]]
)
_IRIS = np.array([[0.25, 0.15, 0.08], [0.35, 0.45, 0.55], [0.35, 0.42, 0.3], [0.12, 0.08, 0.06]])
_LIP_RED = np.array([1.0, 0.66, 0.66])
_EYE_WHITE = np.array([0.88, 0.86, 0.85])
_IRIS_RADIUS_MM = 5.8


@dataclass(frozen=True, slots=True)
class RenderConfig:
    """How many pictures, and what is in them."""

    count: int
    seed: int = 0
    side: int = 160
    face_px: float = 89.0  # longer side of the landmark box
    identity_sigma: float = 0.9
    yaw_sigma_deg: float = 35.0
    pitch_sigma_deg: float = 14.0
    blinks: float = 0.3
    resting: float = 0.15


def random_expression(
    model: MorphableModel, config: RenderConfig, rng: np.random.Generator
) -> Float32[np.ndarray, " e"]:
    """A few expressions at random, mostly the same on both sides, with closed eyes now and then."""
    weights = dict.fromkeys(model.expression_names, 0.0)
    if rng.random() >= config.resting:
        faces = [
            name for name in weights if not name.startswith(("eyeLook", "eyeBlink")) and name != "tongueOut"
        ]
        for name in rng.choice(faces, int(rng.integers(1, 6)), replace=False):
            weights[name] = float(rng.beta(1.2, 1.8))
            twin = name.replace("Left", "Right") if "Left" in name else name.replace("Right", "Left")
            if (
                twin in weights
                and not name.startswith(("jaw", "mouthLeft", "mouthRight"))
                and rng.random() < 0.75
            ):
                weights[twin] = weights[name]
    if rng.random() < config.blinks:
        both = float(rng.beta(3, 1))
        weights["eyeBlinkLeft"] = weights["eyeBlinkRight"] = both
        if rng.random() < 0.2:
            weights[str(rng.choice(["eyeBlinkLeft", "eyeBlinkRight"]))] = 0.0
    # mouthClose closes an open jaw and means nothing without one.
    weights["mouthClose"] = min(weights["mouthClose"], weights["jawOpen"])
    return np.array(list(weights.values()), np.float32)


def random_colors(
    model: MorphableModel, neutral: np.ndarray, rng: np.random.Generator
) -> Float32[np.ndarray, "n 3"]:
    """A colour for every vertex, RGB in [0, 1]: blotchy skin, lips, brows, eyes, hair above the forehead."""
    place = rng.uniform(0, len(_SKIN) - 1)
    low = int(min(place, len(_SKIN) - 2))
    skin = _SKIN[low] + (place - low) * (_SKIN[low + 1] - _SKIN[low])
    waves = rng.normal(0, 0.06, (12, 3))
    phase = rng.uniform(0, 2 * np.pi, 12)
    blotches = np.cos(neutral @ waves.T + phase) @ (
        rng.normal(0, 0.02, (12, 1)) + rng.normal(0, 0.007, (12, 3))
    )
    colors = np.clip(skin * (1 + blotches), 0, 1)
    hair = _HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.8, 1.1)
    lips = model.regions["lips"]
    colors[lips] = colors[lips] * (1 + rng.uniform(0.2, 1.0) * (_LIP_RED - 1))
    brows = model.regions["brows"]
    colors[brows] = colors[brows] + rng.uniform(0.4, 0.95) * (hair - colors[brows])
    corners = model.landmarks(model.params())[[36, 45]]
    unit = float(np.linalg.norm(corners[0] - corners[1]))
    y, z = neutral[:, 1] / unit, neutral[:, 2] / unit
    scalp = (y > 0.3 + rng.uniform(0.2, 0.35) + 0.42 * (z + 0.3)) & ~model.regions["ears"]
    if rng.random() < 0.85:
        colors[scalp] = hair
    eyes = np.flatnonzero(model.regions["eyeballs"])
    colors[eyes] = _EYE_WHITE
    iris = _IRIS[rng.integers(len(_IRIS))]
    for side in (-1, 1):
        ball = eyes[np.sign(neutral[eyes, 0]) == side]
        front = ball[neutral[ball, 2].argmax()]
        away = np.linalg.norm(neutral[ball, :2] - neutral[front, :2], axis=1)
        colors[ball[away < _IRIS_RADIUS_MM]] = iris
        colors[ball[away < 0.4 * _IRIS_RADIUS_MM]] = 0.03
    return colors.astype(np.float32)


def shade(
    normals: Float32[np.ndarray, "n 3"], colors: Float32[np.ndarray, "n 3"], rng: np.random.Generator
) -> Float32[np.ndarray, "n 3"]:
    """Colours under random light: an ambient part, a lamp, a weaker lamp, each with a tint."""
    light = rng.uniform(0.25, 0.7) * np.exp(rng.normal(0, 0.08, 3))
    total = np.tile(light, (len(normals), 1))
    for strength in (rng.uniform(0.3, 0.9), rng.uniform(0, 0.4)):
        direction = rng.normal(size=3) * (1, 0.7, 0.6) + (0, -0.4, -0.7)
        direction /= np.linalg.norm(direction)
        lit = np.clip(normals @ direction, 0, None)[:, None]
        total += strength * np.exp(rng.normal(0, 0.1, 3)) * lit
    return np.clip(colors * total, 0, 1).astype(np.float32)


def random_face(
    model: MorphableModel, config: RenderConfig, scenery: UInt8[np.ndarray, "s s 3"], rng: np.random.Generator
) -> tuple[UInt8[np.ndarray, "s s 3"], FaceParams]:
    """A picture of a person who does not exist, and its exact parameters."""
    pose = HeadPose(
        float(np.clip(rng.normal(0, config.yaw_sigma_deg), -90, 90)),
        float(rng.normal(0, config.pitch_sigma_deg)),
        0.0,
    )
    identity = rng.normal(0, config.identity_sigma, model.n_identity).astype(np.float32)
    params = FaceParams(
        scaled_camera(1.0, head_rotation(pose), np.zeros(2)), identity, random_expression(model, config, rng)
    )
    points = model.landmarks(params)[:, :2].astype(np.float64)
    scale = config.face_px / np.ptp(points, axis=0).max()
    center = (config.side - 1) / 2 - scale * (points.min(0) + points.max(0)) / 2
    params = FaceParams(scaled_camera(scale, head_rotation(pose), center), identity, params.expression)
    mesh = model.reconstruct(params)
    neutral = model.shape(model.params(identity=identity))
    normals = vertex_normals(mesh.vertices, mesh.triangles)
    colors = shade(normals, random_colors(model, neutral, rng), rng)
    fragments = rasterize([mesh], config.side, config.side)
    image = scenery.copy()
    region = image[fragments.region].reshape(-1, 3)
    region[fragments.covered] = np.rint(255 * fragments.interpolate([colors])).astype(np.uint8)
    image[fragments.region] = region.reshape(image[fragments.region].shape)
    return image, params


def make_renders(target: Path, model: MorphableModel, config: RenderConfig, backgrounds: Path) -> None:
    """Writes a dataset folder of renders, with landmarks and parameters.

    Args:
        target: folder to write.
        model: the open face model with the whole head.
        config: how many, of what.
        backgrounds: array of pictures (n, side, side, 3).
    """
    rng = np.random.default_rng(config.seed)
    scenery = open_backgrounds(backgrounds, side=config.side, in_memory=False)
    scenery = scenery[:, : config.side, : config.side]
    images: list[np.ndarray] = []
    params: list[FaceParams] = []
    for _ in tqdm(range(config.count), desc="renders", unit="face", disable=None):
        image, face = random_face(model, config, np.array(scenery[rng.integers(len(scenery))]), rng)
        images.append(image)
        params.append(face)
    landmarks = np.stack([model.landmarks(face) for face in params])
    yaw = np.array([np.rad2deg(np.arcsin(-_unit(face.camera)[0, 2])) for face in params], np.float32)
    write_face_folder(
        target,
        np.stack(images),
        {
            "landmarks68": landmarks,
            "landmarks68_std": np.full(len(params), 0.6, np.float32),
            "yaw_deg": yaw,
            "mediapipe": np.stack([model.landmarks(face, "mediapipe478")[:, :2] for face in params]),
            "eye_aspect": eye_aspect(landmarks),
            "camera": np.stack([face.camera for face in params]).astype(np.float32),
            "identity": np.stack([face.identity for face in params]),
            "expression": np.stack([face.expression for face in params]),
            "fit_error": np.zeros(len(params), np.float32),
        },
    )


def eye_aspect(landmarks: Float[np.ndarray, "n 68 d"]) -> Float32[np.ndarray, " n"]:
    """Height over width of the eyes, mean of both.

    Source: Soukupová and Čech, "Real-time eye blink detection using facial landmarks", 2016, eq. 1.
    """
    points = landmarks[..., :2]
    ratios: list[np.ndarray] = []
    for first in (36, 42):
        eye = points[:, first : first + 6]
        height = np.linalg.norm(eye[:, 1] - eye[:, 5], axis=1) + np.linalg.norm(eye[:, 2] - eye[:, 4], axis=1)
        ratios.append(height / np.maximum(2 * np.linalg.norm(eye[:, 0] - eye[:, 3], axis=1), 1e-6))
    return np.mean(ratios, axis=0).astype(np.float32)


def _unit(camera: Float[np.ndarray, "3 4"]) -> Float[np.ndarray, "3 3"]:
    return camera[:, :3] / np.linalg.norm(camera[0, :3])
