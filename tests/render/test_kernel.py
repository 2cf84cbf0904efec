"""The native kernel and its twin in NumPy: equal to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from solids import moved, random_rotation, solid, sphere
from tddfa.imaging import draw
from tddfa.imaging.sample import Reduced
from tddfa.render import numpy_kernel
from tddfa.render.kernel_values import DepthBuffer, FaceView, TexelLayout
from tddfa.render.lighting import Light
from tddfa.types import Mesh

native = pytest.importorskip(
    "tddfa.render.native_kernel", reason="needs the native kernel, which is not built", exc_type=ImportError
)

REGION = (-3, 2, 21, 17)

meshes = st.builds(
    solid,
    arrays(np.float32, (9, 3), elements=st.floats(-40, 60, width=32)),
    arrays(np.int32, (14, 3), elements=st.integers(0, 8)),
)


@settings(max_examples=150, deadline=None)
@given(meshes, meshes, st.booleans())
def test_both_kernels_draw_the_same_pixels(a: Mesh, b: Mesh, cull_back: bool) -> None:
    for one, other in zip(
        native.rasterize([a, b], REGION, cull_back=cull_back),
        numpy_kernel.rasterize([a, b], REGION, cull_back=cull_back),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(native.depth([a, b], REGION, 0.3), numpy_kernel.depth([a, b], REGION, 0.3))
    values = [m.topology.colors for m in (a, b)]
    corners, weights = a.triangles, np.abs(a.vertices[a.triangles[:, 0]]) / 60
    np.testing.assert_array_equal(
        native.weighted(a.vertices, corners, weights), numpy_kernel.weighted(a.vertices, corners, weights)
    )
    for channels, scale in ((1, 1.0), (2, 0.7), (3, 0.3)):
        one, other = (
            k.interpolate([a, b], [np.ascontiguousarray(v[:, :channels]) for v in values], REGION, scale)
            for k in (native, numpy_kernel)
        )
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("scale", [0.01, 3.0, 200.0, 30000.0])
def test_both_kernels_draw_the_same_pixels_at_every_size(scale: float) -> None:
    rng = np.random.default_rng(2)
    mesh = moved(sphere(12, 16), scale * random_rotation(rng), rng.uniform(10, 50, 3))
    for one, other in zip(
        native.rasterize([mesh], (0, 0, 64, 61), cull_back=False),
        numpy_kernel.rasterize([mesh], (0, 0, 64, 61), cull_back=False),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("radius", [4.0, 12.0, 25.0, 60.0])
@pytest.mark.parametrize("cull_back", [False, True])
def test_both_kernels_draw_the_same_pixels_of_fine_meshes(radius: float, cull_back: bool) -> None:
    rng = np.random.default_rng(7)
    # From several triangles a pixel to many pixels a triangle; some reach out of the region, some lie behind.
    pair = [moved(sphere(30, 40), radius * random_rotation(rng), rng.uniform(10, 50, 3)) for _ in range(2)]
    for one, other in zip(
        native.rasterize(pair, (3, 2, 50, 47), cull_back=cull_back),
        numpy_kernel.rasterize(pair, (3, 2, 50, 47), cull_back=cull_back),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=60, deadline=None)
@given(meshes, st.integers(1, 9), st.tuples(*[st.floats(-6, 6, width=32)] * 3))
def test_both_kernels_light_and_measure_the_same(mesh: Mesh, exponent: int, lamp: tuple) -> None:
    normals = numpy_kernel.vertex_normals(mesh)
    np.testing.assert_array_equal(native.vertex_normals(mesh), normals)
    np.testing.assert_array_equal(native.bounds(mesh.vertices), numpy_kernel.bounds(mesh.vertices))
    light = Light(0.2, 0.7, 0.3, exponent, lamp)
    np.testing.assert_array_equal(
        native.phong(mesh.vertices, normals, light), numpy_kernel.phong(mesh.vertices, normals, light)
    )


@pytest.mark.parametrize("widest", [0, 1, 2])
def test_both_kernels_light_large_meshes_the_same(widest: int) -> None:
    mesh = moved(sphere(20, 25), 40 * np.eye(3), np.array([50, 60, 70]))
    normals = numpy_kernel.vertex_normals(mesh)
    normals[7] = 0
    np.testing.assert_array_equal(
        native.phong(mesh.vertices, normals, Light(), widest=widest),
        numpy_kernel.phong(mesh.vertices, normals, Light()),
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("picture_channels", "over"), [(3, True), (3, False), (4, False)])
@pytest.mark.parametrize("alpha", [0.3, 0.6, 1.0])
def test_both_kernels_paint_the_same(channels: int, picture_channels: int, over: bool, alpha: float) -> None:
    rng = np.random.default_rng(3)
    photo = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    picture = np.dstack([photo, photo[..., :1]])[..., :picture_channels]
    pair = [moved(sphere(9, 14), 12 * np.eye(3), np.array([x, 21.2, x])) for x in (20.3, 27.9)]
    values = [rng.uniform(-0.2, 1.2, (len(m.vertices), channels)).astype(np.float32) for m in pair]
    values[0][0] = np.nan
    one, other = picture.copy(), picture.copy()
    for kernel, out in ((native, one), (numpy_kernel, other)):
        for mesh, value in zip(pair, values, strict=True):
            kernel.paint(out, photo if over else None, mesh, value, (5, 3, 45, 30), alpha)
    assert (one != picture).any()
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_both_kernels_blend_a_colour_the_same(channels: int, alpha: float) -> None:
    rng = np.random.default_rng(5)
    picture = rng.integers(0, 256, (30, 50, channels), dtype=np.uint8)
    picture[:9, :, 3:] = 0
    coverage = rng.integers(0, 256, (25, 43), dtype=np.uint8) * (rng.random((25, 43)) < 0.2)
    one, other = picture.copy(), picture.copy()
    for kernel, out in ((native, one), (numpy_kernel, other)):
        kernel.blend_color(out, coverage.astype(np.uint8), (250, 17, 80), alpha, (6, 3))
    assert (one != picture).any()
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_both_kernels_lay_values_over_images_the_same(alpha: float, channels: int) -> None:
    rng = np.random.default_rng(8)
    image = rng.integers(0, 256, (30, 50, 3), dtype=np.uint8)
    values = rng.uniform(-0.5, 1.5, (21, 40, channels)).astype(np.float32)
    for odd in (np.nan, np.inf, -np.inf):
        values[rng.random((21, 40)) < 0.1] = odd
    mask = rng.random((21, 40)) < 0.7
    for under, n in ((image, 3), (None, 3), (None, 4)):
        one, other = (np.resize(image, (30, 50, n)) for _ in range(2))
        for kernel, out in ((native, one), (numpy_kernel, other)):
            kernel.blend(out, under, (6, 3), mask, values, alpha)
        np.testing.assert_array_equal(one, other)
        kept = np.ones((30, 50), bool)
        kept[3:24, 6:46] = ~mask
        np.testing.assert_array_equal(one[kept], np.resize(image, (30, 50, n))[kept])


def test_both_kernels_give_directions_the_same_colors() -> None:
    vectors = np.random.default_rng(9).normal(size=(40, 30, 3)).astype(np.float32)
    vectors[0], vectors[1], vectors[2, :, 1], vectors[3] = 0, 1e-30, np.nan, 1e30
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_array_equal(
            native.direction_colors(vectors), numpy_kernel.direction_colors(vectors)
        )
    np.testing.assert_array_equal(native.direction_colors(np.float32([0, 0, -5])), [0.5, 0.5, 1])
    np.testing.assert_array_equal(native.direction_colors(np.float32([3, 0, 0])), [1, 0.5, 0.5])


def test_both_kernels_recolor_the_same_and_each_pixel_once() -> None:
    rng = np.random.default_rng(6)
    picture = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    tables = np.stack([rng.permutation(256) for _ in range(3)]).astype(np.uint8)
    places = np.array([0, 5, 5, 62, 17, 5])
    one, other = picture.copy(), picture.copy()
    native.recolor(one, places, tables)
    numpy_kernel.recolor(other, places, tables)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one[0, 5], tables[range(3), picture[0, 5]])
    assert (one != picture).any(axis=2).sum() <= 4
    for outside in (-1, 63):
        with pytest.raises(IndexError):
            native.recolor(one, np.array([outside]), tables)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("size", [1, 2, 32, 45])
@pytest.mark.parametrize("widest", [0, 1, 2])
def test_both_kernels_complete_textures_alike(size: int, symmetric: bool, widest: int) -> None:
    rng = np.random.default_rng(4)
    trust = (rng.random((size, size)) * (rng.random((size, size)) < 0.4)).astype(np.float32)
    trust[rng.random((size, size)) < 0.2] = 1
    colors = (255 * rng.random((3, size, size), np.float32)) * (trust > 0)
    np.testing.assert_array_equal(
        native.complete(colors, trust, symmetric=symmetric, widest=widest),
        numpy_kernel.complete(colors, trust, symmetric=symmetric),
    )


@settings(max_examples=100, deadline=None)
@given(meshes, st.integers(1, 5), st.floats(0.2, 1), st.integers(0, 2**31))
def test_both_kernels_take_the_same_texels(mesh: Mesh, size: int, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    normals = numpy_kernel.vertex_normals(mesh)
    normals[:, 2] -= 1  # most of them face the viewer
    n = rng.integers(0, size * size + 1)
    weights = rng.dirichlet([1, 1, 1], n).astype(np.float32)[:, 1:].copy()
    place = rng.permutation(size * size)[:n].astype(np.int32)
    covered = np.zeros((size, size), bool)
    corners = mesh.triangles[rng.integers(0, len(mesh.triangles), n)]
    layout = TexelLayout(size, covered, place, corners, weights, False)
    picture = rng.integers(0, 256, (11, 9, 3), dtype=np.uint8)
    part = Reduced(picture, np.array([0.3, 0.4], np.float32), np.array([-0.2, 1.5], np.float32))
    depth = rng.normal(0, 30, (7, 6)).astype(np.float32)
    depth[rng.random((7, 6)) < 0.4] = np.inf
    view = FaceView((30, 40), scale, (3, -2, 6, 7), depth, rng.random((7, 6), np.float32))
    one, other = (k.texels(mesh, normals, layout, part, view) for k in (native, numpy_kernel))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


@settings(max_examples=80)
@given(
    arrays(np.float32, (9, 2), elements=st.floats(-40, 60, width=32)),
    st.floats(0, 9, width=32),
    st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_both_kernels_cover_line_segments_the_same(points, thickness, size) -> None:
    ends = np.random.default_rng(0).integers(0, 9, (14, 2)).astype(np.int32)
    seen = np.arange(9) != 4
    deep = np.column_stack([points, points[:, :1]])
    for shown, origin in ((None, (0, 0)), (seen, (7, -3))):
        moved = points - np.array(origin, np.float32)
        out = np.zeros(size, np.uint8)
        draw._draw_segments(
            out, moved[ends if shown is None else ends[shown[ends].all(axis=1)]], np.float32(thickness)
        )
        for widest in (0, 1, 2):
            found = draw.segment_coverage(
                deep, ends, thickness, *size, origin=origin, seen=shown, widest=widest
            )
            np.testing.assert_array_equal(found, out)


def test_both_kernels_see_the_same_vertices() -> None:
    rng = np.random.default_rng(3)
    vertices = rng.uniform(-20, 60, (500, 3)).astype(np.float32)
    chosen = rng.permutation(500)[:99]
    depth = rng.uniform(0, 60, (12, 17)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.2] = np.inf
    for region, cells in (((-2, 3, 17, 12), depth), ((0, 0, 0, 12), depth[:, :0]), ((1, 1, 5, 0), depth[:0])):
        buffer = DepthBuffer(1 / 3, region, cells)
        for some in (None, chosen):
            arguments = (vertices, some, (40, 50), buffer, np.float32(1.5))
            found = native.visible(*arguments)
            np.testing.assert_array_equal(found, numpy_kernel.visible(*arguments))
            assert found.any()
            assert not found.all()


def test_a_segment_covers_what_a_line_of_its_thickness_covers() -> None:
    points = np.array([[10, 20], [50, 20]], np.float32)
    cover = draw.segment_coverage(points, np.array([[0, 1]], np.int32), 3, 40, 60) / 255
    assert cover[:, 30].sum() == pytest.approx(3, abs=0.02)
    assert cover[20].sum() == pytest.approx(40 + 3, abs=0.1)  # with round ends
    np.testing.assert_array_equal(cover, cover[::-1][np.r_[39, 0:39]])


def test_a_triangle_of_missing_vertices_is_an_error_and_no_crash() -> None:
    for corner in (-1, 9, 2**31 - 1):
        mesh = solid(np.zeros((9, 3)), np.array([[0, 1, corner]]))
        with pytest.raises(IndexError):
            native.rasterize([mesh], REGION, cull_back=False)
        with pytest.raises(IndexError):
            native.vertex_normals(mesh)


def test_the_environment_can_force_numpy() -> None:
    code = "from tddfa.render.kernel import kernel; print(kernel.__name__)"
    for setting, name in (("0", "numpy_kernel"), ("1", "native_kernel")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "TDDFA_NATIVE": setting},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == f"tddfa.render.{name}"
