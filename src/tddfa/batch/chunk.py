"""One chunk of the plan → one part file."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from tddfa.batch.align import FATAL, ImageAligner, aligner_schema, failed_row
from tddfa.batch.arrow import arrow, parquet_writer
from tddfa.batch.inputs import Unit
from tddfa.batch.parts import Span
from tddfa.batch.passing import CutOffError
from tddfa.batch.plan import Plan, PlanReader
from tddfa.batch.schema import AGAIN, NO_FACE, rows_table
from tddfa.batch.settings import BatchSettings
from tddfa.batch.storage import Storage, failed, is_url
from tddfa.batch.video import video_rows
from tddfa.concurrency import in_order
from tddfa.dataclass import dataclass
from tddfa.errors import ImageFileError, InputError, StorageError, TddfaError
from tddfa.files import remove_leftovers
from tddfa.imaging.format_names import IMAGE_SUFFIXES
from tddfa.kinds import KINDS
from tddfa.outputs import Scene, encode_output

_ROWS_PER_GROUP = 1024
MAX_RUNS = 3
"""Runs that try an input which cannot be used for a reason that may pass, such as a worker that was killed.

Without a last one, the photos that always hang would cost every run anew: of 10⁸ photos, one in ten thousand
takes 300 hours of waiting for 120 s.
"""

_NO_LINKS = "which is not followed in tar files; pack the images themselves (tar --hard-dereference -h)"
_READERS = 8  # objects of a bucket that are fetched at a time, which takes longer than aligning one

Notify = Callable[[int, int], None]
"""Called before work on inputs of a chunk: index of the first of them, and their number."""


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """What came of a chunk.

    Attributes:
        chunk: its number.
        n_inputs: inputs in it.
        n_faces: rows with a face.
        n_empty: inputs without a face.
        n_errors: inputs that could not be used.
        was_done: whether an earlier run had done it.
        first_error: what the first input with an error recorded; empty where there is none.
        n_again: inputs with an error that the next run with `--resume` tries again.
    """

    chunk: int
    n_inputs: int = 0
    n_faces: int = 0
    n_empty: int = 0
    n_errors: int = 0
    was_done: bool = False
    first_error: str = ""
    n_again: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """An input of a chunk.

    Attributes:
        name: value of the column `path`.
        source: its bytes; its path; or why there is neither.
        video: which part of it, for a video; None for a photo.
        n: number of inputs that it counts as: 0 for a later part of a video.
    """

    name: str
    source: bytes | str | Exception
    video: Span | None = None
    n: int = 1


class ChunkJob:
    """Do chunks of a plan; pickles as two names and the settings.

    Args:
        place: folder or URL of the batch.
        settings: what is done with each input.
    """

    def __init__(self, place: str, settings: BatchSettings) -> None:
        self._place, self._settings = place, settings
        self._storage = Storage.open(place)
        plan = Plan.read(self._storage)
        if plan is None:
            raise StorageError(f"there is no plan in {self._storage.place}, which was there before")
        self._plan = plan
        self._reader = PlanReader(self._storage, plan)
        self._is_loaded = False

    def __reduce__(self) -> Any:
        return ChunkJob, (self._place, self._settings)

    def load(self) -> None:
        """Load every network, which no input should have to wait for: it has a limit of time."""
        if not self._is_loaded:
            self._images().aligner.align(np.zeros((64, 64, 3), np.uint8))
            self._is_loaded = True

    def done(self, chunk: int) -> ChunkReport | None:
        """Return what an earlier run has made of a chunk.

        Returns:
            None where it has made nothing, the file is damaged, or an input in it is tried again.

        Raises:
            InputError: the part belongs to another batch.
        """
        name = self._plan.part(chunk)
        if (file := self._opened_part(name)) is None:
            return None
        recorded = _recorded(file)
        if recorded.get(b"tddfa.plan", b"") != self._plan.fingerprint.encode():
            schema = recorded.get(b"tddfa.schema", b"none of tddfa").decode("utf-8", "replace")
            raise InputError(
                f"{self._storage.url(name)} belongs to another batch (schema {schema}); choose another "
                "folder, or remove the part"
            )
        n_inputs = recorded.get(b"tddfa.inputs", b"")
        if not n_inputs.isdigit() or recorded.get(b"tddfa.chunk") != str(chunk).encode():
            return None  # or copied from another part
        if 0 < _runs(recorded) < MAX_RUNS:
            return None
        try:
            return _report(chunk, int(n_inputs), _Counts.of(file.read()), was_done=True)
        except (OSError, ValueError, LookupError, arrow().ArrowException):
            return None  # damaged, or other columns: it is done again

    def _opened_part(self, name: str) -> Any:
        """Return an open part file; None where there is none, or its footer is damaged.

        Raises:
            StorageError: it cannot be read.
        """
        if self._storage.size(name) is None:
            return None
        try:
            data = arrow().BufferReader(self._storage.read(name))
            return arrow("parquet").ParquetFile(data, page_checksum_verification=True)
        except (OSError, ValueError, arrow().ArrowException) as error:
            if isinstance(error, StorageError):
                raise
            return None

    def sweep(self, chunk: int) -> None:
        """Remove what killed workers of this machine have left half-written of a chunk."""
        if self._storage.is_local:
            for name in (self._plan.part(chunk), self._plan.file(chunk, "")):
                remove_leftovers(os.path.dirname(self._storage.where(name)))  # noqa: PTH120

    def run(
        self, chunk: int, skip: Mapping[int, str], notify: Notify, *, careful: bool = False
    ) -> ChunkReport:
        """Do a chunk and write its part file.

        Args:
            chunk: its number.
            skip: index of an input that is not to be touched → why.
            notify: called before work on inputs, and now and then during a long one.
            careful: align one photo at a time, so that it shows which one ends the process.

        Raises:
            StorageError: the part cannot be written.
            PackError: the pack is broken.
        """
        self.load()
        self.sweep(chunk)  # of a run that ended with the machine
        counts = _Counts()
        n_inputs = 0
        schema = self._part_schema(chunk)
        before = self._opened_part(self._plan.part(chunk))
        n_runs = 1 + (0 if before is None else _runs(_recorded(before)))
        with (
            self._storage.writing(self._plan.part(chunk)) as file,
            parquet_writer(file, schema, write_page_checksum=True) as writer,
        ):
            rows: list[dict[str, Any]] = []
            for n, of_some in self._rows(chunk, skip, notify, 1 if careful else self._settings.group):
                n_inputs += n
                counts.n_again += _say_what_follows(of_some, n_runs)
                rows += of_some
                if len(rows) >= _ROWS_PER_GROUP:
                    writer.write_table(counts.add(rows_table(rows, schema)))
                    rows = []
            if rows:
                writer.write_table(counts.add(rows_table(rows, schema)))
            # How many inputs there are shows at the end; Arrow writes what is added now into the footer.
            again = {"tddfa.runs": str(n_runs)} if counts.n_again else {}
            writer.add_key_value_metadata({"tddfa.inputs": str(n_inputs), **again})
        return _report(chunk, n_inputs, counts)

    def _rows(
        self, chunk: int, skip: Mapping[int, str], notify: Notify, group: int
    ) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Yield numbers of inputs, and their rows; a video in several pieces, of which the first counts."""
        waiting: list[tuple[int, Item]] = []
        at = 0
        with closing(self._items(self._reader.units(chunk), skip, lambda: notify(at, 1))) as items:
            for item in items:
                if item.video is not None and at in skip:
                    yield item.n, [failed_row(item.name, CutOffError(skip[at]))]
                elif item.video is not None:
                    yield from self._video(item, item.video, at, notify)
                else:  # also what cannot be used: rows come in the order of the inputs
                    left_out = CutOffError(skip[at]) if at in skip else None
                    waiting.append((at, replace(item, source=left_out) if left_out else item))
                if len(waiting) == group:
                    yield self._aligned(chunk, waiting, notify)
                    waiting = []
                at += 1
            if waiting:
                yield self._aligned(chunk, waiting, notify)

    def _aligned(
        self, chunk: int, items: Sequence[tuple[int, Item]], notify: Notify
    ) -> tuple[int, list[dict[str, Any]]]:
        notify(items[0][0], len(items))
        settings = self._settings
        sources = ((item.name, item.source) for _, item in items)
        found = self._images().outcomes(sources)
        every: list[dict[str, Any]] = []
        for (at, item), (rows, image, faces) in zip(items, found, strict=True):
            every += rows
            if settings.kinds and image is not None and faces:
                try:
                    self._write_files(chunk, at, item, Scene(image, faces))
                except (StorageError, InputError, *FATAL):
                    raise  # no other photo would fare better
                except Exception as error:
                    failure = failed_row(item.name, error)
                    rows[0].update({key: failure[key] for key in ("error", AGAIN)})
        return len(items), every

    def _write_files(self, chunk: int, at: int, item: Item, scene: Scene) -> None:
        """Write the files of a photo; a photo whose chunk is done again has the same ones."""
        stem = f"{at:04d}_{_file_stem(item.name)}"
        for kind in KINDS:
            if kind.name in self._settings.kinds:
                for name, data in encode_output(kind, stem, scene, self._settings.options):
                    self._storage.write(self._plan.file(chunk, name), data)

    def _video(
        self, item: Item, span: Span, at: int, notify: Notify
    ) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        notify(at, 1)
        n = item.n
        try:
            if isinstance(item.source, Exception):
                raise item.source
            for rows in video_rows(
                item.name, item.source, span, self._images().aligner, self._settings, lambda: notify(at, 1)
            ):
                yield n, rows
                n = 0
        except FATAL:
            raise
        except Exception as error:
            yield n, [failed_row(item.name, error)]
            return
        if n:
            yield n, []

    def _items(
        self, units: Sequence[Unit], skip: Mapping[int, str], before: Callable[[], None]
    ) -> Generator[Item]:
        """Yield the inputs of units; those in buckets are fetched ahead, those to skip are not touched."""
        for unit in units[:1]:
            if unit.kind == "tar":
                yield from self._members(unit, before)
                return
            if unit.kind == "rows":
                yield from self._cells(unit)
                return
        remote = any(is_url(unit.path) for unit in units)

        def item(numbered: tuple[int, Unit]) -> Item:
            at, unit = numbered
            item = self._item(unit, read=at not in skip)
            return replace(item, source=CutOffError(skip[at])) if at in skip else item

        loaded = in_order(item, enumerate(units), _READERS if remote else 1)
        with closing(loaded):
            for _ in units:
                before()
                yield next(loaded)

    def _item(self, unit: Unit, *, read: bool = True) -> Item:
        if not unit.path:
            return Item("", ImageFileError("a cell of the column of paths is empty"))
        place = self._plan.location(unit)
        name = unit.path.partition("?")[0] if is_url(place) else unit.path
        if unit.kind == "part":
            return Item(name, place, Span.parse(unit.column, unit.start, unit.n), unit.n_inputs)
        if unit.kind == "video":
            return Item(name, place, Span())
        if not is_url(place) or not read:
            return Item(name, place)
        try:
            return Item(name, Storage.open(place).read())
        except TddfaError as error:
            return Item(name, error)

    def _members(self, unit: Unit, before: Callable[[], None]) -> Generator[Item]:
        """Yield the images in a tar file, in order; what is not whole is one that cannot be used."""
        before()
        try:
            with (
                Storage.open(self._plan.location(unit)).reading() as file,
                tarfile.open(fileobj=file, mode="r|*") as members,
            ):
                for member in members:
                    if _suffix(member.name) not in IMAGE_SUFFIXES or _is_hidden(member.name):
                        continue
                    name = f"{unit.path}/{member.name}"
                    if member.isfile():
                        data = members.extractfile(member)
                        yield Item(name, ImageFileError(f"{name} is empty") if data is None else data.read())
                        before()
                    elif member.islnk() or member.issym():
                        # The file is read once, from its beginning to its end: what is linked may be over.
                        yield Item(name, ImageFileError(f"{name} is a link, {_NO_LINKS}"))
                        before()
        except (tarfile.TarError, EOFError) as error:
            yield Item(unit.path, InputError(f"{unit.path} is damaged, or no tar file: {error}"))
        except OSError as error:
            yield Item(unit.path, _unread(unit, error))

    def _cells(self, unit: Unit) -> Generator[Item]:
        """Yield the images in some rows of a column of a Parquet file."""
        try:
            with Storage.open(self._plan.location(unit)).reading() as file:
                cells = _slice(arrow("parquet").ParquetFile(file), unit)
        except (OSError, ValueError, arrow().ArrowException) as error:
            problem = _unread(unit, error)
            for k in range(unit.n):
                yield Item(f"{unit.path}#{unit.start + k}", problem)
            return
        for k, cell in enumerate(cells):
            name = f"{unit.path}#{unit.start + k}"
            if isinstance(cell, dict):  # Hugging Face: {bytes, path}
                name, cell = f"{name}/{cell.get('path') or ''}".rstrip("/"), cell.get("bytes")
            empty = ImageFileError(f"{name} has no bytes: the cell is empty")
            yield Item(name, empty if cell is None else cell)

    def _images(self) -> ImageAligner:
        return ImageAligner(self._settings, self._plan.settings.get("pack_sha256"))

    def _part_schema(self, chunk: int) -> Any:
        return aligner_schema(
            self._images().aligner, {"tddfa.plan": self._plan.fingerprint, "tddfa.chunk": str(chunk)}
        )


@dataclass(slots=True)
class _Counts:
    """What the rows of a table say."""

    n_faces: int = 0
    n_empty: int = 0
    n_errors: int = 0
    first_error: str = ""
    n_again: int = 0

    @classmethod
    def of(cls, table: Any) -> _Counts:
        counts = cls()
        counts.add(table)
        return counts

    def add(self, table: Any) -> Any:
        """Count the rows of a table, and return it."""
        faces, errors = table.column("face").to_pylist(), table.column("error").drop_null()
        self.n_errors += len(errors)
        self.n_faces += sum(face != NO_FACE for face in faces)
        self.n_empty += sum(face == NO_FACE for face in faces) - len(errors)
        if len(errors) and not self.first_error:
            self.first_error = errors[0].as_py()
        return table


def _report(chunk: int, n_inputs: int, counts: _Counts, *, was_done: bool = False) -> ChunkReport:
    return ChunkReport(
        chunk,
        n_inputs,
        counts.n_faces,
        counts.n_empty,
        counts.n_errors,
        was_done,
        counts.first_error,
        counts.n_again,
    )


def _say_what_follows(rows: Sequence[dict[str, Any]], n_runs: int) -> int:
    """Add to errors that are not of their input whether it is tried again; return the number that are."""
    passing = [row for row in rows if row.get(AGAIN)]
    is_last = n_runs >= MAX_RUNS
    for row in passing:
        row["error"] += f"; given up after {n_runs} runs" if is_last else "; --resume tries it again"
    return 0 if is_last else len(passing)


def _recorded(file: Any) -> Mapping[bytes, bytes]:
    """Return what a part file says about itself."""
    return file.metadata.metadata or {}


def _runs(recorded: Mapping[bytes, bytes]) -> int:
    """Return the number of runs that have tried an input in vain; 0 where there is no such input."""
    n_runs = recorded.get(b"tddfa.runs", b"")
    return int(n_runs) if n_runs.isdigit() else 0


def _unread(unit: Unit, error: Exception) -> Exception:
    """Return the error for a file of several images that cannot be read."""
    if isinstance(error, StorageError):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        return failed("read", unit.path, error)
    return InputError(f"cannot read {unit.path}: {' '.join(str(error).split())}")


def _slice(file: Any, unit: Unit) -> list[Any]:
    """Return the cells of a unit of rows; they lie in one row group."""
    if unit.column not in file.schema_arrow.names:
        raise ValueError(f"it has no column {unit.column!r}; it had one when the batch was planned")
    first = 0
    for group in range(file.num_row_groups):
        n = file.metadata.row_group(group).num_rows
        if first <= unit.start < first + n:
            column = file.read_row_group(group, columns=[unit.column]).column(0)
            return column.slice(unit.start - first, unit.n).to_pylist()
        first += n
    raise ValueError(f"it has {first} rows; it had more when the batch was planned")


def _is_hidden(member: str) -> bool:
    """Return whether a name in a tar file is hidden, as those that macOS adds, or in such a folder."""
    return any(part.startswith(".") and part not in (".", "..") for part in member.split("/"))


def _file_stem(name: str) -> str:
    """Return the stem of an input for the names of its files: letters, digits, and what is safe anywhere."""
    stem = name.replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or name
    return re.sub(r"[^\w.-]+", "_", stem)[:80] or "photo"


def _suffix(name: str) -> str:
    return "." + name.rpartition(".")[2].lower()
