"""Makes docs/pictures from what `tddfa image` writes of the example photos.

Run: python tools/make_readme_pictures.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from tddfa import read_image, write_image
from tddfa.cli.main import main as tddfa
from tddfa.types import Image

ROOT = Path(__file__).parents[1]
PHOTOS = ROOT / "examples" / "photos"
FOLDER = ROOT / "docs" / "pictures"

GROUP = ("2d_sparse", "3d", "pose", "pncc")
OUTPUTS = ("2d_dense", "wireframe", "depth", "normals", "pncc")
FACE = (slice(60, 400), slice(110, 420))  # of hopper.jpg


def run(photo: str, kinds: tuple[str, ...], folder: Path) -> list[Image]:
    """The pictures of some kinds, as the command draws them."""
    if tddfa(
        ["image", str(PHOTOS / f"{photo}.jpg"), "-o", ",".join(kinds), "-d", str(folder), "--format", "png"]
    ):
        raise SystemExit(f"tddfa image failed on {photo}")
    return [read_image(folder / f"{photo}_{kind}.png") for kind in kinds]


def scaled(image: Image, height: int) -> Image:
    """The picture at a height."""
    width = round(image.shape[1] * height / image.shape[0])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def main() -> None:
    """Write the pictures of the README."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        a, b, c, d = (scaled(picture, 360) for picture in run("group", GROUP, folder))
        grid = np.vstack([np.hstack([a, b]), np.hstack([c, d])])
        write_image(FOLDER / "group.jpg", grid, quality=88)
        row = [scaled(np.ascontiguousarray(p[FACE]), 300) for p in run("hopper", OUTPUTS, folder)]
        write_image(FOLDER / "outputs.jpg", np.hstack(row), quality=90)


if __name__ == "__main__":
    main()
