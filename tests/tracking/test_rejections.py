"""What the network has rejected is not looked at again for a while."""

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


def test_what_was_rejected_is_fresh_again_after_a_while(rejections):
    assert rejections.fresh([at(3)], 14) == []
    assert rejections.fresh([at(3)], 22) == [at(3)]


@pytest.mark.parametrize("other", [at(100), at(30), at(3, 0.45)], ids=["a face", "elsewhere", "much clearer"])
def test_faces_and_what_lies_elsewhere_or_is_seen_better_stay_fresh(rejections, other):
    assert rejections.fresh([other], 14) == [other]


def test_a_later_look_renews_the_rejection_and_a_cut_ends_it(rejections):
    rejections.update([at(3)], [], 20)
    assert rejections.fresh([at(0)], 30) == []
    rejections.clear()
    assert rejections.fresh([at(0)], 30) == [at(0)]
