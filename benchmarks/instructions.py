"""Count the instructions of each stage with Valgrind: the same on a busy machine as on a quiet one.

    python -m benchmarks.instructions            # write results/instructions.json
    python -m benchmarks.instructions --check    # compare with it; exit code 1 where a stage takes 10 % more

Counts belong to the versions of the libraries that are in the file, and to the instructions that Valgrind
offers them (AVX2): they tell whether a change of ours costs time, not how long a stage takes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "instructions.json"
TOLERANCE = 1.1
STAGES = (
    "detect",
    "photo_landmarks",
    "photo_largest",
    "track",
    "reconstruct",
    *(
        f"draw_{kind}"
        for kind in ("2d_sparse", "2d_dense", "3d", "depth", "pncc", "uv_tex", "pose", "normals", "wireframe")
    ),
    *(f"write_{kind}" for kind in ("ply", "obj", "glb", "json", "npz")),
)
_NOTHING = "nothing"  # a stage that does nothing: what marking the end of a stage costs


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the results, write nothing")
    parser.add_argument("--pack", default="open")
    parser.add_argument("--drive", metavar="PACK", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.drive:
        _drive(args.drive)
        return 0
    counts = count(args.pack)
    if args.check:
        slower = regressions(json.loads(RESULTS.read_text(encoding="utf-8"))["millions"], counts)
        for line in slower:
            print(line)
        return 1 if slower else 0
    from benchmarks.machine import commit, machine, now

    result = {
        "measured": now(),
        "commit": commit(),
        "machine": machine(),
        "pack": args.pack,
        "millions": counts,
    }
    RESULTS.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {RESULTS}")
    return 0


def count(pack: str) -> dict[str, float]:
    """Return the instructions of one run of each stage, in millions.

    Args:
        pack: name of the pack.
    """
    with tempfile.TemporaryDirectory(prefix="tddfa-instructions-") as folder:
        out = Path(folder) / "out"
        # Imports, loading and the first run of each stage would take ten minutes if they were counted.
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
        command += [sys.executable, "-m", "benchmarks.instructions", "--drive", pack]
        env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)
        taken = read_dumps(path.read_text(encoding="utf-8") for path in Path(folder).glob("out.*"))
    marking = taken.pop(_NOTHING)
    return {stage: round((taken[stage] - marking) / 1e6, 1) for stage in STAGES if stage in taken}


def read_dumps(dumps: Iterable[str]) -> dict[str, int]:
    """Return the instructions of each stage from the texts of Callgrind's dumps, one after each stage."""
    taken: dict[str, int] = {}
    for text in dumps:
        name = re.search(r"^desc: Trigger: dump (\w+)$", text, re.MULTILINE)
        total = re.search(r"^totals: (\d+)$", text, re.MULTILINE)
        if name and total:
            taken[name[1]] = int(total[1])
    return taken


def regressions(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """Return a line for each stage that takes more than a tenth more instructions than before, or is new."""
    slower = [
        f"{stage}: {before[stage]} -> {count} million instructions"
        for stage, count in now.items()
        if stage in before and count > TOLERANCE * before[stage]
    ]
    return slower + [f"{stage}: no record; measure without --check" for stage in now if stage not in before]


def _drive(pack: str) -> None:
    """Run every stage once, after a warm-up that does not count, and have Callgrind dump after each."""
    import cv2

    from benchmarks.speed.workers.ours import stages_of
    from tddfa.alignment import FaceAligner

    cv2.setNumThreads(1)
    stages = stages_of(FaceAligner(pack))
    prepared = {name: stages[name](None) for name in STAGES if name in stages}
    prepared[_NOTHING] = lambda: None
    for run in prepared.values():
        run()
    _control("-i", "on")
    _dump("start")
    for name, run in prepared.items():
        run()
        _dump(name)


def _dump(name: str) -> None:
    _control("-d", name)


def _control(*request: str) -> None:
    subprocess.run(["callgrind_control", *request, str(os.getpid())], check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
