"""Tests that wait are patient with a machine that stands still, and not with what never happens."""

from __future__ import annotations

import pytest

import waiting
from waiting import wait_until


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    return now


def test_a_stall_of_the_machine_is_no_failure(clock):
    looks = []

    def look() -> bool:
        looks.append(None)
        clock[0] += 510 if len(looks) == 2 else 0.01
        return len(looks) == 50

    assert wait_until(look, patience_s=240, pause=lambda: None)


def test_what_never_happens_is_named_after_at_least_as_many_looks_as_seconds(clock):
    looks = []

    def look() -> None:
        looks.append(None)
        clock[0] += 1000  # every look is a stall

    with pytest.raises(AssertionError, match="waited in vain: the face turns"):
        wait_until(look, "the face turns", patience_s=30, pause=lambda: None)
    assert len(looks) >= 30
