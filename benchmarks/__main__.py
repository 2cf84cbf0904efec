"""`python -m benchmarks`: measure, and turn results into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.machine import REPOSITORY

RESULTS = REPOSITORY / "benchmarks" / "results"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    speed = commands.add_parser("speed", help="time every stage and whole commands (a few minutes)")
    _packs_argument(speed)
    speed.add_argument(
        "--upstream", metavar="DIR", type=Path, help="a working copy of 3DDFA_V2, measured beside"
    )
    speed.add_argument("--python", metavar="EXE", default=sys.executable, help="the Python that runs it")
    speed.add_argument(
        "--upstream-config", metavar="FILE", default="configs/mb05_120x120.yml", help="the network it runs"
    )
    speed.add_argument("--mediapipe", metavar="EXE", help="a Python with MediaPipe 0.10, measured beside")
    speed.add_argument("--rounds", type=int, default=3, help="turns of every program (default: 3)")
    speed.add_argument("--seconds", type=float, default=0.1, help="for a stage in a turn (default: 0.1)")
    speed.add_argument("--no-commands", action="store_true", help="stages alone, no whole commands")
    speed.add_argument("--output", metavar="FILE", type=Path, default=RESULTS / "speed.json")

    accuracy = commands.add_parser("accuracy", help="run 'tddfa eval' for every pack")
    _packs_argument(accuracy)
    accuracy.add_argument("--data", metavar="DIR", type=Path, required=True, help="folder of AFLW2000-3D")
    accuracy.add_argument("--eyes", metavar="DIR", type=Path, help="folder with a reference for eyes")
    accuracy.add_argument("--clips", metavar="DIR", type=Path, help="folder of clips for stability")
    accuracy.add_argument("--output", metavar="FILE", type=Path, default=RESULTS / "accuracy.json")

    report = commands.add_parser("report", help="write docs/benchmarks.md and its plots from the results")
    report.add_argument("--results", metavar="DIR", type=Path, default=RESULTS)
    report.add_argument("--docs", metavar="DIR", type=Path, default=REPOSITORY / "docs")
    args = parser.parse_args()

    if args.command == "report":
        from benchmarks.report import write_report

        write_report(args.results, args.docs)
        return 0
    packs = args.packs or _installed()
    if args.command == "speed":
        from benchmarks.speed.measure import Upstream, measure_speed

        upstream = None
        if args.upstream is not None:
            upstream = Upstream(args.upstream.resolve(), args.python, args.upstream_config)
        result = measure_speed(
            packs,
            upstream=upstream,
            mediapipe=args.mediapipe,
            rounds=args.rounds,
            seconds=args.seconds,
            commands=not args.no_commands,
        )
    else:
        from benchmarks.accuracy.measure import measure_accuracy

        result = measure_accuracy(packs, args.data, eyes=args.eyes, clips=args.clips)
    _write(args.output, result)
    return 0


def _packs_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--packs", metavar="NAME", nargs="+", help="default: all that are installed")


def _installed() -> list[str]:
    from tddfa.packs import ModelPack, installed_packs

    names: list[str] = []
    for name, pack in installed_packs().items():
        if isinstance(pack, ModelPack):
            names += [name, *(f"{name}:{variant}" for variant in pack.manifest.variants)]
    if not names:
        raise SystemExit("no pack is installed; see 'tddfa packs list'")
    return names


def _write(path: Path, result: dict[str, object]) -> None:
    from tddfa.files import atomic_write

    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode())
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
