"""A whole head from a photo, which shows its face alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tddfa.errors import InputError
from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.morphable import open_face_model
from tddfa.render import draw_textured, face_textures, texture_colors
from tddfa.types import BoundingBox, Detection, Face, HeadPose

SKIN, WALL, HAIR = (205, 150, 125), (20, 60, 230), (35, 25, 20)


def head_at(yaw_deg: float) -> Face:
    model = open_face_model()
    camera = scaled_camera(1.5, head_rotation(HeadPose(yaw_deg, 0, 0)), np.array([200.0, 190.0]))
    params = model.params(camera)
    return Face(Detection(BoundingBox.around(model.landmarks(params))), params, model)


def photo_of(face: Face, *, hair: bool = False) -> np.ndarray:
    """A head of one colour before a wall; with hair, which a cap of its upper part is."""
    head = face.cropped("head")
    wall = np.full((400, 400, 3), WALL, np.uint8)
    texture = np.full((64, 64, 3), SKIN, np.uint8)
    drawn = draw_textured(wall, [head], [texture], background="photo")
    if hair:
        brow = face.landmarks[17:27, 1].min()
        drawn[: int(brow - 12)][(drawn[: int(brow - 12)] != WALL).any(axis=2)] = HAIR
    return drawn


def outside(face: Face) -> np.ndarray:
    """Vertices that are neither in the mouth nor on the eyeballs."""
    regions = face.model.regions  # type: ignore[attr-defined]
    return ~np.any([regions[name] for name in ("mouth", "teeth", "tongue", "eyeballs")], axis=0)


@pytest.mark.parametrize("yaw_deg", [0, 35, -70])
@pytest.mark.parametrize("hair", [False, True])
def test_the_back_of_a_head_has_the_colour_of_the_skin_and_not_of_wall_or_hair(yaw_deg, hair) -> None:
    face = head_at(yaw_deg)
    head = face.cropped("head")
    (texture,) = face_textures(photo_of(face, hair=hair), [head], size=512)
    colors = texture_colors(head, texture)[outside(head)].astype(int)
    assert np.abs(colors - SKIN).max(axis=1).mean() < 6
    assert np.quantile(np.abs(colors - SKIN).max(axis=1), 0.98) < (
        60 if hair else 30
    )  # of 170 between skin and hair


def test_a_whole_head_is_the_same_face_with_more_around_it() -> None:
    face = head_at(20)
    head = face.cropped("head")
    np.testing.assert_array_equal(head.landmarks, face.landmarks)
    assert head.params is face.params
    assert np.ptp(head.vertices[:, 1]) > 1.2 * np.ptp(face.vertices[:, 1])
    assert head.cropped("face").model is face.model
    # It is closed, but for the eyes and the mouth, whose borders lie inside.
    shape = head.model.shape(head.params)
    _, first, point = np.unique(shape, axis=0, return_index=True, return_inverse=True)
    corners = first[point.reshape(-1)][head.triangles]
    sides = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), axis=1)
    border, n = np.unique(sides, axis=0, return_counts=True)
    assert n.max() <= 3
    z = shape[np.unique(border[n == 1]), 2]
    assert z.min() > -45  # mm; the nape is at -145


def test_the_texture_of_a_head_has_no_seam() -> None:
    face = head_at(25)
    head = face.cropped("head")
    rng = np.random.default_rng(0)
    photo = np.clip(photo_of(face).astype(int) + rng.normal(0, 6, (400, 400, 1)), 0, 255).astype(np.uint8)
    photo[:, 200:] = photo[:, 200:] * 0.8  # light from one side
    (texture,) = face_textures(photo, [head], size=512)
    colors = texture_colors(head, texture).astype(int)
    _, first, point = np.unique(head.vertices, axis=0, return_index=True, return_inverse=True)
    twin = first[point.reshape(-1)]
    scalp = head.mesh.topology.materials[:, 0] > 0.9
    apart = (twin != np.arange(len(twin))) & scalp & scalp[twin]
    assert apart.sum() > 50
    assert np.abs(colors[apart] - colors[twin[apart]]).max() <= 16  # of 200


def test_what_a_closed_mouth_hides_is_not_skin() -> None:
    face = head_at(0)
    (texture,) = face_textures(photo_of(face), [face], size=512)
    colors = texture_colors(face, texture).astype(int)
    regions = face.model.regions  # type: ignore[attr-defined]
    teeth, tongue = (np.median(colors[regions[name]], axis=0) for name in ("teeth", "tongue"))
    assert teeth.min() > 190
    assert tongue[0] > tongue[1] + 50
    assert np.median(colors[regions["mouth"]], axis=0).max() < 130


def test_a_head_that_shows_nothing_stays_a_head() -> None:
    face = replace(
        head_at(0), params=replace(head_at(0).params, camera=scaled_camera(1.5, np.eye(3), np.zeros(2)))
    )
    (texture,) = face_textures(photo_of(head_at(0)), [face.cropped("head")], size=64)
    assert np.isfinite(texture.trust).all()


def test_other_models_and_crops_are_refused_in_one_line() -> None:
    face = head_at(0)
    with pytest.raises(InputError, match="the model 'open' has no crop 'ears'; there are: face, head"):
        face.cropped("ears")
    from golden_faces import GoldenModel

    other = replace(face, model=GoldenModel(face.vertices, face.landmarks))
    with pytest.raises(InputError, match="has no crop 'head'; the open model has face and head"):
        other.cropped("head")
