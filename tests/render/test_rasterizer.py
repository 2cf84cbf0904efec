from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from solids import cube, moved, random_rotation, solid, sphere
from tddfa.errors import InputError
from tddfa.geometry.triangles import vertex_normals
from tddfa.render.rasterizer import rasterize
from tddfa.types import Mesh, Topology


def with_triangles(mesh: Mesh, triangles: np.ndarray) -> Mesh:
    return Mesh(mesh.vertices, Topology(np.ascontiguousarray(triangles), None, mesh.topology.colors))


def coverage(mesh: Mesh, height: int, width: int) -> np.ndarray:
    """How many triangles of the mesh own each pixel, counted one at a time."""
    count = np.zeros((height, width), int)
    for triangle in mesh.triangles:
        fragments = rasterize([with_triangles(mesh, triangle[None])], height, width)
        count[fragments.region] += fragments.mask
    return count


def slow_twin(mesh: Mesh, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangle and depth of each pixel, by asking every triangle about every pixel in whole numbers."""
    grid = [[round(float(c) * 256) for c in v[:2]] for v in mesh.vertices]
    triangle, depth = np.full((height, width), -1), np.full((height, width), np.inf)
    for index, corners in enumerate(mesh.triangles.tolist()):
        p = [grid[k] for k in corners]
        area = (p[1][0] - p[0][0]) * (p[2][1] - p[0][1]) - (p[1][1] - p[0][1]) * (p[2][0] - p[0][0])
        if area == 0:
            continue
        sign = 1 if area > 0 else -1
        for y in range(height):
            for x in range(width):
                weights = []
                for k in range(3):
                    (ax, ay), (bx, by) = p[(k + 1) % 3], p[(k + 2) % 3]
                    dx, dy = sign * (bx - ax), sign * (by - ay)
                    edge = dx * (256 * y - ay) - dy * (256 * x - ax)
                    owns = dy < 0 or (dy == 0 and dx > 0)
                    if edge < 0 or (edge == 0 and not owns):
                        break
                    weights.append(edge / abs(area))
                else:
                    z = sum(w * float(mesh.vertices[c, 2]) for w, c in zip(weights, corners, strict=True))
                    if z < depth[y, x]:
                        triangle[y, x], depth[y, x] = index, z
    return triangle, depth


@pytest.mark.parametrize("seed", range(6))
def test_a_closed_mesh_covers_every_pixel_once_from_the_front_and_once_from_behind(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mesh = moved(cube(), rng.uniform(3, 14) * random_rotation(rng), rng.uniform(10, 22, 3))
    inside_out = with_triangles(mesh, mesh.triangles[:, ::-1])
    front, back = (rasterize([m], 32, 32, cull_back=True) for m in (mesh, inside_out))
    np.testing.assert_array_equal(front.mask, back.mask)
    count = coverage(mesh, 32, 32)
    assert set(np.unique(count)) == {0, 2}
    np.testing.assert_array_equal(count[front.region] == 2, front.mask)


@pytest.mark.parametrize("corner", [0.0, 0.5, 0.25, 1 / 3])
def test_a_grid_of_triangles_owns_each_pixel_of_its_square_once(corner: float) -> None:
    # Edges through pixel centres in every direction: only the top-left rule decides here.
    n = 9
    x, y = np.meshgrid(np.arange(n) * 2.0 + corner, np.arange(n) * 2.0 + corner)
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(n * n)], axis=1)
    first = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    upper = np.stack([first, first + n, first + 1], axis=1)
    lower = np.stack([first + 1, first + n, first + n + 1], axis=1)
    count = coverage(solid(vertices, np.concatenate([upper, lower])), 20, 20)
    assert count.max() == 1
    assert count.sum() == 16 * 16


def test_depth_and_normals_of_a_sphere_are_those_of_the_formula() -> None:
    radius, center = 60.0, np.array([70.3, 64.7, -20.0])
    mesh = moved(sphere(120, 240), radius * np.eye(3), center)
    fragments = rasterize([mesh], 140, 150)
    rows, columns = np.nonzero(fragments.mask)
    x, y = columns + fragments.x0 - center[0], rows + fragments.y0 - center[1]
    inner = np.hypot(x, y) < 0.95 * radius
    x, y = x[inner], y[inner]
    z = -np.sqrt(radius**2 - x**2 - y**2)
    # The facets lie up to radius · (1 − cos(π / 240)) under the sphere, and are seen at a slant.
    np.testing.assert_allclose(fragments.depth[fragments.mask][inner] - center[2], z, atol=0.08)
    normals = fragments.interpolate([vertex_normals(mesh.vertices, mesh.triangles)])[inner]
    np.testing.assert_allclose(normals, np.stack([x, y, z], axis=1) / radius, atol=0.01)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, (7, 3), elements=st.floats(-6, 18, width=32)),
    arrays(np.int32, (6, 3), elements=st.integers(0, 6)),
)
def test_every_pixel_agrees_with_the_slow_twin(vertices: np.ndarray, triangles: np.ndarray) -> None:
    fragments = rasterize([solid(vertices, triangles)], 12, 13)
    triangle, depth = np.full((12, 13), -1), np.full((12, 13), np.inf)
    triangle[fragments.region], depth[fragments.region] = fragments.triangle, fragments.depth
    slow_triangle, slow_depth = slow_twin(solid(vertices, triangles), 12, 13)
    np.testing.assert_array_equal(triangle >= 0, slow_triangle >= 0)
    seen = triangle >= 0
    np.testing.assert_allclose(depth[seen], slow_depth[seen], atol=1e-4)
    # Where two surfaces lie closer than float32 tells apart, either may show.
    for y, x in np.argwhere(seen & (triangle != slow_triangle)):
        again = rasterize([solid(vertices, triangles[slow_triangle[y, x]][None])], 12, 13)
        other = np.full((12, 13), np.inf)
        other[again.region] = again.depth
        assert abs(other[y, x] - depth[y, x]) <= 1e-5


def test_the_nearer_of_two_meshes_hides_the_other_whatever_their_order() -> None:
    near = moved(cube(), 5 * np.eye(3), np.array([10, 10, -30]))
    far = moved(cube(), 8 * np.eye(3), np.array([12, 12, 30]))
    one, other = rasterize([near, far], 30, 30), rasterize([far, near], 30, 30)
    np.testing.assert_array_equal(one.depth, other.depth)
    np.testing.assert_array_equal(one.mesh_index, 1 - other.mesh_index)
    assert one.mask.sum() > (one.mesh_index == 0).sum() == 10 * 10


def test_of_two_surfaces_at_one_depth_the_first_triangle_shows() -> None:
    mesh = cube()
    flat = moved(mesh, np.diag([6, 6, 0]), np.array([9, 9, 4]))
    fragments = rasterize([flat, flat], 20, 20)
    assert fragments.mask.any()
    assert fragments.triangle[fragments.mask].max() < len(mesh.triangles)


def test_meshes_beside_the_image_or_without_triangles_leave_it_empty() -> None:
    beside = moved(cube(), np.eye(3), np.array([-50, 400, 0]))
    nothing = solid(np.zeros((3, 3)), np.zeros((0, 3)))
    for meshes in ([beside], [nothing], [beside, nothing]):
        fragments = rasterize(meshes, 20, 30)
        assert not fragments.mask.any()
        assert fragments.interpolate([m.topology.colors for m in meshes]).shape == (0, 3)
    assert not rasterize([], 20, 30).mask.any()


def test_a_mesh_far_larger_than_the_image_fills_it() -> None:
    wall = solid(np.array([[-2e6, -2e6, 7], [2e6, -2e6, 7], [0, 2e6, 7]]), np.array([[0, 2, 1]]))
    fragments = rasterize([wall], 40, 50)
    assert fragments.triangle.shape == (40, 50)
    assert fragments.mask.all()
    np.testing.assert_array_equal(fragments.depth, 7)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e6])
def test_vertices_that_are_not_in_reach_are_refused(value: float) -> None:
    mesh = cube()
    vertices = mesh.vertices.copy()
    vertices[3, 1] = value
    with pytest.raises(InputError, match="image frame"):
        rasterize([Mesh(vertices, mesh.topology)], 10, 10)
