"""What stands around faces and is none: bodies below them, scraps of hair and cloth, signs.

Face-free photos hardly show people, so a detector that has seen only them takes collars, hands and badges
for faces.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

_SIGN_PX = 64
_TRIES = 8
_MOST_FACE = 0.12  # share of a scrap that may lie within the landmarks' box


@dataclass(frozen=True, slots=True)
class ClutterConfig:
    """How much of it there is.

    Attributes:
        bodies: share of the faces that have a body below them.
        most_decoys: pieces that are pasted as faces are, at most.
        scraps: share of these that show parts of heads and clothes.
        signs: share of these that show shapes and letters; the others are scenery.
    """

    bodies: float = 0.5
    most_decoys: int = 5
    scraps: float = 0.35
    signs: float = 0.2


def scrap(
    image: UInt8[np.ndarray, "s s 3"],
    landmarks: Float[np.ndarray, "68 d"],
    valid: Float[np.ndarray, "4"],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "t t 3"] | None:
    """A square of a face image that shows no face: hair, an ear, a collar; or one eye, far too large.

    Args:
        image: RGB.
        landmarks: of its face, px.
        valid: x0, y0, x1, y1 of what it shows, px.
        rng: source of randomness.

    Returns:
        The square; None if no place for one was found.
    """
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    extent = float((high - low).max())
    fragment = rng.random() < 0.3
    for _ in range(_TRIES):
        side = extent * (rng.uniform(0.2, 0.35) if fragment else rng.uniform(0.3, 0.7))
        first = np.maximum(low if fragment else valid[:2], valid[:2])
        last = np.minimum(high if fragment else valid[2:], valid[2:]) - side
        if (last <= first).any():
            continue
        corner = rng.uniform(first, last)
        shared = np.clip(np.minimum(corner + side, high) - np.maximum(corner, low), 0, None).prod()
        if fragment or shared <= _MOST_FACE * side**2:
            x, y = np.round(corner).astype(int)
            n = int(side)
            return np.ascontiguousarray(image[y : y + n, x : x + n]) if n > 7 else None
    return None


def sign(rng: np.random.Generator) -> UInt8[np.ndarray, "64 64 3"]:
    """Discs, polygons and letters on a plain ground."""
    image = np.empty((_SIGN_PX, _SIGN_PX, 3), np.uint8)
    image[:] = rng.integers(0, 256, 3)
    for _ in range(int(rng.integers(1, 5))):
        colour = tuple(map(int, rng.integers(0, 256, 3)))
        centre = rng.uniform(0.2, 0.8, 2) * _SIGN_PX
        size = rng.uniform(0.1, 0.7, 2) * _SIGN_PX
        kind = rng.integers(3)
        if kind == 0:
            cv2.ellipse(image, (centre.tolist(), size.tolist(), rng.uniform(0, 180)), colour, -1)
        elif kind == 1:
            corners = centre + rng.uniform(-0.6, 0.6, (int(rng.integers(3, 8)), 2)) * size
            cv2.fillPoly(image, [corners.astype(np.int32)], colour)
        else:
            letters = "".join(chr(c) for c in rng.integers(48, 91, int(rng.integers(1, 5))))
            place = (int(rng.integers(0, 30)), int(rng.integers(25, _SIGN_PX)))
            scale, thickness = rng.uniform(0.5, 1.8), int(rng.integers(1, 5))
            cv2.putText(image, letters, place, int(rng.integers(0, 8)), scale, colour, thickness)
    return image


def body_outline(
    box: Float[np.ndarray, "4"], rng: np.random.Generator
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "4"]]:
    """Neck, shoulders and chest below a face's box, and the rectangle that they need, px."""
    width, height = box[2:] - box[:2]
    middle = (box[0] + box[2]) / 2 + rng.normal(0, 0.08) * width
    neck, shoulder = rng.uniform(0.25, 0.45) * width, rng.uniform(0.85, 1.5) * width
    slope, bottom = rng.uniform(0.15, 0.5) * height, box[3] + rng.uniform(1.2, 3.0) * height
    collar = box[3] + 0.1 * height
    half = np.array(
        [
            [neck, box[3] - 0.2 * height],
            [neck, collar],
            [0.8 * shoulder, collar + 0.5 * slope],
            [shoulder, collar + slope],
            [shoulder * rng.uniform(0.8, 1.15), bottom],
        ]
    )
    outline = np.concatenate([half, (half * [-1, 1])[::-1]]) + np.array([middle, 0.0])
    return outline, np.concatenate([[middle - shoulder, box[3]], [middle + shoulder, bottom]])


def dress(
    canvas: UInt8[np.ndarray, "h w 3"],
    outline: Float[np.ndarray, "n 2"],
    cloth: UInt8[np.ndarray, "h w 3"],
    skin: Float[np.ndarray, "3"],
    rng: np.random.Generator,
) -> None:
    """Draws a body into the image.

    Args:
        canvas: RGB, changed.
        outline: as `body_outline` gives it.
        cloth: an image of the same size that the clothes are cut from.
        skin: its colour.
        rng: source of randomness.
    """
    shape = np.zeros(canvas.shape[:2], np.uint8)
    cv2.fillPoly(shape, [outline.astype(np.int32)], 1)
    if rng.random() < 0.6:  # plain, with a little of the pattern
        cloth = cv2.addWeighted(cloth, 0.15, np.full_like(cloth, rng.integers(0, 256, 3)), 0.85, 0)
    top, centre = outline[1], outline.mean(0)
    unit = float(np.ptp(outline[:, 0])) / 2
    collar = [outline[1], outline[-2], [centre[0], top[1] + rng.uniform(0.1, 0.7) * unit]]
    details: list[tuple[np.ndarray, np.ndarray]] = [(np.array(collar), skin * rng.uniform(0.6, 1.0))]
    if rng.random() < 0.3:  # a tie, a zip
        half = rng.uniform(0.02, 0.12) * unit
        stripe = [[-half, 0], [half, 0], [1.5 * half, 1.6 * unit], [-1.5 * half, 1.6 * unit]]
        details.append((np.array(stripe) + np.array([centre[0], top[1]]), rng.uniform(0, 255, 3)))
    dressed = cloth.copy()
    for polygon, colour in details:
        cv2.fillPoly(dressed, [polygon.astype(np.int32)], colour.tolist())
    for _ in range(int(rng.integers(0, 3))):  # hands, badges
        place = centre + rng.uniform(-0.8, 0.8, 2) * unit
        size = rng.uniform(0.1, 0.45, 2) * unit
        colour = skin if rng.random() < 0.7 else rng.uniform(0, 255, 3)
        ellipse = (place.tolist(), size.tolist(), rng.uniform(0, 180))
        cv2.ellipse(dressed, ellipse, (colour * rng.uniform(0.6, 1.1)).clip(0, 255).tolist(), -1)
        if rng.random() < 0.6:
            cv2.ellipse(dressed, ellipse, (colour * 0.5).tolist(), 1)
    np.copyto(canvas, dressed, where=shape[..., None] > 0)
