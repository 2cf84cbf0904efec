"""Short videos from one photo: the head moves a little from frame to frame, and the labels with it."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from tddfa.types import Mesh
from tddfa_train.data.augment import motion_kernel
from tddfa_train.data.profiling import bend_picture, rotation_about, turn_picture, turn_points


@dataclass(frozen=True, slots=True)
class ShortVideoConfig:
    """How much a frame may differ from the one before.

    Source: Guo et al., ECCV 2020, section 2.4, for a crop of 120 px.
    """

    frames: int = 8
    scale: float = 0.05
    roll_deg: float = 3.0
    shift: float = 5 / 120  # share of the picture's side
    turn_deg: float = 5.0  # yaw and pitch
    noise_sigma: float = 3.0
    blur_length: int = 5
    blur_share: float = 0.5


def short_video(
    image: UInt8[np.ndarray, "h w 3"],
    landmarks: Float[np.ndarray, "n 3"],
    head: Mesh,
    config: ShortVideoConfig,
    rng: np.random.Generator,
) -> tuple[UInt8[np.ndarray, "f h w 3"], Float32[np.ndarray, "f n 3"]]:
    """Frames and their landmarks; the first frame is the photo itself, with noise and blur of its own.

    Args:
        image: RGB.
        landmarks: of the face, image frame; their depth agrees with that of the head.
        head: the fitted head, image frame.
        config: the motion.
        rng: source of randomness.
    """
    height, width = image.shape[:2]
    bent = bend_picture(image, head)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    rotation, linear, offset = np.eye(3), np.eye(2), np.zeros(2)
    frames: list[np.ndarray] = []
    points: list[np.ndarray] = []
    for index in range(config.frames):
        if index:
            yaw, pitch = rng.uniform(-config.turn_deg, config.turn_deg, 2)
            rotation = (
                rotation_about(np.array([0.0, 1, 0]), yaw)
                @ rotation_about(np.array([1.0, 0, 0]), pitch)
                @ rotation
            )
            roll = np.deg2rad(rng.uniform(-config.roll_deg, config.roll_deg))
            scale = rng.uniform(1 - config.scale, 1 + config.scale)
            step = scale * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
            linear = step @ linear
            offset = step @ offset + rng.uniform(-config.shift, config.shift, 2) * width
        turned = turn_picture(bent, rotation, image) if index else image
        shift = middle + offset - linear @ middle
        matrix = np.column_stack([linear, shift])
        frame = cv2.warpAffine(
            turned, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        if rng.random() < config.blur_share:
            frame = cv2.filter2D(frame, -1, motion_kernel(config.blur_length, float(rng.uniform(0, 180))))
        noisy = frame + rng.normal(0, config.noise_sigma, frame.shape)
        frames.append(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
        moved = turn_points(landmarks, bent.pivot, rotation)
        moved[:, :2] = moved[:, :2] @ linear.T + shift
        moved[:, 2] *= np.sqrt(np.linalg.det(linear))
        points.append(moved.astype(np.float32))
    return np.stack(frames), np.stack(points)
