"""What a face looks like: enough to tell two people of one video apart, in a fraction of a millisecond."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib.resources import files

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Bool, Float32
from tddfa.types import Face, Image

_NOSE_TIP, _N_OUTLINE = 30, 27  # landmarks 0 to 16 are the jaw line, 17 to 26 the brows
_JAW_STEPS = (0.25, 0.45, 0.65, 0.85)  # parts of the way from the tip of the nose to the jaw line,
_BROW_STEPS = (0.3, 0.5, 0.7, 0.9, 1.1, 1.3)  # and to the brows, beyond which lies the forehead

# Radius of the disc whose pixels are averaged for a sample, in sizes of the sampled area, and the pixels in
# it, in radii. In noise of 20 levels, neighbouring frames of one face differ by 0.2 to 0.6 with 5 pixels, as
# two people do, and by 0.04 to 0.2 with these 37; without noise by 0.01 to 0.05 with both.
_BLUR = 0.03
_STEPS = np.linspace(-1, 1, 7)
_OFFSETS = np.array([(x, y) for y in _STEPS for x in _STEPS if math.hypot(x, y) < 1.1], np.float32)

# Brightness, red − green and blue − green of a colour, in columns, and the weight of the last two.
_CHROMA_WEIGHT = np.float32(0.3)
_OPPONENT = np.array(
    [[0.3, _CHROMA_WEIGHT, 0], [0.6, -_CHROMA_WEIGHT, -_CHROMA_WEIGHT], [0.1, 0, _CHROMA_WEIGHT]], np.float32
)
_DARK = 16.0  # levels added before the logarithm: noise of dark pixels should not dominate

# Weight of the difference in tint beside that of the descriptors. Two people in the same light differ little
# in tint, one person in two lights much: of weights from 1 to 3, this one separates the people of one photo
# best.
_TINT_WEIGHT = 2.0

_MIN_COMMON = 0.5  # part of the samples that both images have to show

# Outline landmarks that the rays of each half of a face end at: left, right, brows, jaw.
_HALVES = ((*range(9), *range(17, 22)), (*range(8, 17), *range(22, 27)), range(17, 27), range(17))

RELIABLE_PX = 24.0
"""Smallest size of a face, px, whose appearance says who it is."""

_YAW_BIN_DEG = 30.0
_ADAPTATION = 0.1  # part of the new appearance in the remembered one, per frame


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """Colours of a face, sampled along rays from the tip of the nose to its outline.

    Attributes:
        colors: logarithm of the colours, RGB.
        seen: which samples lie in the image; None for all.
        descriptor: unit vector that describes the colour pattern of the person, independent of the size of
            the face and of the brightness and contrast of the image.
        tint: mean of log(red / green) and log(blue / green).
        whole: whether all of the face was seen; the appearance of a part can show that two faces are the
            same, but not that they are different.
    """

    colors: Float32[np.ndarray, "n_samples 3"]
    seen: Bool[np.ndarray, " n_samples"] | None
    descriptor: Float32[np.ndarray, " n_descriptor"]
    tint: Float32[np.ndarray, "2"]
    whole: bool = True

    @classmethod
    def of(cls, image: Image, face: Face, *, whole: bool = True) -> Appearance:
        """Return the appearance of a face in an image, RGB."""
        return cls.at(image, face.landmarks[:, :2], whole=whole)

    @classmethod
    def at(cls, image: Image, landmarks: Float32[np.ndarray, "68 2"], *, whole: bool = True) -> Appearance:
        """Return the appearance of the face with these landmarks, px."""
        colors, seen = sampled_colors(image, landmarks)
        return cls(colors, seen, *_descriptor(colors, seen), whole)

    def distance(self, other: Appearance) -> float | None:
        """Return how differently two faces look: 0 for the same look; None where they share too little.

        Only samples that both images show are compared: a close-up cuts off the forehead and the chin.
        `tools/fit_appearance.py` measures how often people are told apart.
        """
        common = _intersection(self.seen, other.seen)
        if common is None:
            descriptor, tint = other.descriptor, other.tint
            own_descriptor, own_tint = self.descriptor, self.tint
        elif common.mean() < _MIN_COMMON:
            return None
        else:
            descriptor, tint = _descriptor(other.colors, common)
            own_descriptor, own_tint = _descriptor(self.colors, common)
        return _distance(own_descriptor, own_tint, descriptor, tint)

    def half_distance(self, other: Appearance) -> float:
        """Return the distance of that half of the face that differs least; infinite where none is seen twice.

        A hand that covers one half leaves another as it was.
        """
        common = _intersection(self.seen, other.seen)
        distances = [math.inf]
        for half in _half_masks():
            if common is None or common[half].all():
                (descriptor, tint), (own_descriptor, own_tint) = (
                    _descriptor(each.colors, half) for each in (other, self)
                )
                distances.append(_distance(own_descriptor, own_tint, descriptor, tint))
        return min(distances)

    def mixed(self, other: Appearance, part: float) -> Appearance:
        """Return the appearance moved by `part` of the way towards another."""
        step = np.float32(part)
        colors = self.colors + step * (other.colors - self.colors)
        if self.seen is not None or other.seen is not None:
            seen_before, seen_now = (
                np.ones(len(colors), bool) if each is None else each for each in (self.seen, other.seen)
            )
            new, known = seen_now & ~seen_before, seen_before & ~seen_now
            colors[new], colors[known] = other.colors[new], self.colors[known]
            seen = seen_before | seen_now
            seen = None if seen.all() else seen
            return Appearance(colors, seen, *_descriptor(colors, seen), self.whole)
        descriptor = self.descriptor + step * (other.descriptor - self.descriptor)
        tint = self.tint + step * (other.tint - self.tint)
        return replace(self, colors=colors, descriptor=_unit(descriptor), tint=tint)


class AppearanceMemory:
    """What a face looked like from each direction."""

    def __init__(self) -> None:
        self._by_yaw: dict[int, Appearance] = {}

    def add(self, appearance: Appearance, yaw_deg: float) -> None:
        """Remember an appearance: older ones fade, and that of a part is replaced by that of a whole."""
        key = round(yaw_deg / _YAW_BIN_DEG)
        known = self._by_yaw.get(key)
        if known is None or (appearance.whole and not known.whole):
            self._by_yaw[key] = appearance
        elif appearance.whole or not known.whole:
            self._by_yaw[key] = known.mixed(appearance, _ADAPTATION)

    def replace(self, appearance: Appearance, yaw_deg: float, wrong: Iterable[float]) -> None:
        """Remember an appearance instead of those from some directions, yaw in degrees."""
        for yaw in wrong:
            self._by_yaw.pop(round(yaw / _YAW_BIN_DEG), None)
        self._by_yaw[round(yaw_deg / _YAW_BIN_DEG)] = appearance

    def distance(self, appearance: Appearance, yaw_deg: float) -> float | None:
        """Return the distance to what is remembered; None where the face was never seen from about there."""
        key = round(yaw_deg / _YAW_BIN_DEG)
        known = (self._by_yaw[k] for k in (key - 1, key, key + 1) if k in self._by_yaw)
        distances = (appearance.distance(each) for each in known)
        return min((d for d in distances if d is not None), default=None)


def sampled_colors(
    image: Image, landmarks: Float32[np.ndarray, "68 2"]
) -> tuple[Float32[np.ndarray, "n_samples 3"], Bool[np.ndarray, " n_samples"] | None]:
    """Return the logarithm of the colours along the rays, and which lie in the image; None for all."""
    # Coordinate by coordinate: NumPy is slow along rows of two.
    x, y = np.ascontiguousarray((_RAYS @ landmarks + np.float32(0.5)).T)  # cutting off the fraction rounds
    x0, y0, x1, y1 = x.min(), y.min(), x.max(), y.max()
    height, width = image.shape[:2]
    if min(x0, y0) >= 0 and x1 < width and y1 < height:
        seen = None
    else:
        seen = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    radius = np.float32(_BLUR * math.sqrt((x1 - x0) * (y1 - y0)))
    offsets = np.rint(radius * _OFFSETS).astype(np.intp)
    columns, rows = x.astype(np.intp), y.astype(np.intp)
    is_inside = min(x0, y0) >= radius + 1 and x1 + radius + 1 < width and y1 + radius + 1 < height
    if is_inside and image.flags.c_contiguous:
        # One index for a pixel instead of two takes half the time.
        pixels = (rows * width + columns) + (offsets[:, 1:] * width + offsets[:, :1])
        samples = image.reshape(-1, 3).take(pixels, axis=0)
    else:
        samples = image[
            np.clip(rows + offsets[:, 1:], 0, height - 1), np.clip(columns + offsets[:, :1], 0, width - 1)
        ]
    colors = samples.sum(axis=0, dtype=np.float32)
    colors += np.float32(_DARK * len(_OFFSETS))
    return np.log(colors, out=colors), seen


def color_patterns(
    colors: Float32[np.ndarray, "n_samples 3"], seen: Bool[np.ndarray, " n_samples"] | None
) -> tuple[Float32[np.ndarray, "n_samples 3"], Float32[np.ndarray, "2"]]:
    """Return the patterns of brightness and colour without their means, and the tint.

    The brightness is as strong in every face: a hard light raises its contrast, that of the colours it does
    not.

    Args:
        colors: logarithm of the colours, RGB.
        seen: which samples count, the others become 0; None for all.
    """
    patterns = colors @ _OPPONENT
    if seen is not None:
        patterns[~seen] = 0
    n_seen = len(colors) if seen is None else max(int(seen.sum()), 1)
    mean = patterns.sum(axis=0) / np.float32(n_seen)
    patterns -= mean
    if seen is not None:
        patterns[~seen] = 0
    brightness = patterns[:, 0]
    strength = math.sqrt(float(brightness @ brightness) / n_seen * len(colors))
    brightness /= np.float32(max(strength, 1e-6))
    return patterns, mean[1:] / _CHROMA_WEIGHT


def _descriptor(
    colors: Float32[np.ndarray, "n_samples 3"], seen: Bool[np.ndarray, " n_samples"] | None
) -> tuple[Float32[np.ndarray, " n_descriptor"], Float32[np.ndarray, "2"]]:
    """Return the descriptor and the tint of the samples that are seen; None for all."""
    patterns, tint = color_patterns(colors, seen)
    mean, projection = _projection()
    patterns -= mean
    if seen is not None:
        patterns[~seen] = 0
    return _unit(patterns.ravel() @ projection), tint


def _distance(
    descriptor: Float32[np.ndarray, " n_descriptor"],
    tint: Float32[np.ndarray, "2"],
    other_descriptor: Float32[np.ndarray, " n_descriptor"],
    other_tint: Float32[np.ndarray, "2"],
) -> float:
    difference = 1 - float(descriptor @ other_descriptor)
    return difference + _TINT_WEIGHT * math.hypot(*(tint - other_tint).tolist())


@cache
def _half_masks() -> list[Bool[np.ndarray, " n_samples"]]:
    """Return which samples lie in each half of a face."""
    ends = np.array([k for k in range(_N_OUTLINE) for _ in _steps_to(k)])
    return [np.isin(ends, half) for half in _HALVES]


@cache
def _projection() -> tuple[
    Float32[np.ndarray, "n_samples 3"], Float32[np.ndarray, "n_patterns n_descriptor"]
]:
    """Return the mean of the patterns of faces, and the directions in which people differ most.

    Fitted by tools/fit_appearance.py: a linear discriminant analysis of frames of the same and of different
    people.
    """
    with files("tddfa.tracking").joinpath("appearance.npz").open("rb") as file, np.load(file) as arrays:
        return arrays["mean"].astype(np.float32), arrays["projection"].astype(np.float32)


def _intersection(
    a: Bool[np.ndarray, " n"] | None, b: Bool[np.ndarray, " n"] | None
) -> Bool[np.ndarray, " n"] | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b


def _unit(vector: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    return vector / np.float32(max(math.sqrt(float(vector @ vector)), 1e-6))


def _steps_to(landmark: int) -> tuple[float, ...]:
    """Return where the samples lie on the ray to a landmark of the outline."""
    return _JAW_STEPS if landmark < 17 else _BROW_STEPS


def _ray_weights() -> Float32[np.ndarray, "n_samples 68"]:
    rows: list[np.ndarray] = []
    for k in range(_N_OUTLINE):
        for step in _steps_to(k):
            row = np.zeros(68, np.float32)
            row[_NOSE_TIP] += 1 - step
            row[k] += step
            rows.append(row)
    return np.stack(rows)


_RAYS = _ray_weights()
