"""`python -m benchmarks`: measure, and turn results into docs/benchmarks.md and the numbers of the README."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import REPOSITORY

if TYPE_CHECKING:
    from benchmarks.speed.measure import Upstream

RESULTS = REPOSITORY / "benchmarks" / "results"
_ACCURACY_SHARE = 0.45  # of the minutes of `all`, at the most


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    both = commands.add_parser("all", help="accuracy, speed and report, in one go (about 11 minutes)")
    _packs_argument(both)
    both.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        required=True,
        help="folder of AFLW2000-3D; or with eval/aflw2000_dev, and perhaps faces, videos, photos",
    )
    _program_arguments(both)
    both.add_argument("--rounds", type=int, default=5, help="turns of every program at the most (default: 5)")
    both.add_argument(
        "--minutes",
        type=float,
        default=11,
        help="for everything: nothing begins that would not end within them (default: 11); records of "
        "accuracy are used again while pack and code are unchanged",
    )
    _report_arguments(both)

    speed = commands.add_parser("speed", help="time every stage and whole commands (a few minutes)")
    _packs_argument(speed)
    _program_arguments(speed)
    speed.add_argument("--rounds", type=int, default=3, help="turns of every program (default: 3)")
    speed.add_argument("--seconds", type=float, default=0.1, help="for a stage in a turn (default: 0.1)")
    speed.add_argument("--no-commands", action="store_true", help="stages alone, no whole commands")
    speed.add_argument("--output", metavar="FILE", type=Path, default=RESULTS / "speed.json")

    accuracy = commands.add_parser("accuracy", help="run 'tddfa eval' for every pack")
    _packs_argument(accuracy)
    accuracy.add_argument("--data", metavar="DIR", type=Path, required=True, help="folder of AFLW2000-3D")
    accuracy.add_argument("--eyes", metavar="DIR", type=Path, help="folder with a reference for eyes")
    accuracy.add_argument("--clips", metavar="DIR", type=Path, help="folder of clips for stability")
    accuracy.add_argument("--photos", metavar="DIR", type=Path, help="folder of photos for tracking")
    accuracy.add_argument("--output", metavar="FILE", type=Path, default=RESULTS / "accuracy.json")

    report = commands.add_parser("report", help="write docs, plots and the README's numbers from the results")
    _report_arguments(report)
    args = parser.parse_args()

    if args.command == "report":
        _report(args)
        return 0
    packs = args.packs or _installed()
    if args.command == "all":
        _all(packs, args)
    elif args.command == "speed":
        from benchmarks.speed.measure import measure_speed

        result = measure_speed(
            packs,
            upstream=_upstream(args),
            mediapipe=args.mediapipe,
            rounds=args.rounds,
            seconds=args.seconds,
            commands=not args.no_commands,
        )
        _write(args.output, result)
    else:
        from benchmarks.accuracy.measure import measure_accuracy

        _write(
            args.output,
            measure_accuracy(packs, args.data, eyes=args.eyes, clips=args.clips, photos=args.photos),
        )
    return 0


def _all(packs: list[str], args: argparse.Namespace) -> None:
    """Each part is written as soon as it is measured."""
    from benchmarks.accuracy.measure import measure_accuracy
    from benchmarks.speed.measure import measure_speed

    begin = time.monotonic()
    upstream = _upstream(args)
    folders = data_folders(args.data)
    print(f"accuracy of {', '.join(packs)} …", flush=True)
    path = args.results / "accuracy.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    accuracy = measure_accuracy(packs, **folders, known=known, minutes=_ACCURACY_SHARE * args.minutes)
    _write(path, accuracy)
    spent = (time.monotonic() - begin) / 60
    print(f"speed, after {spent:.1f} minutes …", flush=True)
    speed = measure_speed(
        packs,
        upstream=upstream,
        mediapipe=args.mediapipe,
        rounds=args.rounds,
        minutes=max(args.minutes - spent, 0.0),
    )
    _write(args.results / "speed.json", speed)
    _report(args)
    for what, why in {**accuracy["errors"], **speed["errors"]}.items():
        print(f"not measured: {what}: {why}", file=sys.stderr)
    print(f"took {(time.monotonic() - begin) / 60:.1f} minutes")


def data_folders(root: Path) -> dict[str, Any]:
    """The sets in a folder: AFLW2000-3D itself, or a folder of sets.

    Raises:
        SystemExit: there is no such folder.
    """
    if not root.is_dir():
        raise SystemExit(f"--data {root} is no folder")
    parts = {"aflw2000": root / "eval" / "aflw2000_dev", "eyes": root / "faces", "clips": root / "videos"}
    parts["photos"] = root / "photos"
    if not parts["aflw2000"].is_dir():
        return {"aflw2000": root}
    return {name: path if path.is_dir() else None for name, path in parts.items()}


def _report(args: argparse.Namespace) -> None:
    from benchmarks.readme import write_readme
    from benchmarks.report import write_report

    write_report(args.results, args.docs)
    write_readme(args.results, args.readme)


def _upstream(args: argparse.Namespace) -> Upstream | None:
    from benchmarks.speed.measure import Upstream

    if args.upstream is None:
        return None
    if not (args.upstream / "TDDFA.py").is_file():
        raise SystemExit(f"--upstream {args.upstream} is no copy of 3DDFA_V2: it has no TDDFA.py")
    return Upstream(args.upstream.resolve(), args.python, args.upstream_config)


def _packs_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--packs", metavar="NAME", nargs="+", help="default: all that are installed")


def _program_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--upstream", metavar="DIR", type=Path, help="a working copy of 3DDFA_V2, measured beside"
    )
    parser.add_argument("--python", metavar="EXE", default=sys.executable, help="the Python that runs it")
    parser.add_argument(
        "--upstream-config", metavar="FILE", default="configs/mb05_120x120.yml", help="the network it runs"
    )
    parser.add_argument("--mediapipe", metavar="EXE", help="a Python with MediaPipe 0.10, measured beside")


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", metavar="DIR", type=Path, default=RESULTS)
    parser.add_argument("--docs", metavar="DIR", type=Path, default=REPOSITORY / "docs")
    parser.add_argument("--readme", metavar="FILE", type=Path, default=REPOSITORY / "README.md")


def _installed() -> list[str]:
    from tddfa.packs import ModelPack, installed_packs

    names: list[str] = []
    for name, pack in installed_packs().items():
        if isinstance(pack, ModelPack):
            names += [name, *(f"{name}:{variant}" for variant in pack.manifest.variants)]
    if not names:
        raise SystemExit("no pack is installed; see 'tddfa packs list'")
    return names


def _write(path: Path, result: dict[str, Any]) -> None:
    from tddfa.files import atomic_write

    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode())
    print(f"wrote {path}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
