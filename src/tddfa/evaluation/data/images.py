"""Images of a set, by name: the members of a tar file, or the files of a folder."""

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
class ImageSource(Protocol):
    """Images that are read on demand: sets are larger than memory."""

    @property
    def names(self) -> frozenset[str]:
        """Names of the images."""
        ...

    def read(self, name: str) -> Image:
        """Read the image of that name."""
        ...


class TarImages:
    """The images in an uncompressed tar file.

    Raises:
        DatasetError: the file is missing, damaged, or no tar file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with tarfile.open(path, "r:") as archive:
                self._places: Mapping[str, tuple[int, int]] = {
                    # "tar -cf crops.tar -C crops ." writes ./name.jpg
                    member.name.removeprefix("./"): (member.offset_data, member.size)
                    for member in archive
                    if member.isfile()
                }
        except FileNotFoundError:
            raise DatasetError(f"no such file: {path}") from None
        except (tarfile.TarError, OSError, ValueError, EOFError) as error:
            raise DatasetError(f"{path} is no whole uncompressed tar file: {error}") from None

    @property
    def names(self) -> frozenset[str]:
        """Names of the images."""
        return frozenset(self._places)

    def read(self, name: str) -> Image:
        """Read the image of that name.

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
        DatasetError: a file is missing, damaged, or no tar file, or two of them have an image of one name.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._of: dict[str, TarImages] = {}
        for path in paths:
            tar = TarImages(path)
            if twice := sorted(tar.names & self._of.keys()):
                raise DatasetError(f"{path} has the image {twice[0]}, which another of the tar files has too")
            self._of |= dict.fromkeys(tar.names, tar)

    @property
    def names(self) -> frozenset[str]:
        """Names of the images."""
        return frozenset(self._of)

    def read(self, name: str) -> Image:
        """Read the image of that name.

        Raises:
            ImageFileError: it is damaged.
        """
        return self._of[name].read(name)


class FolderImages:
    """The images directly in a folder.

    Raises:
        DatasetError: it is no folder, or cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._names = frozenset(path.name for path in folder.iterdir() if path.is_file())
        except OSError as error:
            raise DatasetError(f"cannot read the folder {folder}: {error.strerror}") from None

    @property
    def names(self) -> frozenset[str]:
        """Names of the images."""
        return self._names

    def read(self, name: str) -> Image:
        """Read the image of that name.

        Raises:
            ImageFileError: it is damaged.
        """
        return read_image(self._folder / name)


def require(images: ImageSource, names: Iterable[str], where: Path | str) -> None:
    """Refuse a set whose labels name images that it does not have.

    Raises:
        DatasetError: an image is missing.
    """
    wanted = list(names)
    missing = [name for name in wanted if name not in images.names]
    if missing:
        raise DatasetError(
            f"{where} lacks {len(missing)} of the {len(wanted)} images that the labels name; "
            f"the first is {missing[0]}"
        )
