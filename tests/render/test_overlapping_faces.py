"""Of faces that overlap, the nearer one is in front as a whole: the one with more pixels per millimetre."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from solids import face_of, moved, solid
from tddfa.render import OVERLAYS, depth_map, draw_textured, face_textures
from tddfa.render.rasterizer import back_to_front
from tddfa.types import Face
from toys import ellipsoid_grid


def ball(x: float, radius: float, z: float, scale: float) -> Face:
    """The front half of a ball, with a texture layout, seen at `scale` px per mm."""
    vertices, triangles, uv = ellipsoid_grid(25)
    mesh = moved(solid(vertices, triangles, uv=uv), np.diag([1, -1, -1]) * radius, np.array([x, 60, z]))
    face = face_of(mesh)
    camera = face.params.camera.copy()
    camera[:, :3] *= scale
    return Face(face.detection, replace(face.params, camera=camera), face.model)


# The zero of depth is each face's own: the far face seems to lie before the near one, or to cut through it.
@pytest.fixture(params=[-500.0, -20.0, 0.0, 500.0], ids=lambda z: f"far face at z = {z:g}")
def pair(request: pytest.FixtureRequest) -> tuple[Face, Face]:
    return ball(x=55, radius=40, z=0, scale=2), ball(x=90, radius=20, z=request.param, scale=1)


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (120, 150, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["3d", "pncc", "normals"])
@pytest.mark.parametrize("background", ["photo", "transparent"])
def test_each_pixel_is_that_of_the_nearest_face_alone(kind, background, pair, photo) -> None:
    near, far = pair
    _, over = depth_map(photo, [near])
    _, both = depth_map(photo, [near, far])
    assert (over & depth_map(photo, [far])[1]).sum() > 300
    assert (both & ~over).sum() > 300
    for faces in ([near, far], [far, near]):
        drawn = OVERLAYS[kind](photo, faces, background=background)
        np.testing.assert_array_equal(drawn[over], OVERLAYS[kind](photo, [near], background=background)[over])
        np.testing.assert_array_equal(
            drawn[~over], OVERLAYS[kind](photo, [far], background=background)[~over]
        )


def test_the_depth_of_each_pixel_is_that_of_the_nearest_face(pair, photo) -> None:
    near, far = pair
    one, over = depth_map(photo, [near])
    other, _ = depth_map(photo, [far])
    expected = np.where(over, one, other)
    for faces in ([near, far], [far, near]):
        depth, mask = depth_map(photo, faces)
        np.testing.assert_array_equal(depth, expected)
        np.testing.assert_array_equal(mask, np.isfinite(expected))


@pytest.mark.parametrize("kind", ["wireframe", "2d_dense"])
def test_no_stroke_of_a_far_face_shows_on_a_nearer_one(kind, pair, photo) -> None:
    near, far = pair
    inner = binary_erosion(depth_map(photo, [near])[1], iterations=4)
    outer = ~depth_map(photo, [near])[1]
    for faces in ([near, far], [far, near]):
        drawn = OVERLAYS[kind](photo, faces)
        np.testing.assert_array_equal(drawn[inner], OVERLAYS[kind](photo, [near])[inner])
        assert (drawn != OVERLAYS[kind](photo, [near]))[outer].any(axis=1).sum() > 20


def test_a_texture_takes_nothing_from_a_nearer_face(pair) -> None:
    near, far = pair
    image = np.zeros((120, 150, 3), np.uint8)
    image[depth_map(image, [far])[1]] = (0, 200, 0)
    image[depth_map(image, [near])[1]] = (200, 0, 0)
    alone = face_textures(image, [near], size=64)[0]
    for faces in ([near, far], [far, near]):
        textures = dict(zip(map(id, faces), face_textures(image, faces, size=64), strict=True))
        hidden, front = textures[id(far)], textures[id(near)]
        np.testing.assert_array_equal(front.image, alone.image)
        np.testing.assert_array_equal(front.trust, alone.trust)
        assert 0.1 < hidden.seen.mean() < face_textures(image, [far], size=64)[0].seen.mean()
        # Nothing of it is red, also where it had to be filled.
        assert hidden.image[hidden.covered][:, 0].max() < 30
        drawn = draw_textured(image, faces, [textures[id(face)] for face in faces])
        assert drawn[60, 75, 0] > 150


def test_faces_of_equal_size_are_ordered_by_depth_and_several_by_size() -> None:
    front, back = ball(50, 20, -9, 1), ball(60, 20, 9, 1)
    assert back_to_front([front, back]) == [1, 0]
    assert back_to_front([back, front]) == [0, 1]
    many = [ball(60, 20, z, scale) for z, scale in ((0, 3), (-99, 1), (5, 2), (99, 4))]
    assert back_to_front(many) == [1, 2, 0, 3]
    assert back_to_front([]) == []
