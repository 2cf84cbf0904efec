import numpy as np
import pytest

from tddfa.evaluation.expressions.units import MixtureDeck, mirrored_name, random_gaze, single_units
from tddfa.morphable import open_face_model

NAMES = open_face_model(level=0).expression_names


def test_single_expressions_cover_every_coefficient() -> None:
    shown = {part for parts in single_units(NAMES).values() for part in parts}
    assert shown == set(NAMES)


def test_paired_expressions_are_shown_on_each_side_and_on_both() -> None:
    units = single_units(NAMES)
    assert units["eyeBlink"] == ("eyeBlinkLeft", "eyeBlinkRight")
    assert units["eyeBlinkLeft"] == ("eyeBlinkLeft",)
    assert not {"jaw", "mouth"} & units.keys()


def test_mixtures_show_every_expression_about_equally_often() -> None:
    deck = MixtureDeck(NAMES, np.random.default_rng(0))
    drawn = [deck.draw() for _ in range(300)]
    counts = {name: sum(name in one for one in drawn) for name in NAMES if not name.startswith("eyeLook")}
    assert min(counts.values()) > 0.35 * np.median(list(counts.values()))
    assert all(0 <= weight <= 1 for one in drawn for weight in one.values())


def test_mixtures_have_no_opposites() -> None:
    deck = MixtureDeck(NAMES, np.random.default_rng(1))
    for one in (deck.draw() for _ in range(300)):
        assert not {"jawLeft", "jawRight"} <= one.keys()
        assert not {"eyeBlinkLeft", "eyeWideLeft"} <= one.keys()
        assert one.get("mouthClose", 0) <= one.get("jawOpen", 0) + 1e-9


def test_both_eyes_look_the_same_way() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        gaze = random_gaze(rng, 0.8)
        assert gaze.get("eyeLookOutLeft") == gaze.get("eyeLookInRight")
        assert gaze.get("eyeLookUpLeft") == gaze.get("eyeLookUpRight")
        assert max(gaze.values()) == pytest.approx(0.8)


def test_mirroring_a_name_twice_gives_it_back() -> None:
    assert mirrored_name("eyeBlinkLeft") == "eyeBlinkRight"
    assert all(mirrored_name(mirrored_name(name)) == name for name in NAMES)
