"""Which faint detections deserve a look: by where they are, and beside whom."""

from __future__ import annotations

import pytest

from tddfa.detection.faint import FaintDetection, is_clear, without_buttons, worth_verifying
from tddfa.types import BoundingBox, Detection


def at(x: float, y: float, score: float, side: float = 100) -> Detection:
    return Detection(BoundingBox(x - side / 2, y - side / 2, x + side / 2, y + side / 2), score)


FACE = at(500, 500, 0.9)


def kept(candidate: Detection, face: Detection = FACE) -> bool:
    return worth_verifying([candidate], [face.box], [face.box] if is_clear(face) else []) == [candidate]


def test_without_a_known_face_every_candidate_is_worth_verifying():
    candidates = [at(100, 100, 0.16), at(110, 100, 0.9, 20)]
    assert worth_verifying(candidates, [], []) == candidates


@pytest.mark.parametrize("score", [0.16, 0.95])
def test_what_shares_much_with_a_face_is_part_of_it_whatever_its_score(score):
    assert not kept(at(530, 500, score))
    assert not kept(at(510, 510, score, 20))
    assert kept(at(700, 500, max(score, 0.2)))


@pytest.mark.parametrize(("score", "is_kept"), [(0.18, False), (0.2, True)])
def test_beside_a_clear_face_a_candidate_needs_more_of_a_score(score, is_kept):
    assert kept(at(900, 500, score)) == is_kept
    assert kept(at(900, 500, score), at(500, 500, 0.7))


@pytest.mark.parametrize(
    ("score", "support", "is_kept"),
    [(0.16, 0.8, True), (0.16, 0.7, False), (0.3, 0.38, False), (0.3, 0.42, True)],
)
def test_beside_a_clear_face_what_many_cells_support_needs_less_of_a_score(score, support, is_kept):
    candidate = FaintDetection(at(900, 500, score).box, score, support)
    assert kept(candidate) == is_kept
    assert kept(candidate, at(500, 500, 0.7))
    assert not kept(FaintDetection(at(520, 500, score).box, score, 9.0))


@pytest.mark.parametrize(("dx", "dy"), [(75, 0), (-75, 20), (60, -75), (0, 80), (-80, 80)])
def test_something_small_on_the_head_of_a_clear_face_is_looked_at_only_if_it_is_likely(dx, dy):
    assert not kept(at(500 + dx, 500 + dy, 0.45, 30))
    assert kept(at(500 + dx, 500 + dy, 0.55, 30))
    assert kept(at(500 + dx, 500 + dy, 0.45, 30), at(500, 500, 0.7))


def test_who_stands_beside_is_looked_at_whether_near_and_as_large_or_small_and_farther():
    assert kept(at(595, 500, 0.3, 60))
    assert kept(at(640, 500, 0.3, 30))
    assert kept(at(500, 620, 0.3, 30))


@pytest.mark.parametrize(("dx", "dy"), [(0, 135), (30, 180), (-90, 350)])
@pytest.mark.parametrize("score", [0.2, 0.62])
def test_something_tiny_on_the_chest_of_a_clear_face_is_a_button(dx, dy, score):
    button = at(500 + dx, 500 + dy, score, 8)
    assert without_buttons([FACE, button], [FACE.box]) == [FACE]
    assert not kept(button)
    assert kept(button, at(500, 500, 0.7))
    # Somebody farther away is clear or larger, or stands beside or above.
    assert kept(at(500 + dx, 500 + dy, 0.85, 8))
    assert kept(at(500 + dx, 500 + dy, score, 15))
    assert kept(at(500 + dx + 200, 500 + dy, score, 8))
    assert kept(at(500 + dx, 500 - dy, score, 8))
