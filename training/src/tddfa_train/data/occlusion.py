"""What hides faces in life: masks, sunglasses, hoods, hats, things in front of them, darkness."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from tddfa_train.data.headwear import wear_hat, wear_hood
from tddfa_train.data.painting import SHIFT, blended, filled, fixed, scenery

# Surgical blue, white, black, grey-green, grey.
_MASK_COLOURS = ((120, 170, 205), (235, 235, 235), (30, 30, 34), (140, 175, 160), (120, 120, 124))


@dataclass(frozen=True, slots=True)
class OcclusionConfig:
    """How many faces are hidden, and how."""

    masked: float = 0.15  # wear a mask over mouth and nose
    shaded: float = 0.06  # wear sunglasses
    hooded: float = 0.06  # wear a hood or a headscarf
    hatted: float = 0.06  # wear a hat or a helmet
    covered: float = 0.15  # something stands in front of them
    halved: float = 0.0  # about half of them is hidden: by a hand, a board, bars
    dim: float = 0.15  # much less light than on their surroundings


def occluded(
    image: UInt8[np.ndarray, "s s 3"],
    landmarks: Float[np.ndarray, "68 d"],
    config: OcclusionConfig,
    fillers: UInt8[np.ndarray, "n f f 3"],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "s s 3"]:
    """The face image, by chance masked, in sunglasses, in a hood or a hat, covered or dark.

    Args:
        image: RGB.
        landmarks: of the face, px.
        config: rates.
        fillers: face-free images.
        rng: source of randomness.
    """
    if rng.random() < config.masked:
        image = _wear_mask(image, landmarks, fillers, rng)
    if rng.random() < config.shaded:
        image = _wear_sunglasses(image, landmarks, rng)
    if rng.random() < config.hooded:
        image = wear_hood(image, landmarks, fillers, rng)
    if rng.random() < config.hatted:
        image = wear_hat(image, landmarks, fillers, rng)
    if rng.random() < config.covered:
        image = _cover(image, fillers, rng)
    if config.halved and rng.random() < config.halved:
        image = _cover_half(image, landmarks, fillers, rng)
    if rng.random() < config.dim:
        image = cv2.convertScaleAbs(image, alpha=float(rng.uniform(0.3, 0.75)))
    return image


def _wear_mask(
    image: np.ndarray, landmarks: np.ndarray, fillers: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The face with a plain or printed mask from the bridge of the nose, or from under it, to the chin."""
    if rng.random() < 0.15:  # worn too low: the nose looks out
        jaw, front = range(4, 13), [31, 33, 35, *range(48, 60)]
    else:
        jaw, front = range(2, 15), [28 + int(rng.integers(2)), *range(30, 36), *range(48, 60)]
    outline = _hull(landmarks[[*jaw, *front], :2], rng.uniform(0.92, 1.08))
    colour = np.array(_MASK_COLOURS[rng.integers(len(_MASK_COLOURS))]) * rng.uniform(0.6, 1.0)
    if rng.random() < 0.3:
        colour = rng.uniform(0, 255, 3)
    if rng.random() < 0.2:  # printed
        colour = scenery(fillers, image.shape[0], rng).astype(np.float32)
    alpha = filled(outline, image.shape[0])
    if rng.random() < 0.5:  # straps to the ears
        for ends in ((jaw[0], 0), (jaw[-1], 16)):
            cv2.polylines(alpha, [fixed(landmarks[list(ends), :2])], False, 1.0, 1, cv2.LINE_AA, SHIFT)
    # Folds and the light of the face: the mask keeps a little of what it covers, blurred.
    light = cv2.GaussianBlur(image, (0, 0), image.shape[0] / 20).astype(np.float32)
    cloth = colour * (0.55 + 0.45 * light.mean(2, keepdims=True) / max(light.mean(), 1.0))
    return blended(image, cloth, alpha)


def _wear_sunglasses(image: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The face with dark lenses, a bridge between them and their arms."""
    points = landmarks[:, :2]
    alpha = np.zeros(image.shape[:2], np.float32)
    opacity = rng.uniform(0.7, 1.0)
    for eye, brow in ((range(36, 42), range(18, 21)), (range(42, 48), range(23, 26))):
        corners, above = points[[eye[0], eye[3]]], points[list(brow)]
        along = (corners[1] - corners[0]) / max(float(np.linalg.norm(corners[1] - corners[0])), 1e-3)
        normal = np.array([-along[1], along[0]])
        # Lenses reach as far below the eyes as the brows stand above them.
        below = above - 2 * np.outer((above - corners.mean(0)) @ normal, normal)
        lens = _hull(np.concatenate([corners, above, below]), rng.uniform(0.85, 1.15))
        cv2.fillPoly(alpha, [fixed(lens)], opacity, cv2.LINE_AA, SHIFT)
    thickness = int(rng.integers(1, 4))
    for start, end in ((39, 42), (36, 0), (45, 16)):
        cv2.polylines(alpha, [fixed(points[[start, end]])], False, opacity, thickness, cv2.LINE_AA, SHIFT)
    tint = rng.uniform(0, 50) + rng.uniform(0, 25, 3)
    return blended(image, np.broadcast_to(tint, image.shape), alpha)


def _hull(points: np.ndarray, size: float) -> np.ndarray:
    """The outline around points, made larger or smaller."""
    hull = cv2.convexHull(points.astype(np.float32))[:, 0]
    return hull.mean(0) + (hull - hull.mean(0)) * size


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
    if rng.random() < 0.5:
        filler = np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), image.shape)
    else:
        filler = scenery(fillers, side, rng)
    return np.where(shape[..., None] > 0, filler, image)


def _cover_half(
    image: np.ndarray, landmarks: np.ndarray, fillers: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The face with about half of it behind a hand, bars, or a board that ends on a line through it."""
    side = image.shape[0]
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    # The forehead is above the landmarks.
    low[1] -= 0.3 * (high[1] - low[1])
    centre, extent = (low + high) / 2, float((high - low).max())
    kind = rng.random()
    if kind < 0.2:
        return _cover_by_hand(image, centre, extent, rng)
    shape = np.zeros((side, side), np.float32)
    angle = rng.integers(4) * np.pi / 2 if rng.random() < 0.7 else rng.uniform(0, 2 * np.pi)
    along, away = np.array([-np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), np.sin(angle)])
    if kind < 0.35:
        period = rng.uniform(0.12, 0.45) * extent
        half = rng.uniform(0.3, 0.55) * period / 2
        for place in np.arange(-2 * extent, 2 * extent, period):
            middle = centre + away * place
            _fill(shape, middle - 2 * side * along, middle + 2 * side * along, away * half)
    else:
        start = centre + away * rng.uniform(-0.12, 0.2) * extent
        reach = side if rng.random() < 0.5 else rng.uniform(0.5, 0.9) * extent
        width = side if rng.random() < 0.5 else rng.uniform(0.55, 0.9) * extent
        middle = start + away * reach / 2
        _fill(shape, middle - width * along, middle + width * along, away * reach / 2)
    filler = np.broadcast_to(_plain(rng), image.shape) if rng.random() < 0.6 else scenery(fillers, side, rng)
    return blended(image, filler, shape)


def _plain(rng: np.random.Generator) -> np.ndarray:
    """A colour: black, grey and white are as frequent as all others together."""
    return np.full(3, rng.choice([0, 128, 255])) if rng.random() < 0.5 else rng.integers(0, 256, 3)


def _fill(shape: np.ndarray, first: np.ndarray, last: np.ndarray, half: np.ndarray) -> None:
    """Draw a bar from a point to another, as wide to both sides as `half` says."""
    corners = np.array([first - half, last - half, last + half, first + half])
    cv2.fillPoly(shape, [fixed(corners)], 1.0, cv2.LINE_AA, SHIFT)


def _cover_by_hand(
    image: np.ndarray, centre: np.ndarray, extent: float, rng: np.random.Generator
) -> np.ndarray:
    """The face behind a palm with four fingers, in a colour of its skin."""
    x, y = np.clip(centre + rng.uniform(-0.15, 0.15, 2) * extent, 0, image.shape[0] - 1).astype(int)
    skin = image[y, x] * rng.uniform(0.75, 1.1)
    angle = rng.uniform(0, 2 * np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    palm = centre + rng.uniform(0.05, 0.35) * extent * rng.choice([-1, 1]) * across
    size = rng.uniform(0.4, 0.65) * extent
    alpha, dark = np.zeros(image.shape[:2], np.float32), np.zeros(image.shape[:2], np.float32)
    axes = (size * rng.uniform(0.9, 1.3), size)
    cv2.ellipse(alpha, (palm.tolist(), axes, float(np.rad2deg(angle))), 1.0, -1, cv2.LINE_AA)
    width = size / 4
    for k in range(4):
        root = palm + across * width * (k - 1.5) + along * 0.2 * size
        tip = root + along * size * rng.uniform(0.8, 1.1) + across * width * rng.normal(0, 0.5)
        for target, thickness in ((dark, width), (alpha, 0.85 * width)):
            ends = fixed(np.array([root, tip]))
            cv2.line(target, ends[0], ends[1], 1.0, max(1, round(thickness)), cv2.LINE_AA, SHIFT)
    image = blended(image, np.broadcast_to(0.6 * skin, image.shape), np.maximum(dark - alpha, 0))
    return blended(image, np.broadcast_to(skin, image.shape), alpha)
