"""What hides faces in life: masks, things in front of them, darkness."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

# Surgical blue, white, black, grey-green, grey.
_MASK_COLOURS = ((120, 170, 205), (235, 235, 235), (30, 30, 34), (140, 175, 160), (120, 120, 124))


@dataclass(frozen=True, slots=True)
class DisguiseConfig:
    """How many faces are hidden, and how."""

    masked: float = 0.15  # wear a mask over mouth and nose
    covered: float = 0.15  # something stands in front of them
    dim: float = 0.15  # much less light than on their surroundings


def disguised(
    image: UInt8[np.ndarray, "s s 3"],
    landmarks: Float[np.ndarray, "68 d"],
    config: DisguiseConfig,
    fillers: UInt8[np.ndarray, "n f f 3"],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "s s 3"]:
    """The face picture, by chance masked, covered or dark.

    Args:
        image: RGB.
        landmarks: of the face, px.
        config: rates.
        fillers: face-free pictures.
        rng: source of randomness.
    """
    if rng.random() < config.masked:
        image = _wear_mask(image, landmarks, rng)
    if rng.random() < config.covered:
        image = _cover(image, fillers, rng)
    if rng.random() < config.dim:
        image = cv2.convertScaleAbs(image, alpha=float(rng.uniform(0.3, 0.75)))
    return image


def _wear_mask(image: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The face with a plain mask from the bridge of the nose to under the chin."""
    jaw, bridge = landmarks[2:15, :2], landmarks[28 + int(rng.integers(2)), :2]
    outline = np.concatenate([jaw, bridge[None]])
    middle = outline.mean(0)
    outline = middle + (outline - middle) * rng.uniform(0.92, 1.08)
    colour = np.array(_MASK_COLOURS[rng.integers(len(_MASK_COLOURS))]) * rng.uniform(0.6, 1.0)
    if rng.random() < 0.3:
        colour = rng.uniform(0, 255, 3)
    shape = np.zeros(image.shape[:2], np.float32)
    cv2.fillPoly(shape, [np.round(outline * 8).astype(np.int32)], 1.0, cv2.LINE_AA, 3)
    # Folds and the light of the face: the mask keeps a little of what it covers, blurred.
    light = cv2.GaussianBlur(image, (0, 0), image.shape[0] / 20).astype(np.float32)
    cloth = colour * (0.55 + 0.45 * light.mean(2, keepdims=True) / max(light.mean(), 1.0))
    alpha = shape[..., None]
    return np.clip(image * (1 - alpha) + cloth * alpha, 0, 255).astype(np.uint8)


def _cover(image: np.ndarray, fillers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The face behind a strip or a patch of scenery."""
    side = image.shape[0]
    centre = side / 2 + rng.uniform(-0.3, 0.3, 2) * side
    size = rng.uniform(0.08, 0.3, 2) * side
    if rng.random() < 0.4:
        size[0] = side
    corners = cv2.boxPoints((centre.tolist(), size.tolist(), rng.uniform(0, 180)))
    shape = np.zeros((side, side), np.uint8)
    cv2.fillPoly(shape, [corners.astype(np.int32)], 1)
    filler = fillers[rng.integers(len(fillers))]
    if rng.random() < 0.5:
        filler = np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), image.shape)
    elif filler.shape[0] != side:
        filler = cv2.resize(filler, (side, side), interpolation=cv2.INTER_AREA)
    return np.where(shape[..., None] > 0, filler, image)
