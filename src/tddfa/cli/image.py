"""`tddfa image`: images in, images and files out."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from tddfa.cli.arguments import add_device, add_folder, add_search_size, check_presence, positive
from tddfa.cli.commands import COMMANDS
from tddfa.cli.image_task import ImageTask, ImageWorker, Outcome, WorkerOfProcess
from tddfa.cli.inputs import Inputs, Job
from tddfa.cli.interrupts import INTERRUPTED, interrupts
from tddfa.cli.lines import Lines
from tddfa.cli.messages import counted, note, plain, report
from tddfa.cli.output_arguments import Listed, add_output_options, chosen, list_of, output_options
from tddfa.cli.overwriting import OverwriteGuard, add_overwrite
from tddfa.dataclass import dataclass
from tddfa.errors import ExportFileError
from tddfa.files import file_above, make_folder
from tddfa.kinds import KINDS, TABLES, check_extras, names
from tddfa.provenance import is_ours

_MOST_NAMED = 6  # files of an earlier run
_MIN_PER_PROCESS = 64  # images from which a process is worth its start, which takes as long as a few dozen


def add_parser(commands: Any) -> None:
    """Add `image` to the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "image",
        help=COMMANDS["image"].help,
        description="Find every face of each image and write what -o asks for, as DIR/<stem>_<kind>.<ext>.",
    )
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help="images, folders of images, or globs")
    parser.add_argument(
        "-o",
        "--output",
        metavar="KINDS",
        action=Listed,
        type=list_of(names(KINDS), elsewhere=dict.fromkeys(names(TABLES, image=True), "--data")),
        help=f"comma list of {', '.join(names(KINDS))}; or all (default: 2d_sparse; nothing with --data, "
        "--json)",
    )
    parser.add_argument(
        "--data",
        metavar="FORMATS",
        action=Listed,
        type=list_of(names(TABLES, image=True), elsewhere=dict.fromkeys(names(KINDS), "-o")),
        default=[],
        help="a table with a row per face, as <stem>.<format>, with the columns of 'tddfa video --data': "
        f"comma list of {', '.join(names(TABLES, image=True))}",
    )
    add_folder(parser, "the outputs")
    parser.add_argument("--pack", metavar="NAME", help="model pack, see 'tddfa packs list'")
    add_device(parser)
    add_output_options(parser, KINDS)
    add_overwrite(parser)
    parser.add_argument(
        "--max-faces", metavar="N", type=positive, help="only the N largest faces of an image"
    )
    add_search_size(parser, "as large as the faces that are found suggest")
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="one JSON object per image and line, to a file or - for standard output",
    )
    parser.add_argument(
        "-j",
        "--jobs",
        metavar="N",
        type=positive,
        default=1,
        help="images at a time: in threads, or in processes where there are 64 images and more for each "
        "(default: 1)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue where an earlier run with --resume stopped: skip images whose files are all there, "
        "and add to the file of --json, which grows line by line",
    )
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Run `tddfa image`.

    Returns:
        0; 1 when an input could not be used or has no face; 130 when interrupted.
    """
    wanted: Sequence[str] = args.output or (() if args.json or args.data else ("2d_sparse",))
    kinds = [*chosen(wanted, KINDS), *chosen(args.data, TABLES)]
    options = output_options(args, kinds)
    if args.json == "":
        args.parser.error("--json is empty; name a file, or - for standard output")
    if args.resume and args.json == "-":
        args.parser.error("--resume needs a file for --json: what went to standard output is not known")

    inputs = Inputs(args.inputs)
    for problem in inputs.problems:
        report(problem)
    if inputs.left_out:
        note(inputs.left_out_text())
    if not len(inputs):
        if not inputs.problems:
            report("no image is left")
        return 1

    if (file := file_above(args.dir)) is not None:
        raise ExportFileError(f"cannot write to {args.dir}: {file} is a file; choose another folder (-d)")
    check_extras(kinds)
    _check_pack(args.pack, args.device)
    lines_file = None if args.json in (None, "-") else Path(args.json)
    if lines_file is not None:
        _make_output_folder(args.dir, of=lines_file)
    check = OverwriteGuard(inputs, args.overwrite, elsewhere="choose another name").check
    guard = OverwriteGuard(inputs, args.overwrite, lines_file)
    with interrupts() as stop, Lines.to(args.json, args.resume, check) as lines:
        task = ImageTask(
            pack=args.pack,
            search_size=args.search_size,
            device=args.device,
            max_faces=args.max_faces,
            folder=args.dir,
            outputs=tuple(wanted),
            tables=tuple(args.data),
            options=options,
            guard=guard,
            needs_line=lines is not None,
            verbose=args.verbose,
        )
        work = _Work(args, task, lines, stop, n_failed=len(inputs.problems))
        try:
            work.on(inputs)
        except BrokenPipeError:
            # The reader of the lines, such as `head`, has what it wanted.
            return 1 if work.n_failed else 0
    work.report(len(inputs))
    if stop.is_set():
        return INTERRUPTED
    return 1 if work.n_failed else 0


def _check_pack(pack: str | None, device: str) -> None:
    """Refuse a pack that is not installed and a device that is not there, before a folder or file is made.

    Raises:
        PackNotFoundError: there is no such pack.
        InputError: there is no such device.
    """
    check_presence(device)
    if pack is not None:
        from tddfa.packs import find_pack

        find_pack(pack)


def _make_output_folder(folder: Path, *, of: Path) -> None:
    """Make the folder of the outputs before the first image is done, where a file is opened in it."""
    if os.path.abspath(of.parent) != os.path.abspath(folder):  # noqa: PTH100
        return
    try:
        make_folder(folder)
    except OSError as error:
        raise ExportFileError(f"cannot make the folder {folder}: {error.strerror}") from None


@dataclass(slots=True, eq=False)
class _Work:
    """One run of the command over its inputs, and what came of it."""

    args: argparse.Namespace
    task: ImageTask
    lines: Lines | None
    stop: threading.Event
    n_failed: int
    n_done: int = 0
    n_skipped: int = 0
    n_files: int = 0
    last_files: list[Path] = field(default_factory=list[Path])
    n_earlier: int = 0
    earlier: list[Path] = field(default_factory=list[Path])
    is_full: bool = False

    def on(self, inputs: Inputs) -> None:
        """Work on all images, several at a time."""
        from tddfa.concurrency import in_order, in_processes

        todo = self._todo(inputs)
        first = next(todo, None)
        if first is None:
            return  # loading the networks takes longer
        worker = ImageWorker(self.task)
        jobs, n_processes = _chain(first, todo), self.args.jobs
        if n_processes > 1 and len(inputs) >= _MIN_PER_PROCESS * n_processes:
            outcomes = in_processes(WorkerOfProcess.do, jobs, n_processes, WorkerOfProcess.begin, self.task)
        else:
            outcomes = in_order(worker, jobs, self.args.jobs)
        with _progress(len(inputs)) as bar, contextlib.closing(outcomes):
            for outcome in outcomes:
                if outcome.problem is not None:
                    bar.clear()
                self._record(outcome)
                bar.update(1)

    def report(self, n_inputs: int) -> None:
        """Say where the files went, and how many images had a problem."""
        out = sys.stderr if self.args.json == "-" else sys.stdout
        if n_inputs == 1:
            for path in self.last_files:
                print(f"wrote {plain(path)}", file=out)
        elif self.n_files:
            files, images = counted(self.n_files, "file"), counted(self.n_done, "image")
            print(f"wrote {files} of {images} to {plain(self.args.dir)}", file=out)
        if self.args.json not in (None, "-") and self.n_done:
            print(f"wrote {plain(self.args.json)}", file=out)
        if self.n_earlier:
            more = f" and {n} more" if (n := self.n_earlier - len(self.earlier)) else ""
            note(f"{', '.join(map(str, self.earlier))}{more}: of an earlier run; this one did not write them")
        if n_inputs > 1 and (self.n_failed or self.args.resume or self.stop.is_set()):
            skipped = f", {self.n_skipped} were done before" if self.args.resume else ""
            note(f"{self.n_done} of {n_inputs} images done{skipped}; problems: {self.n_failed}")
        if self.stop.is_set():
            note("interrupted; what was done is kept")
        elif self.is_full and n_inputs > 1:
            note("stopped, since the disk takes no more; free some space, then run again with --resume")

    def _todo(self, inputs: Inputs) -> Iterator[Job]:
        for job in inputs:
            if self.stop.is_set() or self.is_full:
                return
            if self.args.resume and self._is_done(job):
                self.n_skipped += 1
            else:
                yield job

    def _is_done(self, job: Job) -> bool:
        """Whether an earlier run has left nothing to do: no file, and no line."""
        from tddfa.outputs import expected_files

        name = str(job.path)
        if self.lines is not None and self.args.json is not None:
            if self.lines.done.has_no_face(name):
                return True
            if name not in self.lines.done:
                return False
        task = self.task
        return all(is_ours(path) for path in expected_files(task.kinds, task.stem(job), task.options))

    def _record(self, outcome: Outcome) -> None:
        if outcome.line is not None and self.lines is not None:
            self.lines.add(str(outcome.job.path), outcome.line)
        self.n_files += len(outcome.files)
        self.last_files = outcome.files
        self.n_earlier += len(outcome.earlier)
        self.earlier += outcome.earlier[: max(_MOST_NAMED - len(self.earlier), 0)]
        if outcome.problem is None:
            self.n_done += 1
            return
        self.n_failed += 1
        self.is_full |= outcome.is_last
        print(outcome.trace, end="", file=sys.stderr)
        report(outcome.problem, of=outcome.job.path)


def _progress(n_images: int) -> Any:
    """Return a progress bar on a terminal; for one image, nothing."""
    if n_images == 1:
        return _NoProgress()
    from tqdm import tqdm

    return tqdm(total=n_images, unit="image", disable=None)


class _NoProgress(contextlib.AbstractContextManager["_NoProgress"]):
    def update(self, _: int) -> None: ...

    def clear(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def _chain(first: Job, rest: Iterator[Job]) -> Iterator[Job]:
    yield first
    yield from rest
