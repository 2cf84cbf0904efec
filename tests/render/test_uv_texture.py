from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from solids import face_of, moved, solid
from tddfa.errors import InputError
from tddfa.render import draw_textured, draw_uv_texture, face_textures, merge_textures
from tddfa.render.numpy_kernel import push_pull
from tddfa.types import Face


def arch(turn_deg: float, *, radius: float = 60.0, center: tuple[float, float] = (100, 80)) -> Face:
    """Half a cylinder that bulges to the viewer, turned about its axis; u runs around, v up."""
    n = 61
    angle, height = np.meshgrid(np.linspace(-np.pi / 2, np.pi / 2, n), np.linspace(-50, 50, 31))
    turned = angle + np.radians(turn_deg)
    vertices = np.stack([radius * np.sin(turned), height, -radius * np.cos(turned)], axis=-1).reshape(-1, 3)
    uv = np.stack([angle / np.pi + 0.5, 0.5 - height / 100], axis=-1).reshape(-1, 2)
    k = np.arange(n * 31).reshape(31, n)
    a, b, c, d = (k[i : i + 30 or None, j : j + n - 1].ravel() for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)))
    triangles = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    mesh = moved(solid(vertices, triangles, uv=uv.astype(np.float32)), np.eye(3), np.array([*center, 0]))
    return face_of(mesh)


def stripes() -> np.ndarray:
    """A photo whose red grows with x and whose green grows with y."""
    photo = np.zeros((160, 200, 3), np.uint8)
    photo[..., 0], photo[..., 1] = np.arange(200), np.arange(160)[:, None]
    return photo


def test_each_texel_has_the_colour_of_its_place_in_the_photo() -> None:
    size = 128
    texture = face_textures(stripes(), [arch(0)], size=size)[0]
    u, v = (np.arange(size) + 0.5) / size, 1 - (np.arange(size) + 0.5) / size
    x, y = 100 + 60 * np.sin((u - 0.5) * np.pi), 80 + 100 * (0.5 - v)
    inner = slice(32, -32)  # the sides are seen edge-on
    assert texture.covered.all()
    assert texture.seen[16:-16, inner].all()
    np.testing.assert_allclose(texture.image[8:-8, inner, 0], np.tile(x[inner], (size - 16, 1)), atol=1.6)
    np.testing.assert_allclose(texture.image[8:-8, inner, 1], np.tile(y[8:-8, None], (1, 64)), atol=1.6)


def test_the_hidden_side_of_a_turned_face_mirrors_the_side_that_shows() -> None:
    # A face of one colour before a background of another: no texel may show the background.
    photo = np.full((160, 200, 3), (0, 0, 255), np.uint8)
    face = arch(60)
    low, high = face.mesh.vertices.min(axis=0).astype(int), face.mesh.vertices.max(axis=0).astype(int)
    photo[low[1] : high[1] + 1, low[0] : high[0] + 1] = (200, 120, 100)
    texture = face_textures(photo, [face], size=96)[0]
    assert 0.3 < texture.seen.mean() < 0.7
    np.testing.assert_allclose(
        texture.image.astype(int), np.broadcast_to((200, 120, 100), (96, 96, 3)), atol=2
    )


def test_a_face_before_another_lends_it_no_colour() -> None:
    photo = np.full((160, 200, 3), (90, 90, 90), np.uint8)
    back = arch(0)
    front = face_of(
        moved(arch(0, radius=20, center=(0, 0)).mesh, np.diag([1, 0.5, 1]), np.array([100, 80, -90]))
    )
    photo[55:106, 80:121] = (255, 0, 0)
    texture = face_textures(photo, [back, front], size=64)[0]
    assert not texture.seen[32, 32]
    assert texture.image[32, 32].tolist() == pytest.approx([90, 90, 90], abs=2)


def test_texels_beside_the_image_are_not_seen_and_not_black() -> None:
    photo = np.full((160, 100, 3), (50, 60, 70), np.uint8)  # ends in the middle of the face
    texture = face_textures(photo, [arch(0)], size=64)[0]
    assert not texture.seen[:, 40:].any()
    assert (np.abs(texture.image.astype(int) - (50, 60, 70)) <= 2).all()


def test_textures_stand_side_by_side_and_can_leave_hidden_places_empty() -> None:
    faces = [arch(0), arch(70)]
    drawn = draw_uv_texture(stripes(), faces, size=64, fill=False)
    assert drawn.shape == (64, 128, 3)
    seen = np.hstack([t.seen for t in face_textures(stripes(), faces, size=64)])
    assert not drawn[~seen].any()


def test_two_photos_from_two_sides_make_one_texture_without_guesses() -> None:
    # Two sides in two colours: each photo shows one side, the other is a mirror image of it.
    photos = {}
    for turn, color in ((60, (220, 40, 40)), (-60, (40, 40, 220))):
        photo = np.full((160, 200, 3), color, np.uint8)
        photos[turn] = face_textures(photo, [arch(turn)], size=96)[0]
    merged = merge_textures(list(photos.values()))
    assert merged.seen.mean() > 1.3 * photos[60].seen.mean()
    np.testing.assert_allclose(merged.image[48, 20], (220, 40, 40), atol=3)  # turned by 60°, u = 0 shows
    np.testing.assert_allclose(merged.image[48, 75], (40, 40, 220), atol=3)
    np.testing.assert_array_equal(merged.trust, np.maximum(photos[60].trust, photos[-60].trust))
    with pytest.raises(InputError, match="no textures"):
        merge_textures([])
    with pytest.raises(InputError, match="size or layout"):
        merge_textures([merged, face_textures(stripes(), [arch(0)], size=48)[0]])


def test_a_face_drawn_with_its_texture_is_the_photo_again_and_turns_with_it() -> None:
    photo = stripes()
    texture = face_textures(photo, [arch(0)], size=512)[0]
    again = draw_textured(photo, [arch(0)], [texture.image])
    inner = slice(40, 120), slice(70, 131)
    np.testing.assert_allclose(again[inner].astype(int), photo[inner], atol=2)
    turned = draw_textured(photo, [arch(30)], [texture.image], background="transparent")
    # What was in the middle has moved to the right by 60 sin 30°.
    np.testing.assert_allclose(turned[80, 130, :2].astype(int), photo[80, 100, :2], atol=3)
    assert turned[80, 30, 3] == 0
    with pytest.raises(InputError, match="0 textures for 1 faces"):
        draw_textured(photo, [arch(0)], [])


def test_a_model_without_layout_and_a_size_of_nothing_are_refused() -> None:
    flat = face_of(solid(np.array([[0, 0, 0], [0, 9, 0], [9, 0, 0]]), np.array([[0, 1, 2]])))
    with pytest.raises(InputError, match="no texture layout"):
        face_textures(stripes(), [flat])
    with pytest.raises(InputError, match="size=0; it takes a whole number from 1 to 16384"):
        face_textures(stripes(), [arch(0)], size=0)


def test_filling_keeps_what_is_known_and_spreads_a_constant() -> None:
    rng = np.random.default_rng(1)
    values, known = rng.random((2, 64, 64), np.float32), rng.random((64, 64)) < 0.1
    weight = known.astype(np.float32)
    filled = push_pull(values * weight, weight, 0)
    np.testing.assert_allclose(filled[:, known], values[:, known], atol=1e-6)
    assert filled.min() >= values[:, known].min() - 1e-6
    assert filled.max() <= values[:, known].max() + 1e-6
    np.testing.assert_allclose(push_pull(np.full_like(values, 3) * weight, weight, 0), 3, rtol=1e-5)


def face_with(**expression: float) -> Face:
    from tddfa.geometry.camera import scaled_camera
    from tddfa.morphable import open_face_model
    from tddfa.types import BoundingBox, Detection

    model = open_face_model()
    camera = scaled_camera(1.6, np.diag([1.0, -1, -1]), np.array([160.0, 130.0]))
    params = model.params(camera, expression=expression)
    return Face(Detection(BoundingBox.around(model.landmarks(params))), params, model)


def eye_colors_of(face: Face, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours of the vertices of irises and of whites, in a texture."""
    topology = face.mesh.topology
    at = np.rint(topology.uv * 511).astype(int)
    colors = image[511 - at[:, 1], at[:, 0]].astype(int)
    radius = np.hypot(*topology.pupil_offsets.T)
    return colors[(radius > 2.8) & (radius < 4.5)], colors[(radius > 7) & (radius < 12)]


def test_closed_eyes_of_a_photo_open_with_irises_and_whites() -> None:
    skin = np.full((360, 320, 3), (190, 150, 130), np.uint8)
    (texture,) = face_textures(skin, [face_with(eyeBlinkLeft=1, eyeBlinkRight=1)], size=512)
    iris, white = eye_colors_of(face_with(), texture.image)
    assert len(iris) > 10
    assert (iris.mean(axis=0) < 110).all()
    assert np.ptp(white.mean(axis=0)) < 12  # white, not skin
    assert white.mean() > iris.mean() + 60
    merged = merge_textures([texture, texture])
    np.testing.assert_allclose(eye_colors_of(face_with(), merged.image)[0], iris, atol=2)


def test_the_hidden_part_of_eyes_has_the_colours_that_the_photo_shows_of_them() -> None:
    face = face_with(eyeWideLeft=1, eyeWideRight=1)
    green = np.full((360, 320, 3), (60, 140, 90), np.uint8)
    (texture,) = face_textures(green, [face], size=512)
    iris, white = eye_colors_of(face, texture.image)
    np.testing.assert_allclose(np.median(iris, axis=0), (60, 140, 90), atol=3)
    np.testing.assert_allclose(np.median(white, axis=0), (60, 140, 90), atol=3)


@pytest.mark.parametrize(
    "weights",
    [{}, {"jawOpen": 1.0}, {"mouthSmileLeft": 1, "mouthSmileRight": 1, "jawOpen": 0.3}, {"mouthFunnel": 1.0}],
    ids=["closed", "open", "smile", "funnel"],
)
def test_lips_are_taken_from_the_photo_however_open_the_mouth(weights: dict[str, float]) -> None:
    face = face_with(**weights)
    photo = np.full((360, 320, 3), (60, 140, 90), np.uint8)
    size = 256
    (texture,) = face_textures(photo, [face], size=size)
    uv, materials = face.mesh.topology.uv, face.mesh.topology.materials
    assert uv is not None
    assert materials is not None
    outside = np.flatnonzero(~materials.any(axis=1))
    # The outer row of the lips; the inner one may hide behind the other lip.
    distances = np.linalg.norm(face.mesh.vertices[outside] - face.landmarks[48:60, None], axis=2)
    lips = outside[distances.argmin(axis=1)]
    rows, columns = ((1 - uv[lips, 1]) * size).astype(int), (uv[lips, 0] * size).astype(int)
    assert (texture.trust[rows, columns] > 0.5).mean() > 0.9


def test_the_inside_of_a_mouth_is_shaded_darker_than_skin() -> None:
    from tddfa.render import draw_shaded

    face = face_with(jawOpen=0.8)
    black = np.zeros((360, 320, 3), np.uint8)
    picture = draw_shaded(black, [face], alpha=1.0)
    x, y = np.rint(face.landmarks[[62, 66], :2].mean(axis=0)).astype(int)
    nose = np.rint(face.landmarks[30, :2]).astype(int)
    assert picture[y, x, 0] < 0.6 * picture[nose[1], nose[0], 0]


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.6])
def test_rims_of_eyelids_do_not_speckle_in_the_shaded_overlay(scale: float) -> None:
    from tddfa.render import draw_shaded

    face = face_with(eyeSquintLeft=0.3, eyeSquintRight=0.3)
    camera = face.params.camera * np.array([[scale], [scale], [scale]])
    face = replace(face, params=replace(face.params, camera=camera))
    flat = replace(face.model, topology=replace(face.mesh.topology, lit_as=None))
    black = np.zeros((360, 360, 3), np.uint8)
    eyes = np.rint(face.landmarks[36:48, :2]).astype(int)
    (x0, y0), (x1, y1) = eyes.min(axis=0) - 2, eyes.max(axis=0) + 3
    dark = [
        (draw_shaded(black, [f], alpha=1.0)[y0:y1, x0:x1, 0] < 115).sum()
        for f in (face, replace(face, model=flat))
    ]
    assert dark[0] <= 0.6 * dark[1]
