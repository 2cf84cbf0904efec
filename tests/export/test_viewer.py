"""Another renderer draws our GLB files: three.js in a headless Chromium, through tools/view_glb.js.

It is skipped where Chromium, or Node with the packages three and playwright-core on NODE_PATH, is missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tddfa.export import clip_glb_bytes, glb_bytes
from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.imaging import read_image
from tddfa.morphable import MorphableModel, open_face_model
from tddfa.render import draw_textured
from tddfa.types import BoundingBox, Detection, Face, HeadPose, Image

TOOL = Path(__file__).parents[2] / "tools" / "view_glb.js"
HEIGHT, WIDTH = 300, 400


def viewer() -> list[str] | None:
    """The command that draws, where everything it needs is there."""
    node = shutil.which("node")
    if node is None or not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists():
        return None
    script = "require.resolve('three'); require.resolve('playwright-core')"
    found = subprocess.run([node, "-e", script], capture_output=True, check=False)
    return [node, str(TOOL)] if found.returncode == 0 else None


pytestmark = [
    pytest.mark.skipif(
        viewer() is None, reason="needs Chromium, and Node with three and playwright-core on NODE_PATH"
    ),
]


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return open_face_model()


def face_at(model: MorphableModel, x: float, pose: HeadPose, **expression: float) -> Face:
    identity = np.random.default_rng(int(x)).normal(size=model.n_identity).astype(np.float32)
    camera = scaled_camera(1.3, head_rotation(pose), np.array([x, 130.0]))
    params = model.params(camera, identity, expression)
    landmarks = model.landmarks(params)
    return Face(Detection(BoundingBox.around(landmarks)), params, model)


def texture() -> Image:
    """Soft waves of colour: a shift, a flip or other levels of light would show."""
    y, x = np.mgrid[0:256, 0:256] / 256
    waves = [0.5 + 0.4 * np.sin(6 * x + 4 * y), 0.5 + 0.4 * np.cos(9 * y), 0.2 + 0.6 * x]
    return np.rint(255 * np.stack(waves, axis=-1)).astype(np.uint8)


def view(folder: Path, *shots: tuple[bytes, dict]) -> list[tuple[Image, dict]]:
    """What the viewer draws, in the frame of the photo, and what it says."""
    wanted = []
    for i, (data, options) in enumerate(shots):
        glb, png = folder / f"{i}.glb", folder / f"{i}.png"
        glb.write_bytes(data)
        size = {"width": WIDTH, "height": HEIGHT, "photo": True}
        wanted.append({"glb": str(glb), "png": str(png), **size, **options})
    done = subprocess.run(
        viewer() or [], input=json.dumps(wanted), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pictures = [read_image(shot["png"]) for shot in wanted]
    return list(zip(pictures, json.loads(done.stdout), strict=True))


def assert_same_image(theirs: Image, ours: Image) -> None:
    difference = np.abs(theirs.astype(int) - ours.astype(int)).max(axis=-1)
    shown = (theirs.any(axis=-1) & ours.any(axis=-1)).sum() / (theirs.any(axis=-1) | ours.any(axis=-1)).sum()
    assert shown > 0.998
    # Outlines differ by a pixel, and textures are filtered in another way; a shift of one pixel fails twice.
    assert np.quantile(difference[ours.any(axis=-1)], 0.95) <= 3


def moved(face: Face, **expression: float) -> Face:
    weights = np.zeros_like(face.params.expression)
    for name, weight in expression.items():
        weights[face.model.expression_names.index(name)] = weight
    return replace(face, params=replace(face.params, expression=weights))


def test_three_js_draws_the_faces_of_the_photo_and_moves_their_blendshapes(
    model: MorphableModel, tmp_path: Path
) -> None:
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    faces = [
        face_at(model, 120, HeadPose(-35, 10, 20), jawOpen=0.6),
        face_at(model, 290, HeadPose(30, -10, 0)),
    ]
    data = glb_bytes(photo, faces, textures=[texture()] * 2, unit="px")
    expressions = [{"jawOpen": 1}, {"eyeBlinkLeft": 1, "eyeBlinkRight": 1}, {"mouthSmileLeft": 1}]
    shots = view(tmp_path, (data, {}), *((data, {"weights": weights}) for weights in expressions))
    assert [found["messages"] for _, found in shots] == [[]] * 4
    assert [mesh["name"] for mesh in shots[0][1]["meshes"]] == ["face_1", "face_2"]
    assert shots[0][1]["meshes"][1]["targets"] == list(model.expression_names)
    for (picture, _), weights in zip(shots, [None, *expressions], strict=True):
        expected = faces if weights is None else [moved(face, **weights) for face in faces]
        assert_same_image(picture, draw_textured(photo, expected, [texture()] * 2))
    # The comparison would see it if a blendshape did not move.
    with pytest.raises(AssertionError):
        assert_same_image(shots[1][0], draw_textured(photo, faces, [texture()] * 2))


def test_three_js_plays_a_clip(model: MorphableModel, tmp_path: Path) -> None:
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    frames = [
        face_at(model, 200, HeadPose(yaw, 0, 0), jawOpen=jaw)
        for yaw, jaw in ((-40, 0.0), (0, 0.8), (35, 0.2))
    ]
    data = clip_glb_bytes(photo, [1.0, 1.5, 2.5], frames, texture=texture(), unit="px")
    # A player repeats a clip: its last moment is also its first, so stop a little before.
    shots = view(tmp_path, *((data, {"time": time}) for time in (0.0, 0.5, 1.499)))
    assert shots[0][1]["animations"] == [{"name": "clip", "duration": 1.5}]
    for (picture, found), frame in zip(shots, frames, strict=True):
        assert found["messages"] == []
        assert_same_image(picture, draw_textured(photo, [frame], [texture()]))
