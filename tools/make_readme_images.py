"""Makes docs/images from what `tddfa image` and `tddfa video` write of the examples.

Run: python tools/make_readme_images.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from tddfa import read_image, write_image
from tddfa.cli.main import main as tddfa
from tddfa.types import Image
from tddfa.video import VideoReader

ROOT = Path(__file__).parents[1]
PHOTOS = ROOT / "examples" / "photos"
FOLDER = ROOT / "docs" / "images"

GROUP = ("2d_sparse", "3d", "pose", "pncc")
OUTPUTS = ("2d_dense", "wireframe", "depth", "normals", "pncc")
CLIP = ("2d_sparse", "3d")
FRAMES = (12, 45, 75, 104)  # of examples/clip.mp4
HEADS = slice(10, 190)  # rows of its images
FACE = (slice(60, 400), slice(110, 420))  # of hopper.jpg


def run(photo: str, kinds: tuple[str, ...], folder: Path) -> list[Image]:
    """The images of some kinds, as the command draws them."""
    if tddfa(
        ["image", str(PHOTOS / f"{photo}.jpg"), "-o", ",".join(kinds), "-d", str(folder), "--format", "png"]
    ):
        raise SystemExit(f"tddfa image failed on {photo}")
    return [read_image(folder / f"{photo}_{kind}.png") for kind in kinds]


def strip(folder: Path) -> Image:
    """Frames of the example clip side by side, a row for each kind."""
    if tddfa(["video", str(ROOT / "examples" / "clip.mp4"), "-o", ",".join(CLIP), "-d", str(folder)]):
        raise SystemExit("tddfa video failed on the clip")
    rows: list[Image] = []
    for kind in CLIP:
        frames = [frame.image for frame in VideoReader(folder / f"clip_{kind}.mp4")]
        rows.append(np.hstack([scaled(frames[k][HEADS], 160) for k in FRAMES]))
    return np.vstack(rows)


def scaled(image: Image, height: int) -> Image:
    """The image at a height."""
    width = round(image.shape[1] * height / image.shape[0])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def main() -> None:
    """Write the images of the README."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        a, b, c, d = (scaled(image, 360) for image in run("group", GROUP, folder))
        grid = np.vstack([np.hstack([a, b]), np.hstack([c, d])])
        write_image(FOLDER / "group.jpg", grid, quality=88)
        row = [scaled(np.ascontiguousarray(p[FACE]), 300) for p in run("hopper", OUTPUTS, folder)]
        write_image(FOLDER / "outputs.jpg", np.hstack(row), quality=90)
        write_image(FOLDER / "video.jpg", strip(folder), quality=88)


if __name__ == "__main__":
    main()
