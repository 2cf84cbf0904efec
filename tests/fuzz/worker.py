"""Fuzz one kind in a process of its own: python worker.py KIND SEED FIRST SECONDS.

Before each input its number is written to standard output, so that whoever started this knows what it died
of. The last line is a JSON object of counts.
"""

from __future__ import annotations

import json
import logging
import os
import random
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

MEMORY_BYTES = 4 << 30  # of address space; the largest image that is allowed takes a few MB


def input_of(kind_seeds: list[bytes], seed: int, number: int) -> bytes:
    """Return the input of a number."""
    from mutations import mutated

    return mutated(kind_seeds, random.Random(f"{seed}/{number}"))


def _errors_size() -> int:
    """Return how much standard error has taken: libraries below write there past Python."""
    return os.fstat(2).st_size


def main(kind_name: str, seed: int, first: int, seconds: float) -> None:
    """Check inputs from a number on, until the time is over."""
    from kinds import KINDS

    logging.getLogger("tddfa").addHandler(logging.NullHandler())  # our own warnings are no noise
    kind = KINDS[kind_name]
    seeds = kind.seeds()
    for data in seeds:
        assert kind.check(data) != "refused" or kind.refuses_seeds, "a seed is good"
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    counts: Counter[str] = Counter()
    failures: list[tuple[int, str]] = []
    slowest, end, number = 0.0, time.monotonic() + seconds, first
    while time.monotonic() < end:
        print(number, flush=True)
        data = input_of(seeds, seed, number)
        begin, before = time.process_time(), _errors_size()
        try:
            counts[kind.check(data)] += 1
        except Exception:
            counts["traceback"] += 1
            failures.append((number, traceback.format_exc()))
        if (written := _errors_size()) > before:
            counts["noise"] += 1
            failures.append((number, f"{written - before} bytes on standard error"))
        slowest = max(slowest, time.process_time() - begin)
        number += 1
    peak_mb = _peak_mb()
    print(json.dumps({"counts": counts, "failures": failures[:20], "slowest_s": slowest, "peak_mb": peak_mb}))


def _peak_mb() -> float:
    """The most memory of this program; `ru_maxrss` begins with that of the process that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
