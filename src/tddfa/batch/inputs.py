"""Arguments of `tddfa batch` → the units of work that they mean, one after the other.

Nothing is held but the names in one folder: a hundred million inputs are gone through like a hundred.
"""

from __future__ import annotations

import codecs
import fnmatch
import glob
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple

from tddfa.batch.arrow import arrow
from tddfa.batch.parts import part_frames
from tddfa.batch.storage import Entry, Storage, folder_of, is_url
from tddfa.dataclass import dataclass
from tddfa.errors import InputError, StorageError
from tddfa.imaging.format_names import IMAGE_SUFFIXES
from tddfa.kinds import is_output_name
from tddfa.provenance import MARK, is_ours
from tddfa.video.names import VIDEO_SUFFIXES

_LISTS = (".txt", ".lst")
# Names of what a batch writes, see `plan`: in the folder of its inputs it would be inputs of the next run.
_LIKE_A_BATCH = re.compile(
    r"(?:^|/)(?:faces/\d{5}/part-\d{8}\.parquet$|plan/(?:plan\.json|\d{5}(?:-[0-9a-f]{8})?\.parquet)$|files/\d{5}/\d{8}/)"
)
_PLAN, _MOST_OF_PLAN = "plan/plan.json", 1 << 20  # bytes
_SCHEMA_OF_PLAN = b'"schema": "tddfa.batch/'
# Columns that tables of faces have together.
_RESULTS = frozenset({"face_id", "success", "pose_Rx", "box_x0"})
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MOST_NAMED = 3  # tables that a message names
_MAX_LINE = 1 << 16  # bytes of a line of a list; a path has 4096
_PATH_COLUMNS = ("path", "file", "url", "uri", "image_path", "filename")
_BYTES_COLUMNS = ("bytes", "image", "content", "data", "jpg", "image_bytes")


class _NoImageColumnError(InputError):
    """A Parquet file has no column of paths or images."""


@dataclass(slots=True)
class LeftOut:
    """Files of folders and globs that are no inputs.

    Attributes:
        n_ours: files that tddfa made.
        n_tables: Parquet files without a column of images.
        tables: the first few of these.
    """

    n_ours: int = 0
    n_tables: int = 0
    tables: list[str] = field(default_factory=list[str])

    def clear(self) -> None:
        """Count anew."""
        self.n_ours = self.n_tables = 0
        self.tables.clear()

    def add_table(self, path: str) -> None:
        """Count a Parquet file without a column of images."""
        self.n_tables += 1
        if len(self.tables) < _MOST_NAMED:
            self.tables.append(_shown(path))

    def text(self) -> str:
        """Return one line about them; empty where there are none."""
        parts = [f"{self.n_ours} file{'s' * (self.n_ours != 1)} {MARK}"] if self.n_ours else []
        if self.n_tables:
            more = ", …" if self.n_tables > len(self.tables) else ""
            parts.append(
                f"{self.n_tables} table{'s' * (self.n_tables != 1)} without a column of images that is known "
                f"by its name ({', '.join(self.tables)}{more})"
            )
        return f"left out {' and '.join(parts)}" if parts else ""


@dataclass(slots=True)
class _Before:
    """What the arguments before one mean: an input that several of them mean is planned once.

    Attributes:
        folders: absolute paths of folders.
        files: absolute paths of files that are named or match a glob.
        n_left_out: number of inputs that were left out because of these.
        is_last: whether no argument follows, so that nothing need be kept.
    """

    folders: list[str] = field(default_factory=list[str])
    files: set[str] = field(default_factory=set[str])
    n_left_out: int = 0
    is_last: bool = False

    def has_folder(self, path: str) -> bool:
        """Whether the inputs in a folder are there already; count it if they are."""
        return self._counted(bool(self.folders) and self._is_walked(_absolute(path)))

    def has_file(self, path: str) -> bool:
        """Whether a file is there already; count it if it is."""
        if not (self.folders or self.files):
            return False
        name = _absolute(path)
        return self._counted(name in self.files or (_is_found(name) and self._is_walked(name)))

    def _is_walked(self, name: str) -> bool:
        # Of hidden folders and files, a walk takes none but those that are named.
        return any(
            name == folder or (name.startswith(f"{folder}/") and "/." not in name[len(folder) :])
            for folder in self.folders
        )

    def _counted(self, is_there: bool) -> bool:
        self.n_left_out += is_there
        return is_there


class Unit(NamedTuple):
    """A file of the plan: a photo, a video, or several photos in one file.

    Attributes:
        path: path or URL of the file.
        kind: "image", "video", "part" (of a long video), "tar" (a WebDataset shard), or "rows" (images in a
            column of a Parquet file).
        start: of rows, the first; of a part, the frame from which on it begins.
        n: number of images in it; 0 where it shows when the file is read; of a part, the number of frames
            from its start to that of the next.
        column: of rows, the name of the column; of a part, its number and how many there are, as "0/12".
        size: of the file, bytes; −1 where it was not looked up.
        modified: time of its last change, ns; 0 where it was not looked up.
    """

    path: str
    kind: str = "image"
    start: int = 0
    n: int = 1
    column: str = ""
    size: int = -1
    modified: int = 0

    @property
    def n_inputs(self) -> int:
        """Number of inputs that it counts as: a video is one, whatever the number of its parts."""
        return int(self.start == 0) if self.kind == "part" else self.n or 1


@dataclass(frozen=True, slots=True)
class Sources:
    """The inputs of a batch.

    Attributes:
        arguments: files, folders and globs, local or in buckets; lists of them (.txt); Parquet files with a
            column of paths or of bytes; WebDataset shards (.tar). In a folder, lists are left out, and so are
            Parquet files without such a column.
        column: column of Parquet files; found by its name and type when not given.
        exclude: folder that is left out, as the outputs are.
        rows_at_once: rows of a Parquet file in one unit.
        video_part_s: length of the parts of long videos, s; 0 to leave every video whole.
        left_out: what was left out of folders and globs when they were last gone through.
    """

    arguments: Sequence[str]
    column: str | None = None
    exclude: str = ""
    rows_at_once: int = 256
    video_part_s: float = 0.0
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)
    _batches: dict[str, bool] = field(default_factory=dict[str, bool], init=False, repr=False, compare=False)

    def __iter__(self) -> Iterator[Unit]:
        """Yield every unit, in an order that depends on the arguments and the files alone.

        Raises:
            InputError: an argument means nothing.
            StorageError: a folder, bucket or list cannot be read.
        """
        self.left_out.clear()
        before, arguments = _Before(), list(dict.fromkeys(self.arguments))
        for k, text in enumerate(arguments):
            before.is_last = k == len(arguments) - 1
            yield from self._units(text, before)

    def _units(self, text: str, before: _Before) -> Iterator[Unit]:
        found, n_left_out = 0, before.n_left_out
        for unit in self._found(text, before):
            found += 1
            yield unit
        if not found and before.n_left_out == n_left_out:
            but = f" ({left_out})" if (left_out := self.left_out.text()) else ""
            if _is_glob(text):
                raise InputError(f"no file matches {_shown(text)}{but}")
            where = "in the folder" if _is_folder(text) else "in"
            raise InputError(
                f"no images or videos {where} {_shown(text)}{but}; give folders, globs, lists, Parquet or "
                "tar (a list is given by its own name, not by that of its folder)"
            )

    def _found(self, text: str, before: _Before) -> Iterator[Unit]:
        if _is_glob(text):
            yield from self._globbed(text, before)
        elif _is_folder(text):
            if not before.has_folder(text):
                yield from self._walk(Storage.open(text), _joined(text), before)
                before.folders.append(_absolute(text))
        elif not before.has_file(text):
            yield from self._file(text, named=True)
            before.files.add(_absolute(text))

    def _globbed(self, text: str, before: _Before) -> Iterator[Unit]:
        matches: list[str] = []
        for match, entry in self._matches(text):
            if not before.has_file(match):
                yield from self._file(match, entry)
                if not before.is_last:
                    matches.append(_absolute(match))
        before.files.update(matches)

    def _matches(self, text: str) -> Iterator[tuple[str, Entry | None]]:
        """Yield the files that a glob means."""
        if not is_url(text):
            here = Storage.open(".")
            for match in sorted(glob.iglob(text, recursive=True)):  # noqa: PTH207, absolute patterns too
                if Path(match).is_file() and not self._is_output(here, match, match):
                    yield match, None
            return
        folder, pattern = folder_of(text)
        storage = Storage.open(folder)
        for entry in storage.entries():
            path = _joined(folder)(entry.name)
            if (
                not entry.is_folder
                and fnmatch.fnmatchcase(entry.name, pattern)
                and not self._is_output(storage, entry.name, path)
            ):
                yield _joined(folder)(entry.name), entry

    def _walk(self, storage: Storage, joined: Callable[[str], str], before: _Before) -> Iterator[Unit]:
        """Yield the files of a folder, then those of its folders."""
        is_empty, without_images, n_left_out = True, None, before.n_left_out
        waiting = [""]  # a recursion would end in trees of a thousand levels
        while waiting:
            below, folders = waiting.pop(), list[str]()
            for entry in storage.entries(below):
                if entry.name.startswith("."):
                    continue
                name = posixpath.join(below, entry.name) if below else entry.name
                path = joined(name)
                if entry.is_folder:
                    folders.append(name)
                elif not _is_found(name) or self._is_output(storage, name, path):
                    continue
                elif not before.has_file(path):
                    try:
                        for unit in self._file(path, entry):
                            is_empty = False
                            yield unit
                    except _NoImageColumnError as error:
                        without_images = without_images or error  # a table about the photos beside it
                        self.left_out.add_table(path)
            waiting += [
                name
                for name in reversed(folders)
                if not (self._is_excluded(joined(name)) or before.has_folder(joined(name)))
            ]
        if is_empty and without_images is not None and before.n_left_out == n_left_out:
            raise without_images

    def _is_excluded(self, path: str) -> bool:
        if not self.exclude or is_url(path) != is_url(self.exclude):
            return False
        if is_url(path):
            return path.partition("?")[0].rstrip("/") == self.exclude.partition("?")[0].rstrip("/")
        return os.path.abspath(path) == os.path.abspath(self.exclude)  # noqa: PTH100

    def _is_output(self, storage: Storage, name: str, path: str) -> bool:
        """Whether tddfa made a file of a folder or glob; count it if it did, unless `exclude` has it.

        Args:
            storage: the folder.
            name: of the file in it.
            path: path or URL of the file.
        """
        like = _LIKE_A_BATCH.search(name.replace(os.sep, "/") if storage.is_local else name)
        if like is not None:
            root = name[: like.start()]
            if self._is_excluded(storage.url(root)):
                return True  # other runs of this batch may write there before there is a plan
            if self._is_batch(storage, root):
                self.left_out.n_ours += 1
                return True
        if not is_url(path) and is_output_name(Path(path).stem) and is_ours(Path(path)):
            self.left_out.n_ours += 1
            return True
        return False

    def _is_batch(self, storage: Storage, folder: str) -> bool:
        """Return whether a folder holds the plan of a batch; the names of its files do not show it."""
        plan = posixpath.join(folder, _PLAN)
        place = storage.url(plan)
        if place not in self._batches:
            size = storage.size(plan)
            self._batches[place] = (
                size is not None and size <= _MOST_OF_PLAN and _SCHEMA_OF_PLAN in storage.read(plan)
            )
        return self._batches[place]

    def _file(self, path: str, entry: Entry | None = None, *, named: bool = False) -> Iterator[Unit]:
        kind = _kind(path) or "image"
        entry = entry or _looked_up(path)
        if kind == "list":
            yield from self._listed(path)
        elif kind == "parquet":
            yield from self._parquet(path, entry, named)
        elif kind == "video":
            whole = Unit(path, "video", size=entry.size, modified=entry.modified)
            yield from self._in_parts(whole, entry.size)
        else:
            count = 0 if kind == "tar" else 1
            yield Unit(path, kind, n=count, size=entry.size, modified=entry.modified)

    def _in_parts(self, video: Unit, size: int) -> Iterator[Unit]:
        """Yield a video, or its parts when it is long."""
        count, n_frames = part_frames(video.path, size, self.video_part_s)
        if count == 1:
            yield video
            return
        for k in range(count):
            yield video._replace(kind="part", start=k * n_frames, n=n_frames, column=f"{k}/{count}")

    def _named(self, name: str, kind: str) -> Iterator[Unit]:
        """Yield the file that a line or cell names, there or not; a long video here in parts."""
        if kind == "video":
            try:
                size = 0 if is_url(name) else Path(name).stat().st_size
            except (OSError, ValueError):
                size = 0
            yield from self._in_parts(Unit(name, kind), size)
        else:
            yield Unit(name, kind, n=0 if kind == "tar" else 1)

    def _listed(self, path: str) -> Iterator[Unit]:
        """Yield the files that the lines of a list name; each line is an input, there or not."""
        with Storage.open(path).reading() as file:
            for number, line in enumerate(_lines(file)):
                if number == 0:
                    if line.startswith(_UTF_16):
                        raise InputError(f"{_shown(path)} is a list in UTF-16; save it as UTF-8")
                    line = line.removeprefix(codecs.BOM_UTF8)  # as editors of Windows write it
                name = os.fsdecode(line).strip()
                if not name or name.startswith("#"):
                    continue
                kind = _kind(name)
                # A list in a list might name itself; it is reported as no image.
                yield from self._named(name, kind if kind in ("video", "tar") else "image")

    def _parquet(self, path: str, entry: Entry, named: bool) -> Iterator[Unit]:
        """Yield the files that a column of paths names, or slices of a column of images."""
        pq = arrow("parquet")
        with Storage.open(path).reading() as file:
            try:
                table = pq.ParquetFile(file)
                if not named and self.column is None and _RESULTS.issubset(table.schema_arrow.names):
                    self.left_out.n_ours += 1  # its paths are inputs that were done
                    return
                column, is_path = _column(path, table.schema_arrow, self.column)
                if is_path:
                    for batch in table.iter_batches(1 << 16, columns=[column]):
                        for name in map(str, (name or "" for name in batch.column(0).to_pylist())):
                            yield from self._named(name, "video" if _kind(name) == "video" else "image")
                    return
                start = 0
                for group in range(table.num_row_groups):
                    n = table.metadata.row_group(group).num_rows
                    for first in range(0, n, self.rows_at_once):
                        count = min(self.rows_at_once, n - first)
                        yield Unit(path, "rows", start + first, count, column, entry.size, entry.modified)
                    start += n
            except (arrow().ArrowException, OSError, ValueError, LookupError) as error:
                if isinstance(error, (InputError, StorageError)):
                    raise
                raise InputError(f"{path} is no Parquet file that can be read: {_short(error)}") from None


def _column(path: str, schema: Any, wanted: str | None) -> tuple[str, bool]:
    """Return the name of the column of images in a Parquet file, and whether it has paths."""
    types = arrow().types

    def is_path(name: str) -> bool:
        kind = schema.field(name).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return bool(types.is_string(kind) or types.is_large_string(kind))

    def is_bytes(name: str) -> bool:
        kind = schema.field(name).type
        if types.is_struct(kind):  # Hugging Face: {bytes, path}
            return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    names = list(schema.names)
    if wanted is not None:
        if wanted not in names:
            raise _NoImageColumnError(f"{path} has no column {wanted!r}; it has {', '.join(names)}")
        if not (is_path(wanted) or is_bytes(wanted)):
            raise InputError(
                f"column {wanted!r} of {path} has the type {schema.field(wanted).type}; it takes text "
                "(paths) or binary (the bytes of images)"
            )
        return wanted, is_path(wanted)
    for known, fits in ((_BYTES_COLUMNS, is_bytes), (_PATH_COLUMNS, is_path)):
        for name in known:
            if name in names and fits(name):
                return name, fits is is_path
    raise _NoImageColumnError(
        f"{path} has no column of images that is known by its name; name it with --column, of: "
        f"{', '.join(names)}"
    )


def _lines(file: Any) -> Iterator[bytes]:
    """Yield the lines of a file, a piece of it at a time."""
    rest = b""
    while piece := file.read(1 << 20):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line[:_MAX_LINE].rstrip(b"\r")
        rest = rest[:_MAX_LINE]
    if rest:
        yield rest


def _kind(path: str) -> str:
    """Return the kind of a file by its suffix; empty where it is none of ours."""
    suffix = posixpath.splitext(path.partition("?")[0] if is_url(path) else path)[1].lower()
    if suffix in IMAGE_SUFFIXES:
        return "image"
    if suffix in VIDEO_SUFFIXES:
        return "video"
    if suffix in _LISTS:
        return "list"
    return {".parquet": "parquet", ".tar": "tar"}.get(suffix, "")


def _is_folder(text: str) -> bool:
    return Storage.open(text).is_folder() if is_url(text) else os.path.isdir(text)  # noqa: PTH112


def _is_glob(text: str) -> bool:
    if is_url(text):
        return glob.has_magic(text.partition("?")[0])
    return glob.has_magic(text) and not os.path.exists(text)  # noqa: PTH110


def _is_found(path: str) -> bool:
    """Whether a file in a folder is an input: a text among photos is mostly a licence or notes."""
    return _kind(path) not in ("", "list")


def _absolute(path: str) -> str:
    """Return one text for all ways to write a path or URL, with / between its parts."""
    if is_url(path):
        return path.partition("?")[0].rstrip("/")
    return os.path.abspath(path).replace(os.sep, "/").rstrip("/")  # noqa: PTH100


def _joined(folder: str) -> Callable[[str], str]:
    """Return what makes paths of the names in a folder; the options of a URL stay at its end."""
    if not is_url(folder):
        return lambda name: os.path.join(folder, name)  # noqa: PTH118
    base, mark, query = folder.partition("?")
    return lambda name: f"{base.rstrip('/')}/{name}{mark}{query}"


def _looked_up(path: str) -> Entry:
    """Return the size and time of a file that an argument names.

    Raises:
        StorageError: it is not there.
    """
    if not is_url(path):
        try:
            status = Path(path).stat()
        except (OSError, ValueError):
            raise InputError(f"no such file or folder: {path}") from None
        return Entry(path, False, status.st_size, status.st_mtime_ns)
    size = Storage.open(path).size("")
    if size is None:
        raise InputError(f"no such file or folder: {path.partition('?')[0]}")
    return Entry(path, False, size)


def _shown(text: str) -> str:
    """Return an argument for messages: a URL without its options."""
    return text.partition("?")[0] if is_url(text) else text


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
