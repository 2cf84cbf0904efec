"""`tddfa image`: images in, images and files out."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import textwrap
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tddfa.cli.arguments import add_device, add_search_size, positive
from tddfa.cli.inputs import Inputs, Job
from tddfa.cli.interrupts import interrupts
from tddfa.cli.lines import Lines
from tddfa.cli.messages import note, report
from tddfa.cli.output_arguments import add_output_options, chosen, list_of, output_options
from tddfa.cli.overwriting import OverwriteGuard, add_overwrite
from tddfa.errors import InputError, MissingExtraError, PackError, TddfaError
from tddfa.kinds import KINDS, TABLES, Kind, OutputOptions, names
from tddfa.provenance import is_ours

if TYPE_CHECKING:
    from tddfa.alignment import FaceAligner
    from tddfa.types import Face, Image

INTERRUPTED = 130
_SMALLEST_PX = 20.5  # side of a face, px, below which no search helps


def add_parser(commands: Any) -> None:
    """Add `image` to the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "image",
        help="align the faces of images, draw and export them",
        description="Find every face of each image and write what -o asks for, as DIR/<stem>_<kind>.<ext>.",
    )
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help="images, folders of images, or globs")
    parser.add_argument(
        "-o",
        "--output",
        metavar="KINDS",
        type=list_of(names(KINDS)),
        help=f"comma list of {', '.join(names(KINDS))}; or all (default: 2d_sparse; nothing with --data, "
        "--json)",
    )
    parser.add_argument(
        "--data",
        metavar="FORMATS",
        type=list_of(names(TABLES, image=True)),
        default=[],
        help="a table with a row per face, as <stem>.<format>, with the columns of 'tddfa video --data': "
        f"comma list of {', '.join(names(TABLES, image=True))}",
    )
    parser.add_argument(
        "-d",
        "--dir",
        metavar="DIR",
        type=Path,
        default=Path(),
        help="folder for the outputs (default: the current)",
    )
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
        help="images at a time, each in a thread of its own (default: 1)",
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

    lines_file = None if args.json in (None, "-") else Path(args.json)
    check = OverwriteGuard(inputs, args.overwrite).check
    guard = OverwriteGuard(inputs, args.overwrite, lines_file)
    with interrupts() as stop, Lines.to(args.json, args.resume, check) as lines:
        work = _Work(args, kinds, options, guard, lines, stop, n_failed=len(inputs.problems))
        work.on(inputs)
    work.report(len(inputs))
    if stop.is_set():
        return INTERRUPTED
    return 1 if work.n_failed else 0


@dataclass(slots=True, eq=False)
class _Work:
    """One run of the command over its inputs, and what came of it."""

    args: argparse.Namespace
    kinds: Sequence[Kind]
    options: OutputOptions
    guard: OverwriteGuard
    lines: Lines | None
    stop: threading.Event
    n_failed: int
    n_done: int = 0
    n_skipped: int = 0
    n_files: int = 0
    last_files: list[Path] = field(default_factory=list[Path])
    swept: set[Path] = field(default_factory=set[Path])

    def on(self, inputs: Inputs) -> None:
        """Work on all images, several at a time."""
        from tddfa.alignment import FaceAligner
        from tddfa.concurrency import in_order

        todo = self._todo(inputs)
        first = next(todo, None)
        if first is None:
            return  # loading the networks takes longer
        aligner = FaceAligner(self.args.pack, search_size=self.args.search_size, device=self.args.device)
        outcomes = in_order(lambda job: self._outcome(job, aligner), _chain(first, todo), self.args.jobs)
        with _progress(len(inputs)) as bar, contextlib.closing(outcomes):
            for outcome in outcomes:
                if outcome.error is not None:
                    bar.clear()
                self._record(outcome)
                bar.update(1)

    def report(self, n_inputs: int) -> None:
        """Say where the files went, and how many images had a problem."""
        out = sys.stderr if self.args.json == "-" else sys.stdout
        if n_inputs == 1:
            for path in self.last_files:
                print(f"wrote {path}", file=out)
        elif self.n_files:
            print(f"wrote {self.n_files} files of {self.n_done} images to {self.args.dir}", file=out)
        if self.args.json not in (None, "-") and self.n_done:
            print(f"wrote {self.args.json}", file=out)
        if n_inputs > 1 and (self.n_failed or self.args.resume or self.stop.is_set()):
            skipped = f", {self.n_skipped} were done before" if self.args.resume else ""
            note(f"{self.n_done} of {n_inputs} images done{skipped}; problems: {self.n_failed}")
        if self.stop.is_set():
            note("interrupted; what was done is kept")

    def _todo(self, inputs: Inputs) -> Iterator[Job]:
        for job in inputs:
            if self.stop.is_set():
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
        return all(is_ours(path) for path in expected_files(self.kinds, self._stem(job), self.options))

    def _stem(self, job: Job) -> Path:
        return self.args.dir / job.target

    def _outcome(self, job: Job, aligner: FaceAligner) -> _Outcome:
        """Align an image and write its files; an error costs this image alone."""
        outcome = _Outcome(job)
        try:
            image, faces = self._faces(job, aligner)
            if self.lines is not None:
                outcome.line = _line(job, image, faces)
            if not faces:
                raise InputError(f"{job.path}: no face found{_hint(image, aligner)}")
            if self.kinds:
                outcome.files = self._write(self._stem(job), image, faces)
        except (PackError, ImportError):
            raise  # no other image would fare better
        except Exception as error:
            outcome.error = error
        return outcome

    def _faces(self, job: Job, aligner: FaceAligner) -> tuple[Image, list[Face]]:
        from tddfa.imaging import read_image

        if is_ours(job.path):
            raise InputError(f"{job.path} was made by tddfa; it is an output and no input")
        try:
            image = read_image(job.path)
        except MissingExtraError as error:
            raise InputError(f"{job.path}: {error}") from None  # other images may need nothing
        faces = aligner.align(image)
        if self.args.max_faces is not None and len(faces) > self.args.max_faces:
            by_size = sorted(range(len(faces)), key=lambda i: -_area(faces[i]))
            faces = [faces[i] for i in sorted(by_size[: self.args.max_faces])]
        return image, faces

    def _write(self, stem: Path, image: Image, faces: Sequence[Face]) -> list[Path]:
        from tddfa.files import remove_leftovers
        from tddfa.outputs import Scene, write_outputs

        if stem.parent not in self.swept:
            self.swept.add(stem.parent)
            remove_leftovers(stem.parent)
        return write_outputs(self.kinds, stem, Scene(image, faces), self.options, self.guard.check)

    def _record(self, outcome: _Outcome) -> None:
        if outcome.line is not None and self.lines is not None:
            self.lines.add(str(outcome.job.path), outcome.line)
        self.n_files += len(outcome.files)
        self.last_files = outcome.files
        if outcome.error is None:
            self.n_done += 1
            return
        self.n_failed += 1
        _report_error(outcome.error, outcome.job.path, verbose=self.args.verbose)


@dataclass(slots=True, eq=False)
class _Outcome:
    """What came of an image.

    Attributes:
        job: the image.
        line: its line of JSON.
        files: files that were written.
        error: why something is missing.
    """

    job: Job
    line: str | None = None
    files: list[Path] = field(default_factory=list[Path])
    error: Exception | None = None


def _report_error(error: Exception, path: Path, *, verbose: bool) -> None:
    """Print one line about an image, and where the error comes from with -v."""
    if verbose:
        traceback.print_exception(error)
    if isinstance(error, TddfaError):
        report(error, of=path)
    elif isinstance(error, MemoryError):
        report("not enough memory; shrink the image, or work on fewer at a time (-j)", of=path)
    else:
        text = textwrap.shorten(str(error), 200) or "no message"
        hint = "" if verbose else "; run 'tddfa -v image' to see where"
        report(f"unexpected {type(error).__name__}: {text}{hint}", of=path)


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


def _line(job: Job, image: Image, faces: Sequence[Face]) -> str:
    from tddfa.export import image_record

    return json.dumps({"file": str(job.path), **image_record(image, faces)})


def _area(face: Face) -> float:
    return face.detection.box.width * face.detection.box.height


def _chain(first: Job, rest: Iterator[Job]) -> Iterator[Job]:
    yield first
    yield from rest


def _hint(image: Image, aligner: FaceAligner) -> str:
    """Return what faces of an image have to be like to be found."""
    smallest = aligner.smallest_face(image)
    if smallest is None:
        return ""
    height, width = image.shape[:2]
    more = f"; --search-size {max(height, width)} finds smaller ones" if smallest > _SMALLEST_PX else ""
    return f"; a face has to be about {smallest:.0f} px wide in this image of {width}×{height} px{more}"
