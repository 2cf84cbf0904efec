"""A portrait: a person under lamps, before a background, through a camera with noise."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.evaluation.portraits.appearance import Appearance, Iris
from tddfa.evaluation.portraits.canvas import TEXTURE_SIDE, mean_shape, portrait_eyes, portrait_model
from tddfa.evaluation.portraits.lamps import Lamp, lamp_visibility
from tddfa.evaluation.portraits.noise import ValueNoise, smoothstep
from tddfa.evaluation.portraits.scenery import random_background, random_cloth, wear
from tddfa.geometry.camera import project
from tddfa.geometry.triangles import triangle_normals, vertex_normals
from tddfa.imaging.sample import sample
from tddfa.morphable.eyes import ELSEWHERE, IRIS_RADIUS_MM
from tddfa.render import rasterize
from tddfa.shapes import Float32, Float64
from tddfa.types import FaceParams, Image, Mesh

IMAGE_SIDE = 256
"""Side of a portrait, px."""

_FINE = 2  # the image is drawn so much larger and averaged
_MEDIUM_ALBEDO = 0.3
_MOUTH = np.array([0.20, 0.05, 0.045])  # linear RGB of the inside of a mouth
_TONGUE = np.array([0.42, 0.13, 0.12])
_TOOTH_MM = 7.5
_LIPS_Z_MM, _MOUTH_DEPTH_MM = 12.0, 14.0  # where the mouth begins on the mean head, and how fast it darkens
_TOWARDS_VIEWER = np.array([0.0, 0.0, -1.0], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Studio:
    """Where a portrait is taken.

    Attributes:
        lamps: the first one casts shadows.
        above: light of the sky or ceiling, linear RGB.
        below: light of the floor.
        brightness: mean of the head of a person of medium skin, linear, as the camera exposes it.
        blur_px: standard deviation of the blur of the lens.
        noise: standard deviation of the sensor's noise, levels of 255.
        seed: of background, clothes and noise.
    """

    lamps: tuple[Lamp, ...]
    above: Float64[np.ndarray, "3"]
    below: Float64[np.ndarray, "3"]
    brightness: float
    blur_px: float
    noise: float
    seed: int


def random_studio(rng: np.random.Generator) -> Studio:
    """Return a studio, drawn at random: one to three lamps, from soft to hard."""
    lamps: list[Lamp] = []
    for strength in (rng.uniform(0.5, 1.6), rng.uniform(0.1, 0.7), rng.uniform(0.2, 1.0))[
        : rng.integers(1, 4)
    ]:
        direction = rng.normal(0, (0.9, 0.5, 0.35)) + np.array([0, -0.45, -0.8])
        if len(lamps) == 2:
            direction[2] = abs(direction[2])  # a rim light, from behind
        warm = rng.normal(0, 0.12)
        color = strength * np.array([1 + warm, 1.0, 1 - warm])
        lamps.append(Lamp(direction / np.linalg.norm(direction), color, float(rng.uniform(0.004, 0.03))))
    ambient = rng.uniform(0.15, 0.6)
    return Studio(
        lamps=tuple(lamps),
        above=ambient * rng.uniform(0.8, 1.2, 3),
        below=ambient * rng.uniform(0.2, 0.8) * rng.uniform(0.8, 1.2, 3),
        brightness=float(rng.uniform(0.10, 0.32)),
        blur_px=float(rng.uniform(0.3, 0.9)),
        noise=float(rng.uniform(1, 5)),
        seed=int(rng.integers(2**31)),
    )


def render_portrait(appearance: Appearance, studio: Studio, params: FaceParams) -> Image:
    """Return the portrait of a person with a camera and an expression.

    Args:
        appearance: the person.
        studio: lamps and background.
        params: of `portrait_model()`; the camera places the face in an image of `IMAGE_SIDE`.
    """
    model = portrait_model()
    camera = params.camera * _FINE
    camera[:2, 3] += (_FINE - 1) / 2
    vertices = project(camera, model.shape(params) + appearance.hair)
    image = _background(studio.seed).copy()
    _draw(image, Mesh(vertices, model.topology), appearance, studio)
    neck = vertices[mean_shape()[:, 1] < -100]
    bottom = np.array([neck[:, 0].mean(), np.percentile(neck[:, 1], 85)], np.float32)
    wear(image, bottom, float(np.ptp(neck[:, 0])), _cloth(studio.seed + 1))
    small = image.reshape(IMAGE_SIDE, _FINE, IMAGE_SIDE, _FINE, 3).mean(axis=(1, 3))
    return _photographed(small, studio)


def _draw(image: Float32[np.ndarray, "s s 3"], head: Mesh, appearance: Appearance, studio: Studio) -> None:
    fragments = rasterize([head], *image.shape[:2])
    normals = vertex_normals(head.vertices, head.triangles)
    uv = head.topology.uv
    assert uv is not None
    on_head = [
        head.vertices,
        normals,
        appearance.open_sky,
        uv,
        portrait_eyes().offsets,
        mean_shape(),
        *_inside(),
    ]
    values = fragments.interpolate([np.column_stack(on_head).astype(np.float32)])
    points, normal, open_sky = values[:, :3], _unit(values[:, 3:6]), values[:, 6]
    place = values[:, 11:14]
    cavity, teeth, tongue = (values[:, 14 + k] > 0.5 for k in range(3))
    is_eye = np.abs(values[:, 9]) < ELSEWHERE / 2
    # The inside of the head shows through the neck.
    away = triangle_normals(head.vertices, head.triangles)[:, 2] >= 0
    inside = cavity | teeth | tongue | away[fragments.triangle.ravel()[fragments.covered]]

    texel = np.column_stack([values[:, 7] * TEXTURE_SIDE - 0.5, (1 - values[:, 8]) * TEXTURE_SIDE - 0.5])
    albedo = np.square(sample(appearance.texture, texel.astype(np.float32)) / np.float32(255))
    albedo[is_eye] = _eye_color(values[is_eye, 9:11], appearance.iris)
    albedo[inside] = _MOUTH
    albedo[tongue] = _TONGUE
    gaps = smoothstep(0.04, 0.16, np.abs(np.sin(np.pi * place[teeth, :1] / _TOOTH_MM)))
    albedo[teeth] = appearance.teeth * (0.4 + 0.6 * gaps)
    # Closed lips kept the surroundings from the inside of the mouth while `open_sky` was measured.
    open_sky[inside] = 0.9 * np.exp(np.minimum(place[inside, 2] - _LIPS_Z_MM, 0) / _MOUTH_DEPTH_MM)
    light, shine = _light(points, normal, open_sky, head, studio)
    light[inside] *= open_sky[inside, None]
    gloss = np.where(is_eye | teeth | tongue, 0.6, appearance.gloss)[:, None].astype(np.float32)
    gloss[inside & ~teeth & ~tongue] = 0
    color = albedo * light + gloss * shine
    # Cameras show dark skin darker, but not by as much as it is.
    medium = np.sqrt(float(albedo.mean()) / _MEDIUM_ALBEDO)
    color *= studio.brightness * medium / max(float(color.mean()), 1e-6)
    out = image[fragments.region].reshape(-1, 3)
    out[fragments.covered] = color
    image[fragments.region] = out.reshape(image[fragments.region].shape)


@cache
def _inside() -> tuple[Float32[np.ndarray, " n"], ...]:
    """Return the masks of the cavity of the mouth, the teeth and the tongue."""
    regions = portrait_model().regions
    return tuple(regions[name].astype(np.float32) for name in ("mouth", "teeth", "tongue"))


def _light(
    points: Float32[np.ndarray, "n 3"],
    normal: Float32[np.ndarray, "n 3"],
    open_sky: Float32[np.ndarray, " n"],
    head: Mesh,
    studio: Studio,
) -> tuple[Float32[np.ndarray, "n 3"], Float32[np.ndarray, "n 3"]]:
    """Return the light that falls on places of a surface, and what of it a gloss returns to the viewer.

    Source: Lambert's law, wrapped for the light that skin scatters; Blinn's highlights.
    """
    up = (1 - normal[:, 1:2]) / 2  # y points down
    light = open_sky[:, None] * (studio.above * up + studio.below * (1 - up))
    shine = np.zeros_like(light)
    for k, lamp in enumerate(studio.lamps):
        direction = lamp.direction.astype(np.float32)
        cosine = normal @ direction
        seen = lamp_visibility(head, lamp, points) if k == 0 else np.sqrt(open_sky)
        # Red light leaves the skin farther from where it entered.
        wrap = np.array([0.25, 0.1, 0.06], np.float32)
        scattered = np.clip((cosine[:, None] + wrap) / (1 + wrap), 0, None)
        light += seen[:, None] * scattered * lamp.color
        half = direction + _TOWARDS_VIEWER
        half /= np.linalg.norm(half)
        highlight = np.clip(normal @ half, 0, None) ** 28 * (cosine > 0)
        shine += (seen * highlight)[:, None] * lamp.color
    return light.astype(np.float32), shine.astype(np.float32)


def _eye_color(offsets: Float32[np.ndarray, "n 2"], iris: Iris) -> Float32[np.ndarray, "n 3"]:
    """Return the colour of places on eyeballs.

    Args:
        offsets: from the middle of the pupil, mm.
        iris: colours.
    """
    noise = ValueNoise(np.random.default_rng(iris.seed))
    radius = np.linalg.norm(offsets, axis=1) / np.float32(IRIS_RADIUS_MM)
    angle = np.arctan2(offsets[:, 1], offsets[:, 0])
    around = np.column_stack([9 * np.cos(angle), 9 * np.sin(angle), radius]).astype(np.float32)
    streaks = noise(around, 1.0, 2)
    share = smoothstep(0.35, 0.95, radius + 0.15 * streaks)[:, None]
    color = (iris.inner + share * (iris.outer - iris.inner)) * (1 + 0.35 * streaks)[:, None]
    color *= 1 - 0.75 * smoothstep(0.82, 1.0, radius)[:, None]  # the dark ring
    color *= 1 - 0.97 * smoothstep(iris.pupil + 0.05, iris.pupil - 0.05, radius)[:, None]
    at = np.column_stack([offsets, np.zeros(len(offsets))]).astype(np.float32)
    veins = smoothstep(1.5, 2.4, radius) * (0.5 + 0.5 * noise(at, 1.5, 2))
    white = iris.white * np.exp(-0.6 * veins[:, None] * np.array([0.05, 0.6, 0.5]))
    return (color + smoothstep(0.96, 1.06, radius)[:, None] * (white - color)).astype(np.float32)


def _photographed(linear: Float32[np.ndarray, "s s 3"], studio: Studio) -> Image:
    rng = np.random.default_rng(studio.seed + 2)
    blurred = linear
    for axis in (0, 1):
        blurred = _blurred(blurred, studio.blur_px, axis)
    levels = 255 * np.clip(blurred, 0, 1) ** np.float32(1 / 2.2)
    levels += studio.noise * rng.standard_normal(levels.shape, np.float32)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _blurred(values: Float32[np.ndarray, "s s 3"], sigma: float, axis: int) -> Float32[np.ndarray, "s s 3"]:
    weights = np.exp(-0.5 * np.square(np.arange(-3, 4) / sigma))
    weights = (weights / weights.sum()).astype(np.float32)
    padded = np.pad(values, [(3, 3) if a == axis else (0, 0) for a in range(3)], mode="edge")
    n = values.shape[axis]
    return sum(w * np.take(padded, range(k, k + n), axis) for k, w in enumerate(weights))  # pyright: ignore[reportReturnType]


# A person is drawn many times in one studio.
@lru_cache(maxsize=2)
def _background(seed: int) -> Float32[np.ndarray, "s s 3"]:
    wall = random_background(IMAGE_SIDE, np.random.default_rng(seed))
    return wall.repeat(_FINE, axis=0).repeat(_FINE, axis=1)


@lru_cache(maxsize=2)
def _cloth(seed: int) -> Float32[np.ndarray, "s s 3"]:
    return random_cloth(IMAGE_SIDE, np.random.default_rng(seed)).repeat(_FINE, axis=0).repeat(_FINE, axis=1)


def _unit(vectors: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
