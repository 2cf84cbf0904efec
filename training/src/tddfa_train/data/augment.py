"""A labelled face image becomes the crop that a network sees: placed, lit, degraded."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8


@dataclass(frozen=True, slots=True)
class PlacementConfig:
    """Where the face lands in the crop.

    The official crops of AFLW2000-3D are squares of side √2 · max(w, h) around the box of the landmarks, and
    trackers cut the same square from the last frame; detectors are much less exact. Hence two spreads.
    """

    face_share: float = 0.7071  # longer side of the landmark box, as a share of the crop's side
    tight_share: float = 0.6  # how many samples take the tight spread
    tight_scale: float = 0.05  # sigma of log scale
    tight_shift: float = 0.025  # sigma of the shift, share of the crop's side
    wide_scale: float = 0.16
    wide_shift: float = 0.07
    # Networks that never saw a face lie on its side, or upside down, are lost there, and people do lie down.
    roll_sigma_deg: float = 22.0
    any_roll_share: float = 0.2  # samples turned by up to any_roll_deg instead
    any_roll_deg: float = 180.0
    stretch: float = 0.03  # sigma of the log aspect ratio


@dataclass(frozen=True, slots=True)
class PhotometricConfig:
    """How often, and how much, the pixels are degraded."""

    jitter: float = 0.4  # brightness, contrast and saturation factors in 1 ± jitter
    grey: float = 0.08
    blur: float = 0.12
    low_resolution: float = 0.12
    jpeg: float = 0.12
    noise: float = 0.2
    occlusion: float = 0.35
    zero_border: float = 0.15
    fill_border: float = 0.6  # missing pixels: reflected or smeared instead of black


def crop_from_image(
    points: Float32[np.ndarray, "n 2"],
    side: int,
    config: PlacementConfig,
    rng: np.random.Generator,
    *,
    mirror: bool,
) -> Float32[np.ndarray, "2 3"]:
    """Random placement of a face: the affine that maps image pixels to crop pixels.

    Args:
        points: landmarks in the image, px; those that are not finite are ignored.
        side: side of the crop, px.
        config: the spread of the placement.
        rng: source of randomness.
        mirror: flip left and right; the caller swaps the labels of mirrored points.
    """
    if rng.random() < config.any_roll_share:
        angle = np.deg2rad(rng.uniform(-config.any_roll_deg, config.any_roll_deg))
    else:
        angle = np.deg2rad(rng.normal(0, config.roll_sigma_deg))
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    stretch = np.exp(rng.normal(0, config.stretch))
    linear = linear @ np.diag([stretch, 1 / stretch])
    if mirror:
        linear[:, 0] = -linear[:, 0]
    turned = points[np.isfinite(points).all(1)] @ linear.T
    low, high = turned.min(0), turned.max(0)
    if rng.random() < config.tight_share:
        scale_sigma, shift_sigma = config.tight_scale, config.tight_shift
    else:
        scale_sigma, shift_sigma = config.wide_scale, config.wide_shift
    scale = side * config.face_share / max((high - low).max(), 1e-3)
    scale *= np.exp(np.clip(rng.normal(0, scale_sigma), -0.45, 0.45))
    # Pixel centres: the middle of a crop of 120 pixels lies at 59.5.
    shift = np.clip(rng.normal(0, shift_sigma, 2), -0.2, 0.2) * side + (side - 1) / 2
    linear = linear * scale
    offset = shift - scale * (low + high) / 2
    return np.concatenate([linear, offset[:, None]], 1).astype(np.float32)


def warp(
    image: UInt8[np.ndarray, "h w 3"],
    matrix: Float32[np.ndarray, "2 3"],
    side: int,
    border: int = cv2.BORDER_CONSTANT,
) -> UInt8[np.ndarray, "side side 3"]:
    """The crop cut out by an affine map."""
    shrink = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if shrink < 0.6:  # bilinear sampling alone would alias
        image = cv2.GaussianBlur(image, (0, 0), 0.35 / shrink)
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=border)


def _colour(crop: np.ndarray, amount: float, grey: float, rng: np.random.Generator) -> np.ndarray:
    contrast, brightness = rng.uniform(1 - amount, 1 + amount, 2)
    gamma = np.exp(rng.normal(0, 0.5 * amount))
    tint = np.exp(rng.normal(0, 0.15 * amount, 3))
    ramp = (np.arange(256) / 255.0) ** gamma
    middle = float(crop[::8, ::8].mean()) / 255
    ramp = (ramp - middle) * contrast + middle * brightness
    table = np.clip(ramp[:, None] * tint * 255, 0, 255).astype(np.uint8)
    crop = cv2.LUT(crop, np.ascontiguousarray(table[None]))
    saturation = 0.0 if rng.random() < grey else rng.uniform(1 - amount, 1 + amount)
    luma = np.array([0.299, 0.587, 0.114])
    mix = saturation * np.eye(3) + (1 - saturation) * luma[None, :]
    return cv2.transform(crop, mix)


def motion_kernel(length: int, angle: float) -> Float32[np.ndarray, "length length"]:
    """The blur of a straight motion: a line of some length at an angle in degrees."""
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    centre = ((length - 1) / 2, (length - 1) / 2)
    turn = cv2.getRotationMatrix2D(centre, angle, 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return kernel / max(kernel.sum(), 1e-6)


def _occlude(
    crop: np.ndarray, fillers: UInt8[np.ndarray, "n h w 3"] | None, rng: np.random.Generator
) -> np.ndarray:
    """Covers part of the face: a plain or textured ellipse, bar or rectangle."""
    side = crop.shape[0]
    mask = np.zeros((side, side), np.uint8)
    centre = rng.uniform(0.1, 0.9, 2) * side
    kind = rng.integers(3)
    axes = rng.uniform(0.06, 0.26, 2) * side
    if kind == 2:
        axes[0] = rng.uniform(0.3, 0.6) * side
        axes[1] = rng.uniform(0.02, 0.12) * side
    angle = rng.uniform(0, 180)
    if kind == 0:
        cv2.ellipse(mask, (centre.tolist(), (2 * axes).tolist(), angle), 1, -1)
    else:
        corners = cv2.boxPoints((centre.tolist(), (2 * axes).tolist(), angle))
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
    choice = rng.random()
    if fillers is not None and choice < 0.5:
        filler = fillers[rng.integers(len(fillers))]
        y, x = rng.integers(0, filler.shape[0] - side + 1), rng.integers(0, filler.shape[1] - side + 1)
        cover = filler[y : y + side, x : x + side]
    elif choice < 0.75:  # the colour of this face: hands
        y, x = rng.integers(side // 3, 2 * side // 3, 2)
        cover = np.broadcast_to(crop[y, x], crop.shape)
    else:
        cover = np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), crop.shape)
    return np.where(mask[..., None] > 0, cover, crop)


def degrade(
    crop: UInt8[np.ndarray, "side side 3"],
    config: PhotometricConfig,
    rng: np.random.Generator,
    *,
    fillers: UInt8[np.ndarray, "n h w 3"] | None = None,
    noise_bank: Float32[np.ndarray, "m side side 3"] | None = None,
) -> UInt8[np.ndarray, "side side 3"]:
    """The crop with random light, colour, occluders, blur, compression, noise and borders.

    Args:
        crop: RGB.
        config: rates and amounts.
        rng: source of randomness.
        fillers: face-free images, at least as large as the crop, to cut occluders from.
        noise_bank: standard normal fields, so that noise costs one look-up and no drawing.
    """
    side = crop.shape[0]
    if rng.random() < config.occlusion:
        crop = _occlude(crop, fillers, rng)
    crop = _colour(crop, config.jitter, config.grey, rng)
    if rng.random() < config.low_resolution:
        small = int(rng.uniform(0.25, 0.7) * side)
        down = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
        crop = cv2.resize(down, (side, side), interpolation=int(rng.integers(0, 3)))
    if rng.random() < config.blur:
        if rng.random() < 0.5:
            crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.5, 1.8))
        else:
            crop = cv2.filter2D(crop, -1, motion_kernel(int(rng.integers(2, 5)) * 2 + 1, rng.uniform(0, 180)))
    if noise_bank is not None and rng.random() < config.noise:
        field = noise_bank[rng.integers(len(noise_bank))]
        if rng.random() < 0.5:
            field = field[::-1, ::-1]
        crop = np.clip(crop + field * rng.uniform(2, 12), 0, 255).astype(np.uint8)
    if rng.random() < config.jpeg:
        quality = int(rng.integers(20, 80))
        coded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        crop = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    if rng.random() < config.zero_border:
        crop = crop.copy()
        for axis in range(2):
            cut = int(rng.exponential(0.05) * side)
            cut = min(cut, side // 4)
            view = crop if axis == 0 else crop.transpose(1, 0, 2)
            if cut and rng.random() < 0.5:
                view[:cut] = 0
            elif cut:
                view[-cut:] = 0
    return crop
