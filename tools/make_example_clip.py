"""Makes examples/clip.mp4 from the two public-domain portraits in examples/photos.

The portraits are cards that move over a table: the astronaut turns to both sides and tilts; the admiral
passes behind her, leaves the image and comes back.

Run: python tools/make_example_clip.py
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from tddfa import read_image
from tddfa.types import Image
from tddfa.video import VideoWriter

EXAMPLES = Path(__file__).parents[1] / "examples"
WIDTH, HEIGHT, RATE, N_FRAMES = 480, 270, 25, 125
VIEWING_DISTANCE = 3.0  # of the eye from a card, in heights of the card


def table() -> Image:
    """A plain background."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    colors = [150 + 20 * columns / WIDTH, 110 + 25 * rows / HEIGHT, 80 + 0 * rows]
    return np.stack(colors, axis=-1).astype(np.uint8)


def laid(
    image: Image, card: Image, *, x: float, y: float, height: float, yaw: float = 0.0, roll: float = 0.0
) -> Image:
    """The image with a card over it.

    Args:
        image: the background.
        card: RGB.
        x: of the card's middle, px.
        y: of the card's middle, px.
        height: of the card, px.
        yaw: by which the card is turned about its vertical axis, rad.
        roll: by which it is turned in the image, clockwise, rad.
    """
    h, w = card.shape[:2]
    corners = np.array([[-w / h, -1], [w / h, -1], [w / h, 1], [-w / h, 1]]) / 2
    depth = VIEWING_DISTANCE + corners[:, 0] * math.sin(yaw)
    flat = corners * np.array([math.cos(yaw), 1.0]) * (VIEWING_DISTANCE / depth)[:, None]
    turn = np.array([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])
    target = flat @ turn.T * height + [x, y]
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32) - 0.5
    M = cv2.getPerspectiveTransform(source, target.astype(np.float32))
    shrunk = cv2.GaussianBlur(card, (0, 0), max(0.4 * h / height, 0.1))  # against aliasing
    pasted = cv2.warpPerspective(shrunk, M, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpPerspective(np.ones((h, w), np.float32), M, (WIDTH, HEIGHT))[..., None]
    return np.rint(image * (1 - mask) + pasted * mask).astype(np.uint8)


def frame(t: int, astronaut: Image, hopper: Image) -> Image:
    """Image number `t`."""
    s = t / RATE
    # Across, out on the right, and back.
    x = 80 + 330 * min(max((s - 0.4) / 1.4, 0), 1) + 180 * math.sin(math.pi * min(max(s - 2.2, 0) / 2.0, 1))
    out = laid(table(), hopper, x=x, y=135 + 8 * math.sin(3 * s), height=170, roll=0.08 * math.sin(2 * s))
    yaw, roll = 0.6 * math.sin(1.9 * s), 0.2 * math.sin(1.3 * s)
    return laid(out, astronaut, x=240 + 12 * math.sin(1.1 * s), y=150, height=240, yaw=yaw, roll=roll)


def main() -> None:
    """Write the clip."""
    astronaut = read_image(EXAMPLES / "photos" / "astronaut.jpg")[:420, 90:370]
    hopper = read_image(EXAMPLES / "photos" / "hopper.jpg")
    with VideoWriter(EXAMPLES / "clip.mp4", rate=Fraction(RATE)) as writer:
        for t in range(N_FRAMES):
            writer.write(frame(t, astronaut, hopper), t / RATE)


if __name__ == "__main__":
    main()
