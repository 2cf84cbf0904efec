"""What a person looks like: shape of the face, skin, lips, brows, eyes, hair, beard, teeth."""

from __future__ import annotations

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.evaluation.portraits.canvas import (
    TEXTURE_SIDE,
    head_canvas,
    mean_landmarks,
    mean_shape,
    portrait_model,
)
from tddfa.evaluation.portraits.lamps import ambient_visibility
from tddfa.evaluation.portraits.noise import ValueNoise, smoothstep
from tddfa.geometry.triangles import vertex_normals
from tddfa.shapes import Float32, Float64
from tddfa.types import Image, Mesh

# Absorption of the skin's pigments, RGB: melanin takes blue most, blood takes green.
_MELANIN = np.array([0.45, 0.70, 0.95])
_BLOOD = np.array([0.05, 0.42, 0.30])
_PALE = np.array([1.0, 0.93, 0.88])
_HAIR_MELANIN = np.array([0.8, 1.1, 1.5])

IDENTITY_SIGMA = 0.9


@dataclass(frozen=True, slots=True)
class Iris:
    """An eye's colours.

    Attributes:
        inner: around the pupil, linear RGB.
        outer: at the rim.
        pupil: radius in radii of the iris.
        white: of the eyeball.
        seed: of the streaks.
    """

    inner: Float64[np.ndarray, "3"]
    outer: Float64[np.ndarray, "3"]
    pupil: float
    white: Float64[np.ndarray, "3"]
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """A person.

    Attributes:
        identity: coefficients of the shape of the head.
        texture: of the head without eyeballs, square root of linear RGB in levels of 255.
        hair: displacement of every vertex by the volume of the hair, model frame, mm.
        iris: of both eyes.
        gloss: strength of the highlights of the skin.
        teeth: linear RGB.
        open_sky: which part of the surroundings each vertex sees while the face rests.
    """

    identity: Float32[np.ndarray, " n_identity"]
    texture: Image
    hair: Float32[np.ndarray, "n 3"]
    iris: Iris
    gloss: float
    teeth: Float64[np.ndarray, "3"]
    open_sky: Float32[np.ndarray, " n"]


def random_appearance(rng: np.random.Generator) -> Appearance:
    """Return a person, drawn at random."""
    model = portrait_model()
    identity = rng.normal(0, IDENTITY_SIGMA, model.n_identity).astype(np.float32)
    melanin = float(rng.beta(1.1, 1.6) * 2.1 + 0.08)
    style = _HairStyle.random(rng, melanin)
    hair, rest = _volume(style), model.params(identity=identity)
    head = Mesh(model.shape(rest) + hair, model.topology)
    return Appearance(
        identity=identity,
        texture=_texture(rng, melanin, style),
        hair=hair,
        iris=_iris(rng, melanin),
        gloss=float(rng.uniform(0.02, 0.16)),
        teeth=np.array([0.72, 0.68, 0.58]) * rng.uniform(0.75, 1.1),
        # In every frame the same, and nearly so with every expression: once for all portraits.
        open_sky=ambient_visibility(head),
    )


@dataclass(frozen=True, slots=True)
class _HairStyle:
    """Hair on a head.

    Attributes:
        color: linear RGB.
        line_mm: by how much the hairline is higher than usual.
        volume_mm: height above the scalp.
        bald: no hair on the scalp.
    """

    color: Float64[np.ndarray, "3"]
    line_mm: float
    volume_mm: float
    bald: bool

    @classmethod
    def random(cls, rng: np.random.Generator, melanin: float) -> _HairStyle:
        dark = rng.uniform(0.3, 2.6) if melanin < 0.9 else rng.uniform(1.8, 2.8)
        color = 0.75 * np.exp(-dark * _HAIR_MELANIN)
        if rng.random() < 0.15:
            color = np.full(3, rng.uniform(0.25, 0.7))  # grey
        return cls(color, float(rng.normal(0, 7)), float(rng.uniform(2, 26)), bool(rng.random() < 0.12))


def _above_hairline(points: Float32[np.ndarray, "n 3"], line_mm: float) -> Float32[np.ndarray, " n"]:
    """Return how far above the hairline places of the mean head lie, mm."""
    _, y, z = points.T
    # From the forehead down along the temples to the ears, and behind them to the neck.
    return (y - (66 + line_mm + 1.05 * (np.maximum(z, -125) - 5))).astype(np.float32)


def _volume(style: _HairStyle) -> Float32[np.ndarray, "n 3"]:
    mean = mean_shape()
    if style.bald:
        return np.zeros_like(mean)
    share = smoothstep(0, 28, _above_hairline(mean, style.line_mm))
    share[portrait_model().regions["ears"]] = 0
    normals = vertex_normals(mean, portrait_model().topology.triangles)
    return (style.volume_mm * share[:, None] * normals).astype(np.float32)


def _texture(rng: np.random.Generator, melanin: float, style: _HairStyle) -> Image:
    canvas, noise = head_canvas(), ValueNoise(rng)
    p = canvas.points
    landmarks = mean_landmarks("ibug68")

    # Skin: pigment and blood vary over the face, in patches, freckles and pores.
    patches, fine = noise(p, 22.0, 3), noise(p, 2.2, 2)
    flush = sum(
        np.exp(-np.square(np.linalg.norm(p - center, axis=1) / radius))
        for center, radius in (
            (landmarks[30], 14.0),
            ((landmarks[2] + landmarks[31]) / 2, 24.0),
            ((landmarks[14] + landmarks[35]) / 2, 24.0),
        )
    )
    blood = rng.uniform(0.15, 0.45) * (1 + 0.3 * patches + rng.uniform(0.1, 0.9) * flush)
    pigment = melanin * (1 + 0.10 * noise(p, 35.0, 2)) + 0.10 * melanin * fine
    if rng.random() < 0.3 and melanin < 0.9:
        pigment = pigment + rng.uniform(0.15, 0.5) * smoothstep(0.45, 0.75, noise(p, 3.0))
    # The thin skin under the eyes is darker.
    pigment = pigment + rng.uniform(0, 0.25) * np.exp(-np.square((canvas.lower_lid - 4) / 5))
    color = _PALE * np.exp(-pigment[:, None] * _MELANIN - blood[:, None] * _BLOOD)

    # Lips: more blood, sometimes a lipstick.
    lips = smoothstep(-0.6, 0.9, canvas.lips)[:, None] * rng.uniform(0.5, 1.0)
    red = color * np.exp(-rng.uniform(0.5, 1.3) * _BLOOD * 1.6)
    if rng.random() < 0.25:
        red = np.array([rng.uniform(0.3, 0.6), rng.uniform(0.02, 0.12), rng.uniform(0.04, 0.15)])
    color = color + lips * (red * (1 + 0.12 * noise(p, (1.2, 5.0, 5.0)))[:, None] - color)

    hair_color = style.color * (1 + 0.35 * noise(p, (1.6, 9.0, 1.6), 2))[:, None]
    color = _blend(color, hair_color, _brows(rng, noise))
    if not style.bald:
        edge = _above_hairline(p, style.line_mm) + 5 * noise(p, 9.0, 2)
        scalp = smoothstep(-2, 7, edge) * (1 - canvas.ears)
        color = _blend(color, hair_color, scalp)
    if rng.random() < 0.3:
        color = _blend(color, hair_color, _beard(rng, noise, landmarks))

    # Lashes, and make-up on some lids.
    lash = rng.uniform(0.5, 1.0) * smoothstep(rng.uniform(1.0, 1.8), 0.2, canvas.upper_lid)
    lash = np.maximum(lash, rng.uniform(0.1, 0.5) * smoothstep(0.9, 0.2, canvas.lower_lid))
    color = _blend(color, np.full(3, 0.015), lash)
    if rng.random() < 0.2:
        shade = np.array(rng.uniform(0.05, 0.5, 3))
        above = smoothstep(9, 2, canvas.upper_lid) * (canvas.upper_lid < canvas.lower_lid)
        color = _blend(color, shade, rng.uniform(0.2, 0.6) * above)

    texels = np.rint(255 * np.sqrt(np.clip(color, 0, 1))).astype(np.uint8)
    return texels[canvas.filled_from].reshape(TEXTURE_SIDE, TEXTURE_SIDE, 3)


def _brows(rng: np.random.Generator, noise: ValueNoise) -> Float32[np.ndarray, " n"]:
    canvas = head_canvas()
    thickness = rng.uniform(0.75, 1.7)
    # Hairs grow outwards and a little up: streaks along the brow.
    streaks = noise(canvas.points, (5.0, 0.9, 5.0), 2)
    body = smoothstep(1.25, 0.45, canvas.brow_across / thickness + 0.25 * streaks)
    ends = smoothstep(0.0, 0.08, canvas.brow_along) * smoothstep(1.0, 0.8, canvas.brow_along)
    return (rng.uniform(0.35, 0.95) * body * ends).astype(np.float32)


def _beard(rng: np.random.Generator, noise: ValueNoise, landmarks: dict[int, np.ndarray]) -> np.ndarray:
    canvas = head_canvas()
    x, y, z = canvas.points.T
    mouth, nose = landmarks[62], landmarks[33]
    # Below a line from the ears to the corners of the mouth, and between mouth and nose.
    cheeks = smoothstep(8, -6, y - (mouth[1] + 0.55 * np.abs(x) - 14) + 4 * noise(canvas.points, 8.0, 2))
    upper = smoothstep(-3, 3, y - mouth[1]) * smoothstep(2, -3, y - nose[1]) * smoothstep(34, 26, np.abs(x))
    area = np.maximum(cheeks * smoothstep(-112, -85, y), upper) * smoothstep(-85, -60, z)
    dense = rng.uniform(0.15, 0.9) * (0.75 + 0.25 * noise(canvas.points, 1.5, 2))
    return np.clip(area * smoothstep(1.0, -1.5, canvas.lips) * dense, 0, 1)


def _iris(rng: np.random.Generator, melanin: float) -> Iris:
    brown = np.array([0.20, 0.09, 0.03]) * rng.uniform(0.15, 1.3)
    if melanin < 0.8 and rng.random() < 0.5:
        brown = np.array([(0.10, 0.19, 0.32), (0.13, 0.20, 0.10), (0.22, 0.25, 0.27)][rng.integers(3)])
        brown = brown * rng.uniform(0.5, 1.4)
    white = np.array([0.68, 0.64, 0.62]) * rng.uniform(0.8, 1.1)
    pupil = float(rng.uniform(0.28, 0.5))
    return Iris(
        np.clip(brown * rng.uniform(0.8, 1.8, 3), 0, 1), brown, pupil, white, int(rng.integers(2**31))
    )


def _blend(
    color: Float64[np.ndarray, "n 3"], over: np.ndarray, share: np.ndarray
) -> Float64[np.ndarray, "n 3"]:
    return color + np.asarray(share)[:, None] * (over - color)
