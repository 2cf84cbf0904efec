"""Makes examples/photos from two public-domain portraits that come with scikit-image and Matplotlib.

Run: python tools/make_example_photos.py  (needs the `dev` extra)
"""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib
import numpy as np
import skimage.data

from tddfa import read_image, write_image
from tddfa.types import Image

FOLDER = Path(__file__).parents[1] / "examples" / "photos"
GROUP_SIZE = (1280, 720)
FRAME_PX = 10

# Portrait, mirrored, height px, turned by degrees, centre x and y in the group; later ones lie on top.
PRINTS = (
    ("hopper", True, 330, 14, 1090, 190),
    ("astronaut", True, 280, -9, 160, 170),
    ("hopper", False, 470, -3, 860, 440),
    ("astronaut", False, 520, 4, 420, 420),
)


def portraits() -> dict[str, Image]:
    """The two portraits: Eileen Collins (NASA, 1998) and Grace Hopper (US Navy, 1984)."""
    hopper = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return {"astronaut": np.asarray(skimage.data.astronaut()), "hopper": read_image(hopper)}


def group(photos: dict[str, Image]) -> Image:
    """The portraits as prints on a table: four faces of different sizes, tilted and partly covered."""
    width, height = GROUP_SIZE
    rows, columns = np.mgrid[0:height, 0:width]
    table = np.stack([150 + 20 * columns / width, 110 + 25 * rows / height, 80 + 0 * rows], axis=-1)
    out = table.astype(np.float32)
    for name, mirrored, print_height, turn, x, y in PRINTS:
        photo = photos[name][:, ::-1] if mirrored else photos[name]
        scale = print_height / photo.shape[0]
        small = cv2.resize(
            np.ascontiguousarray(photo), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
        framed = cv2.copyMakeBorder(small, *[FRAME_PX] * 4, cv2.BORDER_CONSTANT, value=(245, 243, 238))
        h, w = framed.shape[:2]
        M = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), -turn, 1.0)
        M[:, 2] += np.array([x - (w - 1) / 2, y - (h - 1) / 2])
        mask = cv2.warpAffine(np.ones((h, w), np.float32), M, GROUP_SIZE, flags=cv2.INTER_LINEAR)
        shadow = cv2.GaussianBlur(np.roll(mask, (6, 6), (0, 1)), (0, 0), 7)[..., None]
        pasted = cv2.warpAffine(
            framed, M, GROUP_SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        out *= 1 - 0.45 * shadow
        out = out * (1 - mask[..., None]) + pasted * mask[..., None]
    return np.rint(out).clip(0, 255).astype(np.uint8)


def main() -> None:
    """Write the three photos."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    photos = portraits()
    for name, photo in {**photos, "group": group(photos)}.items():
        write_image(FOLDER / f"{name}.jpg", photo, quality=90)


if __name__ == "__main__":
    main()
