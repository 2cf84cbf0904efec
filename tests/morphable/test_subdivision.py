"""Catmull-Clark refinement against its textbook rules."""

import numpy as np
import pytest

from tddfa import native
from tddfa.morphable.subdivision import catmull_clark

CUBE = np.array(
    [[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)],
)
CUBE_QUADS = np.array(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]], np.int32
)


def strip(columns: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and quads of a flat grid."""
    k = np.arange((columns + 1) * (rows + 1)).reshape(rows + 1, columns + 1)
    quads = np.stack([k[:-1, :-1], k[:-1, 1:], k[1:, 1:], k[1:, :-1]], axis=-1).reshape(-1, 4)
    y, x = np.divmod(np.arange(k.size), columns + 1)
    return np.stack([x, y, np.zeros_like(x)], axis=1).astype(np.float64), quads.astype(np.int32)


def textbook(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """The points of a closed mesh after one refinement, one rule after the other."""
    face_points = vertices[quads].mean(axis=1)
    edges: dict[tuple[int, int], list[int]] = {}
    for f, quad in enumerate(quads.tolist()):
        for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
            edges.setdefault((min(a, b), max(a, b)), []).append(f)
    edge_points = [
        np.mean([vertices[a], vertices[b], *(face_points[f] for f in faces)], axis=0)
        for (a, b), faces in edges.items()
    ]
    moved = []
    for v, position in enumerate(vertices):
        around = [face_points[f] for f in range(len(quads)) if v in quads[f]]
        middles = [(vertices[a] + vertices[b]) / 2 for a, b in edges if v in (a, b)]
        n = len(around)
        moved.append((np.mean(around, axis=0) + 2 * np.mean(middles, axis=0) + (n - 3) * position) / n)
    return np.array([*moved, *edge_points, *face_points])


def test_refining_follows_the_textbook_on_a_closed_mesh() -> None:
    refined = catmull_clark(CUBE_QUADS, 8)(CUBE)
    expected = textbook(CUBE, CUBE_QUADS)
    assert refined.shape == expected.shape
    np.testing.assert_allclose(refined[:8], expected[:8], atol=1e-12)
    for got, want in ((refined[8:20], expected[8:20]), (refined[20:], expected[20:])):
        np.testing.assert_allclose(got[np.lexsort(got.T)], want[np.lexsort(want.T)], atol=1e-12)


def test_each_refinement_makes_four_quads_of_one_and_stays_manifold() -> None:
    refine = catmull_clark(CUBE_QUADS, 8)
    again = catmull_clark(refine.quads, refine.n_fine)
    assert len(again.quads) == 16 * len(CUBE_QUADS)
    edges = len(again.inner_edges)
    assert again.n_coarse - edges + len(refine.quads) == 2  # Euler's number of a sphere


def test_refined_values_are_means_of_the_old_ones() -> None:
    vertices, quads = strip(4, 3)
    refine = catmull_clark(quads, len(vertices))
    np.testing.assert_allclose(refine(np.ones((len(vertices), 2))), 1, atol=1e-12)
    refined = refine(vertices)
    assert refined[:, 2].tolist() == [0.0] * len(refined)
    assert refined.min() >= 0
    assert (refined.max(axis=0) <= vertices.max(axis=0)).all()


def test_refining_commutes_with_affine_maps() -> None:
    vertices, quads = strip(5, 4)
    random = np.random.default_rng(0)
    vertices = vertices + random.normal(size=vertices.shape)
    A, t = random.normal(size=(3, 3)), random.normal(size=3)
    refine = catmull_clark(quads, len(vertices))
    np.testing.assert_allclose(refine(vertices @ A + t), refine(vertices) @ A + t, atol=1e-12)


def test_single_and_double_precision_agree() -> None:
    vertices, quads = strip(5, 4)
    refine = catmull_clark(quads, len(vertices))
    np.testing.assert_allclose(refine(vertices.astype(np.float32)), refine(vertices), atol=1e-5)


@pytest.mark.skipif(native.kernel is None, reason="needs the native kernel, which is not built")
@pytest.mark.parametrize("channels", [(3,), (1,), (), (3, 5), (0,)])
def test_the_kernel_refines_like_its_twin_to_the_last_bit(channels, monkeypatch) -> None:
    creases = np.array([[0, 1], [1, 3], [3, 2], [2, 0]], np.int32)
    grid, quads = strip(4, 3)
    for refine in (
        catmull_clark(CUBE_QUADS, 8),
        catmull_clark(CUBE_QUADS, 8, creases),
        catmull_clark(CUBE_QUADS[:5], 9),  # with a boundary, and a vertex without quads
        catmull_clark(quads, len(grid)),
    ):
        values = np.random.default_rng(3).normal(size=(refine.n_coarse, *channels)).astype(np.float32)
        with monkeypatch.context() as without:
            without.setattr(native, "kernel", None)
            expected = refine(values)
        refined = refine(values)
        assert refined.dtype == expected.dtype
        np.testing.assert_array_equal(refined, expected)


def test_orientation_is_kept() -> None:
    vertices, quads = strip(3, 3)
    refine = catmull_clark(quads, len(vertices))
    corners = refine(vertices)[refine.quads]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0])
    assert (normals[:, 2] > 0).all()


def test_three_quads_at_an_edge_are_refused() -> None:
    quads = np.array([[0, 1, 2, 3], [1, 0, 4, 5], [0, 1, 6, 7]], np.int32)
    with pytest.raises(ValueError, match="not manifold: 3 quads meet at the edge 0-1"):
        catmull_clark(quads, 8)


def test_a_vertex_without_quads_stays_where_it_is() -> None:
    refine = catmull_clark(np.array([[0, 1, 2, 3]], np.int32), 5)
    values = np.arange(15, dtype=np.float32).reshape(5, 3)
    np.testing.assert_array_equal(refine(values)[4], values[4])
