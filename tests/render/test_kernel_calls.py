"""The kernel called directly, with arguments that make no sense: an error or nonsense numbers, never a crash.

These calls run under the address and undefined-behaviour sanitizers in `make sanitize`.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import numpy as np
import pytest

_kernel: Any = pytest.importorskip(
    "tddfa.native._kernel", reason="needs the native kernel, which is not built", exc_type=ImportError
)

HUGE = 2**63 - 1
THREE = np.zeros((3, 3), np.float32)
ONE = np.array([[0, 1, 2]], np.int32)
FAR = np.full((2, 2), np.inf, np.float32)


def depth(vertices=THREE, triangles=ONE, region=(0, 0, 2, 2), scale=1.0, out=None, n=3, m=1) -> None:
    _kernel.depth(n, m, vertices, triangles, *region, scale, FAR.copy() if out is None else out)


def test_arrays_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="bytes"):
        _kernel.vertex_normals(4, 1, THREE, ONE, THREE)
    for n, m in [(4, 1), (3, 2), (-1, 1), (3, -1), (-3, -1)]:
        with pytest.raises(ValueError, match="an array has"):
            depth(n=n, m=m)


def _segments(
    height,
    width,
    out=None,
    *,
    points,
    ends,
    columns=None,
    origin=(0.0, 0.0),
    seen=None,
    thickness=1.0,
    widest=2,
) -> None:
    points, ends = np.ascontiguousarray(points), np.ascontiguousarray(ends)
    out = np.zeros(height * width, np.uint8) if out is None else out
    columns = (points.shape[1] if points.ndim > 1 else 2) if columns is None else columns
    _kernel.segments(
        *(height, width, out, len(points), columns, points, *origin),
        *(len(ends), ends, seen, thickness, widest),
    )


def _visible(
    *, vertices=THREE, chosen=None, size=(2, 2), region=(0, 0, 2, 2), scale=1.0, buffer=FAR, tolerance=0.0
) -> np.ndarray:
    out = np.zeros(len(vertices) if chosen is None else len(chosen), np.bool_)
    _kernel.visible(len(vertices), vertices, len(out), chosen, *size, region, scale, buffer, tolerance, out)
    return out


def test_segments_and_z_buffers_of_another_shape_are_refused() -> None:
    for columns in (1, 0, -2):
        with pytest.raises(ValueError, match="two coordinates"):
            _segments(2, 2, points=THREE, ends=ONE[:, :2], columns=columns)
    with pytest.raises(ValueError, match="bytes"):
        _segments(2, 2, points=THREE, ends=ONE[:, :2], seen=np.ones(2, np.uint8))
    for region in ((2**23, 0, 2, 2), (0, -(2**23), 2, 2), (0, 0, 2, 3), (0, 0, -2, -2), (0, 0, 0, 2**31 - 1)):
        with pytest.raises(ValueError, match=r"reaches too far|an array has"):
            _visible(region=region)
    with pytest.raises(ValueError, match="as many as"):
        _kernel.visible(3, THREE, 2, None, 2, 2, (0, 0, 2, 2), 1.0, FAR, 0.0, np.zeros(2, np.bool_))
    assert _visible(region=(0, 0, 0, 0), buffer=FAR[:0]).all()  # nothing hides what no surface covers


def test_numbers_that_do_not_fit_into_their_room_are_not_written() -> None:
    values = np.array([[1.25, -3.0]])
    for room in range(20):
        out = np.full(room, 7, np.uint8)
        written = _kernel.decimal_lines(b"v ", 1, 2, values, 1, room, out)
        assert written == (len(b"v 1.2 -3.0\n") if room >= 11 else -1)
        assert bytes(out[: max(written, 0)]) == b"v 1.2 -3.0\n"[: max(written, 0)]
    for value in (np.nan, np.inf, 1e16, -1e300):
        assert _kernel.decimal_lines(b"", 1, 1, np.array([value]), 2, 99, np.zeros(99, np.uint8)) == -1
    for places in (0, -1, 10, 2**31 - 1):
        with pytest.raises(ValueError, match="decimals"):
            _kernel.decimal_lines(b"", 1, 1, np.zeros(1), places, 99, np.zeros(99, np.uint8))
    assert _kernel.decimal_lines(b"", 1, 1, np.array([9.99e8]), 9, 99, np.zeros(99, np.uint8)) == 20
    assert _kernel.decimal_lines(b"", 4, 0, values[:0], 2, 0, np.zeros(0, np.uint8)) == 0


# Products of these wrap around to the number of bytes that the arrays have.
@pytest.mark.parametrize("count", [HUGE, 2**62 + 1, 2**61 + 1, 2**60 + 1, -(2**62) + 1, -HUGE])
def test_sizes_whose_product_wraps_around_are_refused(count) -> None:
    four = np.zeros(4, np.uint8)
    calls = [
        lambda: _kernel.bounds(count, THREE, np.zeros(6, np.float32)),
        lambda: _kernel.vertex_normals(count, 1, THREE, ONE, THREE),
        lambda: _kernel.weighted(count, 4, four, 0, four[:0], four[:0], four[:0]),
        lambda: _kernel.depth(3, count, THREE, ONE, 0, 0, 2, 2, 1.0, FAR),
        lambda: _kernel.blend_color(count, 4, 4, four, 0, 0, 1, 1, four[:1], (0, 0, 0), 1.0),
        lambda: _kernel.blend_color(1, 1, 4, four, 0, 0, count, 4, four, (0, 0, 0), 1.0),
        lambda: _kernel.recolor(count, four, 0, four[:0], np.zeros(768, np.uint8)),
        lambda: _kernel.discs(count, 4, four, 0, four[:0], 1.0),
        lambda: _kernel.blend(count, 4, 4, four, None, 0, 0, 0, 0, four, 1, four, 1.0, 0.0, 255),
        lambda: _kernel.blend(1, 1, 4, four, None, 0, 0, count, 4, four, 1, four, 1.0, 0.0, 255),
        lambda: _kernel.decimal_lines(b"", count, 4, four, 2, 4, four),
        lambda: _kernel.decimal_lines(b"", 1, 4, np.zeros(4), 2, count, four),
        lambda: _kernel.direction_colors(count, four, four),
        lambda: _segments(count, 4, four, points=four[:0], ends=four[:0]),
        lambda: _segments(4, 4, four, columns=count, points=four[:0], ends=four[:0]),
        lambda: _kernel.visible(count, THREE, 0, four[:0], 2, 2, (0, 0, 2, 2), 1.0, FAR, 0.0, four[:0]),
        lambda: _kernel.visible(3, THREE, count, four, 2, 2, (0, 0, 2, 2), 1.0, FAR, 0.0, four),
        lambda: _kernel.quantize(count, 4, 0, 4, 0, 0, four, four, four),
        lambda: _kernel.quantize(0, count, 0, 4, 0, 0, four[:0], four[:0], four[:0]),
        lambda: _kernel.reconstruct(count, 4, four, four, four, four, np.zeros(12, np.float32), 2, four),
        lambda: _kernel.subdivide(
            count, 4, four, 0, four[:0], 0, four[:0], 0, four[:0], (), 0, four[:0], four
        ),
        lambda: _kernel.subdivide(
            1, 1, THREE[0, :1], count, four, 0, four[:0], 0, four[:0], (), 0, four[:0], four
        ),
        lambda: _kernel.sample(
            np.zeros((1, 1, 3), np.uint8), count, 4, four, np.zeros(8, np.float32), 0, 0, 1, 1, four[:3]
        ),
        lambda: _kernel.warp(np.zeros((1, 1, 3), np.uint8), 0, 0, 0.0, 0.0, 1.0, count, four),
        lambda: _kernel.phong(count, THREE, THREE, (0,) * 3, (0,) * 3, 1, (0,) * 6, 5, 2, THREE),
    ]
    for call in calls:
        with pytest.raises((ValueError, MemoryError)):
            call()


@pytest.mark.parametrize("height", [2**63 - 1, 2**40, 2**31])
def test_rows_without_pixels_take_no_time(height) -> None:
    nothing, points, ends = np.zeros(0, np.uint8), np.zeros((2, 2), np.float32), np.zeros((1, 2), np.int32)
    points[1] = 1e30
    for call in (
        lambda: _segments(height, 0, nothing, points=points, ends=ends),
        lambda: _kernel.discs(height, 0, nothing, 2, points, 1e30),
    ):
        with pytest.raises(ValueError, match="too large"):
            call()


@pytest.mark.parametrize(
    "rows", [(2**62, 0, 0), (0, 2**62, 2**62), (HUGE, HUGE, HUGE), (-1, 4, 0), (0, -1, 0)]
)
def test_rows_of_a_basis_that_do_not_fit_are_refused(rows) -> None:
    first_row, n_rows, first_detail = rows
    words, scales = np.zeros(96, np.uint32), np.zeros(1, np.float32)
    with pytest.raises(ValueError, match=r"the rows do not fit|an array has"):
        _kernel.quantize(1, 1, first_row, n_rows, 1, first_detail, np.zeros(3, np.float32), words, scales)


@pytest.mark.parametrize(
    "region",
    [(2**31 - 1, 0, 2, 2), (-(2**31), 0, 2, 2), (0, 2**30, 2, 2), (0, 0, -2, -2), (0, 0, 2**31 - 1, 0)],
)
def test_regions_that_no_image_has_are_refused(region) -> None:
    with pytest.raises(ValueError, match=r"the region reaches further than|an array has"):
        depth(region=region)


def test_painted_and_tinted_parts_outside_the_canvas_are_refused() -> None:
    canvas = np.zeros((4, 4, 3), np.uint8)
    ones = np.ones((2, 4), np.uint8)
    for x0, y0 in [(1, 0), (0, 3), (-1, 0), (0, -1), (HUGE, 0), (-HUGE, 0)]:
        with pytest.raises(ValueError, match="reaches out"):
            _kernel.blend(
                *(4, 4, 3, canvas, None, x0, y0, 2, 4, ones, 1, np.ones(8, np.float32), 1.0, 0.0, 255),
            )
        with pytest.raises(ValueError, match="reaches out"):
            _kernel.blend_color(4, 4, 3, canvas, x0, y0, 2, 4, ones, (0, 0, 0), 1.0)
    with pytest.raises(ValueError, match="reaches out"):
        _kernel.paint(
            *(3, 1, THREE, ONE, 2, 0, 2, 2, 1, THREE[:, :1].copy(), FAR.copy()),
            *(3, 3, 3, np.zeros((3, 3, 3), np.uint8), None, 1.0, 0.0, 255),
        )


def _subdivide(*, quads=None, inner=None, boundary=None, stars=(), rim=None) -> None:
    given = [
        (0, np.zeros((0, width), np.int32)) if index is None else (1, np.array([index], np.int32))
        for index, width in ((quads, 4), (inner, 4), (boundary, 2), (rim, 3))
    ]
    out = np.zeros((3 + sum(n for n, _ in given[:3]), 3), np.float32)
    _kernel.subdivide(3, 3, THREE, *given[0], *given[1], *given[2], stars, *given[3], out)


def test_refining_refuses_what_is_no_mesh() -> None:
    vertex, pair = np.zeros(1, np.int32), np.zeros((1, 2), np.int32)
    _subdivide(
        quads=(0, 1, 2, 0), inner=(0, 1, 3, 3), boundary=(0, 2), stars=((1, vertex, 2, pair),), rim=(2, 1, 0)
    )
    for index in (-1, 3, 2**31 - 1, -(2**31)):
        for name, width in (("quads", 4), ("boundary", 2), ("rim", 3)):
            with pytest.raises(IndexError):
                _subdivide(**{name: (0,) * (width - 1) + (index,)})
        for star in ((1, vertex + index, 2, pair), (1, vertex, 2, pair + index)):
            with pytest.raises(IndexError):
                _subdivide(stars=(star,))
        with pytest.raises(IndexError):
            _subdivide(inner=(0, 0, 0, index))
    for star in (
        (1, vertex, 1, vertex),
        (1, vertex, 0, vertex[:0]),
        (HUGE, vertex, 2, pair),
        (-1, vertex, 2, pair),
    ):
        with pytest.raises((ValueError, IndexError, MemoryError)):
            _subdivide(stars=(star,))
    for star in ((), (1, vertex), (1, None, 2, None), None, 7):
        with pytest.raises(TypeError):
            _subdivide(stars=(star,))


def test_indices_outside_are_refused_wherever_they_stand() -> None:
    for index in (-1, 3, 2**31 - 1, -(2**31)):
        for place in range(3):
            triangles = ONE.copy()
            triangles[0, place] = index
            with pytest.raises(IndexError):
                depth(triangles=triangles)
            with pytest.raises(IndexError):
                _kernel.vertex_normals(3, 1, THREE, triangles, np.empty((3, 3), np.float32))
        with pytest.raises(IndexError):
            _segments(
                4, 4, np.zeros(16, np.uint8), points=THREE[:, :2], ends=np.array([[0, index]], np.int32)
            )
        with pytest.raises(IndexError):
            _visible(chosen=np.array([0, index]))
    for pixel in (-1, 16, HUGE, -HUGE):
        with pytest.raises(IndexError):
            _kernel.recolor(16, np.zeros(48, np.uint8), 1, np.array([pixel]), np.zeros(768, np.uint8))
    with pytest.raises(IndexError):  # a mesh without vertices has no triangles
        depth(vertices=THREE[:0], n=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38, 2.0**31, -(2.0**63), 1e-45])
def test_places_beyond_all_numbers_are_black(value) -> None:
    part, out = np.full((4, 5, 3), 200, np.uint8), np.full((9, 9, 3), 7, np.uint8)
    for places in ((value, 0.0, 1.0), (0.0, value, 1.0)):
        if _kernel.warp(part, 0, 0, *places, 9, out) and abs(value) > 1:
            assert not out.any()
        _kernel.warp(part, 0, 0, 0.0, 0.0, value, 9, out)
        _kernel.warp(part, HUGE, -HUGE - 1, *places, 9, out)
    points = np.full((3, 9, 9), value, np.float32)
    for camera in (np.ones((4, 2), np.float32), np.full((4, 2), value, np.float32)):
        if _kernel.sample(part, 9, 9, points, camera, 0, 0, 9, 9, out) and abs(value) > 1:
            assert not out.any()


def test_views_and_halves_are_as_large_as_their_arrays_and_images_have_pixels_in_order() -> None:
    image, camera = np.zeros((4, 5, 3), np.uint8), np.zeros(8, np.float32)

    def sample(image=image, height=2, width=3, top=1, left=2, whole=(3, 5)):
        _kernel.sample(
            *(image, height, width, np.zeros((3, 2, 3), np.float32), camera),
            *(top, left, *whole, np.zeros((3, 5, 3), np.uint8)),
        )

    sample()
    for wrong in ({"top": 2}, {"left": 3}, {"top": -1}, {"left": -1}, {"top": HUGE}, {"left": -HUGE}):
        with pytest.raises(ValueError, match="reaches out"):
            sample(**wrong)
    for wrong in (
        {"height": 3},
        {"width": -3},
        {"height": 2**62 + 2},
        {"whole": (3, 4)},
        {"whole": (HUGE, 5)},
    ):
        with pytest.raises(ValueError, match="an array has"):
            sample(**wrong)
    strange = [image[..., ::-1], image[:, ::2], image[..., :2], image[0], image.view(np.int8)[..., :0]]
    strange += [image.astype(np.float32), np.zeros((0, 3), np.uint8), np.zeros((1, 2**24, 3), np.uint8)]
    for no_image in strange:
        with pytest.raises(ValueError, match="pixels of three bytes"):
            sample(no_image)
        with pytest.raises(ValueError, match="pixels of three bytes"):
            _kernel.halve(no_image, 2, 3, np.zeros((2, 3, 3), np.uint8))
        with pytest.raises(ValueError, match="pixels of three bytes"):
            _kernel.warp(no_image, 0, 0, 0.0, 0.0, 1.0, 1, np.zeros((1, 1, 3), np.uint8))
    for sides in ((2, 2), (1, 3), (3, 3), (-2, 3), (HUGE, HUGE)):
        with pytest.raises(ValueError, match=r"half the sides|an array has"):
            _kernel.halve(image, *sides, np.zeros((max(sides[0], 0) % 9, sides[1] % 9, 3), np.uint8))


ODD = [np.nan, np.inf, -np.inf, 3e38, -3e38, 2.0**31, 2.0**40, -(2.0**63), 1e-45, 0.0]


@pytest.mark.parametrize("value", ODD)
def test_coordinates_beyond_all_numbers_draw_nothing_outside(value) -> None:
    vertices = np.array([[0, 0, 0], [value, 1, value], [1, value, 1]], np.float32)
    region, area = (0, 0, 5, 4), (4, 5)
    for scale in (1.0, value):
        depth(vertices=vertices, region=region, scale=scale, out=np.full(area, np.inf, np.float32))
    values = np.full((3, 3), value, np.float32)
    _kernel.rasterize(
        *(3, 1, vertices, ONE, *region, 0, 0, np.zeros(area, np.int32)),
        *(np.zeros((*area, 3), np.float32), np.full(area, np.inf, np.float32)),
    )
    _kernel.paint(
        *(3, 1, vertices, ONE, *region, 3, values, np.full(area, np.inf, np.float32)),
        *(5, 4, 3, np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5, 3), np.uint8), value, value, 255),
    )
    _kernel.vertex_normals(3, 1, vertices, ONE, np.empty((3, 3), np.float32))
    _kernel.bounds(3, vertices, np.empty(6, np.float32))
    _kernel.phong(
        *(3, vertices, vertices, (value,) * 3, (value,) * 3, value, (value,) * 6, 5, 2),
        np.empty(3, np.float32),
    )
    _kernel.discs(4, 5, np.zeros(20, np.uint8), 3, vertices[:, :2].copy(), value)
    for widest in (-1, 0, 1, 2, 3):
        for origin in ((0.0, 0.0), (value, value)):
            _segments(4, 5, points=vertices, ends=ONE[:, :2], origin=origin, widest=widest)
            _segments(4, 5, points=vertices, ends=ONE[:, :2], thickness=value, widest=widest)
    _visible(vertices=vertices, scale=value, tolerance=value, buffer=np.full((2, 2), value, np.float32))
    _visible(vertices=vertices, scale=value, region=(-(2**22), 2**22, 2, 2), size=(2**31 - 1, -(2**31)))
    _kernel.direction_colors(3, vertices, np.empty(9, np.float32))
    for image in (None, np.zeros(60, np.uint8)):
        for share in (0.5, value):
            with contextlib.suppress(ValueError):
                _kernel.blend(
                    *(4, 5, 3, np.zeros(60, np.uint8), image, 0, 0, 3, 1, np.ones(3, np.uint8)),
                    *(3, vertices, share, 0.5, 2**31 - 1),
                )
    _kernel.blend_color(
        4, 5, 4, np.zeros(80, np.uint8), 0, 0, 4, 5, np.ones(20, np.uint8), (value,) * 3, value
    )
    basis, words, scales = (
        np.full(6, value, np.float32),
        np.zeros((2, 96), np.uint32),
        np.zeros(2, np.float32),
    )
    _kernel.quantize(1, 2, 0, 2, 0, 0, np.resize(basis, 6), words, scales)
    texture(value)


def texture(value: float, columns: int = 3, rows: int = 2, scale: float = 1.0) -> None:
    odd = np.full((3, 3), value, np.float32)
    normals = np.tile(np.array([0, 0, -1], np.float32), (3, 1))
    _kernel.texels(
        *(3, odd, normals, 1, 4, np.zeros(1, np.int32), ONE, np.full(2, 0.3, np.float32)),
        *(2, 2, np.zeros(12, np.uint8), (scale, scale, value, value), (2.0, 2.0), (0.2, 0.6)),
        *((scale, 1 / scale), (0, 0, columns, rows)),
        *(np.zeros((rows, columns), np.float32), np.ones((rows, columns), np.float32)),
        *(np.zeros(12, np.float32), np.zeros(4, np.float32)),
    )
    _kernel.complete(
        2,
        1,
        np.full(12, value, np.float32),
        np.full(4, value, np.float32),
        1,
        0,
        value,
        2,
        np.zeros(12, np.uint8),
    )


def test_a_view_with_more_columns_than_floats_can_tell_apart_is_read_within_its_end() -> None:
    # 2^24 + 1 is no float: its last column rounds up to one that is not there.
    texture(1e30, columns=2**24 + 3, rows=1)
    texture(1e30, columns=1, rows=2**24 + 3)


@pytest.mark.parametrize("exponent", [0, -1, -(2**31), 1025, 2**31 - 1])
def test_an_exponent_that_takes_for_ever_is_refused(exponent) -> None:
    with pytest.raises(ValueError, match="from 1 to 1024"):
        _kernel.phong(3, THREE, THREE, (0,) * 3, (0,) * 3, 1, (0,) * 6, exponent, 2, np.empty(3, np.float32))


def test_arrays_that_overlap_give_nonsense_and_no_crash() -> None:
    rng = np.random.default_rng(0)
    room = rng.integers(0, 3, 256).astype(np.int32)
    floats = room.view(np.float32)
    # The depth buffer is where the triangles lie: what is drawn would become the next triangles.
    for _ in range(20):
        room[:] = rng.integers(0, 3, 256)
        _kernel.depth(
            3, 80, rng.normal(0, 9, (3, 3)).astype(np.float32), room[:240], 0, 0, 15, 16, 1.0, floats[:240]
        )
    _kernel.vertex_normals(80, 80, floats[:240], np.zeros(240, np.int32), floats[:240])
    pixels = np.zeros(96, np.int64)
    _kernel.recolor(256, pixels.view(np.uint8), 96, pixels, np.full(768, 255, np.uint8))


def test_indices_that_another_thread_changes_give_nonsense_and_no_crash() -> None:
    rng = np.random.default_rng(1)
    vertices = rng.uniform(0, 60, (50, 3)).astype(np.float32)
    triangles = rng.integers(0, 50, (4000, 3)).astype(np.int32)
    done = threading.Event()

    def change() -> None:
        good = triangles.copy()
        while not done.is_set():
            triangles[:] = 2**31 - 1
            triangles[:] = good

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(60):
            for call in (
                lambda: _kernel.depth(
                    50, 4000, vertices, triangles, 0, 0, 60, 60, 1.0, np.zeros(3600, np.float32)
                ),
                lambda: _kernel.vertex_normals(50, 4000, vertices, triangles, np.empty((50, 3), np.float32)),
            ):
                with contextlib.suppress(IndexError):
                    call()
    finally:
        done.set()
        thread.join()


def test_arrays_that_are_read_only_scattered_or_between_their_elements_are_refused() -> None:
    out = np.zeros((3, 3), np.float32)
    out.flags.writeable = False
    with pytest.raises((ValueError, BufferError)):
        _kernel.vertex_normals(3, 1, THREE, ONE, out)
    with pytest.raises((ValueError, BufferError)):
        _kernel.vertex_normals(3, 1, np.zeros((3, 6), np.float32)[:, ::2], ONE, np.zeros((3, 3), np.float32))
    with pytest.raises(ValueError, match="does not start where its elements can"):
        _kernel.vertex_normals(3, 1, memoryview(bytearray(40))[1:37], ONE, np.zeros((3, 3), np.float32))
    with pytest.raises(TypeError):
        _kernel.vertex_normals(3, 1, None, ONE, THREE)


def test_empty_arrays_are_fine() -> None:
    nothing = np.zeros(0, np.float32)
    _kernel.depth(0, 0, nothing, nothing, 0, 0, 0, 0, 1.0, nothing)
    _kernel.weighted(0, 0, nothing, 0, nothing, nothing, nothing)
    _kernel.reconstruct(0, 0, nothing, nothing, nothing, nothing, np.zeros(12, np.float32), 2, nothing)
    _kernel.quantize(0, 0, 0, 0, 0, 0, nothing, nothing, nothing)
    _kernel.discs(0, 0, nothing, 0, nothing, 1.0)
    _kernel.blend_color(0, 0, 3, nothing, 0, 0, 0, 0, nothing, (0, 0, 0), 1.0)
