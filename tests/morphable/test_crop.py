"""The border of the face crop: one smooth line from the hairline to the ears and under the chin."""

import numpy as np
import pytest

from tddfa.morphable import MorphableModel, open_face_model
from tddfa.morphable.crop import face_depth

LEVELS = (0, 1, 2)


def welded(model: MorphableModel) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the neutral mesh without the copies along texture seams, and its triangles."""
    shape = model.shape(model.params())
    _, first, number = np.unique(shape.round(3), axis=0, return_index=True, return_inverse=True)
    return shape[first], number.reshape(-1)[model.topology.triangles]


def boundaries(triangles: np.ndarray) -> list[list[int]]:
    """Closed loops of edges that one triangle has alone."""
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    both = {tuple(side) for side in sides.tolist()}
    following = {a: b for a, b in both if (b, a) not in both}
    loops = []
    while following:
        loop = [next(iter(following))]
        while (step := following.pop(loop[-1])) != loop[0]:
            loop.append(step)
        loops.append(loop)
    return loops


def border(model: MorphableModel) -> np.ndarray:
    """The longest boundary of the face, mm."""
    points, triangles = welded(model)
    loop = max((points[loop] for loop in boundaries(triangles)), key=lambda p: np.ptp(p, axis=0).sum())
    return np.append(loop, loop[:1], axis=0)


@pytest.mark.parametrize("level", LEVELS)
def test_skin_and_mouth_are_one_surface_with_one_border(level: int) -> None:
    points, triangles = welded(open_face_model(level=level))
    loops = boundaries(triangles)
    # The others are hidden: backs of the eyeballs, skin behind the lids, ends of teeth and tongue.
    large = [loop for loop in loops if np.ptp(points[loop], axis=0).max() > 80]
    assert len(large) == 1
    assert len(loops) == 8


@pytest.mark.parametrize(("level", "tolerance"), [(0, 1.2), (1, 0.6), (2, 0.35)])
def test_the_border_follows_its_smooth_line(level: int, tolerance: float) -> None:
    assert np.abs(face_depth(border(open_face_model(level=level)))).max() < tolerance


@pytest.mark.parametrize(("level", "most"), [(0, 40), (1, 25), (2, 25)])
def test_the_border_never_turns_sharply(level: int, most: float) -> None:
    # Between chords of 8 mm; it turned by more than 90 degrees when whole triangles were taken.
    line = border(open_face_model(level=level))
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0, length[-1], int(length[-1] / 8) + 1)
    even = np.stack([np.interp(at, length, line[:, k]) for k in range(3)], axis=1)
    chords = np.diff(even, axis=0)
    chords /= np.linalg.norm(chords, axis=1, keepdims=True)
    turning = np.rad2deg(np.arccos(np.clip((chords * np.roll(chords, -1, axis=0)).sum(axis=1), -1, 1)))
    assert turning.max() < most


@pytest.mark.parametrize("level", LEVELS)
def test_the_face_reaches_to_the_ears_and_leaves_them_out(level: int) -> None:
    model = open_face_model(level=level)
    shape = model.shape(model.params())
    beside = shape[(np.abs(shape[:, 1] + 20) < 15) & (np.abs(shape[:, 0]) > 50)]
    assert beside[:, 2].min() == pytest.approx(-66.5, abs=0.5)  # the tragus lies 2 mm behind
    landmarks = model.landmarks(model.params()) * [1, -1, -1]
    assert face_depth(landmarks[:17]).min() > 3


@pytest.mark.parametrize("level", LEVELS)
def test_no_triangle_at_the_border_is_degenerate(level: int) -> None:
    model = open_face_model(level=level)
    shape, triangles = model.shape(model.params()), model.topology.triangles
    assert model.surface is not None
    at_border = triangles[(triangles >= len(model.surface.vertices)).any(axis=1)]
    a, b, c = (shape[at_border[:, k]] for k in range(3))
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).min() > 1e-3


def test_border_vertices_are_symmetric_and_move_with_the_face() -> None:
    model = open_face_model()
    assert model.surface is not None
    shape = model.shape(model.params())
    cut = np.arange(len(model.surface.vertices), len(shape))
    assert len(cut) > 100
    np.testing.assert_allclose(shape[model.surface.mirror[cut]] * [-1, 1, 1], shape[cut], atol=1e-3)
    moved = model.shape(model.params(expression={"jawOpen": 1.0}))[cut] - shape[cut]
    lowest = shape[cut, 1] < -105
    assert np.linalg.norm(moved[lowest], axis=1).min() > 5
