"""What the commands offer without loading the library is what the library has."""

from tddfa.alignment.inputs import MIN_SEARCH_SIZE
from tddfa.cli import arguments
from tddfa.tracking.smoothing import SMOOTHERS


def test_smoothers_and_the_smallest_search_size():
    assert set(arguments.SMOOTHINGS) == set(SMOOTHERS)
    assert arguments.MIN_SEARCH_SIZE == MIN_SEARCH_SIZE
