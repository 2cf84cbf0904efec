"""Training images for a detector: faces of the pool pasted over face-free images, and what is no face."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from jaxtyping import Float, Float32

from tddfa.errors import InputError
from tddfa_train.data.augment import PhotometricConfig, degrade
from tddfa_train.data.batches import Batch
from tddfa_train.data.folder import FaceFolder, check_folders, open_backgrounds, open_face_folder
from tddfa_train.data.occlusion import OcclusionConfig, occluded
from tddfa_train.detector.clutter import ClutterConfig, body_outline, dress, scrap, sign

# Sides of the box around the landmarks' mean, in units of the face's size: means over the training faces.
_TYPICAL_BOX = (-0.49, -0.731, 0.508, 0.548)

# Smaller faces show nothing where half of them is hidden, or under strong noise.
_RECOGNIZABLE_PX, _LIGHT_NOISE = 22.0, 12.0

_UPRIGHT_DEG = 25.0  # people whose heads lie more than that get no body


@dataclass(frozen=True, slots=True)
class BoxRule:
    """A detector's box as a linear function of the landmarks' shape, in units of the face's size.

    Attributes:
        mean: of the centred and scaled landmarks.
        matrix: the four sides from them and a one.
    """

    mean: Float[np.ndarray, "204"]
    matrix: Float[np.ndarray, "205 4"]

    @classmethod
    def typical(cls) -> "BoxRule":
        """The box that FaceBoxes gives the mean face, whatever the shape of this one."""
        matrix = np.zeros((205, 4))
        matrix[-1] = _TYPICAL_BOX
        return cls(np.zeros(204), matrix)

    @classmethod
    def read(cls, path: Path) -> "BoxRule":
        """The rule in a .npz file.

        Raises:
            InputError: it cannot be read.
        """
        try:
            with np.load(path) as stored:
                return cls(stored["mean"], stored["matrix"])
        except (OSError, KeyError, ValueError) as error:
            raise InputError(f"cannot read the box rule {path}: {error}") from None

    def __call__(self, landmarks: Float[np.ndarray, "68 3"]) -> Float32[np.ndarray, "4"]:
        """The box (x0, y0, x1, y1), px."""
        size = np.sqrt(np.prod(np.ptp(landmarks[:, :2], axis=0)))
        center = landmarks.mean(0)
        row = np.append(((landmarks - center) / size).ravel() - self.mean, 1.0)
        sides = (row @ self.matrix) * size
        return (sides + np.tile(center[:2], 2)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class MosaicConfig:
    """What the images show."""

    folders: tuple[str, ...]
    backgrounds: str
    folder_weights: tuple[float, ...] = ()  # how often a face comes from each folder; all the same when empty
    seed: int = 0
    shapes: tuple[tuple[int, int], ...] = ((256, 32), (320, 20), (448, 10))  # side, images in the batch
    most_faces: int = 6
    face_px: tuple[float, float] = (9.0, 340.0)
    roll_sigma_deg: float = 14.0
    any_roll_share: float = 0.08  # faces turned by up to any_roll_deg instead
    any_roll_deg: float = 180.0
    empty: float = 0.12
    least_shown: float = 0.45  # share of a face's box that lies within the image
    noise: float = 0.25  # share of the images that cameras' noise degrades
    noise_sigma: tuple[float, float] = (4.0, 40.0)
    occlusion: OcclusionConfig = field(default_factory=lambda: OcclusionConfig(halved=0.12))
    clutter: ClutterConfig = field(default_factory=ClutterConfig)
    most_boxes: int = 8
    photometric: PhotometricConfig = field(
        default_factory=lambda: PhotometricConfig(occlusion=0.0, zero_border=0.05, low_resolution=0.06)
    )

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        **dict.fromkeys(("most_faces", "most_boxes"), (1, math.inf)),
        **dict.fromkeys(("seed", "roll_sigma_deg", "any_roll_deg"), (0, math.inf)),
        **dict.fromkeys(("any_roll_share", "empty", "least_shown", "noise"), (0, 1)),
    }

    def __post_init__(self) -> None:
        if not self.shapes or any(side < 32 or count < 1 for side, count in self.shapes):
            raise ValueError("shapes are pairs of a side of at least 32 px and a number of images")
        if not 0 < self.face_px[0] <= self.face_px[1]:
            raise ValueError("face_px are the least and the most of a face's size, px, above 0")
        if not 0 <= self.noise_sigma[0] <= self.noise_sigma[1]:
            raise ValueError("noise_sigma are the least and the most of the noise, at least 0")


def _face_mask(side: int, landmarks: np.ndarray, valid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which part of a face image is pasted: all of it, or a soft blob around the head."""
    mask = np.zeros((side, side), np.float32)
    x0, y0, x1, y1 = valid.round().astype(int)
    mask[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1] = 1
    if rng.random() < 0.55:
        blob = np.zeros_like(mask)
        low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
        center, half = (low + high) / 2, (high - low) / 2
        center[1] -= 0.2 * half[1]
        grow = rng.uniform(1.35, 1.8)
        cv2.ellipse(blob, (center.tolist(), (2 * half * np.array([grow, grow * 1.1])).tolist(), 0), 1, -1)
        blob = cv2.GaussianBlur(blob, (0, 0), side * rng.uniform(0.008, 0.05))
        mask = mask * blob
    return mask


class MosaicBatches:
    """A map from step number to a batch of images with boxes (NaN where there are fewer faces)."""

    def __init__(self, config: MosaicConfig, rule: BoxRule, n_steps: int):
        cv2.setNumThreads(0)
        check_folders(config.folders, config.folder_weights)
        self.config, self.rule, self.n_steps = config, rule, n_steps
        self.folders = [open_face_folder(Path(folder), in_memory=True) for folder in config.folders]
        self.light_occlusion = replace(config.occlusion, halved=0.0)
        weights = np.array(config.folder_weights or [1.0] * len(self.folders), float)
        self.folder_share = weights / weights.sum()
        self.backgrounds = open_backgrounds(Path(config.backgrounds), side=32)

    def __len__(self) -> int:
        return self.n_steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.config.seed, step))
        side, count = self.config.shapes[step % len(self.config.shapes)]
        images, boxes = zip(*(self._image(side, rng) for _ in range(count)), strict=True)
        return {"image": np.stack(images), "boxes": np.stack(boxes)}

    def _scenery(self, side: int, rng: np.random.Generator) -> np.ndarray:
        image = self.backgrounds[rng.integers(len(self.backgrounds))]
        zoom = side / image.shape[0] * rng.uniform(0.6, 2.5)
        angle = rng.uniform(-30, 30)
        matrix = cv2.getRotationMatrix2D((image.shape[1] / 2, image.shape[0] / 2), angle, zoom)
        matrix[:, 2] += side / 2 - image.shape[0] / 2 + rng.uniform(-0.3, 0.3, 2) * zoom * image.shape[0]
        return cv2.warpAffine(
            image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )

    def _image(self, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        config = self.config
        canvas = self._scenery(side, rng)
        boxes: list[np.ndarray] = []
        n_faces = 0 if rng.random() < config.empty else int(rng.integers(1, config.most_faces + 1))
        largest = min(config.face_px[1], 0.95 * side)
        # Large faces first: later, smaller ones may stand in front of them only where they barely touch.
        sizes = np.sort(np.exp(rng.uniform(np.log(config.face_px[0]), np.log(largest), n_faces)))[::-1]
        for size in sizes:
            folder, row = self._drawn(rng)
            landmarks = np.nan_to_num(folder.labels["landmarks68"][row].astype(np.float64))
            occlusion = config.occlusion if size > _RECOGNIZABLE_PX else self.light_occlusion
            image = occluded(np.asarray(folder.images[row]), landmarks, occlusion, self.backgrounds, rng)
            extent = np.ptp(landmarks[:, :2], axis=0).max()
            angle = (
                rng.uniform(-config.any_roll_deg, config.any_roll_deg)
                if rng.random() < config.any_roll_share
                else rng.normal(0, config.roll_sigma_deg)
            )
            scale = size / extent
            flip = rng.random() < 0.5
            turn = np.deg2rad(angle)
            linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            if flip:
                linear[:, 0] = -linear[:, 0]
            target = (
                rng.uniform(0.0, side, 2) if size < 0.4 * side else side / 2 + rng.normal(0, 0.15 * side, 2)
            )
            offset = target - linear @ landmarks[:, :2].mean(0)
            moved = landmarks * scale
            moved[:, :2] = landmarks[:, :2] @ linear.T + offset
            # The rule does not know mirrored point numbers; mirror the shape back for it.
            if flip:
                shown = moved.copy()
                shown[:, 0] = -shown[:, 0]
                box = self.rule(shown)[[2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32)
            else:
                box = self.rule(moved)
            inside = np.clip(box, 0, side - 1)
            area = np.prod(box[2:] - box[:2])
            if np.prod(inside[2:] - inside[:2]) < config.least_shown * area or any(
                _overlap(box, other) > 0.15 for other in boxes
            ):
                continue
            matrix = np.column_stack([linear, offset]).astype(np.float32)
            if rng.random() < config.clutter.bodies and abs(angle) < _UPRIGHT_DEG:
                self._body(canvas, box, boxes, image, landmarks, rng)
            mask = _face_mask(image.shape[0], landmarks, _valid(folder, row), rng)
            self._paste(canvas, np.ascontiguousarray(image), mask, matrix)
            boxes.append(box)
        for _ in range(int(rng.integers(0, config.clutter.most_decoys + 1))):
            self._decoy(canvas, boxes, rng)
        canvas = degrade(canvas, config.photometric, rng)
        if rng.random() < config.noise:
            low, high = config.noise_sigma
            if any(box[2] - box[0] < _RECOGNIZABLE_PX for box in boxes):
                high = min(high, max(low, _LIGHT_NOISE))
            canvas = _noisy(canvas, (low, high), rng)
        padded = np.full((config.most_boxes, 4), np.nan, np.float32)
        if boxes:
            padded[: len(boxes)] = np.stack(boxes)
        return canvas, padded

    @staticmethod
    def _paste(canvas: np.ndarray, image: np.ndarray, mask: np.ndarray, matrix: np.ndarray) -> None:
        """Blends the masked image into the canvas; only the rectangle that it reaches is touched."""
        height, width = image.shape[:2]
        corners = (
            np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ matrix[:, :2].T + matrix[:, 2]
        )
        x0, y0 = np.clip(np.floor(corners.min(0)).astype(int) - 1, 0, canvas.shape[0])
        x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + 2, 0, canvas.shape[0])
        if x1 <= x0 or y1 <= y0:
            return
        local = matrix.copy()
        local[:, 2] -= (x0, y0)
        size = (int(x1 - x0), int(y1 - y0))
        shrink = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        if shrink < 0.5:  # halve with averaging until bilinear sampling no longer aliases
            factor = 2 ** int(np.floor(-np.log2(shrink)))
            small = (max(1, width // factor), max(1, height // factor))
            image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
            mask = cv2.resize(mask, small, interpolation=cv2.INTER_AREA)
            local[:, :2] *= factor
        patch = cv2.warpAffine(image, local, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(mask, local, size, flags=cv2.INTER_LINEAR)[..., None]
        view = canvas[y0:y1, x0:x1]
        view[:] = (view + (patch - view.astype(np.float32)) * alpha).astype(np.uint8)

    def _drawn(self, rng: np.random.Generator) -> tuple[FaceFolder, int]:
        folder = self.folders[int(rng.choice(len(self.folders), p=self.folder_share))]
        return folder, int(rng.integers(len(folder)))

    def _body(
        self,
        canvas: np.ndarray,
        box: np.ndarray,
        others: list[np.ndarray],
        image: np.ndarray,
        landmarks: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        """Draws a body below the box, unless it would hide a face."""
        outline, needed = body_outline(box.astype(np.float64), rng)
        if any(_overlap(needed, other) > 0.1 for other in others):
            return
        x, y = np.clip(landmarks[33, :2].round().astype(int), 0, image.shape[0] - 1)
        cloth = self._scenery(canvas.shape[0], rng)
        dress(canvas, outline, cloth, image[y, x].astype(np.float64), rng)

    def _no_face(self, rng: np.random.Generator) -> np.ndarray:
        kind, clutter = rng.random(), self.config.clutter
        if kind < clutter.scraps:
            folder, row = self._drawn(rng)
            landmarks = np.nan_to_num(folder.labels["landmarks68"][row].astype(np.float64))
            piece = scrap(np.asarray(folder.images[row]), landmarks, _valid(folder, row), rng)
            if piece is not None:
                return piece
        elif kind < clutter.scraps + clutter.signs:
            return sign(rng)
        return self.backgrounds[rng.integers(len(self.backgrounds))]

    def _decoy(self, canvas: np.ndarray, boxes: list[np.ndarray], rng: np.random.Generator) -> None:
        """Pastes what is no face the way faces are pasted, so that the seam of a patch says nothing."""
        side = canvas.shape[0]
        image = self._no_face(rng)
        size = np.exp(rng.uniform(np.log(16), np.log(0.5 * side)))
        target = rng.uniform(0, side, 2)
        box = np.concatenate([target - size / 2, target + size / 2])
        if any(_overlap(box, other) > 0 for other in boxes):
            return
        scale = size / image.shape[0]
        mask = np.ones(image.shape[:2], np.float32)
        if rng.random() < 0.6:
            mask[:] = 0
            middle = image.shape[0] / 2
            cv2.ellipse(mask, ((middle, middle), (1.4 * middle, 1.8 * middle), 0), 1, -1)
            mask = cv2.GaussianBlur(mask, (0, 0), middle * rng.uniform(0.02, 0.1))
        matrix = np.array([[scale, 0, box[0]], [0, scale, box[1]]], np.float32)
        self._paste(canvas, np.ascontiguousarray(image), mask, matrix)


def _noisy(image: np.ndarray, sigma: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """The image with noise: of each colour by itself or of all alike, fine or enlarged with the image."""
    side = image.shape[0]
    grain = 1 if rng.random() < 0.7 else int(rng.integers(2, 4))
    small = -(-side // grain)
    field = rng.standard_normal((small, small, 1 if rng.random() < 0.3 else 3), np.float32)
    if grain > 1:
        interpolation = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_NEAREST
        field = cv2.resize(field, (side, side), interpolation=interpolation).reshape(side, side, -1)
    strength = np.exp(rng.uniform(*np.log(sigma)))
    return np.clip(image + field * np.float32(strength), 0, 255).astype(np.uint8)


def _valid(folder: FaceFolder, row: int) -> np.ndarray:
    """The rectangle of the image that shows something: x0, y0, x1, y1, px."""
    height, width = folder.images.shape[1:3]
    return folder.labels["valid"][row] if "valid" in folder.labels else np.array([0, 0, width, height])


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Shared area over the smaller area."""
    extent = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    smaller = min(np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2]))
    return float(np.prod(extent) / max(smaller, 1e-6))
