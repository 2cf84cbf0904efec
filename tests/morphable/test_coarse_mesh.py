from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import trimesh

from tddfa.morphable import MorphableModel, open_face_model
from tddfa.morphable.coarse_mesh import TOLERANCE_MM
from tddfa.types import MeshPart


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return open_face_model()


@pytest.fixture(scope="module")
def part(model: MorphableModel) -> MeshPart:
    part = model.coarse_mesh(model.blendshapes().values())
    assert part is not None
    return part


def inside(model: MorphableModel) -> np.ndarray:
    assert model.topology.inside is not None
    return model.topology.inside > 0


def borders(places: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Places of the vertices where a surface ends; vertices at one place are one."""
    number = np.unique(np.round(places, 4), axis=0, return_inverse=True)[1].ravel()
    sides = np.sort(number[triangles[:, [[0, 1], [1, 2], [2, 0]]]].reshape(-1, 2), axis=1)
    ends = {
        vertex for side, count in Counter(map(tuple, sides.tolist())).items() if count == 1 for vertex in side
    }
    return np.unique(np.round(places[np.isin(number, list(ends))], 4), axis=0)


@pytest.mark.parametrize("expression", [{}, {"jawOpen": 1.0}, {"eyeBlinkLeft": 1.0}, {"mouthClose": 1.0}])
def test_what_is_left_out_lies_within_the_tolerance_of_the_coarse_mesh(
    model: MorphableModel, part: MeshPart, expression: dict[str, float]
) -> None:
    vertices = model.shape(model.params(expression=expression))
    left_out = np.setdiff1d(np.flatnonzero(~inside(model)), part.vertices)
    assert len(left_out) > 3000
    points = vertices[left_out[:: len(left_out) // 400]]
    corners = vertices[part.vertices][part.triangles]
    near = np.argsort(((corners.mean(axis=1)[None] - points[:, None]) ** 2).sum(axis=2), axis=1)[:, :40]
    closest = trimesh.triangles.closest_point(corners[near.ravel()], np.repeat(points, 40, axis=0))
    distance = np.linalg.norm(closest.reshape(-1, 40, 3) - points[:, None], axis=2).min(axis=1)
    assert distance.max() < TOLERANCE_MM + 0.01


def test_the_coarse_mesh_has_no_cracks_and_the_same_border(model: MorphableModel, part: MeshPart) -> None:
    places = model.shape(model.params())
    whole, coarse = borders(places, model.topology.triangles), borders(places[part.vertices], part.triangles)
    known = {tuple(place) for place in whole.tolist()}
    assert all(tuple(place) in known for place in coarse.tolist())


def test_the_coarse_mesh_faces_outwards_and_has_two_fifths_of_the_vertices(
    model: MorphableModel, part: MeshPart
) -> None:
    places = model.shape(model.params())
    assert len(part.vertices) < 0.4 * len(places)
    assert np.isin(part.triangles, np.arange(len(part.vertices))).all()

    def areas(places: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        a, b, c = np.moveaxis(places[triangles], 1, 0)
        return np.cross(b - a, c - a) / 2

    whole, coarse = areas(places, model.topology.triangles), areas(places[part.vertices], part.triangles)
    np.testing.assert_allclose(coarse.sum(axis=0), whole.sum(axis=0), rtol=0.02, atol=60)
    assert np.linalg.norm(coarse, axis=1).sum() == pytest.approx(
        np.linalg.norm(whole, axis=1).sum(), rel=0.02
    )


def test_a_mesh_that_is_not_refined_is_stored_whole() -> None:
    base = open_face_model(level=0)
    assert base.coarse_mesh(base.blendshapes().values()) is None
