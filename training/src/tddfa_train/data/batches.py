"""Batches by step number: the same seed and step always give the same batch, so any run can resume."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from tddfa.errors import InputError
from tddfa.morphable import open_face_model
from tddfa.morphable.model import MorphableModel
from tddfa.types import FaceParams
from tddfa_train.data.augment import PhotometricConfig, PlacementConfig, crop_from_image, degrade, warp
from tddfa_train.data.folder import FaceFolder, check_folders, open_backgrounds, open_face_folder
from tddfa_train.data.occlusion import OcclusionConfig, occluded
from tddfa_train.data.points import AFLW21_MIRROR, IBUG68_MIRROR, mirror_twins
from tddfa_train.data.video import DeepPhoto, Motion, ShortVideoConfig, film, random_motions

N_MEDIAPIPE = 162
_FACE_LABELS = (
    "landmarks68",
    "landmarks68_std",
    "eye_aspect",
    "mediapipe",
    "human21",
    "surface",
    "camera",
    "identity",
    "expression",
    "expression_weight",
    "fit_weight",
    "rotation_weight",
    "mediapipe_trust",
)
Batch = dict[str, np.ndarray]

CROP_SIDE = 120
"""Side of the crops that all networks take, px."""


@dataclass(frozen=True, slots=True)
class LandmarkDataConfig:
    """What goes into a batch of crops with landmarks."""

    folders: tuple[str, ...]
    backgrounds: str
    folder_weights: tuple[
        float, ...
    ] = ()  # how often a face of each folder is drawn; all the same when empty
    seed: int = 0
    batch_size: int = 64
    side: int = CROP_SIDE
    negatives: float = 0.06
    yaw_shares: tuple[float, float, float] = (0.46, 0.28, 0.26)  # |yaw| up to 30, up to 60, beyond
    placement: PlacementConfig = field(default_factory=PlacementConfig)
    photometric: PhotometricConfig = field(default_factory=PhotometricConfig)
    occlusion: OcclusionConfig = field(
        default_factory=lambda: OcclusionConfig(
            masked=0.06, shaded=0.04, hooded=0.04, hatted=0.03, covered=0.0, dim=0.03
        )
    )
    closed_below: float = 0.17  # eye aspect ratio of eyes that are closed or nearly so
    closed_boost: float = 3.0  # such faces are rare; they are drawn this much more often
    video_share: float = 0.0  # of a batch: frames of short videos; needs fits (`tddfa-train fit`)
    video: ShortVideoConfig = field(default_factory=ShortVideoConfig)
    in_memory: bool = True
    held_out_every: int = 40  # every n-th face never trains; 0: all train

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        "batch_size": (1, math.inf),
        **dict.fromkeys(("seed", "closed_below", "closed_boost", "held_out_every"), (0, math.inf)),
        **dict.fromkeys(("negatives", "video_share"), (0, 1)),
    }


def _map_points(points: Float32[np.ndarray, "n d"], matrix: Float32[np.ndarray, "2 3"]) -> np.ndarray:
    """Points moved by the affine; a third coordinate, depth, only scales."""
    moved = points.astype(np.float32).copy()
    moved[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    if points.shape[1] == 3:
        moved[:, 2] *= np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return moved


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """A stored image and the labels of its face."""

    image: UInt8[np.ndarray, "s s 3"]
    labels: dict[str, np.ndarray]


class LandmarkBatches:
    """A map from step number to batch; give it to a `DataLoader` with `batch_size=None`."""

    def __init__(self, config: LandmarkDataConfig, n_steps: int, *, held_out: bool = False):
        cv2.setNumThreads(0)
        self.config = config
        self.n_steps = n_steps
        self.held_out = held_out
        self.mirrors = True
        check_folders(config.folders, config.folder_weights)
        if config.side != CROP_SIDE:
            raise InputError(f"data.side is {config.side}; the networks take crops of {CROP_SIDE} px")
        if min(config.yaw_shares) < 0:
            raise InputError("data.yaw_shares are shares; give numbers of at least 0")
        self.folders: list[FaceFolder] = [
            open_face_folder(Path(folder), in_memory=config.in_memory) for folder in config.folders
        ]
        self.backgrounds = open_backgrounds(Path(config.backgrounds), side=config.side)
        self.rows = np.array([(f, i) for f, folder in enumerate(self.folders) for i in range(len(folder))])
        self.mediapipe_mirror = self._mediapipe_mirror()
        self.surface_mirror = next(
            (folder.labels["surface_mirror"] for folder in self.folders if "surface_mirror" in folder.labels),
            None,
        )
        self.probability = self._probability()
        self.head: MorphableModel | None = None
        if config.video_share > 0:
            self.video_probability = self._video_probability()
            self.head = open_face_model(level=0, crop="head")
        bank = np.random.default_rng(7)
        self.noise_bank = bank.normal(size=(24, config.side, config.side, 3)).astype(np.float32)

    def _weight(self) -> Float[np.ndarray, " n"]:
        """How often each face is drawn, beside the balance of poses."""
        spread = np.concatenate([folder.labels["landmarks68_std"] for folder in self.folders])
        weight = np.clip(1.0 / spread, 0.3, 1.5)
        if all("eye_aspect" in folder.labels for folder in self.folders):
            aspect = np.concatenate([folder.labels["eye_aspect"] for folder in self.folders])
            weight *= np.where(
                np.nan_to_num(aspect, nan=1.0) < self.config.closed_below, self.config.closed_boost, 1.0
            )
        if self.config.folder_weights:
            weight *= np.array(self.config.folder_weights)[self.rows[:, 0]]
        return weight

    def _probability(self) -> Float[np.ndarray, "n"]:
        yaw = np.abs(np.concatenate([folder.labels["yaw_deg"] for folder in self.folders]))
        weight = self._weight()
        bins = np.digitize(yaw, (30, 60))
        probability = np.zeros(len(yaw))
        for index, share in enumerate(self.config.yaw_shares):
            members = bins == index
            if members.any():
                probability[members] = share * weight[members] / weight[members].sum()
        if self.config.held_out_every:
            held_out = self.rows[:, 1] % self.config.held_out_every == 0
            probability[held_out != self.held_out] = 0
        total = probability.sum()
        if not total > 0:
            raise InputError(
                "no face of data.folders is left to draw; see folder_weights, yaw_shares and held_out_every"
            )
        return probability / total

    def _mediapipe_mirror(self) -> Int[np.ndarray, " m"]:
        """Which MediaPipe points are twins, by the first folder that says so, or by the face model."""
        for folder in self.folders:
            if "mediapipe_mirror" in folder.labels:
                return folder.labels["mediapipe_mirror"]
        if not any("mediapipe" in folder.labels for folder in self.folders):
            return np.arange(N_MEDIAPIPE)
        model = open_face_model(level=0, crop="head")
        return mirror_twins(model.landmarks(model.params(), "mediapipe478")[:, :2])

    def _video_probability(self) -> Float[np.ndarray, "n"]:
        fitted = np.array(["camera" in folder.labels for folder in self.folders])
        probability = self.probability * fitted[self.rows[:, 0]]
        if not probability.any():
            names = ", ".join(folder.name for folder in self.folders)
            raise InputError(
                f"short videos need the fitted head of a face, which none of these folders has: {names}. "
                f"Add fits with 'tddfa-train fit FOLDER', or set video_share to 0"
            )
        return probability / probability.sum()

    def __len__(self) -> int:
        return self.n_steps

    def __getitem__(self, step: int) -> Batch:
        config = self.config
        rng = np.random.default_rng((config.seed, step, int(self.held_out)))
        n_videos = round(config.video_share * config.batch_size / config.video.frames)
        n_photos = config.batch_size - n_videos * config.video.frames
        picked: Int[np.ndarray, "b"] = rng.choice(len(self.rows), n_photos, p=self.probability)
        samples = [self._sample(self._face(index), rng) for index in picked]
        if n_videos:
            for index in rng.choice(len(self.rows), n_videos, p=self.video_probability):
                samples += self._frames(self._face(index), rng)
        return {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}

    def _face(self, index: int) -> LabelledImage:
        number, row = map(int, self.rows[index])
        folder = self.folders[number]
        labels = {key: folder.labels[key][row] for key in _FACE_LABELS if key in folder.labels}
        return LabelledImage(folder.images[row], labels)

    def _sample(self, face: LabelledImage, rng: np.random.Generator) -> Batch:
        config, image = self.config, face.image
        mirror = bool(rng.random() < 0.5) and self.mirrors
        points = face.labels["landmarks68"][:, :2]
        matrix = crop_from_image(points, config.side, config.placement, rng, mirror=mirror)
        negative = bool(rng.random() < config.negatives)
        if not negative and np.isfinite(points).all():
            image = occluded(np.asarray(image), points, config.occlusion, self.backgrounds, rng)
        if negative and rng.random() < 0.4:  # badly framed
            matrix = matrix.copy()
            if rng.random() < 0.5:
                turn = rng.uniform(0, 2 * np.pi)
                matrix[:, 2] += config.side * rng.uniform(0.5, 0.9) * np.array([np.cos(turn), np.sin(turn)])
            else:
                zoom = rng.uniform(0.25, 0.45) if rng.random() < 0.5 else rng.uniform(2.2, 3.5)
                middle = (config.side - 1) / 2
                matrix = (matrix * zoom).astype(np.float32)
                matrix[:, 2] += middle * (1 - zoom)
        elif negative:
            image = self.backgrounds[rng.integers(len(self.backgrounds))]
            zoom = config.side / image.shape[0] * rng.uniform(1, 3)
            shift = rng.uniform(0, 1, 2) * (config.side - zoom * image.shape[0])
            matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]], np.float32)
        crop = warp(image, matrix, config.side, self._border(rng))
        crop = degrade(crop, config.photometric, rng, fillers=self.backgrounds, noise_bank=self.noise_bank)
        return self._labelled_crop(crop, face.labels, matrix, mirror=mirror, negative=negative)

    def _frames(self, face: LabelledImage, rng: np.random.Generator) -> list[Batch]:
        """Frames of a short video: one crop for all, light and blur for each, labels that move along."""
        config, image, labels = self.config, face.image, face.labels
        assert self.head is not None
        camera = labels["camera"].astype(np.float64)
        fit = FaceParams(camera, labels["identity"], labels["expression"])
        photo = DeepPhoto.of(np.asarray(image), self.head.reconstruct(fit))
        # Labels know depth up to a shift; the head decides it. The surface begins with the landmarks.
        deep = {key: labels[key].astype(np.float32) for key in ("landmarks68", "surface") if key in labels}
        for points in deep.values():
            points[:, 2] += (self.head.landmarks(fit)[:, 2] - points[:68, 2]).mean()
        others = {key: photo.lifted(labels[key]) for key in ("mediapipe", "human21") if key in labels}
        mirror = bool(rng.random() < 0.5) and self.mirrors
        landmarks = deep["landmarks68"][:, :2]
        matrix = crop_from_image(landmarks, config.side, config.placement, rng, mirror=mirror)
        border = self._border(rng)
        frames: list[Batch] = []
        for motion in random_motions(config.video, image.shape[1], image.shape[0], rng):
            cut = matrix @ np.vstack([motion.matrix, [0, 0, 1]])
            cut = cut.astype(np.float32)
            crop = photo.frame(motion, cut, (config.side, config.side), border)
            crop = degrade(crop, config.photometric, rng, fillers=self.backgrounds)
            moved = labels | {key: photo.turned(value, motion)[:, :2] for key, value in others.items()}
            moved |= {key: photo.turned(points, motion) for key, points in deep.items()}
            moved["camera"] = _turned_camera(camera, photo.pivot, motion)
            frames.append(
                self._labelled_crop(film(crop, config.video, rng), moved, cut, mirror=mirror, negative=False)
            )
        return frames

    def _border(self, rng: np.random.Generator) -> int:
        if rng.random() < self.config.photometric.fill_border:
            return cv2.BORDER_REFLECT_101 if rng.random() < 0.5 else cv2.BORDER_REPLICATE
        return cv2.BORDER_CONSTANT

    def _labelled_crop(
        self,
        crop: np.ndarray,
        labels: dict[str, np.ndarray],
        matrix: Float32[np.ndarray, "2 3"],
        *,
        mirror: bool,
        negative: bool,
    ) -> Batch:
        sample: Batch = {
            "crop": crop,
            "is_face": np.array(not negative, np.float32),
            "weight": np.array(
                0 if negative else np.clip(0.6 / labels["landmarks68_std"], 0.3, 1.3), np.float32
            ),
        }
        sample["mediapipe_trust"] = np.array(labels.get("mediapipe_trust", 1.0), np.float32)
        landmarks = _map_points(labels["landmarks68"], matrix)
        sample["landmarks68"] = landmarks[IBUG68_MIRROR] if mirror else landmarks
        extra = (("mediapipe", N_MEDIAPIPE), ("human21", 21))
        for key, count in extra:
            points = np.full((count, 2), np.nan, np.float32)
            if key in labels and not negative:
                points = _map_points(labels[key], matrix)
                if mirror:
                    points = points[AFLW21_MIRROR if key == "human21" else self.mediapipe_mirror]
            sample[key] = points
        if self.surface_mirror is not None:
            sample["surface"] = np.full((len(self.surface_mirror), 3), np.nan, np.float32)
            if "surface" in labels and not negative:
                points = _map_points(labels["surface"], matrix)
                sample["surface"] = points[self.surface_mirror] if mirror else points
        more = self.more_labels(labels, matrix)
        if negative:
            more = {
                key: np.zeros_like(value) if key.endswith("_weight") else value for key, value in more.items()
            }
        return sample | {key: np.asarray(value) for key, value in more.items()}

    def more_labels(self, labels: dict[str, np.ndarray], matrix: Float32[np.ndarray, "2 3"]) -> Batch:
        """Labels that a kind of batch has beyond points.

        Args:
            labels: of the face in its image.
            matrix: crop from image.
        """
        return {}


def _turned_camera(
    camera: Float[np.ndarray, "3 4"], pivot: Float32[np.ndarray, "3"], motion: Motion
) -> Float[np.ndarray, "3 4"]:
    turned = motion.rotation @ camera
    turned[:, 3] += pivot - motion.rotation @ pivot
    return turned
