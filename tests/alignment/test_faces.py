"""What a notebook shows of faces."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tddfa import FaceAligner, read_image
from tddfa.alignment import Faces

PHOTO = Path(__file__).parents[2] / "examples/photos/group.jpg"


@pytest.fixture(scope="module")
def faces():
    return FaceAligner("open").align(read_image(PHOTO))


def opened(data):
    return np.array(Pillow.open(io.BytesIO(data)).convert("RGB"))


def test_faces_print_one_a_line(faces):
    assert len(repr(faces).splitlines()) == len(faces) == 4
    assert str(faces[:1]) == f"[{faces[0]!r}]"
    assert repr(Faces()) == "[]"


def test_faces_are_a_list_and_so_are_some_of_them(faces):
    assert isinstance(faces, list)
    assert faces == [*faces]
    assert isinstance(faces[1:3], Faces)
    assert faces[1:3] == [faces[1], faces[2]]
    assert faces[-1] is faces[3]


def test_a_table_has_a_row_and_an_image_per_face(faces):
    table = faces._repr_html_()
    rows = re.findall(r"<tr><td>(.*?)</tr>", table)
    assert len(rows) == 4
    for row, face in zip(rows, faces, strict=True):
        assert f"{face.confidence:.3f}" in row
        assert f"{round(face.pose.yaw_deg)}°" in row
        picture = opened(base64.b64decode(re.search(r"base64,([^\"]+)", row)[1]))
        drawn = (picture != 255).any(axis=2)
        assert 0.3 < drawn.mean() < 0.95
    assert Faces()._repr_html_().count("<tr>") == 1


def test_an_image_shows_the_meshes_where_they_are(faces):
    picture = opened(faces._repr_png_())
    assert max(picture.shape) == pytest.approx(512, abs=2)
    drawn = (picture != 255).any(axis=2)
    vertices = np.concatenate([face.vertices[:, :2] for face in faces])
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    scale = 512 / (1.08 * (high - low).max())
    for face in faces:
        x, y = (scale * (face.vertices[:, :2].mean(axis=0) - low + 0.04 * (high - low).max())).astype(int)
        assert drawn[y, x]
    assert drawn.mean() < 0.4  # most of the picture is between the faces
    assert Faces()._repr_png_() is None
    assert opened(faces[0]._repr_png_()).shape[2] == 3
