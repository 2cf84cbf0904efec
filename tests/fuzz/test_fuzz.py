"""A short run of the fuzzer; `make fuzz` runs it for long."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from campaign import fuzz
from kinds import KINDS
from mutations import mutated

SECONDS = 4.0  # of each kind


@pytest.mark.skipif(sys.platform == "win32", reason="the worker limits its memory with POSIX calls")
@pytest.mark.parametrize("kind", KINDS)
def test_no_bytes_crash_hang_or_end_in_a_traceback(kind):
    result = fuzz(kind, seed=7, seconds=SECONDS)
    assert not result.failures, result.failures[0][1]
    assert result.broken == 0
    assert sum(result.counts.values()) > 3
    assert result.peak_mb < 2000


def test_mutations_are_the_same_for_a_seed_and_differ_between_seeds():
    seeds = [bytes(range(256)), b"second" * 50]
    made = [mutated(seeds, random.Random(k)) for k in range(50)]
    assert made == [mutated(seeds, random.Random(k)) for k in range(50)]
    assert len(set(made)) > 45
