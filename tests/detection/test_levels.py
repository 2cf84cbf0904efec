import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tddfa.detection.levels import MAX_SEARCH_SIDE, RELIABLE_PX, levels, tiles

MAX_SIDE = 640
sizes = st.integers(1, 30_000)


@given(sizes, st.one_of(st.none(), st.integers(32, 9000)))
def test_no_face_falls_between_two_copies(longer_side, search_size):
    plan = levels(longer_side, MAX_SIDE, search_size)
    base = plan[0]
    assert (base.min_face, base.max_face, base.tiled) == (0, math.inf, False)
    assert base.side == min(longer_side, MAX_SIDE, search_size or MAX_SIDE)
    finest = min(longer_side, search_size or MAX_SEARCH_SIDE)
    assert max(level.side for level in plan) >= 0.75 * finest
    coarser = base
    for level in plan:
        assert level.side <= max(finest, base.side)
        if level.tiled:
            # What is too large for this copy is found in the next smaller one.
            assert level.max_face * coarser.side / longer_side > 1.5 * RELIABLE_PX
            coarser = level


def test_a_face_that_fills_the_image_is_looked_for_in_a_small_copy():
    _, coarse = levels(768, MAX_SIDE, 640)
    assert coarse.side == 128
    assert coarse.min_face == pytest.approx(0.35 * 768)
    assert len(levels(240, MAX_SIDE, None)) == 1  # it is small already


def test_the_work_for_any_image_is_bounded():
    def work(longer_side):
        return sum((level.side / MAX_SIDE) ** 2 for level in levels(longer_side, MAX_SIDE, None))

    assert work(640) < 1.1
    assert work(10**6) == work(MAX_SEARCH_SIDE) < 130


@given(st.integers(1, 7000), st.integers(1, 7000))
def test_tiles_cover_a_copy_and_each_centre_belongs_to_one(width, height):
    parts = list(tiles(width, height))
    for tile in parts:
        assert 0 <= tile.x0 < tile.x1 <= width
        assert 0 <= tile.y0 < tile.y1 <= height
        assert max(tile.x1 - tile.x0, tile.y1 - tile.y0) <= 1024
    rng = np.random.default_rng(0)
    for x, y in rng.uniform([0, 0], [width - 1, height - 1], (20, 2)):
        (owner,) = (t for t in parts if t.core[0] <= x < t.core[2] and t.core[1] <= y < t.core[3])
        # A face of up to 96 px around it lies in the tile, as far as it lies in the image.
        assert owner.x0 <= max(x - 48, 0)
        assert min(x + 48, width - 1) < owner.x1
        assert owner.y0 <= max(y - 48, 0)
        assert min(y + 48, height - 1) < owner.y1
