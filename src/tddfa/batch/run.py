"""A batch from its arguments to its last part: plan or join, do what is not done, count."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import field, replace
from typing import Any, Protocol

from tddfa.batch.chunk import ChunkJob, ChunkReport
from tddfa.batch.inputs import Sources
from tddfa.batch.local import LocalEngine
from tddfa.batch.plan import CHUNK_SIZE, Plan, make_plan
from tddfa.batch.settings import BatchSettings
from tddfa.batch.storage import Storage
from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.files import remove_leftovers
from tddfa.types.arguments import as_list, as_path, shown

TIMEOUT_S = 120.0


class BatchEngine(Protocol):
    """What does chunks: processes of this machine, or of a cluster."""

    def run(
        self,
        job: ChunkJob,
        chunks: Iterator[int],
        *,
        timeout_s: float,
        resume: bool,
        alive: Callable[[int, int], None],
    ) -> Generator[ChunkReport | None]:
        """Yield a report of each chunk, as they are done, and None now and then while there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the chunks, for one of several runs that share a batch.

    Attributes:
        index: which, from 0.
        count: how many there are.
    """

    index: int = 0
    count: int = 1

    def chunks(self, n_chunks: int) -> range:
        """Return the numbers of its chunks."""
        return range(self.index, n_chunks, self.count)


@dataclass(slots=True)
class BatchReport:
    """What came of a run.

    Attributes:
        n_chunks: chunks that are whole now, of those of this run.
        n_inputs: inputs in them.
        n_faces: rows with a face.
        n_empty: inputs without a face.
        n_errors: inputs that could not be used.
        n_done_before: inputs that an earlier run had done.
        first_error: what the first input with an error said.
        n_again: inputs with an error that the next run with `resume` tries again.
        is_complete: whether every chunk of the run is whole.
        left_out: one line about files in folders of inputs that are none; empty where there are none.
    """

    n_chunks: int = 0
    n_inputs: int = 0
    n_faces: int = 0
    n_empty: int = 0
    n_errors: int = 0
    n_done_before: int = 0
    first_error: str = ""
    n_again: int = 0
    is_complete: bool = field(default=False)
    left_out: str = ""

    def add(self, chunk: ChunkReport) -> None:
        """Count a chunk."""
        self.n_chunks += 1
        self.n_inputs += chunk.n_inputs
        self.n_faces += chunk.n_faces
        self.n_empty += chunk.n_empty
        self.n_errors += chunk.n_errors
        self.n_done_before += chunk.n_inputs if chunk.was_done else 0
        self.first_error = self.first_error or chunk.first_error
        self.n_again += chunk.n_again


class Progress(Protocol):
    """Where the progress of a run is shown."""

    def planned(self, n_inputs: int) -> None:
        """Take more inputs that were planned."""
        ...

    def started(self, n_inputs: int) -> None:
        """Take the number of inputs of the run."""
        ...

    def advanced(self, n_inputs: int) -> None:
        """Take more inputs that are done."""
        ...


class NoProgress:
    """Show nothing."""

    def planned(self, n_inputs: int) -> None:
        """Do nothing."""

    def started(self, n_inputs: int) -> None:
        """Do nothing."""

    def advanced(self, n_inputs: int) -> None:
        """Do nothing."""


def run_batch(
    inputs: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    settings: BatchSettings | None = None,
    *,
    engine: BatchEngine | None = None,
    resume: bool = False,
    shard: Shard | None = None,
    max_errors: int | None = None,
    timeout_s: float = TIMEOUT_S,
    chunk_size: int = CHUNK_SIZE,
    column: str | None = None,
    plan_only: bool = False,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> BatchReport:
    """Find the faces of many inputs, and write them to a Parquet dataset.

    Args:
        inputs: files, folders, globs, lists, Parquet and tar files, local or in buckets; none to go on with
            the plan that is there.
        out: folder or URL of the batch; `faces/` in it is the dataset.
        settings: what is done with each input.
        engine: what does the chunks; a process of this machine when not given.
        resume: go on with a batch that is there.
        shard: the part of the chunks that this run does; all when not given.
        max_errors: stop when more inputs than this could not be used.
        timeout_s: longest time for a photo, or between two signs of life of a video.
        chunk_size: most photos of a chunk.
        column: column of Parquet inputs.
        plan_only: write the plan, and do nothing.
        stop: when set, the run ends; parts that are whole stay.
        progress: shows how far it is.

    Raises:
        InputError: the inputs mean nothing, `out` holds another batch, or too many inputs could not be used.
        StorageError: a folder or bucket cannot be read or written.
        WorkerError: nothing can be done here.
    """
    inputs = [_as_name(f"inputs[{k}]", each) for k, each in enumerate(_as_names(inputs))]
    out = _as_name("out", out)
    settings, engine = (settings or BatchSettings()).resolved(), engine or LocalEngine()
    stop, progress = stop or threading.Event(), progress or NoProgress()
    storage = Storage.open(out)
    storage.check_is_folder()
    sources = Sources(
        inputs, column, exclude=out, rows_at_once=chunk_size, video_part_s=settings.video_part_s
    )
    plan = plan_or_join(sources, settings, storage, resume or shard is not None, chunk_size, progress)
    report = BatchReport(left_out=sources.left_out.text())
    _sweep(storage)
    if plan_only:
        report.n_inputs, report.n_chunks = plan.n_inputs, plan.n_chunks
        return report
    chunks = (shard or Shard()).chunks(plan.n_chunks)
    progress.started(plan.n_inputs if shard is None else round(plan.n_inputs / shard.count))
    seen = _Seen(progress)
    reports = engine.run(
        ChunkJob(out, settings),
        _until(stop, iter(chunks)),
        timeout_s=timeout_s,
        resume=resume or shard is not None,
        alive=seen.alive,
    )
    try:
        with closing(reports):
            for done in reports:
                if done is not None:
                    report.add(done)
                    seen.done(done)
                    _check_errors(report, max_errors)
                if stop.is_set():
                    break
    finally:
        _sweep(storage)  # workers may have been killed in the course of the run, too, or by its end
    report.is_complete = report.n_chunks == len(chunks)
    return report


def _as_names(inputs: Iterable[str | os.PathLike[str]]) -> list[Any]:
    if isinstance(inputs, str | os.PathLike):
        raise InputError(f"inputs is one name, {shown(inputs)}; put it into a list")
    return as_list("inputs", inputs, "a list of names is needed")


def _as_name(name: str, value: str | os.PathLike[str]) -> str:
    """Return the name of a file or folder, or a URL, as it was given.

    Raises:
        InputError: it is none.
    """
    as_path(name, value)
    text = os.fspath(value)
    if not text.strip():
        raise InputError(f"{name} is empty; name a file, a folder, a glob or a URL")
    return text


def plan_or_join(
    sources: Sources,
    settings: BatchSettings,
    storage: Storage,
    join: bool,
    chunk_size: int,
    progress: Progress,
) -> Plan:
    """Write the plan of a batch, or return the one that is there, when it is the same.

    Raises:
        InputError: another batch or something else is there, its inputs have changed, or there is none to go
            on with.
    """
    # Listed before: a plan is there before the first of its parts, in runs beside this one too.
    others = [entry.name for entry in storage.entries("faces", details=False) if entry.name[0] != "."]
    there, record, now = Plan.read(storage), settings.record(), None
    if there is None and others:
        raise InputError(
            f"{storage.url('faces')} holds {others[0]}, and no plan says that this batch made it: readers "
            "would take it for a part of the dataset; choose another folder, or remove it"
        )
    if there is None:
        if not sources.arguments:
            raise InputError(f"there is no plan in {storage.url('')}; name the inputs")
        now = make_plan(sources, record, storage, chunk_size=chunk_size, progress=progress.planned)
        there = Plan.read(storage)
        if there is None or there.token == now.token:
            return now
        # Another run planned at the same time, and was first.
    if not join:
        raise InputError(
            f"{storage.url('')} holds a batch of {there.n_inputs} inputs; go on with --resume, or choose "
            "another folder"
        )
    for name, value in record.items():
        was = there.settings.get(name)
        if was != value:
            raise InputError(
                f"cannot resume {storage.url('')}: its {name} was {_shown(was)} and is now {_shown(value)}; "
                "use what it was begun with, or choose another folder"
            )
    if sources.arguments:
        if now is None or now.chunk_size != there.chunk_size:
            sources = replace(sources, rows_at_once=there.chunk_size)
            now = make_plan(sources, record, chunk_size=there.chunk_size, progress=progress.planned)
        if now.digest != there.digest:
            number = (
                f"{there.n_inputs} and are now {now.n_inputs}"
                if now.n_inputs != there.n_inputs
                else f"{there.n_inputs}, of which some were changed since"
            )
            raise InputError(
                f"cannot resume {storage.url('')}: its inputs were {number}; choose another folder, or leave "
                "INPUT out to go on with those of the plan"
            )
    return there


def _sweep(storage: Storage) -> None:
    """Remove what killed workers of this machine have left half-written."""
    if storage.is_local:
        for folder in ("plan", *(f"faces/{e.name}" for e in storage.entries("faces") if e.is_folder)):
            remove_leftovers(storage.where(folder))


def _check_errors(report: BatchReport, max_errors: int | None) -> None:
    if max_errors is not None and report.n_errors > max_errors:
        inputs = "input" if report.n_errors == 1 else "inputs"
        raise InputError(
            f"stopped: {report.n_errors} {inputs} could not be used, more than --max-errors {max_errors}; "
            f"the first: {report.first_error}"
        )


class _Seen:
    """Turn signs of life of chunks into progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._of: dict[int, int] = {}
        self._lock = threading.Lock()

    def alive(self, chunk: int, done: int) -> None:
        with self._lock:
            before = self._of.get(chunk, 0)
            if done > before:
                self._of[chunk] = done
                self._progress.advanced(done - before)

    def done(self, report: ChunkReport) -> None:
        with self._lock:
            self._progress.advanced(max(report.n_inputs - self._of.pop(report.chunk, 0), 0))


def _until(stop: threading.Event, chunks: Iterator[int]) -> Iterator[int]:
    for chunk in chunks:
        if stop.is_set():
            return
        yield chunk


def _shown(value: Any) -> str:
    return "not set" if value is None else repr(value)
