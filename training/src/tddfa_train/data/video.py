"""Short videos from one photo: the head moves a little from frame to frame, and the labels with it.

A frame turns the head by a few degrees, so the image needs no mesh: every pixel has a depth, the turn says
how far it moves, and following that flow backwards gives the frame, several times faster than drawing it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from tddfa.types import Mesh
from tddfa_train.data.augment import motion_kernel
from tddfa_train.data.face_profiling import head_middle, image_depth, rotation_about, turn_points

_FLOW_ROUNDS = 3
_FLOW_STEP = 2  # the flow is followed on every second pixel and row


@dataclass(frozen=True, slots=True)
class ShortVideoConfig:
    """How much a frame may differ from the one before.

    Source: Guo et al., ECCV 2020, section 2.4, for a crop of 120 px.
    """

    frames: int = 8
    scale: float = 0.05
    roll_deg: float = 3.0
    shift: float = 5 / 120  # share of the image's side
    turn_deg: float = 5.0  # yaw and pitch
    noise_sigma: float = 3.0
    blur_length: int = 5
    blur_share: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What happened to the head since the photo: turned about its middle, then moved within the image.

    Attributes:
        rotation: of the image frame.
        matrix: image from image, a similarity.
    """

    rotation: Float[np.ndarray, "3 3"]
    matrix: Float[np.ndarray, "2 3"]


def random_motions(
    config: ShortVideoConfig, width: int, height: int, rng: np.random.Generator
) -> Iterator[Motion]:
    """The motion of each frame; the first frame is the photo, and the changes add up from frame to frame."""
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    rotation, linear, offset = np.eye(3), np.eye(2), np.zeros(2)
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
        yield Motion(rotation, np.column_stack([linear, middle + offset - linear @ middle]))


@dataclass(frozen=True, slots=True, eq=False)
class DeepPhoto:
    """A photo with a depth for every pixel.

    Attributes:
        image: RGB.
        depth: image frame, px.
        pivot: what a turn leaves in place, image frame: the middle of the head.
    """

    image: UInt8[np.ndarray, "h w 3"]
    depth: Float32[np.ndarray, "h w"]
    pivot: Float32[np.ndarray, "3"]

    @classmethod
    def of(cls, image: UInt8[np.ndarray, "h w 3"], head: Mesh) -> "DeepPhoto":
        """The photo with the depth of its fitted head."""
        height, width = image.shape[:2]
        return cls(image, image_depth(head, height, width), head_middle(head))

    def lifted(self, points: Float[np.ndarray, "n 2"]) -> Float32[np.ndarray, "n 3"]:
        """Points of the image with the depth that lies under them; NaN stays NaN."""
        known = np.nan_to_num(points).astype(np.float32)
        under = cv2.remap(
            self.depth,
            known[:, None, 0],
            known[:, None, 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.column_stack([points, under]).astype(np.float32)

    def turned(self, points: Float[np.ndarray, "n 3"], motion: Motion) -> Float32[np.ndarray, "n 3"]:
        """Points, image frame, after the turn alone; the matrix of the motion is still to be applied."""
        return turn_points(points, self.pivot, motion.rotation)

    def frame(
        self,
        motion: Motion,
        matrix: Float[np.ndarray, "2 3"],
        side: tuple[int, int],
        border: int = cv2.BORDER_REFLECT_101,
    ) -> UInt8[np.ndarray, "h2 w2 3"]:
        """The turned photo, cut out by an affine map.

        Args:
            motion: its turn; its matrix is not looked at.
            matrix: result from turned photo.
            side: width and height of the result, px.
            border: what OpenCV shows beyond the photo.
        """
        matrix = np.asarray(matrix, np.float32)
        if np.array_equal(motion.rotation, np.eye(3)):
            return cv2.warpAffine(self.image, matrix, side, flags=cv2.INTER_LINEAR, borderMode=border)
        source = self._sources(motion.rotation.astype(np.float32))
        # The grid of sources is itself a small image, cut out by the same map.
        shrink = np.array([[1 / _FLOW_STEP, 0, 0], [0, 1 / _FLOW_STEP, 0], [0, 0, 1]])
        cut = np.vstack([matrix, [0, 0, 1]]) @ np.linalg.inv(shrink)
        columns, rows = np.arange(side[0], dtype=np.float32), np.arange(side[1], dtype=np.float32)
        inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2].astype(np.float32)
        plain = inverse[:, 0] * columns[None, :, None] + inverse[:, 1] * rows[:, None, None] + inverse[:, 2]
        flow = cv2.warpAffine(
            source, cut[:2].astype(np.float32), side, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return cv2.remap(self.image, plain + flow, None, cv2.INTER_LINEAR, borderMode=border)  # pyright: ignore[reportCallIssue, reportArgumentType]

    def _sources(self, rotation: Float32[np.ndarray, "3 3"]) -> Float32[np.ndarray, "h2 w2 2"]:
        """How far from each place of the turned photo its colour lies in the photo, px, on a coarse grid."""
        depth = self.depth[::_FLOW_STEP, ::_FLOW_STEP]
        height, width = depth.shape
        x, y = np.meshgrid(
            np.arange(width, dtype=np.float32) * _FLOW_STEP, np.arange(height, dtype=np.float32) * _FLOW_STEP
        )
        dx, dy, dz = x - self.pivot[0], y - self.pivot[1], depth - self.pivot[2]
        moves = np.stack([r[0] * dx + r[1] * dy + r[2] * dz for r in rotation[:2]], -1)
        moves -= np.stack([dx, dy], -1)  # of each place of the photo
        back = -moves
        for _ in range(_FLOW_ROUNDS):
            there = np.stack([x + back[..., 0], y + back[..., 1]], -1) / _FLOW_STEP
            back = -cv2.remap(moves, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return back


def film(
    frame: UInt8[np.ndarray, "h w 3"], config: ShortVideoConfig, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """The frame as a moving camera would have it: motion blur now and then, noise always."""
    if rng.random() < config.blur_share:
        frame = cv2.filter2D(frame, -1, motion_kernel(config.blur_length, float(rng.uniform(0, 180))))
    noise = np.empty(frame.shape, np.int16)
    cv2.setRNGSeed(int(rng.integers(2**31)))
    cv2.randn(noise, 0, config.noise_sigma)  # pyright: ignore[reportCallIssue, reportArgumentType]
    return cv2.add(frame, noise, dtype=cv2.CV_8U)


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
    photo = DeepPhoto.of(image, head)
    frames: list[np.ndarray] = []
    points: list[np.ndarray] = []
    for motion in random_motions(config, width, height, rng):
        frames.append(film(photo.frame(motion, motion.matrix, (width, height)), config, rng))
        moved = photo.turned(landmarks, motion)
        moved[:, :2] = moved[:, :2] @ motion.matrix[:, :2].T + motion.matrix[:, 2]
        moved[:, 2] *= np.sqrt(np.linalg.det(motion.matrix[:, :2]))
        points.append(moved.astype(np.float32))
    return np.stack(frames), np.stack(points)
