"""The plan of a batch: its inputs in numbered chunks, written before anything is done.

    OUT/plan/plan.json             what is done, how many chunks, a checksum of the inputs; written last
    OUT/plan/00000-1a2b3c4d.parquet   the inputs, a row group for each chunk
    OUT/faces/00000/part-00000000.parquet   what comes of a chunk
    OUT/files/00000/00000000/0012_photo_3d.jpg   images and meshes, where they are asked for

The same inputs give the same plan, wherever and how often it is made; so a chunk that is done twice writes
the same file twice. Runs that plan at once write files of their own, and the first to write plan.json has
made the plan; the others join it, or are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from tddfa._version import __version__
from tddfa.batch.arrow import arrow, parquet_writer
from tddfa.batch.inputs import Unit
from tddfa.batch.schema import SCHEMA
from tddfa.batch.storage import Storage
from tddfa.dataclass import dataclass
from tddfa.errors import InputError, StorageError

FOLDER, FILE = "plan", "plan/plan.json"
CHUNK_SIZE = 256
"""Inputs in a chunk: some seconds of work, which is lost when a worker dies, and a part file of half a MB."""

_CHUNKS_PER_FILE = 1024  # row groups of a plan file, and part files of a folder
_MOST = 1 << 53  # inputs; larger numbers are no whole ones everywhere
_COLUMNS = Unit._fields


@dataclass(frozen=True, slots=True)
class Plan:
    """The chunks of a batch.

    Attributes:
        n_chunks: number of chunks.
        n_inputs: number of inputs; those in tar files, which are not opened, count as one.
        chunk_size: most inputs of a chunk.
        digest: checksum of all inputs, in order.
        base: folder that relative paths start from.
        settings: what is done with each input; see `BatchSettings.record`.
        token: end of the names of its files, other for each run that plans; empty where nothing is written.
    """

    n_chunks: int
    n_inputs: int
    chunk_size: int
    digest: str
    base: str
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    token: str = ""

    @property
    def fingerprint(self) -> str:
        """Checksum of what the rows depend on, which every part carries."""
        what = [SCHEMA, self.digest, self.chunk_size, self.settings]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def part(self, chunk: int) -> str:
        """Return the name of the part file of a chunk."""
        return f"faces/{chunk // _CHUNKS_PER_FILE:05d}/part-{chunk:08d}.parquet"

    def file(self, chunk: int, name: str) -> str:
        """Return the name of a file that a photo of a chunk gets."""
        return f"files/{chunk // _CHUNKS_PER_FILE:05d}/{chunk:08d}/{name}"

    def location(self, unit: Unit) -> str:
        """Return the path or URL under which a file is opened."""
        return unit.path if "://" in unit.path else os.path.join(self.base, unit.path)  # noqa: PTH118

    def write(self, storage: Storage) -> bool:
        """Write the file that says that the plan is whole; return whether it did, since there may be one."""
        record = {"schema": SCHEMA, "version": __version__, **{n: getattr(self, n) for n in _RECORDED}}
        return storage.write_new(FILE, (json.dumps(record, indent=1) + "\n").encode())

    @classmethod
    def read(cls, storage: Storage) -> Plan | None:
        """Return the plan in a folder; None where there is none.

        Raises:
            InputError: it is no plan, or one of another version.
            StorageError: it cannot be read.
        """
        if storage.size(FILE) is None:
            return None
        try:
            record: dict[str, Any] = json.loads(storage.read(FILE))
            schema = record["schema"]
            if schema == SCHEMA:
                # Plans of the first days had no token, nor had the names of their files.
                fields = {name: record[name] for name in _RECORDED if name != "token" or name in record}
                if not _fit(fields):
                    raise ValueError
                return cls(**fields)
            version = record.get("version", "of then")
            if not (str(schema).startswith("tddfa.") and f"{schema}{version}".isprintable()):
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(f"{storage.url(FILE)} is no plan of a batch; choose another folder") from None
        raise InputError(
            f"{storage.url('')} has parts of {schema}, and this version of tddfa writes {SCHEMA}; finish it "
            f"with tddfa {version}, or choose another folder"
        )


_RECORDED = ("n_chunks", "n_inputs", "chunk_size", "digest", "base", "settings", "token")


def _fit(fields: Mapping[str, Any]) -> bool:
    """Return whether fields can be those of a plan: the file may have been damaged or edited."""
    counts = [fields[name] for name in ("n_chunks", "n_inputs", "chunk_size")]
    texts = [fields["digest"], fields["base"], fields.get("token", "")]
    return (
        all(type(n) is int and 0 <= n < _MOST for n in counts)
        and fields["chunk_size"] > 0
        and all(isinstance(text, str) for text in texts)
        and re.fullmatch(r"([0-9a-f]{8})?", texts[-1]) is not None
        and isinstance(fields["settings"], dict)
    )


def make_plan(
    units: Iterable[Unit],
    settings: Mapping[str, Any],
    storage: Storage | None = None,
    *,
    chunk_size: int = CHUNK_SIZE,
    progress: Callable[[int], object] = lambda n: None,
) -> Plan:
    """Put inputs into numbered chunks, and write the plan, unless another run has done so meanwhile.

    Args:
        units: the inputs, in an order that does not change.
        settings: what is done with each.
        storage: folder of the batch; when not given, nothing is written, as to compare a plan with another.
        chunk_size: most inputs of a chunk.
        progress: called with the number of inputs of each chunk.

    Returns:
        The plan of these inputs; in `storage` may be that of another run, which `Plan.read` returns.
    """
    digest = hashlib.sha256()
    n_chunks = n_inputs = 0
    token = "" if storage is None else os.urandom(4).hex()
    with _no_empty_folders(storage), _PlanWriter(storage, token) as writer:
        for chunk in chunked(units, chunk_size):
            digest.update(repr([tuple(unit) for unit in chunk]).encode("utf-8", "surrogatepass"))
            writer.add(n_chunks, chunk)
            n_chunks += 1
            n = sum(unit.n_inputs for unit in chunk)
            n_inputs += n
            progress(n)
    plan = Plan(n_chunks, n_inputs, chunk_size, digest.hexdigest(), os.getcwd(), settings, token)  # noqa: PTH109
    if storage is not None:
        if not plan.write(storage):
            for chunk in range(0, n_chunks, _CHUNKS_PER_FILE):
                storage.remove(_plan_file(chunk, token))
        elif storage.is_local:  # what killed or slower runs have planned, whose plan.json comes too late
            for entry in storage.entries(FOLDER, details=False):
                if (
                    entry.name.endswith(".parquet")
                    and entry.name[0] != "."
                    and f"-{token}." not in entry.name
                ):
                    storage.remove(f"{FOLDER}/{entry.name}")
    return plan


@contextlib.contextmanager
def _no_empty_folders(storage: Storage | None) -> Generator[None]:
    """Have a plan that fails leave no folder that was not there."""
    folders = [] if storage is None or not storage.is_local else [storage.where(FOLDER), storage.where()]
    new = [folder for folder in folders if not os.path.isdir(folder)]  # noqa: PTH112
    try:
        yield
    except BaseException:
        for folder in new:
            with contextlib.suppress(OSError):  # not made, or another run has filled it
                os.rmdir(folder)  # noqa: PTH106
        raise


def chunked(units: Iterable[Unit], size: int) -> Iterator[list[Unit]]:
    """Yield chunks: photos together, and each video, part of one, tar file and slice of a table by itself."""
    photos: list[Unit] = []
    for unit in units:
        if unit.kind != "image":
            yield [unit]
            continue
        photos.append(unit)
        if len(photos) == size:
            yield photos
            photos = []
    if photos:
        yield photos


class _PlanWriter:
    """Write chunks as row groups of numbered files, one of which is open at a time."""

    def __init__(self, storage: Storage | None, token: str) -> None:
        self._storage, self._token = storage, token
        self._schema: Any = None if storage is None else _schema()
        self._file = contextlib.ExitStack()
        self._writer: Any = None

    def __enter__(self) -> _PlanWriter:
        return self

    def add(self, chunk: int, units: list[Unit]) -> None:
        """Write a chunk; chunks come in order."""
        if self._storage is None:
            return
        if chunk % _CHUNKS_PER_FILE == 0:
            self._file.close()
            file = self._file.enter_context(self._storage.writing(_plan_file(chunk, self._token)))
            self._writer = self._file.enter_context(
                parquet_writer(file, self._schema, use_dictionary=["kind", "column"])
            )
        paths, *others = zip(*units, strict=True)
        columns = [[os.fsencode(path) for path in paths], *others]
        arrays = [arrow().array(values, f.type) for values, f in zip(columns, self._schema, strict=True)]
        self._writer.write_table(arrow().Table.from_arrays(arrays, schema=self._schema))

    def __exit__(self, *error: Any) -> None:
        self._file.__exit__(*error)


class PlanReader:
    """The inputs of each chunk of a plan.

    Args:
        storage: folder of the batch.
        plan: the plan in it.
    """

    def __init__(self, storage: Storage, plan: Plan) -> None:
        self._storage, self._token = storage, plan.token
        self._lock = threading.Lock()
        self._name = ""
        self._file: Any = None

    def units(self, chunk: int) -> list[Unit]:
        """Return the inputs of a chunk.

        Raises:
            StorageError: the plan cannot be read.
        """
        with self._lock:
            name = _plan_file(chunk, self._token)
            try:
                if name != self._name:
                    data = arrow().BufferReader(self._storage.read(name))
                    self._name, self._file = name, arrow("parquet").ParquetFile(data)
                group = self._file.read_row_group(chunk % _CHUNKS_PER_FILE, columns=list(_COLUMNS))
                columns = group.select(_COLUMNS).cast(_schema()).to_pydict()
                units = [
                    Unit(os.fsdecode(path), *rest) for path, *rest in zip(*columns.values(), strict=True)
                ]
                if any(None in unit for unit in units):
                    raise ValueError
                return units
            except (OSError, ValueError, LookupError, TypeError, arrow().ArrowException) as error:
                if isinstance(error, StorageError) and self._storage.size(name) is not None:
                    raise
                raise StorageError(
                    f"{self._storage.url(name)}, which names the inputs of chunk {chunk}, is missing or "
                    "damaged; put it back from a copy, or plan anew in another folder"
                ) from None


def _plan_file(chunk: int, token: str) -> str:
    return f"{FOLDER}/{chunk // _CHUNKS_PER_FILE:05d}{'-' if token else ''}{token}.parquet"


def _schema() -> Any:
    pa = arrow()
    types = (pa.binary(), pa.string(), pa.int64(), pa.int64(), pa.string(), pa.int64(), pa.int64())
    return pa.schema(list(zip(_COLUMNS, types, strict=True)))
