import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tddfa.errors import InputError
from tddfa.geometry.boxes import intersection_over_union, non_maximum_suppression, overlapping
from tddfa.types import BoundingBox


def random_boxes(seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 30, (n, 2))
    return np.hstack([corner, corner + rng.integers(1, 20, (n, 2))]).astype(np.float64)


@given(st.integers(0, 500))
def test_overlap_equals_counting_pixels(seed):
    a, b = random_boxes(seed, 4), random_boxes(seed + 1, 5)

    def pixels(box):
        grid = np.zeros((60, 60), bool)
        x0, y0, x1, y1 = box.astype(int)
        grid[y0:y1, x0:x1] = True
        return grid

    counted = [[(pixels(p) & pixels(q)).sum() / (pixels(p) | pixels(q)).sum() for q in b] for p in a]
    np.testing.assert_allclose(intersection_over_union(a, b), counted)


@given(st.integers(0, 500), st.sampled_from([0.0, 0.31, 0.71]))
def test_boxes_overlap_where_their_overlap_is_more_than_the_limit(seed, limit):
    a, b = random_boxes(seed, 4), random_boxes(seed + 1, 5)
    np.testing.assert_array_equal(overlapping(a, b, limit), intersection_over_union(a, b) > limit)


@given(st.integers(0, 500), st.sampled_from([0.0, 1.0]))
def test_suppression_equals_its_definition(seed, grow):
    boxes = random_boxes(seed, 20)
    scores = np.random.default_rng(seed).random(20)
    grown = boxes + np.array([0, 0, grow, grow])
    kept: list[int] = []
    for k in sorted(range(20), key=lambda k: -scores[k]):
        if all(intersection_over_union(grown[[k]], grown[[j]])[0, 0] <= 0.3 for j in kept):
            kept.append(k)
    assert non_maximum_suppression(boxes, scores, 0.3, grow=grow).tolist() == kept


def test_nothing_suppressed_from_nothing():
    assert non_maximum_suppression(np.zeros((0, 4)), np.zeros(0), 0.3).size == 0


@pytest.mark.parametrize(
    "box", [(0, 0, float("nan"), 1), (0, 0, float("inf"), 1), (5, 0, 5, 1), (0, 3, 1, 2)]
)
def test_a_box_that_is_none_is_refused_in_a_line(box):
    with pytest.raises(InputError, match=r"^box \("):
        BoundingBox(*map(float, box))


def test_the_box_around_points_touches_them():
    assert tuple(BoundingBox.around(np.array([[1.0, 5, 9], [4, 2, 7]]))) == (1, 2, 4, 5)
