"""A pack on disk, read with its checksums."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tddfa.dataclass import dataclass
from tddfa.errors import PackError, PackNotFoundError
from tddfa.onnx_files import check_self_contained
from tddfa.packs.locations import repair
from tddfa.packs.manifest import FILE_NAME, LARGEST, DamagedManifestError, Manifest
from tddfa.packs.reading import read_regular
from tddfa.types.arguments import as_path

if TYPE_CHECKING:
    from tddfa.packs.arrays import Arrays


@dataclass(frozen=True, slots=True)
class ModelPack:
    """A folder with a manifest and the files it lists.

    Attributes:
        folder: where it lies.
        manifest: what it says of itself.
    """

    folder: Path
    manifest: Manifest

    def __repr__(self) -> str:
        return f"ModelPack({self.manifest.name!r} in {self.folder})"

    @property
    def fingerprint(self) -> str:
        """Checksum of the pack's files: equal for copies of a pack, wherever they lie."""
        files = sorted((name, file.sha256) for name, file in self.manifest.files.items())
        return hashlib.sha256(repr(files).encode()).hexdigest()

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> ModelPack:
        """The pack in `folder`.

        Raises:
            PackError: there is no manifest, or it cannot be read.
            InputError: `folder` is no path.
        """
        folder = as_path("folder", folder)
        path = folder / FILE_NAME
        try:
            data = read_regular(path, LARGEST)
            if len(data) > LARGEST:
                raise PackError(f"{path} is not a pack manifest: it has more than {LARGEST} bytes")
            text = data.decode("utf-8-sig")
        except (FileNotFoundError, NotADirectoryError):
            has = f"it has no {FILE_NAME}" if folder.is_dir() else "there is no such folder"
            raise PackError(f"{folder} is not a model pack: {has}") from None
        except UnicodeDecodeError:
            problem = f"{path} is not a pack manifest: it is not UTF-8 text"
            raise PackError(f"{problem}; {repair(folder)}") from None
        except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
            raise PackError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from None
        try:
            return cls(folder, Manifest.from_json(text, str(path)))
        except DamagedManifestError as error:
            raise PackError(f"{error}; {repair(folder)}") from None

    def variant(self, name: str) -> ModelPack:
        """The same pack with another of its networks; it is called `pack:name`.

        Raises:
            PackNotFoundError: the pack has no such network.
        """
        manifest = self.manifest
        if name not in manifest.variants:
            names = ", ".join(f"{manifest.name}:{v}" for v in manifest.variants) or "none"
            raise PackNotFoundError(
                f"pack {manifest.name!r} has no network {name!r}; besides its own it has: {names}"
            )
        chosen = manifest.variants[name]
        other = replace(
            manifest,
            name=f"{manifest.name}:{name}",
            title=chosen.title,
            regressor=chosen.regressor,
            measured=chosen.measured,
        )
        return ModelPack(self.folder, other)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file of the pack, after its checksum was compared.

        Raises:
            PackError: the file is missing, incomplete or changed, or is a network that reads other files.
        """
        record = self.manifest.files.get(name)
        if record is None:
            raise PackError(f"pack {self.manifest.name!r} in {self.folder} has no file {name!r}")
        try:
            data = read_regular(self.folder / name, record.bytes)
        except OSError as error:
            raise PackError(self._broken(f"{name} cannot be read ({error.strerror})")) from None
        if len(data) != record.bytes:
            has = "is longer than" if len(data) > record.bytes else f"has {len(data)} bytes, not"
            raise PackError(self._broken(f"{name} {has} the {record.bytes} of the manifest"))
        if hashlib.sha256(data).hexdigest() != record.sha256:
            raise PackError(self._broken(f"{name} has another sha256 than the manifest"))
        if name in self.manifest.networks():
            self._check_network(name, data, for_cpu=True)
        return data

    def arrays(self, name: str) -> Arrays:
        """Return the arrays of an .npz file of the pack, by name, as its manifest needs them.

        Raises:
            PackError: the file is missing, incomplete or changed, holds anything else than arrays, or an
                array is not what its part of the pack needs.
        """
        from tddfa.packs.arrays import fitted_arrays, read_arrays

        data = self.read(name)
        try:
            arrays = read_arrays(data)
            layout = self.manifest.layouts().get(name)
            return arrays if layout is None else fitted_arrays(arrays, layout)
        except PackError as error:
            raise PackError(self._broken(f"{name} is not its array archive: {error}")) from None

    def verify(self) -> None:
        """Compare every file with its checksum, and its arrays with what the manifest needs.

        Raises:
            PackError: a file is missing, incomplete, changed, or not what it has to be.
        """
        arrays, networks = self.manifest.layouts(), self.manifest.networks()
        for name in self.manifest.files:
            if name in arrays:
                self.arrays(name)
            elif name in networks:
                self._check_network(name, self.read(name))
            else:
                self.read(name)

    def _check_network(self, name: str, data: bytes, *, for_cpu: bool = False) -> None:
        try:
            check_self_contained(data, for_cpu=for_cpu)
        except PackError as error:
            raise PackError(self._broken(f"{name} is refused: {error}")) from None

    def _broken(self, what: str) -> str:
        name = self.manifest.name.partition(":")[0]
        return f"pack {name!r} in {self.folder} is broken: {what}; {repair(self.folder)}"
