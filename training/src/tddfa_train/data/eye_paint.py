"""Paint new eyes between the lids of a face: eyeballs of every look, which look elsewhere."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

_REACH = 2.6
"""Half the side of what is painted, in radii of the iris."""
_LEAST_PIXELS = 4


@dataclass(frozen=True, slots=True)
class Eye:
    """Where an eye is in an image.

    Attributes:
        ball: middle of the eyeball, px.
        iris: middle of the iris, px.
        axes: half the iris along two lines that cross at right angles on the eyeball, px.
    """

    ball: Float[np.ndarray, " 2"]
    iris: Float[np.ndarray, " 2"]
    axes: Float[np.ndarray, "2 2"]


@dataclass(frozen=True, slots=True)
class _Look:
    """What both eyes of a face have in common; colours are RGB, 0 to 255, in white light."""

    white: np.ndarray
    iris: np.ndarray
    inner: np.ndarray
    pupil: float
    limbus: float
    soft: float
    rays: np.ndarray
    shadow: float
    corner: float
    lights: tuple[tuple[float, float, float, float], ...]

    @classmethod
    def random(cls, rng: np.random.Generator) -> "_Look":
        # From nearly black to nearly as pale as the white of the eye.
        iris = rng.uniform(15, 190) * (1 + rng.normal(0, 0.25, 3))
        white = rng.uniform(130, 255) * (1 + rng.normal(0, 0.06, 3))
        lights = tuple(
            (*rng.uniform(-0.9, 0.9, 2), rng.uniform(0.08, 0.45), rng.uniform(40, 255))
            for _ in range(rng.integers(0, 4))
        )
        return cls(
            white=white,
            iris=iris,
            inner=iris * rng.uniform(0.6, 1.6),
            pupil=rng.uniform(0.2, 0.6) if rng.random() < 0.85 else 0.0,
            limbus=rng.uniform(0.2, 1.0),
            soft=rng.uniform(0.05, 0.35),
            rays=rng.normal(0, rng.uniform(0, 0.25), 16),
            shadow=rng.uniform(0, 0.75) if rng.random() < 0.7 else 0.0,
            corner=rng.uniform(0, 0.6),
            lights=lights,
        )

    def colors(self, offset: Float32[np.ndarray, "h w 2"]) -> Float32[np.ndarray, "h w 3"]:
        """Return what an eyeball shows, by the offset from the middle of its iris, 1 at the iris' rim."""
        away = np.hypot(offset[..., 0], offset[..., 1])
        turn = np.arctan2(offset[..., 1], offset[..., 0]) / (2 * np.pi) * len(self.rays)
        ray = self.rays[np.floor(turn).astype(int) % len(self.rays)]
        inside = np.clip((1 - away) / self.soft + 0.5, 0, 1)
        depth = np.clip(away, 0, 1)[..., None]
        iris = (self.inner * (1 - depth) + self.iris * depth) * (1 + ray[..., None])
        iris = iris * (1 - (1 - self.limbus) * np.clip((away - 0.75) / 0.2, 0, 1))[..., None]
        white = self.white * (1 - self.corner * np.clip((away - 1) / 2.5, 0, 1))[..., None]
        out = white + (iris - white) * inside[..., None]
        if self.pupil:
            hole = np.clip((self.pupil - away) / self.soft + 0.5, 0, 1)
            out = out + (12.0 - out) * hole[..., None]
        for x, y, size, amount in self.lights:
            spot = np.exp(-((offset[..., 0] - x) ** 2 + (offset[..., 1] - y) ** 2) / (2 * size**2))
            out = out + (amount * spot)[..., None]
        return out.astype(np.float32)


def with_painted_eyes(
    image: UInt8[np.ndarray, "h w 3"],
    shown: Float32[np.ndarray, "h w"],
    eyes: tuple[Eye, Eye],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a face with other eyeballs between its lids, which look where the given irises are.

    Where few eyeballs are rendered, a network learns their highlights and colours instead of the gaze.

    Args:
        image: RGB.
        shown: how much of each pixel shows an eyeball, 0 to 1.
        eyes: the right one and the left one; irises may be partly or wholly behind the lids.
        rng: source of randomness; both eyes get the same look.
    """
    look = _Look.random(rng)
    kept = rng.uniform(0, 0.35)
    out = image.copy()
    for eye in eyes:
        reach = np.abs(eye.axes).max() * _REACH
        low = np.maximum(np.floor(eye.ball - reach).astype(int), 0)
        high = np.ceil(eye.ball + reach).astype(int)
        opening = shown[low[1] : high[1], low[0] : high[0]]
        inner = opening > 0.5
        if inner.sum() < _LEAST_PIXELS or abs(np.linalg.det(eye.axes)) < 0.5:
            continue
        patch = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        light = np.clip(np.percentile(patch[inner], 90) / 220, 0.05, 1.2)
        yy, xx = np.mgrid[: patch.shape[0], : patch.shape[1]].astype(np.float32)
        place = np.stack([xx, yy], -1) + low - eye.iris
        painted = light * look.colors((place @ np.linalg.inv(eye.axes)).astype(np.float32))
        # The upper lid throws a shadow; its lashes do too.
        below = np.cumsum(opening, axis=0)
        tall = max(float(below.max()), 1.0)
        painted *= (1 - look.shadow * np.clip(1 - 2 * below / tall, 0, 1))[..., None]
        painted += kept * (cv2.GaussianBlur(patch, (0, 0), 2.0) - painted)
        patch += (painted - patch) * opening[..., None]
        out[low[1] : high[1], low[0] : high[0]] = np.clip(patch, 0, 255)
    return out
