"""Photos of mixed kinds under kill −9, a few of them; `python tests/fuzz/killed_runs.py` takes 2000."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from killed_runs import killed_runs, photo_kinds


@pytest.mark.skipif(
    sys.platform != "linux", reason="names that are not UTF-8, pipes and kill −9 are those of Linux"
)
def test_nothing_is_lost_doubled_or_half_written_when_runs_are_killed(tmp_path):
    n_kinds = len(photo_kinds())
    result = killed_runs(tmp_path, n_photos=n_kinds + 6, n_kills=2, seed=3)
    assert result["problems"] == []
    assert len(result["kinds"]) == n_kinds
    assert result["kills"] >= 1
    assert result["temporary_files_left"] == 0
