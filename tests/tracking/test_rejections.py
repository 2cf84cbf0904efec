"""Rejected detections are not verified again for a while."""

from __future__ import annotations

import pytest

from tddfa.tracking.rejections import Rejections
from tddfa.types import BoundingBox, Detection


def at(x: float, score: float = 0.3) -> Detection:
    return Detection(BoundingBox(x, 0, x + 40, 40), score)


@pytest.fixture
def rejections() -> Rejections:
    made = Rejections()
    made.update([at(0), at(100)], [at(102).box], 10)
    return made


def test_a_rejection_ends_after_a_while(rejections):
    assert rejections.without_rejected([at(3)], 14) == []
    assert rejections.without_rejected([at(3)], 22) == [at(3)]


@pytest.mark.parametrize("other", [at(100), at(30), at(3, 0.45)], ids=["a face", "elsewhere", "much clearer"])
def test_faces_other_places_and_higher_scores_are_not_rejected(rejections, other):
    assert rejections.without_rejected([other], 14) == [other]


def test_a_second_verification_renews_a_rejection_and_a_cut_ends_it(rejections):
    rejections.update([at(3)], [], 20)
    assert rejections.without_rejected([at(0)], 30) == []
    rejections.clear()
    assert rejections.without_rejected([at(0)], 30) == [at(0)]
