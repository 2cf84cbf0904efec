import numpy as np
import pytest

from tddfa.evaluation.identity import identity_spread


def test_the_spread_within_people_and_between_them_is_found_again() -> None:
    rng = np.random.default_rng(0)
    people, images = 200, 40
    person = np.repeat(np.arange(people), images)
    identity = rng.normal(0, 0.8, (people, 30))[person] + rng.normal(0, 0.2, (len(person), 30))
    spread = identity_spread(identity, person)
    assert spread is not None
    assert spread.within == pytest.approx(0.2, rel=0.02)
    assert spread.between == pytest.approx(np.hypot(0.8, 0.2 / np.sqrt(images)), rel=0.05)
    assert spread.ratio == pytest.approx(spread.within / spread.between)


def test_one_person_or_single_images_say_nothing() -> None:
    values = np.random.default_rng(1).normal(size=(5, 4))
    assert identity_spread(values, np.zeros(5, int)) is None
    assert identity_spread(values, np.arange(5)) is None


def test_faces_that_were_not_found_do_not_count() -> None:
    values = np.random.default_rng(2).normal(size=(8, 4))
    values[0] = np.nan
    spread = identity_spread(values, np.repeat([0, 1], 4))
    assert spread is not None
    assert spread.images == 7
