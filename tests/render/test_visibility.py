"""Which landmarks and vertices the camera sees; rays through all triangles are the judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tddfa.errors import InputError
from tddfa.morphable import open_face_model
from tddfa.render import visible_landmarks, visible_vertices
from tddfa.types import BoundingBox, Detection, Face

_MODEL = open_face_model()
_IMAGE = np.zeros((500, 500, 3), np.uint8)
_LEFT_HALF, _RIGHT_HALF = range(9, 17), range(8)  # of the jaw, from the chin to the subject's ears


def face(yaw: float = 0.0, x: float = 250.0, scale: float = 2.0) -> Face:
    """A face whose nose is turned to the left of the image by `yaw` degrees."""
    rotation = np.diag([1.0, -1.0, -1.0]) @ Rotation.from_euler("y", -yaw, degrees=True).as_matrix()
    camera = np.column_stack([scale * rotation, [x, 250.0, 0.0]])
    box = BoundingBox(x - 100, 150, x + 100, 350)
    return Face(Detection(box, 1.0), replace(_MODEL.params(), camera=camera), _MODEL)


def depth_in_front(points: np.ndarray, vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """How far the nearest surface lies before each point, px; a ray through every triangle."""
    a, b, c = (vertices[triangles[:, k]].astype(float) for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    out = np.zeros(len(points))
    with np.errstate(divide="ignore", invalid="ignore"):
        for k, (x, y, z) in enumerate(points.astype(float)):
            v = ((x - a[:, 0]) * (c[:, 1] - a[:, 1]) - (y - a[:, 1]) * (c[:, 0] - a[:, 0])) / area
            w = ((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0])) / area
            hit = (v >= 0) & (w >= 0) & (v + w <= 1)
            surface = a[:, 2] + v * (b[:, 2] - a[:, 2]) + w * (c[:, 2] - a[:, 2])
            out[k] = z - surface[hit].min(initial=z)
    return out


@pytest.mark.parametrize("yaw", [0, 15, -30, 45, -60, 80])
@pytest.mark.parametrize("what", ["landmarks", "vertices"])
def test_what_is_hidden_has_a_surface_before_it(what: str, yaw: float) -> None:
    turned = face(yaw)
    mesh = turned.mesh
    if what == "landmarks":
        points, seen = turned.landmarks, visible_landmarks(_IMAGE, [turned])[0]
    else:
        points, seen = mesh.vertices[::20], visible_vertices(_IMAGE, [turned])[0][::20]
    before = depth_in_front(points, mesh.vertices, mesh.triangles)
    size = float(np.ptp(mesh.vertices, axis=0).max())
    assert seen.shape == (len(points),)
    # Nearer to the surface than the tolerance, and in the outline, cells of the z-buffer decide.
    deep, near = before > 0.06 * size, before < 0.005 * size
    assert seen[deep].sum() <= 0.02 * deep.sum()
    assert seen[near].mean() > 0.97
    assert yaw == 0 or deep.sum() > 2


def test_all_landmarks_of_a_frontal_face_are_seen_and_the_far_jaw_of_a_turned_one_is_not() -> None:
    assert visible_landmarks(_IMAGE, [face()])[0].all()
    (left,), (right,) = (visible_landmarks(_IMAGE, [face(yaw)]) for yaw in (50, -50))
    assert face(50).pose.yaw_deg == pytest.approx(50, abs=0.1)
    assert left[list(_LEFT_HALF)].all()
    assert not left[list(_RIGHT_HALF)[:6]].any()
    assert right[list(_RIGHT_HALF)].all()
    assert not right[list(_LEFT_HALF)[2:]].any()


def test_a_nearer_face_hides_a_farther_one_and_the_border_cuts() -> None:
    near, far = face(x=200, scale=2.0), face(x=300, scale=1.0)
    alone, beside = visible_landmarks(_IMAGE, [far])[0], visible_landmarks(_IMAGE, [near, far])
    assert alone.all()
    assert beside[0].all()
    assert 0 < beside[1].sum() < 68
    assert (beside[1] == visible_landmarks(_IMAGE, [far, near])[0]).all()
    cut = face(x=10)
    assert visible_landmarks(_IMAGE, [face(scale=0.05), face(scale=0.0001)])[0].sum() > 60
    assert (visible_landmarks(_IMAGE, [cut])[0] == (cut.landmarks[:, 0] > -0.5)).all()


def test_sets_of_landmarks_have_names() -> None:
    (seen,) = visible_landmarks(_IMAGE, [face()], "mediapipe478")
    assert len(seen) == len(face().points("mediapipe478"))
    assert visible_landmarks(_IMAGE, []) == visible_vertices(_IMAGE, []) == []
    with pytest.raises(InputError, match="no landmark set named 'dlib'"):
        visible_landmarks(_IMAGE, [face()], "dlib")
