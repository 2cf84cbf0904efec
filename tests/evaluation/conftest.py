import pytest

import evaluation_sets
from tddfa import FaceAligner


@pytest.fixture(scope="session")
def toy_aligner(toy_pack):
    return FaceAligner(toy_pack)


@pytest.fixture(scope="session")
def toy_set(toy_aligner):
    return evaluation_sets.toy_set(toy_aligner)
