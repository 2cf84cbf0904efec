"""The inside of the mouth: hidden while it is closed, closed itself, and moving as it should."""

from dataclasses import replace

import numpy as np
import pytest

from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.morphable import MorphableModel, open_face_model
from tddfa.render import rasterize
from tddfa.types import HeadPose

INSIDE = ("mouth", "teeth", "tongue")


def seen(
    model: MorphableModel, identity: np.ndarray | None, expression: dict, yaw: float = 0.0
) -> np.ndarray:
    """Number of pixels that show each region of the inside, at 3 px per mm."""
    camera = scaled_camera(3.0, head_rotation(HeadPose(yaw, 0, 0)), np.array([250.0, 250.0]))
    triangle = rasterize([model.reconstruct(model.params(camera, identity, expression))], 700, 500).triangle
    shown = model.topology.triangles[triangle[triangle >= 0]]
    return np.array([model.regions[name][shown].all(axis=1).sum() for name in INSIDE])


def middle(model: MorphableModel, mask: np.ndarray, expression: dict[str, float]) -> np.ndarray:
    return model.shape(model.params(expression=expression))[mask].mean(axis=0)


@pytest.mark.parametrize("yaw", [0.0, 40.0])
def test_closed_lips_hide_the_inside_on_all_people(yaw: float) -> None:
    model, random = open_face_model(), np.random.default_rng(2)
    opened = seen(model, None, {"jawOpen": 1.0}, yaw).sum()
    assert opened > 3000
    for _ in range(10):
        assert seen(model, random.normal(size=80), {}, yaw).sum() < 0.02 * opened


def test_an_open_mouth_shows_cavity_teeth_and_tongue() -> None:
    shown = seen(open_face_model(), None, {"jawOpen": 0.6, "mouthLowerDownLeft": 1, "mouthLowerDownRight": 1})
    assert shown.min() > 100


@pytest.mark.parametrize("yaw", [0.0, 35.0, -35.0])
def test_an_open_mouth_is_no_hole(yaw: float) -> None:
    model = open_face_model()
    camera = scaled_camera(3.0, head_rotation(HeadPose(yaw, 0, 0)), np.array([250.0, 250.0]))
    for expression in ({"jawOpen": 1.0}, {"jawOpen": 0.7, "mouthFunnel": 1.0}):
        mesh = model.reconstruct(model.params(camera, None, expression))
        fragments = rasterize([mesh], 700, 500)
        triangle = np.full((700, 500), -1)
        triangle[fragments.region] = fragments.triangle
        lips = model.landmarks(model.params(camera, None, expression), "inner_lips")[:, :2]
        inside = polygon(lips, triangle.shape)
        assert inside.sum() > 1500
        assert (triangle[inside] >= 0).all()


def polygon(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels inside a closed line."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


def test_lower_teeth_and_tongue_go_with_the_jaw_and_upper_teeth_stay() -> None:
    model = open_face_model()
    rest = model.shape(model.params())
    teeth = model.regions["teeth"]
    lower = teeth & (model.shape(model.params(expression={"jawOpen": 1.0}))[:, 1] - rest[:, 1] < -1)
    upper = teeth & ~lower
    assert 0.4 < lower.sum() / teeth.sum() < 0.6
    for expression, far in (({"jawOpen": 1.0}, 15), ({"jawLeft": 1.0}, 5), ({"jawForward": 1.0}, 5)):
        for mask in (lower, model.regions["tongue"]):
            moved = middle(model, mask, expression) - middle(model, mask, {})
            assert np.linalg.norm(moved) > far, expression
        np.testing.assert_allclose(middle(model, upper, expression), middle(model, upper, {}), atol=0.1)


def test_tongue_out_puts_the_tongue_before_the_lips() -> None:
    model = open_face_model()
    out = model.shape(model.params(expression={"jawOpen": 0.5, "tongueOut": 1.0}))
    tongue, lips = out[model.regions["tongue"]], out[model.regions["lips"]]
    assert tongue[:, 2].max() > lips[:, 2].max() + 3


def test_cheek_puff_blows_the_cheeks_up() -> None:
    model = open_face_model()
    rest, puffed = (model.shape(model.params(expression=e)) for e in ({}, {"cheekPuff": 1.0}))
    beside_mouth = np.linalg.norm(rest - [45, -64, -9], axis=1) < 8
    assert (puffed - rest)[beside_mouth, 2].min() > 8


def test_the_skin_does_not_depend_on_what_lies_behind_its_edges() -> None:
    # Lips and lids end in creases: the refined skin is that of a mesh that ends there.
    from tddfa.morphable.open_model import read_arrays
    from tddfa.morphable.subdivision import catmull_clark

    arrays = read_arrays()
    quads, mean, n_skin = arrays["quads"].astype(np.int32), arrays["mean"], 3185
    skin = quads[(quads < n_skin).all(axis=1)]
    alone, whole = (
        catmull_clark(skin, len(mean)),
        catmull_clark(quads, len(mean), arrays["creases"].astype(np.int32)),
    )
    np.testing.assert_allclose(alone(mean)[:n_skin], whole(mean)[:n_skin], atol=1e-5)


def test_a_mesh_without_its_mouth_is_still_a_mesh() -> None:
    model = open_face_model()
    inside = np.any([model.regions[name] for name in INSIDE], axis=0)
    kept = model.topology.triangles[~inside[model.topology.triangles].any(axis=1)]
    mesh = model.reconstruct(
        model.params(scaled_camera(2.0, np.diag([1.0, -1, -1]), np.array([150.0, 150.0])))
    )
    skin = replace(mesh, topology=replace(mesh.topology, triangles=kept))
    assert rasterize([skin], 400, 300).mask.any()
