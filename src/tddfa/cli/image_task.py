"""What `tddfa image` does with one image, in a thread of the command or in a process of its own."""

from __future__ import annotations

import errno
import json
import os
import signal
import textwrap
import threading
import traceback
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from tddfa.cli.inputs import Job
from tddfa.cli.interrupts import SIGNALS
from tddfa.cli.output_arguments import chosen
from tddfa.cli.overwriting import OverwriteGuard
from tddfa.dataclass import dataclass
from tddfa.errors import InputError, MissingExtraError, PackError, TddfaError
from tddfa.kinds import KINDS, TABLES, Kind, OutputOptions
from tddfa.provenance import is_ours

if TYPE_CHECKING:
    from tddfa.alignment import FaceAligner
    from tddfa.types import Face, Image

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS) if os.name != "nt" else (errno.ENOSPC,)
_SMALLEST_PX = 20.5  # side of a face, px, below which no search helps


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an image.

    Attributes:
        job: the image.
        line: its line of JSON.
        files: files that were written.
        problem: why something is missing; None where nothing is.
        trace: where the problem comes from.
        earlier: files of its faces that an earlier run wrote, and this one did not.
        is_last: whether no file of another image could be written either.
    """

    job: Job
    line: str | None = None
    files: list[Path] = field(default_factory=list[Path])
    problem: str | None = None
    trace: str = ""
    earlier: list[Path] = field(default_factory=list[Path])
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class ImageTask:
    """What is done with each image: it is aligned, and its files are written. Pickles as these values.

    Attributes:
        pack: name or folder of the model pack.
        search_size: longer side at which images are searched, px.
        device: where networks run.
        max_faces: only so many of the largest faces.
        folder: for the outputs.
        outputs: names of the kinds of files.
        tables: names of the formats of tables.
        options: how the files are written.
        guard: refuses to write over files.
        needs_line: whether a line of JSON is needed.
        verbose: whether problems are wanted with their traceback.
    """

    pack: str | None
    search_size: int | None
    device: str
    max_faces: int | None
    folder: Path
    outputs: tuple[str, ...]
    tables: tuple[str, ...]
    options: OutputOptions
    guard: OverwriteGuard
    needs_line: bool
    verbose: bool = False

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of files to write."""
        return [*chosen(self.outputs, KINDS), *chosen(self.tables, TABLES)]

    def stem(self, job: Job) -> Path:
        """Return the folder and stem of the files of an image."""
        return self.folder / job.target


class ImageWorker:
    """Do a task with images, in one thread or several.

    Args:
        task: what is done.

    Raises:
        PackNotFoundError: the pack is not installed.
    """

    def __init__(self, task: ImageTask) -> None:
        from tddfa.alignment import FaceAligner

        self._task = task
        self._aligner = FaceAligner(task.pack, search_size=task.search_size, device=task.device)
        self._swept: set[Path] = set()

    def __call__(self, job: Job) -> Outcome:
        """Return what came of an image; an error costs this image alone.

        Raises:
            PackError: the pack is broken; no other image would fare better.
            ImportError: a package is missing.
        """
        line: str | None = None
        files: list[Path] = []
        earlier: list[Path] = []
        task = self._task
        try:
            image, faces = self._faces(job)
            if task.needs_line:
                line = _line(job, image, faces)
            earlier = self._earlier(job, len(faces))
            if not faces:
                raise InputError(f"{job.path}: no face found{_hint(image, self._aligner)}")
            if kinds := task.kinds:
                files = self._write(kinds, task.stem(job), image, faces)
        except (PackError, ImportError):
            raise
        except Exception as error:
            trace = "".join(traceback.format_exception(error)) if task.verbose else ""
            return Outcome(job, line, files, _text(error, task.verbose), trace, earlier, _is_full(error))
        return Outcome(job, line, files, earlier=earlier)

    def _earlier(self, job: Job, n_faces: int) -> list[Path]:
        if not self._task.kinds:
            return []
        from tddfa.outputs import earlier_files

        return earlier_files(self._task.kinds, self._task.stem(job), self._task.options, n_faces)

    def _faces(self, job: Job) -> tuple[Image, list[Face]]:
        from tddfa.imaging import read_image

        if is_ours(job.path):
            raise InputError(f"{job.path} was made by tddfa; it is an output and no input")
        try:
            image = read_image(job.path)
        except MissingExtraError as error:
            raise InputError(f"{job.path}: {error}") from None  # other images may need nothing
        return image, self._aligner.align(image, max_faces=self._task.max_faces)

    def _write(self, kinds: Sequence[Kind], stem: Path, image: Image, faces: Sequence[Face]) -> list[Path]:
        from tddfa.files import remove_leftovers
        from tddfa.outputs import Scene, write_outputs

        if stem.parent not in self._swept:
            self._swept.add(stem.parent)
            remove_leftovers(stem.parent)
        return write_outputs(kinds, stem, Scene(image, faces), self._task.options, self._task.guard.check)


class WorkerOfProcess:
    """The worker of a process that works for the command: the task is sent once, not with each image."""

    task: ImageTask | None = None
    worker: ImageWorker | None = None

    @classmethod
    def begin(cls, task: ImageTask) -> None:
        """Prepare the process: Ctrl-C is for the command, and without it there is nothing to do."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        cls.task = task

    @classmethod
    def do(cls, job: Job) -> Outcome:
        """Return what came of an image."""
        assert cls.task is not None
        if cls.worker is None:
            cls.worker = ImageWorker(cls.task)
        return cls.worker(job)


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _is_full(error: Exception) -> bool:
    """Return whether the disk of the outputs takes no more files."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL


def _text(error: Exception, verbose: bool) -> str:
    """Return one line about what went wrong."""
    if isinstance(error, TddfaError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory; shrink the image, or work on fewer at a time (-j)"
    text = textwrap.shorten(str(error), 200) or "no message"
    hint = "" if verbose else "; run 'tddfa -v image' to see where"
    return f"unexpected {type(error).__name__}: {text}{hint}"


def _line(job: Job, image: Image, faces: Sequence[Face]) -> str:
    from tddfa.export import image_record

    return json.dumps({"file": str(job.path), **image_record(image, faces)})


def _hint(image: Image, aligner: FaceAligner) -> str:
    """Return what faces of an image have to be like to be found."""
    smallest = aligner.smallest_face(image)
    if smallest is None:
        return ""
    height, width = image.shape[:2]
    more = f"; --search-size {max(height, width)} finds smaller ones" if smallest > _SMALLEST_PX else ""
    return f"; a face has to be about {smallest:.0f} px wide in this image of {width}×{height} px{more}"
