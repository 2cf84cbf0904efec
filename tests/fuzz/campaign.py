"""A long run of the fuzzer: python tests/fuzz/campaign.py [--kind KIND] [--minutes N] [--seed N].

A worker that crashes or hangs is counted, its input is kept, and the next worker goes on behind it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
BROKEN = ("crash", "hang", "traceback", "noise")
_PIECE_S = (
    120.0  # a worker is replaced after this: seeds of memory growth would show, and a crash costs little
)
_HANG_S = 60.0  # an input that takes longer hangs: CPU time, or ten times as much on the clock


@dataclass
class Result:
    """Counts of a run.

    Attributes:
        counts: what came of the inputs, by word; "crash" and "hang" among them.
        failures: number of the input and what happened, for each broken promise.
        slowest_s: CPU time of the slowest input, s.
        peak_mb: largest memory of a worker, MB.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_mb: float = 0.0

    @property
    def broken(self) -> int:
        """How many inputs broke a promise."""
        return sum(self.counts[word] for word in BROKEN)


def fuzz(kind: str, *, seed: int, seconds: float, hang_s: float = _HANG_S) -> Result:
    """Fuzz a kind for some time."""
    result, number, end = Result(), 0, time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0.5 or not result.counts:
        number = _piece(kind, seed, number, min(left, _PIECE_S), hang_s, result) + 1
    return result


def _piece(kind: str, seed: int, first: int, seconds: float, hang_s: float, result: Result) -> int:
    """Run one worker; return the number of its last input."""
    command = [sys.executable, str(WORKER), kind, str(seed), str(first), str(max(seconds, 1.0))]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        last, report, hung = _follow(process, first, hang_s)
        errors.seek(0)
        said = errors.read()
    if report is not None:
        result.counts.update(report["counts"])
        result.failures += [(n, text) for n, text in report["failures"]]
        result.slowest_s = max(result.slowest_s, report["slowest_s"])
        result.peak_mb = max(result.peak_mb, report["peak_mb"])
    elif last < first:
        raise RuntimeError(f"the worker ended before its first input:\n{said}")
    else:
        what = "hang" if hung else "crash"
        result.counts[what] += 1
        result.counts["before it"] += last - first
        result.failures.append((last, f"{what}, exit {process.returncode}\n{said[-2000:]}"))
    return last


def _follow(
    process: subprocess.Popen[str], first: int, hang_s: float
) -> tuple[int, dict[str, Any] | None, bool]:
    """Return the number of the last input, the report if there is one, and whether the worker hung."""
    assert process.stdout is not None
    last, report, hung = first - 1, None, threading.Event()
    heard, used = time.monotonic(), 0.0

    def watch() -> None:
        while process.poll() is None:
            time.sleep(0.2)
            limit = hang_s + 30 * (last < first)  # making the seeds takes a while
            if _cpu_s(process.pid) - used > limit or time.monotonic() - heard > 10 * limit:
                hung.set()
                process.kill()
                return

    threading.Thread(target=watch, daemon=True).start()
    for line in process.stdout:
        heard, used = time.monotonic(), _cpu_s(process.pid)
        if line.startswith("{"):
            report = json.loads(line)
        else:
            last = int(line)
    process.wait()
    return last, report, hung.is_set()


def _cpu_s(process: int) -> float:
    """Return the CPU time of a process, s; 0 where the system does not tell: then the clock decides."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def main() -> int:
    """Run the campaign; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", action="append", help="what to fuzz (default: everything)")
    parser.add_argument("--minutes", type=float, default=10, help="of each kind (default: 10)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="(default: the time)")
    parser.add_argument("--out", type=Path, help="write the counts as JSON")
    args = parser.parse_args()
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
    from kinds import KINDS

    report: dict[str, Any] = {"seed": args.seed, "minutes": args.minutes}
    broken = 0
    for kind in args.kind or KINDS:
        result = fuzz(kind, seed=args.seed, seconds=60 * args.minutes)
        broken += result.broken
        report[kind] = {
            "inputs": sum(result.counts.values()),
            **{word: result.counts[word] for word in BROKEN},
            "came_of_them": dict(result.counts),
            "slowest_cpu_s": round(result.slowest_s, 2),
            "peak_mb": round(result.peak_mb),
        }
        print(json.dumps({kind: report[kind]}), flush=True)
        for number, text in result.failures[:10]:
            print(f"{kind} {args.seed}/{number}:\n{text}", file=sys.stderr)
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
