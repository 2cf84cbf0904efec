"""Makes docs/images/texture.jpg: the texture of a face seen from the side, beside the atlas of 3DDFA_V2.

The photo is scikit-image's "camera": Lav Varshney, CC0.

Run: python tools/make_texture_image.py --upstream DIR --python EXE  (needs the `dev` extra)
     DIR is a working copy of 3DDFA_V2, EXE the Python that runs it; without them its atlas is left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from tddfa import FaceAligner, read_image, write_image
from tddfa.render import draw_shaded, draw_textured, face_textures
from tddfa.types import Face, Image

TARGET = Path(__file__).parents[1] / "docs" / "images" / "texture.jpg"
HEAD = (slice(45, 225), slice(130, 310))  # of the photo
ENLARGED = 3
SIZE = 360  # px of each panel

_ATLAS = """
import sys, cv2, yaml
from FaceBoxes import FaceBoxes
from TDDFA import TDDFA
from utils.uv import uv_tex
photo, out = sys.argv[1:]
image = cv2.imread(photo)
aligner = TDDFA(gpu_mode=False, **yaml.safe_load(open('configs/mb05_120x120.yml')))
params, boxes = aligner(image, FaceBoxes()(image)[:1])
uv_tex(image, aligner.recon_vers(params, boxes, dense_flag=True), aligner.tri, uv_h=512, uv_w=512, wfp=out)
"""


def main() -> None:
    """Write the image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", metavar="DIR", type=Path, help="a working copy of 3DDFA_V2")
    parser.add_argument("--python", metavar="EXE", default=sys.executable, help="the Python that runs it")
    args = parser.parse_args()
    photo = enlarged_head()
    (face,) = FaceAligner().align(photo)
    texture = face_textures(photo, [face], size=512)[0]
    panels = [photo, draw_shaded(photo, [face], alpha=0.6)]
    if args.upstream is not None:
        panels.append(upstream_atlas(photo, args.upstream, args.python))
    panels += [texture.image, frontal(face, texture.image)]
    row = [cv2.resize(p, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for p in panels]
    write_image(TARGET, np.hstack(row).astype(np.uint8), quality=88)
    print(f"{TARGET}: yaw {face.pose.yaw_deg:.0f} degrees")


def enlarged_head() -> Image:
    """The head in the photo, three times as large."""
    grey = np.ascontiguousarray(skimage.data.camera()[HEAD])
    large = cv2.resize(grey, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    return np.repeat(large[:, :, None], 3, axis=2)


def frontal(face: Face, texture: Image) -> Image:
    """The face in its texture, turned to the viewer."""
    from tddfa.geometry.camera import scaled_camera
    from tddfa.morphable import MorphableModel

    assert isinstance(face.model, MorphableModel)
    low, high = (f(face.model.shape(face.params), axis=0) for f in (np.min, np.max))
    scale = 0.94 * SIZE / float(high[1] - low[1])
    middle = (low + high) / 2 * scale
    camera = scaled_camera(
        scale, np.diag([1.0, -1.0, -1.0]), np.array([SIZE / 2 - middle[0], SIZE / 2 + middle[1]])
    )
    params = face.model.params(camera, face.params.identity, face.expression)
    turned = Face(face.detection, params, face.model)
    return draw_textured(np.zeros((SIZE, SIZE, 3), np.uint8), [turned], [texture])


def upstream_atlas(photo: Image, folder: Path, python: str) -> Image:
    """What 3DDFA_V2 makes of the photo."""
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name) / "photo.png", Path(name) / "atlas.png"
        write_image(source, photo)
        subprocess.run([python, "-c", _ATLAS, str(source), str(out)], cwd=folder, check=True)
        return read_image(out)


if __name__ == "__main__":
    main()
