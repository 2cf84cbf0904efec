"""The guard of speed that counts instructions."""

from __future__ import annotations

import json

from benchmarks.instructions import RESULTS, STAGES, read_dumps, regressions


def test_the_dumps_of_callgrind_tell_the_stages():
    dumps = [
        "desc: Trigger: dump start\n\nevents: Ir\ntotals: 70656244\n",
        "desc: Trigger: dump track\n\nevents: Ir\ntotals: 18366681\n",
        "desc: Trigger: Program termination\n\nevents: Ir\ntotals: 12\n",
    ]
    assert read_dumps(dumps) == {"start": 70656244, "track": 18366681}


def test_a_tenth_more_is_a_regression_and_less_is_none():
    before = {"track": 20.0, "write_ply": 5.0, "gone": 1.0}
    assert regressions(before, {"track": 21.9, "write_ply": 3.0}) == []
    assert regressions(before, {"track": 21.9, "new": 9.0}) == ["new: no record; measure without --check"]
    assert regressions(before, {"track": 22.1}) == ["track: 20.0 -> 22.1 million instructions"]


def test_every_stage_has_its_count():
    assert set(json.loads(RESULTS.read_text(encoding="utf-8"))["millions"]) == set(STAGES)
