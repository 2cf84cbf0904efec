"""Makes docs/images/glb.jpg: GLB files of the example photos as three.js draws them in a browser.

Run: npm i --prefix DIR three playwright-core
     NODE_PATH=DIR/node_modules python tools/make_glb_image.py  (needs Node and Chromium, see view_glb.js)
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tddfa import read_image, write_image
from tddfa.cli.main import main as tddfa

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT = 280, 330

VIEWS: tuple[dict[str, Any], ...] = (
    {},
    {"weights": {"jawOpen": 0.8}},
    {"weights": {"eyeBlinkLeft": 1, "eyeBlinkRight": 1}},
    {"weights": {"mouthSmileLeft": 1, "mouthSmileRight": 1}},
    {"turn_deg": 50},
    {"turn_deg": -35, "grey": True},
)
"""What is shown of each face: as in the photo, three blendshapes, and from the side."""


def main() -> None:
    """Write the image."""
    with tempfile.TemporaryDirectory() as name:
        shots: list[dict[str, Any]] = []
        for photo in ("astronaut", "hopper"):
            if tddfa(["image", str(ROOT / "examples" / "photos" / f"{photo}.jpg"), "-o", "glb", "-d", name]):
                raise SystemExit(f"tddfa image failed on {photo}")
            for view in VIEWS:
                files = {"glb": f"{name}/{photo}_glb.glb", "png": f"{name}/{len(shots)}.png"}
                shots.append({**files, "width": WIDTH, "height": HEIGHT, **view})
        subprocess.run(
            ["node", str(ROOT / "tools" / "view_glb.js")], input=json.dumps(shots), text=True, check=True
        )
        images = [read_image(shot["png"]) for shot in shots]
    rows = [np.hstack(images[i : i + len(VIEWS)]) for i in range(0, len(images), len(VIEWS))]
    write_image(ROOT / "docs" / "images" / "glb.jpg", np.vstack(rows), quality=88)


if __name__ == "__main__":
    main()
