"""Hoods, headscarves, hats and helmets: what hides a head and leaves the face."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from tddfa_train.data.painting import blended, filled, scenery

_JAW = list(range(17))
_BROWS = list(range(17, 27))
_MOUTH = list(range(48, 60))


def wear_hood(
    image: UInt8[np.ndarray, "s s 3"],
    landmarks: Float[np.ndarray, "68 d"],
    fillers: UInt8[np.ndarray, "n f f 3"],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "s s 3"]:
    """The face in a hood, a headscarf or a balaclava: cloth all around, a trim, and their shadow.

    Args:
        image: RGB.
        landmarks: of the face, px.
        fillers: face-free images, for patterns.
        rng: source of randomness.
    """
    up = _upwards(landmarks)
    # A scarf lies tight, from the jaw to the brows or the hair; a hood stands off the cheeks.
    inside = _scaled(_face_outline(landmarks, rng.uniform(0.1, 0.6)), rng.uniform(0.9, 1.15))
    outside = _scaled(inside, rng.uniform(1.35, 2.2)) + up * rng.uniform(0.0, 0.25)
    if rng.random() < 0.4:  # open below the chin, where a scarf or a collar would be
        outside = outside[np.argsort(outside @ up)[len(outside) // 5 :]]
        outside = cv2.convexHull(outside.astype(np.float32))[:, 0]
    side = image.shape[0]
    opening = filled(inside, side)
    cloth = _cloth(image, fillers, rng)
    if rng.random() < 0.5:  # a trim of fur or another colour
        rim = filled(_scaled(inside, rng.uniform(1.08, 1.3)), side)
        trim = np.broadcast_to(rng.uniform(20, 240, 3), image.shape)
        noise = rng.normal(0, rng.uniform(2, 30), image.shape[:2])[..., None]
        cloth = cloth + (trim + noise - cloth) * rim[..., None]
    shadow = 1 - cv2.GaussianBlur(opening, (0, 0), side * rng.uniform(0.02, 0.08))
    image = blended(image, np.zeros(image.shape), shadow * rng.uniform(0, 1.2))
    return blended(image, cloth, filled(outside, side) * (1 - opening))


def wear_hat(
    image: UInt8[np.ndarray, "s s 3"],
    landmarks: Float[np.ndarray, "68 d"],
    fillers: UInt8[np.ndarray, "n f f 3"],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "s s 3"]:
    """The face under a hat, a cap or a helmet, with or without a brim. As `wear_hood`."""
    up = _upwards(landmarks)
    face = _face_outline(landmarks, 0.7)
    along = np.array([up[1], -up[0]])
    along /= max(float(np.hypot(*along)), 1e-3)
    rim = landmarks[_BROWS, :2].mean(0) + up * rng.uniform(0.12, 0.5)
    half = np.ptp((face - rim) @ along) / 2 * rng.uniform(0.95, 1.3)
    middle = rim + along * (np.ptp(face @ along) / 2 + (face @ along).min() - rim @ along)
    angles = np.linspace(0, np.pi, 24)
    # Between an ellipse and a box: beanies, caps, top hats.
    power = rng.uniform(0.4, 1.0)
    x, y = np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** power, np.sin(angles) ** power
    height = rng.uniform(0.5, 1.3)
    crown = middle + np.outer(x * half, along) + np.outer(y * height, up)
    side = image.shape[0]
    alpha = filled(crown, side)
    cloth = _cloth(image, fillers, rng)
    if rng.random() < 0.5:
        reach, depth = rng.uniform(1.0, 1.6) * half, rng.uniform(0.05, 0.25)
        circle = np.linspace(0, 2 * np.pi, 32)
        brim = middle + np.outer(np.cos(circle) * reach, along) + np.outer(np.sin(circle) * depth, up)
        edge = filled(brim, side)
        cloth = cloth * (1 - edge[..., None] * rng.uniform(0, 0.6))
        alpha = np.maximum(alpha, edge)
    shadow = cv2.GaussianBlur(alpha, (0, 0), side * rng.uniform(0.02, 0.1))
    image = blended(image, np.zeros(image.shape), shadow * rng.uniform(0, 0.9))
    return blended(image, cloth, alpha)


def _upwards(landmarks: np.ndarray) -> np.ndarray:
    """From the mouth to the brows, px."""
    return landmarks[_BROWS, :2].mean(0) - landmarks[_MOUTH, :2].mean(0)


def _face_outline(landmarks: np.ndarray, forehead: float) -> np.ndarray:
    """The outline of jaw and forehead; the latter reaches that share of brows to mouth above the brows."""
    brows = landmarks[_BROWS, :2]
    arc = np.sin(np.linspace(0.15, 0.85, len(_BROWS)) * np.pi)
    top = brows + np.outer(arc * forehead, _upwards(landmarks))
    points = np.concatenate([landmarks[_JAW, :2], brows, top])
    return cv2.convexHull(points.astype(np.float32))[:, 0]


def _scaled(outline: np.ndarray, size: float) -> np.ndarray:
    centre = (outline.min(0) + outline.max(0)) / 2
    return centre + (outline - centre) * size


def _cloth(image: np.ndarray, fillers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Plain or patterned, with folds, float32."""
    side = image.shape[0]
    # Dark clothes are the most frequent.
    colour = rng.uniform(0, 255, 3) if rng.random() < 0.5 else rng.uniform(5, 60) + rng.uniform(0, 25, 3)
    cloth = np.broadcast_to(colour, image.shape).astype(np.float32)
    pattern = scenery(fillers, side, rng).astype(np.float32)
    cloth = cloth + (pattern - cloth) * (rng.uniform(0.5, 1.0) if rng.random() < 0.3 else 0.1)
    folds = cv2.resize(rng.normal(1, 0.25, (7, 7)).astype(np.float32), (side, side))
    return np.clip(cloth * folds[..., None], 0, 255)
