from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from solids import cube, face_of, moved, random_rotation, solid, sphere
from tddfa.errors import InputError
from tddfa.render import (
    OVERLAYS,
    Light,
    depth_map,
    draw_dense,
    draw_depth,
    draw_heat,
    draw_landmarks,
    draw_regions,
    draw_shaded,
)
from tddfa.render.kernel import kernel
from tddfa.types import Face, Mesh, Topology

MESH_KINDS = ("3d", "depth", "pncc", "normals")


def with_uv(mesh: Mesh) -> Mesh:
    low, extent = mesh.vertices.min(axis=0), np.ptp(mesh.vertices, axis=0)
    uv = ((mesh.vertices - low) / extent)[:, :2].astype(np.float32)
    return Mesh(mesh.vertices, Topology(mesh.triangles, uv, mesh.topology.colors))


def ball(x: float = 60, y: float = 50, radius: float = 30, z: float = 0) -> Face:
    return face_of(with_uv(moved(sphere(20, 40), radius * np.eye(3), np.array([x, y, z]))))


def lit(mesh: Mesh) -> np.ndarray:
    return kernel.phong(mesh.vertices, kernel.vertex_normals(mesh), Light())


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)


@pytest.mark.parametrize("background", ["photo", "black", "transparent"])
@pytest.mark.parametrize("kind", OVERLAYS)
def test_drawing_changes_neither_the_photo_nor_the_faces(
    kind: str, background: str, photo: np.ndarray
) -> None:
    face = ball()
    before = photo.copy(), face.mesh.vertices.copy(), face.landmarks.copy()
    for array in (photo, face.mesh.vertices, face.landmarks):
        array.flags.writeable = False
    drawn = OVERLAYS[kind](photo, [face], background=background)
    assert drawn.dtype == np.uint8
    assert drawn.shape[2] == (4 if background == "transparent" else 3)
    assert not np.shares_memory(drawn, photo)
    for array, old in zip((photo, face.mesh.vertices, face.landmarks), before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("kind", sorted(set(OVERLAYS) - {"uv_tex"}))
def test_only_the_face_changes_and_without_faces_nothing(kind: str, photo: np.ndarray) -> None:
    drawn = OVERLAYS[kind](photo, [ball(x=30, y=50, radius=14)])
    assert (drawn != photo).any()
    np.testing.assert_array_equal(drawn[:, 75:], photo[:, 75:])
    np.testing.assert_array_equal(OVERLAYS[kind](photo, []), photo)


@pytest.mark.parametrize("kind", OVERLAYS)
@pytest.mark.parametrize("x", [-15.0, 0.0, 119.0, 500.0])
def test_faces_across_the_border_and_beside_the_image_are_drawn_as_far_as_they_show(
    kind: str, x: float, photo: np.ndarray
) -> None:
    drawn = OVERLAYS[kind](photo, [ball(x=x)])
    if kind == "uv_tex":
        return
    assert drawn.shape == photo.shape
    # The same face in a wider picture, cut to this one. Lines end differently at the border, and half-way
    # coordinates may round to the other side.
    wide = np.pad(photo, ((0, 0), (600, 600), (0, 0)))
    cut = OVERLAYS[kind](wide, [ball(x=x + 600)])[:, 600:-600]
    assert (np.abs(cut.astype(int) - drawn) > 2).any(axis=2).mean() < 0.02


@pytest.mark.parametrize("kind", MESH_KINDS)
def test_a_transparent_image_over_the_photo_is_the_image_over_the_photo(kind: str, photo: np.ndarray) -> None:
    drawn = OVERLAYS[kind](photo, [ball()], background="transparent").astype(float)
    over = drawn[..., 3:] / 255
    composed = over * drawn[..., :3] + (1 - over) * photo
    np.testing.assert_allclose(composed, OVERLAYS[kind](photo, [ball()]), atol=1.2)


@pytest.mark.parametrize("kind", ["2d_sparse", "2d_dense", "pose", "wireframe"])
def test_transparent_strokes_over_the_photo_are_the_strokes_over_the_photo(
    kind: str, photo: np.ndarray
) -> None:
    drawn = OVERLAYS[kind](photo, [ball()], background="transparent").astype(float)
    over = drawn[..., 3:] / 255
    composed = over * drawn[..., :3] + (1 - over) * photo
    np.testing.assert_allclose(composed, OVERLAYS[kind](photo, [ball()]), atol=3)


def test_an_unknown_background_is_refused_with_the_choice() -> None:
    # In a process of its own, as the shape checks of the tests would speak up first.
    code = (
        "import numpy as np; from tddfa.render import draw_pncc; "
        "draw_pncc(np.zeros((9, 9, 3), np.uint8), [], background='white')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "InputError: no background 'white'; choose one of photo, black, transparent" in done.stderr


def test_two_faces_share_one_depth_range(photo: np.ndarray) -> None:
    near, far = ball(x=30, radius=20, z=-40), ball(x=90, radius=20, z=40)
    drawn = draw_depth(photo, [near, far], background="black")
    assert drawn[50, 30].tolist() == [255, 255, 255]
    # Nearest point of the far ball: 20 before its centre, in a range from −60 to 60.
    assert drawn[50, 90, 0] == pytest.approx(255 * (60 - 20) / 120, abs=1)


def test_the_depth_map_is_in_pixels_and_says_where_it_is_known(photo: np.ndarray) -> None:
    depth, mask = depth_map(photo, [ball(x=60, y=50, radius=30, z=5)])
    assert depth[50, 60] == pytest.approx(5 - 30, abs=0.2)
    np.testing.assert_array_equal(np.isfinite(depth), mask)
    assert mask.sum() == pytest.approx(np.pi * 30**2, rel=0.02)


def test_a_face_behind_another_is_hidden_whatever_their_order(photo: np.ndarray) -> None:
    front, back = ball(x=50, z=-100), ball(x=70, z=100)
    for kind in MESH_KINDS:
        draw = OVERLAYS[kind]
        np.testing.assert_array_equal(draw(photo, [front, back]), draw(photo, [back, front]))


def test_light_falls_from_the_viewer() -> None:
    brightness = lit(moved(sphere(), 50 * np.eye(3), np.array([60, 50, 0])))[:, 0]
    normals = sphere().vertices
    assert brightness[normals[:, 2] < -0.999].min() == pytest.approx(1.0, abs=0.02)  # faces the camera
    np.testing.assert_allclose(brightness[normals[:, 2] > 0.999], 0.3 + 0.1, atol=0.02)  # faces away
    assert brightness[np.abs(normals[:, 2]) < 0.05].max() < 0.5


def test_light_does_not_depend_on_place_size_or_a_vertex_without_triangles() -> None:
    small = moved(sphere(), 7 * np.eye(3), np.array([-3, 9, 2]))
    large = moved(sphere(), 500 * np.eye(3), np.array([900, 40, -8]))
    np.testing.assert_allclose(lit(small), lit(large), atol=1e-3)
    lonely = solid(np.array([[0, 0, 0], [0, 9, 0], [9, 0, 0], [5, 5, 5]]), np.array([[0, 1, 2]]))
    assert np.isfinite(lit(lonely)).all()


@pytest.mark.parametrize("seed", range(3))
def test_dots_lie_only_on_the_visible_half_of_a_cube(seed: int, photo: np.ndarray) -> None:
    rng = np.random.default_rng(seed)
    R = random_rotation(rng)
    corners = cube().vertices @ R.T
    hidden = corners[np.argmax(corners[:, 2])]  # the farthest corner never shows
    face = face_of(moved(cube(), 20 * R, np.array([60, 50, 0])))
    drawn = draw_dense(np.zeros_like(photo), [face], alpha=1)
    x, y = np.rint(hidden[:2] * 20 + [60, 50]).astype(int)
    others = np.delete(corners, np.argmax(corners[:, 2]), axis=0)[:, :2]
    if np.hypot(*(others - hidden[:2]).T).min() > 0.3:
        assert not drawn[y - 1 : y + 2, x - 1 : x + 2].any()
    nearest = corners[np.argmin(corners[:, 2])]
    x, y = np.rint(nearest[:2] * 20 + [60, 50]).astype(int)
    assert drawn[y - 2 : y + 3, x - 2 : x + 3].any()


def test_a_colour_tints_the_surface_and_white_changes_nothing(photo: np.ndarray) -> None:
    white = draw_shaded(photo, [ball()], background="black")
    red = draw_shaded(photo, [ball()], background="black", color=(255, 0, 128))
    np.testing.assert_array_equal(red[..., 0], white[..., 0])
    assert not red[..., 1].any()
    np.testing.assert_allclose(red[..., 2], white[..., 2] * (128 / 255), atol=1)


def test_false_colours_of_depth_end_at_the_ends_of_the_map(photo: np.ndarray) -> None:
    drawn = draw_depth(photo, [ball()], colormap="viridis", background="black")
    np.testing.assert_allclose(drawn[50, 60], (253, 231, 37), atol=3)  # nearest: viridis ends in yellow
    with pytest.raises(InputError, match="turbo, viridis"):
        draw_depth(photo, [ball()], colormap="rainbow")


def test_a_heat_map_shows_the_values_of_the_vertices(photo: np.ndarray) -> None:
    face = ball()
    x = face.mesh.vertices[:, 0].astype(float)
    drawn = draw_heat(photo, [face], [x], limits=(30, 90), colormap="viridis", alpha=1)
    np.testing.assert_allclose(drawn[50, 32], (68, 1, 84), atol=15)  # viridis begins in violet
    np.testing.assert_allclose(drawn[50, 60], (33, 145, 140), atol=6)
    np.testing.assert_array_equal(drawn, draw_heat(photo, [face], [x], colormap="viridis", alpha=1))
    with pytest.raises(InputError, match="so \\(762,\\)"):
        draw_heat(photo, [face], [x[1:]])


def test_regions_have_colours_of_their_own(photo: np.ndarray) -> None:
    face = ball()
    left, right = face.mesh.vertices[:, 0] < 50, face.mesh.vertices[:, 0] > 70
    drawn = draw_regions(photo, [face], {"a": left, "b": right}, colors={"b": (0, 0, 255)}, alpha=1)
    np.testing.assert_array_equal(drawn[50, 85], (0, 0, 255))
    assert drawn[50, 35].tolist() not in ([0, 0, 255], [128, 128, 128])
    np.testing.assert_array_equal(drawn[50, 60], (128, 128, 128))


def test_a_wireframe_draws_the_edges_before_but_not_those_behind() -> None:
    black = np.zeros((100, 120, 3), np.uint8)
    box = moved(cube(), 25 * np.eye(3), np.array([60, 50, 0]))
    inside = moved(cube(), 8 * np.eye(3), np.array([60, 50, 60]))  # behind the box, smaller
    drawn = OVERLAYS["wireframe"](black, [face_of(box), face_of(inside)], alpha=1)
    np.testing.assert_array_equal(drawn, OVERLAYS["wireframe"](black, [face_of(box)], alpha=1))
    assert drawn[50, 35].all()  # an edge of the front
    assert drawn[50, 85].all()
    assert not drawn[60, 80].any()  # neither an edge nor the diagonal


def test_plain_landmarks_are_dots_at_their_places() -> None:
    black = np.zeros((100, 120, 3), np.uint8)
    face = ball()
    drawn = draw_landmarks(black, [face], style="plain", alpha=1)
    x, y = np.rint(face.landmarks[:, :2]).astype(int).T
    assert (drawn[y, x, 1] > 100).all()
    assert not drawn[..., (0, 2)].any()
    assert (drawn.any(axis=2)).sum() < 68 * 16


def test_the_pose_box_opens_to_where_the_face_looks(photo: np.ndarray) -> None:
    from tddfa.geometry.rotation import head_rotation
    from tddfa.types import HeadPose

    black = np.zeros((300, 300, 3), np.uint8)
    face = ball(x=150, y=150)
    sides = []
    for yaw in (60.0, -60.0):
        R = head_rotation(HeadPose(yaw, 0.0, 0.0))
        camera = np.column_stack([R, [150, 150, 0]])
        turned = replace(face, params=replace(face.params, camera=camera))
        drawn = OVERLAYS["pose"](black, [turned], axes=False)
        sides.append(np.nonzero(drawn.any(axis=(0, 2)))[0].mean() - face.landmarks[:27, 0].mean())
    assert sides[0] < -5  # +yaw turns the nose to the left of the picture
    assert sides[1] == pytest.approx(-sides[0], abs=1.5)
