"""Pictures of a set, by name: the members of a tar file, or the files of a folder."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from tddfa.errors import DatasetError
from tddfa.imaging import read_image
from tddfa.imaging.files import decode_image
from tddfa.types import Image


@runtime_checkable
class Pictures(Protocol):
    """Pictures that are read when asked for: sets are larger than memory."""

    @property
    def names(self) -> frozenset[str]:
        """Which there are."""
        ...

    def read(self, name: str) -> Image:
        """The picture of that name."""
        ...


class TarPictures:
    """The pictures in an uncompressed tar file.

    Raises:
        DatasetError: the file is missing, damaged, or no tar file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with tarfile.open(path, "r:") as archive:
                self._places: Mapping[str, tuple[int, int]] = {
                    member.name: (member.offset_data, member.size) for member in archive if member.isfile()
                }
        except FileNotFoundError:
            raise DatasetError(f"no such file: {path}") from None
        except (tarfile.TarError, OSError) as error:
            raise DatasetError(f"{path} is no whole uncompressed tar file: {error}") from None

    @property
    def names(self) -> frozenset[str]:
        """Which there are."""
        return frozenset(self._places)

    def read(self, name: str) -> Image:
        """The picture of that name.

        Raises:
            ImageFileError: it is damaged.
        """
        offset, size = self._places[name]
        with self._path.open("rb") as file:
            file.seek(offset)
            return decode_image(file.read(size), f"{name} in {self._path}")


class TarShards:
    """The images in several tar files.

    Raises:
        DatasetError: a file is missing, damaged, or no tar file.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._of = {name: tar for tar in map(TarPictures, paths) for name in tar.names}

    @property
    def names(self) -> frozenset[str]:
        """Which there are."""
        return frozenset(self._of)

    def read(self, name: str) -> Image:
        """Read the image of that name.

        Raises:
            ImageFileError: it is damaged.
        """
        return self._of[name].read(name)


class FolderPictures:
    """The pictures directly in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = frozenset(path.name for path in folder.iterdir() if path.is_file())

    @property
    def names(self) -> frozenset[str]:
        """Which there are."""
        return self._names

    def read(self, name: str) -> Image:
        """The picture of that name.

        Raises:
            ImageFileError: it is damaged.
        """
        return read_image(self._folder / name)


def require(pictures: Pictures, names: Iterable[str], where: Path | str) -> None:
    """Refuse a set whose labels name pictures that it does not have.

    Raises:
        DatasetError: a picture is missing.
    """
    wanted = list(names)
    missing = [name for name in wanted if name not in pictures.names]
    if missing:
        raise DatasetError(
            f"{where} lacks {len(missing)} of the {len(wanted)} pictures that the labels name; "
            f"the first is {missing[0]}"
        )
