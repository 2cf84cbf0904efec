"""Vary the eyes of renders: colours of irises, highlights of the cornea, shadows of lids."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from tddfa_train.data.painting import SHIFT, fixed

_EYES = slice(36, 42), slice(42, 48)
"""The outlines of the subject's right and left eye among 68 landmarks."""

_IRISES = np.array(
    [(35, 24, 18), (70, 45, 28), (110, 75, 40), (95, 105, 60), (80, 110, 130), (120, 140, 150)]
)
"""From black through brown, hazel and green to blue and grey, RGB."""


def eyes_in_other_light(
    image: UInt8[np.ndarray, "s s 3"],
    outlines: Float[np.ndarray, "68 d"],
    pupils: Float[np.ndarray, "2 2"],
    radius: float,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "s s 3"]:
    """Return a face with other irises, highlights and shadows in its open eyes.

    A network that is trained on few kinds of eyeballs confuses their highlights with the gaze.

    Args:
        image: RGB.
        outlines: 68 landmarks, px.
        pupils: middle of the right and of the left one, px.
        radius: of the irises, px.
        rng: source of randomness; both eyes get the same.
    """
    iris = _IRISES[rng.integers(len(_IRISES))] * rng.uniform(0.5, 1.6)
    recoloured = rng.uniform(0.3, 0.95) if rng.random() < 0.6 else 0.0
    has_pupil = rng.random() < 0.7
    pupil = rng.uniform(0.25, 0.5)
    veil = rng.uniform(0, 0.4) if rng.random() < 0.5 else 0.0
    shadow = rng.uniform(0.1, 0.7) if rng.random() < 0.5 else 0.0
    n_lights = int(rng.integers(0, 3))
    lights = [
        (rng.uniform(-0.9, 0.9, 2), rng.uniform(0.1, 0.4), rng.uniform(60, 255)) for _ in range(n_lights)
    ]
    out = image
    for outline, middle in zip((outlines[e, :2] for e in _EYES), pupils, strict=True):
        x0, y0 = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 2, 0).tolist()
        x1, y1 = (np.ceil(outline.max(axis=0)).astype(int) + 3).tolist()
        patch = out[y0:y1, x0:x1].astype(np.float32)
        if not patch.size:
            continue
        open_part = np.zeros(patch.shape[:2], np.float32)
        cv2.fillPoly(open_part, [fixed(outline - (x0, y0))], 1.0, cv2.LINE_AA, SHIFT)
        yy, xx = np.mgrid[y0 : y0 + patch.shape[0], x0 : x0 + patch.shape[1]].astype(np.float32)
        away = np.hypot(xx - middle[0], yy - middle[1])
        # Brightness of the scene, estimated from the brightest part of the eye.
        light = float(np.percentile(patch[open_part > 0.5], 90)) / 200 if (open_part > 0.5).any() else 1.0
        eye = _mixed(patch, iris * light, recoloured * np.clip(radius - away + 0.5, 0, 1))
        if has_pupil and recoloured:
            eye = _mixed(eye, np.full(3, 12.0 * light), np.clip(pupil * radius - away + 0.5, 0, 1))
        top, tall = float(outline[:, 1].min()), max(float(np.ptp(outline[:, 1])), 1.0)
        eye *= (1 - shadow * np.clip(1 - 1.6 * (yy - top) / tall, 0, 1))[..., None]
        eye = _mixed(eye, np.full(3, 200.0 * light), np.full(patch.shape[:2], np.float32(veil)))
        for place, size, amount in lights:
            x, y = middle + radius * place
            spot = np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * max(size * radius, 0.5) ** 2))
            eye += (amount * light * spot)[..., None]
        patch = _mixed(patch, eye, open_part)
        out = out.copy() if out is image else out
        out[y0:y1, x0:x1] = np.clip(patch, 0, 255)
    return out


def _mixed(below: np.ndarray, above: np.ndarray, share: np.ndarray) -> np.ndarray:
    return below + (above - below) * share[..., None]
