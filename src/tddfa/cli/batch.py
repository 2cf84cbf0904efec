"""`tddfa batch`: photos and videos by the million, on one machine or many."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Any

from tddfa.cli.arguments import SMOOTHINGS, add_device, add_quality, add_search_size, check_presence, positive
from tddfa.cli.commands import COMMANDS
from tddfa.cli.interrupts import INTERRUPTED, interrupts
from tddfa.cli.messages import counted, note, plain, report
from tddfa.cli.output_arguments import add_output_options, chosen, list_of, output_options
from tddfa.kinds import KINDS, names

if TYPE_CHECKING:
    from tddfa.batch.run import BatchEngine, BatchReport

_LARGEST_CROP = 4096
ENGINES = ("local", "ray")


def add_parser(commands: Any) -> None:
    """Add `batch` to the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "batch",
        help=COMMANDS["batch"].help,
        description="Find the faces of many photos and videos, and write a Parquet dataset, OUT/faces, with "
        "a row per face. Inputs are planned into numbered chunks; each becomes one file, whole or not there, "
        "so that a run may be killed at any time and continued with --resume.",
    )
    parser.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="*",
        help="photos, videos, folders, globs, lists (.txt, a path a line), Parquet files with a column of "
        "paths or of images, WebDataset shards (.tar); local, or s3://bucket/folder; none to go on with the "
        "plan in OUT",
    )
    parser.add_argument("--out", metavar="OUT", required=True, help="folder, or s3://bucket/folder")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the batch in OUT: do the chunks that are not whole, and those with an input that "
        "was left out because its worker was killed, time or memory ended, or a server did not answer",
    )
    parser.add_argument(
        "--shard",
        metavar="K/N",
        type=_shard,
        help="do every Nth chunk, from the Kth (1/N to N/N): a job of a SLURM array, or of Kubernetes",
    )
    parser.add_argument("--plan-only", action="store_true", help="write the plan, and do nothing")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="local",
        help="processes of this machine, or Ray (default: local)",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="of the Ray cluster: auto, or ray://host:10001 (default: one on this machine)",
    )
    parser.add_argument(
        "-j",
        "--jobs",
        metavar="N",
        type=positive,
        help="chunks at a time, each in a process of its own (default: 1; with Ray, one for each free CPU)",
    )
    parser.add_argument(
        "--kinds",
        metavar="KINDS",
        type=list_of(names(KINDS), folder="--out OUT"),
        default=[],
        help="files to write for each photo with a face, to OUT/files: comma list of "
        f"{', '.join(names(KINDS))}; or all",
    )
    add_output_options(parser, KINDS)
    parser.add_argument(
        "--crops",
        metavar="PX",
        type=_crop_size,
        help="a square JPEG of each face of photos, PX wide, in the column crop",
    )
    parser.add_argument(
        "--column", metavar="NAME", help="column of Parquet inputs (default: known by its name)"
    )
    parser.add_argument(
        "--chunk-size", metavar="N", type=positive, default=256, help="photos in a chunk (default: 256)"
    )
    parser.add_argument(
        "--max-errors", metavar="N", type=_count, help="stop when more inputs than N could not be used"
    )
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=_seconds,
        default=120.0,
        help="leave out a photo that takes longer, or a video that stands still for as long; --resume tries "
        "it again (default: 120)",
    )
    parser.add_argument(
        "--max-faces", metavar="N", type=positive, help="the N largest faces of a photo, N tracks of a video"
    )
    add_quality(parser)
    add_search_size(parser, "as large as the faces that are found suggest")
    parser.add_argument(
        "--smooth", choices=SMOOTHINGS, default="one-euro", help="smoothing of videos (default: one-euro)"
    )
    parser.add_argument(
        "--video-part",
        metavar="S",
        type=_seconds_or_0,
        default=600.0,
        help="videos longer than two parts of S seconds are cut into such parts, at cuts between shots, for "
        "several workers; IDs of people hold within a part (default: 600; 0: every video stays whole)",
    )
    parser.add_argument("--pack", metavar="NAME", help="model pack, see 'tddfa packs list'")
    add_device(parser)
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Run `tddfa batch`.

    Returns:
        0; 1 when an input could not be used; 130 when interrupted.
    """
    if not args.inputs and not args.resume and args.shard is None:
        args.parser.error("name an INPUT, or go on with the plan in OUT with --resume")
    if not args.out.strip():
        args.parser.error("--out is empty; name a folder, or s3://bucket/folder")
    if args.address is not None and args.engine != "ray":
        args.parser.error("--address needs --engine ray")
    options = output_options(args, chosen(args.kinds, KINDS), by="--kinds")
    if args.engine == "local" and not args.plan_only:
        check_presence(args.device)

    from tddfa.batch.run import run_batch
    from tddfa.batch.settings import BatchSettings

    settings = BatchSettings(
        pack=args.pack,
        search_size=args.search_size,
        max_faces=args.max_faces,
        smooth=args.smooth,
        quality=args.quality,
        kinds=tuple(args.kinds),
        options=options,
        crops=args.crops,
        device=args.device,
        video_part_s=args.video_part,
    )
    with interrupts() as stop, _Bars() as bars:
        outcome = run_batch(
            args.inputs,
            args.out,
            settings,
            engine=_engine(args),
            resume=args.resume,
            shard=args.shard,
            max_errors=args.max_errors,
            timeout_s=args.timeout,
            chunk_size=args.chunk_size,
            column=args.column,
            plan_only=args.plan_only,
            stop=stop,
            progress=bars,
        )
    if outcome.left_out:
        note(outcome.left_out)
    if args.plan_only:
        inputs, chunks = counted(outcome.n_inputs, "input"), counted(outcome.n_chunks, "chunk")
        print(f"planned {inputs} in {chunks} in {plain(args.out)}")
        return 0
    _say(outcome, args)
    if stop.is_set():
        note("interrupted; go on with --resume")
        return INTERRUPTED
    return 1 if outcome.n_errors else 0


def _engine(args: argparse.Namespace) -> BatchEngine:
    if args.engine == "ray":
        from tddfa.batch.ray import RayEngine

        engine = RayEngine(args.address, args.jobs)
        if not args.plan_only:
            engine.check()  # what is missing shows before there is a plan
        return engine
    from tddfa.batch.local import LocalEngine

    return LocalEngine(args.jobs or 1)


def _say(outcome: BatchReport, args: argparse.Namespace) -> None:
    where = args.out.partition("?")[0].rstrip("/")
    before = f", {outcome.n_done_before} of them before" if outcome.n_done_before else ""
    print(
        f"{counted(outcome.n_inputs, 'input')} done{before}: {counted(outcome.n_faces, 'face')}, "
        f"{counted(outcome.n_empty, 'input')} without a face, {outcome.n_errors} with an error; wrote "
        f"{plain(where)}/faces"
    )
    if outcome.n_errors:
        more = "" if outcome.n_errors == 1 else f" (and {outcome.n_errors - 1} more, in the column error)"
        report(f"{outcome.first_error}{more}")
    if outcome.n_again:
        note(
            f"{outcome.n_again} of the inputs with an error may be usable: a process was killed, time or "
            "memory ended, or a server did not answer; --resume tries them again"
        )


class _Bars:
    """Progress on a terminal: the plan, then the inputs."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> _Bars:
        return self

    def planned(self, n_inputs: int) -> None:
        if self._bar is None:
            self._bar = self._new("planned", None)
        self._bar.update(n_inputs)

    def started(self, n_inputs: int) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = self._new("aligned", n_inputs)

    def advanced(self, n_inputs: int) -> None:
        self._bar.update(n_inputs)

    def _new(self, what: str, total: int | None) -> Any:
        from tqdm import tqdm

        return tqdm(total=total, desc=what, unit=" inputs", disable=None, file=sys.stderr)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def _shard(text: str) -> Any:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard; give K/N with K from 1 to N, such as 3/16")
    from tddfa.batch.run import Shard

    return Shard(int(match[1]) - 1, int(match[2]))


def _crop_size(text: str) -> int:
    size = positive(text)
    if size > _LARGEST_CROP:
        raise argparse.ArgumentTypeError(f"{text!r} is no width of a crop; give 1 to {_LARGEST_CROP} px")
    return size


def _count(text: str) -> int:
    return 0 if text == "0" else positive(text)


def _seconds_or_0(text: str) -> float:
    return 0.0 if text in ("0", "0.0") else _seconds(text, "0 or a number of seconds above it")


def _seconds(text: str, possible: str = "a number of seconds above 0") -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not {possible}")
    return value
