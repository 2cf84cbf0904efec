"""Files, folders and globs on the command line → the inputs they mean, and names for what comes of them."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import stat
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from pathlib import Path

from tddfa.dataclass import dataclass
from tddfa.imaging.format_names import IMAGE_SUFFIXES, UNREADABLE_SUFFIXES
from tddfa.kinds import is_output_name
from tddfa.provenance import MARK, is_ours


@dataclass(frozen=True, slots=True)
class Job:
    """One input and where its outputs go.

    Attributes:
        path: the image or video.
        target: folder and stem of the outputs, relative to the output folder: `<target>_<kind>.<ext>`.
    """

    path: Path
    target: Path


class Inputs:
    """The inputs that the arguments of a command mean, each once.

    A folder means every file under it with one of the suffixes; its outputs keep the folders between it and
    the file. Two inputs that would write the same files (a.jpg and a.png) get their suffix into the name.
    Hidden files, and files that tddfa wrote, are left out.

    Folders are walked again each time the inputs are gone through: of a million files in a tree, the names in
    one folder are in memory. Several arguments take some bytes per file more.

    Args:
        arguments: files, folders, globs.
        suffixes: of the files that a folder stands for.
        noun: what the inputs are, for messages.
        unreadable: suffixes of files in folders that are counted as left out.

    Attributes:
        problems: one line for each argument that means nothing, and for each folder that cannot be read.
        left_out: number of files that were left out, by the reason: "made by tddfa", or a suffix.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        suffixes: Set[str] = IMAGE_SUFFIXES,
        noun: str = "images",
        unreadable: Set[str] = UNREADABLE_SUFFIXES,
    ) -> None:
        self._suffixes = suffixes
        self._noun = noun
        self._arguments = [_Argument.parse(text) for text in arguments]
        self._one_folder = len(arguments) == 1 and self._arguments[0].is_folder
        self._unreadable: dict[str, str] = {}
        self._repeating: set[_Argument] = set()  # arguments with a file that an earlier one has
        self.left_out: Counter[str] = Counter()
        self._count = 0
        once, several = set[int](), set[int]()
        found_of = dict.fromkeys(self._arguments, 0)
        for argument, path, target in self._files(unreadable):
            found_of[argument] += 1
            if argument.is_folder and (suffix := path.suffix.lower()) in unreadable:
                self.left_out[suffix] += 1
                continue
            if is_output_name(path.stem) and is_ours(path):
                self.left_out[MARK] += 1
                continue
            self._count += 1
            if not self._one_folder:  # there, names are made distinct folder by folder
                (several if hash(target) in once else once).add(hash(target))
        self._targets_of_several = several
        self.problems = [*self._means_nothing(found_of), *self._unreadable.values()]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Job]:
        taken: set[int] = set()
        for _, path, target in self._files():
            if is_output_name(path.stem) and is_ours(path):
                continue
            if not self._one_folder:
                target = self._distinct(path, target, taken)
                taken.add(hash(target))
            yield Job(path, target)

    def holds(self, path: Path) -> bool:
        """Whether an existing file is one of the inputs, under any of its names."""
        with contextlib.suppress(OSError):
            status = path.stat()
            if (status.st_dev, status.st_ino) in self._named:
                return True
        return path.suffix.lower() in self._suffixes and any(
            argument.is_folder and argument.is_above(name)
            for argument in self._arguments
            for name in (os.path.abspath(path), os.path.realpath(path))  # noqa: PTH100
        )

    @cached_property
    def _named(self) -> frozenset[tuple[int, int]]:
        """Device and number of each file that an argument names."""
        found: set[tuple[int, int]] = set()
        for argument in self._arguments:
            for match in argument.matches:
                with contextlib.suppress(OSError):
                    status = Path(match).stat()
                    found.add((status.st_dev, status.st_ino))
        return frozenset(found)

    def left_out_text(self) -> str:
        """Return one line about the files that were left out; empty when there are none."""
        ours = self.left_out[MARK]
        others = {suffix: n for suffix, n in sorted(self.left_out.items()) if suffix != MARK}
        parts = [f"{_files(ours)} {MARK}"] if ours else []
        if others:
            kinds = ", ".join(f"{n} {suffix}" for suffix, n in others.items())
            parts.append(f"{_files(sum(others.values()))} of formats that are not read here ({kinds})")
        return f"left out {' and '.join(parts)}" if parts else ""

    def _means_nothing(self, found_of: Mapping[_Argument, int]) -> Iterator[str]:
        """Yield one line for each argument without a file."""
        for argument in self._arguments:
            if not argument.text:
                yield f"the name of an input is empty; name {self._noun}, folders or globs"
            elif argument.problem:
                yield argument.problem
            elif (
                argument.is_folder
                and not found_of[argument]
                and argument not in self._repeating
                and not self._is_unreadable(argument)
            ):
                yield f"no {self._noun} in the folder {argument.text}"
            elif argument.is_glob and not argument.matches:
                yield f"no file matches {argument.text}"

    def _is_unreadable(self, argument: _Argument) -> bool:
        """Whether a folder, or one below it, could not be read."""
        root = os.path.abspath(argument.text)  # noqa: PTH100
        return root in self._unreadable or any(map(argument.is_above, self._unreadable))

    def _note_unreadable(self, folder: str, error: OSError) -> None:
        self._unreadable[os.path.abspath(folder)] = _cannot_read(folder, error)  # noqa: PTH100

    def _files(self, also: Set[str] = frozenset()) -> Iterator[tuple[_Argument, Path, Path]]:
        """Yield each file once, with its argument and target; in folders also those with other suffixes."""
        suffixes = self._suffixes | also
        named: set[str] = set()
        folders: list[_Argument] = []
        for argument in self._arguments:
            for path, target in argument.files(suffixes, self._note_unreadable):
                if not self._one_folder:
                    whole = os.path.abspath(path)  # noqa: PTH100
                    inside = path.suffix.lower() in suffixes and any(f.is_above(whole) for f in folders)
                    if inside or whole in named:
                        self._repeating.add(argument)
                        continue
                    if not argument.is_folder:
                        named.add(whole)
                yield argument, path, target
            if argument.is_folder:
                folders.append(argument)

    def _distinct(self, path: Path, target: Path, taken: Set[int]) -> Path:
        if hash(target) in self._targets_of_several:
            target = target.with_name(path.name.replace(".", "_"))
        candidate, number = target, 1
        while hash(candidate) in taken:
            number += 1
            candidate = target.with_name(f"{target.name}_{number}")
        return candidate


@dataclass(frozen=True, slots=True)
class _Argument:
    """One argument: a file, a folder, or a glob.

    Attributes:
        text: the argument.
        is_folder: whether it is a folder.
        is_glob: whether it is a glob.
        matches: the files that it names; none for a folder.
        problem: why it cannot be used; empty when it can.
    """

    text: str
    is_folder: bool = False
    is_glob: bool = False
    matches: tuple[str, ...] = ()
    problem: str = ""

    @classmethod
    def parse(cls, text: str) -> _Argument:
        if not text:
            return cls(text)  # for pathlib, this is the current folder
        try:
            mode = os.stat(text).st_mode  # noqa: PTH116, pathlib changes names
        except (OSError, ValueError) as error:
            return cls._of_unknown(text, error)
        return cls(text, is_folder=True) if stat.S_ISDIR(mode) else cls(text, matches=(text,))

    @classmethod
    def _of_unknown(cls, text: str, error: Exception) -> _Argument:
        """Return the argument of a text that names nothing that can be seen."""
        if glob.has_magic(text):
            matches = filter(_may_be_file, glob.glob(text, recursive=True))  # noqa: PTH207, absolute patterns too
            found = tuple(sorted(matches))
            return cls(text, is_glob=True, matches=found, problem="" if found else _unreadable_parent(text))
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return cls(text, problem=f"cannot read {text[:57]}…: {error.strerror}")
        return cls(text, matches=(text,))  # the reader says what is wrong

    def files(
        self, suffixes: Set[str], note_unreadable: Callable[[str, OSError], None]
    ) -> Iterator[tuple[Path, Path]]:
        """Yield the files, and for each the folder and stem of its outputs."""
        if self.is_folder:
            root = Path(self.text)
            for folder, name, stem in _walk(self.text, suffixes, note_unreadable):
                yield root / folder / name, Path(folder) / stem
        for match in map(Path, self.matches):
            yield match, Path(match.stem)

    def is_above(self, whole: str) -> bool:
        """Whether an absolute path lies below this folder, and is not hidden there."""
        root = os.path.join(os.path.abspath(self.text), "")  # noqa: PTH100, PTH118
        return whole.startswith(root) and not any(map(_hidden, Path(whole[len(root) :]).parts))


def _walk(
    root: str, suffixes: Set[str], note_unreadable: Callable[[str, OSError], None]
) -> Iterator[tuple[str, str, str]]:
    """Yield folder (relative to the root), name, and stem of the outputs of each file under a folder."""
    # Strings take a third of the memory of paths. A recursion would end in trees of a thousand levels.
    pending = [""]
    while pending:
        below = pending.pop()
        folder = os.path.join(root, below) if below else root  # noqa: PTH118
        folders: list[str] = []
        names: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if _hidden(entry.name):
                        continue
                    if _is_folder(entry):
                        folders.append(entry.name)
                    elif _suffix(entry.name) in suffixes and _is_file(entry):
                        names.append(entry.name)
        except OSError as error:
            note_unreadable(folder, error)
        names.sort()
        for name, stem in _distinct_stems(names):
            yield below, name, stem
        folders.sort(reverse=True)
        pending += [os.path.join(below, name) for name in folders]  # noqa: PTH118


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a file, or its reader has to say why it is none."""
    try:
        return entry.is_file()
    except OSError:
        return True


def _may_be_file(match: str) -> bool:
    """Whether a match of a glob is a file, or its reader has to say why it is none."""
    try:
        return stat.S_ISREG(os.stat(match).st_mode)  # noqa: PTH116, pathlib changes names
    except FileNotFoundError:
        return False  # a link to nothing
    except OSError:
        return True


def _unreadable_parent(pattern: str) -> str:
    """Return a line about the folder that a glob searches, where it cannot be read; empty where it can."""
    folder = next((p for p in Path(pattern).parents if not glob.has_magic(str(p))), Path())
    try:
        os.scandir(folder).close()
    except PermissionError as error:
        return _cannot_read(str(folder), error)
    except OSError:
        pass  # it is not there, and nothing matches
    return ""


def _cannot_read(folder: str, error: OSError) -> str:
    return f"cannot read the folder {folder}: {error.strerror}"


def _distinct_stems(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each name of one folder, sorted, with a stem that no other has."""
    taken: set[str] = set()
    for name in names:
        stem = os.path.splitext(name)[0]  # noqa: PTH122
        if _shares_stem(names, stem, name):
            stem = first = name.replace(".", "_")
            number = 1
            while stem in taken or _shares_stem(names, stem, name):
                number += 1
                stem = f"{first}_{number}"
            taken.add(stem)
        yield name, stem


def _shares_stem(names: Sequence[str], stem: str, name: str) -> bool:
    """Whether another of the sorted names has this stem."""
    at = bisect_left(names, stem + ".")
    while at < len(names) and names[at].startswith(stem + "."):
        if names[at] != name and os.path.splitext(names[at])[0] == stem:  # noqa: PTH122
            return True
        at += 1
    return False


def _hidden(name: str) -> bool:
    return name.startswith(".")


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122


def _files(number: int) -> str:
    return f"{number} file{'s' if number != 1 else ''}"
