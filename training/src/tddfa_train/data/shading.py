"""Pixels of a rendered face: skin, brows, lashes, lips, eyes, hair, and light on them.

Everything is a function of where a pixel lies on the neutral face (mm) and of the surface's normal there, so
irises are round and brows have edges whatever the mesh's resolution.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8

# Skin from very light to very dark, RGB in [0, 1]; people lie between neighbours.
_SKIN = np.array(
    [
        [0.95, 0.82, 0.75],
        [0.90, 0.72, 0.60],
        [0.78, 0.58, 0.44],
        [0.60, 0.42, 0.30],
        [0.40, 0.26, 0.19],
        [0.25, 0.17, 0.13],
    ],
    np.float32,
)
_HAIR = np.array(
    [[0.06, 0.05, 0.04], [0.22, 0.14, 0.08], [0.5, 0.34, 0.18], [0.75, 0.62, 0.4], [0.62, 0.62, 0.62]],
    np.float32,
)
_IRIS = np.array([[0.22, 0.12, 0.06], [0.34, 0.45, 0.56], [0.36, 0.42, 0.28], [0.10, 0.07, 0.05]], np.float32)
IRIS_RADIUS_MM = 5.8


@dataclass(frozen=True, slots=True)
class Person:
    """Colours of one rendered person.

    Attributes:
        plain: one colour all over, without brows or irises: a grey or skin-coloured model.
        skin: RGB in [0, 1].
        hair: RGB in [0, 1], of hair, brows, lashes and beard.
        iris: RGB in [0, 1].
        pupil_mm: radius of the pupils.
        white: RGB in [0, 1], of the eyes' sclera.
        sockets: how much of the ambient light reaches the eyes, 0 to 1.
        lips: how red the lips are, 0 to 1.
        brows: how dense the brows are, 0 to 1.
        lashes: how dark the rims of the lids are, 0 to 1.
        beard: how dark chin and upper lip are, 0 to 1.
        scalp: height of the hair line above the eyes, in units of the outer eye corners' distance.
        bald: without hair on the head.
        waves: wave vectors of blotches, radians a mm.
        phases: of the blotches.
        blotches: colour of each wave.
        freckles: how strong fine spots are, 0 to 1.
    """

    plain: bool
    skin: Float32[np.ndarray, "3"]
    hair: Float32[np.ndarray, "3"]
    iris: Float32[np.ndarray, "3"]
    pupil_mm: float
    white: Float32[np.ndarray, "3"]
    sockets: float
    lips: float
    brows: float
    lashes: float
    beard: float
    scalp: float
    bald: bool
    waves: Float32[np.ndarray, "w 3"]
    phases: Float32[np.ndarray, " w"]
    blotches: Float32[np.ndarray, "w 3"]
    freckles: float


def random_person(rng: np.random.Generator, plain_share: float = 0.07) -> Person:
    """Draw the colours of a person.

    Args:
        rng: source of randomness.
        plain_share: how many are models of one colour.
    """
    place = rng.uniform(0, len(_SKIN) - 1)
    low = int(min(place, len(_SKIN) - 2))
    skin = _SKIN[low] + (place - low) * (_SKIN[low + 1] - _SKIN[low])
    skin = skin * np.exp(rng.normal(0, 0.05, 3))
    plain = bool(rng.random() < plain_share)
    if plain and rng.random() < 0.6:
        skin = np.full(3, rng.uniform(0.45, 0.95)) * np.exp(rng.normal(0, 0.03, 3))
    n_waves = 18
    sizes = np.exp(rng.normal(-2.6, 0.8, (n_waves, 1)))
    return Person(
        plain=plain,
        skin=np.clip(skin, 0, 1).astype(np.float32),
        hair=(_HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.7, 1.15)).astype(np.float32),
        iris=(_IRIS[rng.integers(len(_IRIS))] * rng.uniform(0.7, 1.3)).astype(np.float32),
        pupil_mm=float(rng.uniform(1.4, 3.0)),
        white=(np.array([0.9, 0.87, 0.86]) * rng.uniform(0.6, 1.05)).astype(np.float32),
        sockets=float(rng.uniform(0.6, 1.0)),
        lips=float(rng.uniform(0.1, 1.0)),
        brows=float(rng.uniform(0.25, 0.95)),
        lashes=float(rng.uniform(0.2, 0.95)),
        beard=float(rng.uniform(0.2, 0.8)) if rng.random() < 0.25 else 0.0,
        scalp=float(rng.uniform(0.45, 0.7)),
        bald=bool(rng.random() < 0.15),
        waves=(rng.normal(size=(n_waves, 3)) * sizes).astype(np.float32),
        phases=rng.uniform(0, 2 * np.pi, n_waves).astype(np.float32),
        blotches=(rng.normal(0, 0.015, (n_waves, 1)) + rng.normal(0, 0.006, (n_waves, 3))).astype(np.float32),
        freckles=float(rng.uniform(0, 0.25)) if rng.random() < 0.3 else 0.0,
    )


def skin_colors(
    person: Person,
    neutral: Float32[np.ndarray, "p 3"],
    masks: dict[str, Float32[np.ndarray, " p"]],
    unit: float,
    rng: np.random.Generator,
) -> Float32[np.ndarray, "p 3"]:
    """Colour the pixels of skin and hair.

    Args:
        person: whose.
        neutral: where each pixel lies on the neutral face, model frame, mm.
        masks: share of the regions lips, brows, ears, lashes and beard at each pixel.
        unit: distance of the outer eye corners, mm.
        rng: for hairs and pores.
    """
    colors = np.tile(person.skin, (len(neutral), 1))
    if person.plain:
        return colors
    colors *= 1 + np.cos(neutral @ person.waves.T + person.phases) @ person.blotches
    if person.freckles:
        fine = np.cos(neutral @ (person.waves[:3].T * 12) + person.phases[:3]).prod(1)
        colors *= 1 - person.freckles * np.clip(fine * 2, 0, 1)[:, None]
    red = np.array([1.0, 0.6, 0.6], np.float32)
    colors *= 1 + (person.lips * masks["lips"])[:, None] * (red - 1)
    grain = rng.uniform(0.75, 1.25, len(neutral)).astype(np.float32)
    for mask, strength in (("brows", person.brows), ("lashes", person.lashes), ("beard", person.beard)):
        share = np.clip(masks[mask] * strength * (grain if mask != "lashes" else 1), 0, 1)[:, None]
        colors += share * (person.hair - colors)
    if not person.bald:
        y, z = neutral[:, 1] / unit, neutral[:, 2] / unit
        line = np.clip((y - person.scalp - 0.42 * (z + 0.3)) * 14 + 0.5, 0, 1) * (1 - masks["ears"])
        colors += (line * np.clip(grain, 0, 1))[:, None] * (person.hair * grain[:, None] - colors)
    return np.clip(colors, 0, 1)


def eye_colors(
    person: Person, direction: Float32[np.ndarray, "p 3"], gaze: Float32[np.ndarray, "3"], radius: float
) -> Float32[np.ndarray, "p 3"]:
    """Colour the pixels of an eyeball: sclera, limbus, iris with rays, pupil.

    Args:
        person: whose.
        direction: from the eyeball's centre to each pixel, unit vectors, model frame.
        gaze: where the eye looks, unit vector, model frame.
        radius: of the eyeball, mm.
    """
    colors = np.tile(person.white, (len(direction), 1))
    if person.plain:
        return np.tile(person.skin, (len(direction), 1)) * 1.05
    away = np.arccos(np.clip(direction @ gaze, -1, 1)) * radius  # mm along the eyeball
    colors *= 1 - 0.02 * np.clip(away[:, None] - IRIS_RADIUS_MM, 0, 8) * np.array([0.3, 1, 1], np.float32)
    around = np.arctan2(direction[:, 1] - gaze[1], direction[:, 0] - gaze[0])
    rays = 1 + 0.12 * np.cos(23 * around + 3) + 0.08 * np.cos(41 * around)
    iris = person.iris * (rays * (0.75 + 0.35 * away / IRIS_RADIUS_MM))[:, None]
    limbus = np.clip((IRIS_RADIUS_MM - away) / 0.9, 0, 1)[:, None]
    colors += np.clip((IRIS_RADIUS_MM - away) / 0.5 + 0.5, 0, 1)[:, None] * (
        iris * (0.45 + 0.55 * limbus) - colors
    )
    pupil = np.clip((person.pupil_mm - away) / 0.4 + 0.5, 0, 1)[:, None]
    return np.clip(colors * (1 - 0.95 * pupil), 0, 1)


@dataclass(frozen=True, slots=True)
class Lamp:
    """A distant light.

    Attributes:
        direction: towards the lamp, unit vector, image frame.
        color: RGB.
    """

    direction: Float32[np.ndarray, "3"]
    color: Float32[np.ndarray, "3"]


@dataclass(frozen=True, slots=True)
class Light:
    """Light on a face.

    Attributes:
        sky: ambient light on surfaces that look up, RGB.
        ground: ambient light on surfaces that look down, RGB.
        lamps: distant lights.
        gloss: strength of highlights on skin.
        shininess: exponent of the highlights.
    """

    sky: Float32[np.ndarray, "3"]
    ground: Float32[np.ndarray, "3"]
    lamps: tuple[Lamp, ...]
    gloss: float
    shininess: float


def random_light(rng: np.random.Generator) -> Light:
    """Draw one to three lamps and ambient light, each with a tint."""
    sky = rng.uniform(0.25, 0.75) * np.exp(rng.normal(0, 0.08, 3))
    lamps: list[Lamp] = []
    for strength in (rng.uniform(0.2, 0.9), rng.uniform(0, 0.45), rng.uniform(0, 0.3)):
        direction = rng.normal(size=3) * (1, 0.7, 0.6) + (0, -0.4, -0.8)
        lamps.append(
            Lamp(
                (direction / np.linalg.norm(direction)).astype(np.float32),
                (strength * np.exp(rng.normal(0, 0.08, 3))).astype(np.float32),
            )
        )
    return Light(
        sky.astype(np.float32),
        (sky * rng.uniform(0.4, 1.0)).astype(np.float32),
        tuple(lamps[: int(rng.integers(1, 4))]),
        float(rng.uniform(0, 0.25)),
        float(rng.uniform(8, 40)),
    )


def lighted(
    colors: Float32[np.ndarray, "p 3"],
    normals: Float32[np.ndarray, "p 3"],
    occlusion: Float[np.ndarray, " p"],
    light: Light,
    gloss: Float[np.ndarray, " p"],
    reached: list[Float32[np.ndarray, " p"]],
) -> Float32[np.ndarray, "p 3"]:
    """Light colours.

    Args:
        colors: RGB in [0, 1].
        normals: unit vectors out of the surface, image frame.
        occlusion: share of the ambient light that arrives.
        light: what shines.
        gloss: of each pixel, times the light's own.
        reached: which part of each lamp's light arrives at each pixel: the rest lies in its shadow.
    """
    up = (0.5 - 0.5 * normals[:, 1:2]).astype(np.float32)
    total = (light.ground + up * (light.sky - light.ground)) * occlusion[:, None]
    shine = np.zeros_like(total)
    for lamp, share in zip(light.lamps, reached, strict=True):
        facing = np.clip(normals @ lamp.direction, 0, None)[:, None] * share[:, None]
        total = total + facing * lamp.color
        half = lamp.direction + np.array([0, 0, -1], np.float32)
        half /= np.linalg.norm(half)
        shine = shine + (np.clip(normals @ half, 0, None) ** light.shininess * share)[:, None] * lamp.color
    shown = colors * total + (light.gloss * gloss)[:, None] * shine
    # A soft shoulder instead of clipping: photos hardly clip skin.
    return (shown / (1 + np.clip(shown - 0.8, 0, None))).clip(0, 1).astype(np.float32)


def developed(image: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """Return an image as a camera might have developed it: exposure, contrast and saturation.

    Args:
        image: RGB.
        rng: source of randomness.
    """
    if rng.random() < 0.2:
        return image
    levels = image.astype(np.float32) / 255
    grey = levels.mean(axis=2, keepdims=True)
    levels = grey + np.float32(rng.uniform(0.25, 1.1)) * (levels - grey)
    middle = np.float32(max(float(levels.mean()), 0.02))
    wanted = np.float32(rng.uniform(0.3, 0.62))
    levels = np.clip(levels, 0, 1) ** np.clip(np.log(wanted) / np.log(middle), 0.4, 1.8)
    levels = wanted + np.float32(rng.uniform(0.55, 1.1)) * (levels - wanted)
    return np.rint(255 * np.clip(levels, 0, 1)).astype(np.uint8)
