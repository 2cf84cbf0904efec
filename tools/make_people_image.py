"""Draw people of photos in neutral grey, from the front and turned, side by side: can they be told apart?

    python tools/make_people_image.py [PHOTO ...] [--without-photos] [-o docs/images/people_grey.jpg]

Without photos, those of examples/photos, which show two people three times each. The people of
docs/images/people_grey.jpg are eight of faker-js's generated portraits (CC0).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from tddfa import FaceAligner, read_image, write_image
from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.render import Light, draw_shaded
from tddfa.types import Face, HeadPose, Image

ROOT = Path(__file__).parents[1]
SIDE = 240  # px of each image
SHARE = 0.86  # of it that a face's height takes
FRONT = head_rotation(HeadPose(0.0, 0.0, 0.0))
# From the side and above: light from the viewer's place shows no shapes.
LAMP = Light(ambient=0.1, directional=0.85, specular=0.0, position=(-3.0, -2.5, 3.5))
TURNED = head_rotation(HeadPose(40.0, 0.0, 0.0))


def of_photo(image: Image, face: Face) -> Image:
    """The part of a photo that shows a face."""
    low, high = face.vertices[:, :2].min(axis=0), face.vertices[:, :2].max(axis=0)
    scale = SHARE * SIDE / float(high[1] - low[1])
    shift = (SIDE - 1) / 2 - scale * (low + high) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    return cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA)


def in_grey(face: Face, rotation: np.ndarray) -> Image:
    """A face at rest, as large as all others."""
    params = replace(face.params, expression=np.zeros_like(face.params.expression))
    shape = face.model.shape(params)
    low, high = shape.min(axis=0), shape.max(axis=0)
    scale = SHARE * SIDE / float(high[1] - low[1])
    at = (SIDE - 1) / 2 - scale * (rotation @ ((low + high) / 2))[:2]
    turned = replace(face, params=replace(params, camera=scaled_camera(scale, rotation, at)))
    canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
    return draw_shaded(canvas, [turned], alpha=1.0, light=LAMP, background="black")


def main() -> None:
    """Write the image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path, metavar="PHOTO")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs/images/people_grey.jpg")
    parser.add_argument("--without-photos", action="store_true", help="the grey faces alone")
    parser.add_argument("--count", type=int, default=8, help="people at most (default: 8)")
    args = parser.parse_args()
    aligner = FaceAligner()
    columns: list[np.ndarray] = []
    for path in args.photos or sorted((ROOT / "examples/photos").glob("*.jpg")):
        image = read_image(path)
        for face in aligner.align(image):
            photo = [] if args.without_photos else [of_photo(image, face)]
            columns.append(np.vstack([*photo, in_grey(face, FRONT), in_grey(face, TURNED)]))
    write_image(args.output, np.hstack(columns[: args.count]))


if __name__ == "__main__":
    main()
