"""A pack on disk, read with its checksums."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.errors import PackError, PackNotFoundError
from tddfa.packs.manifest import FILE_NAME, Manifest


@dataclass(frozen=True, slots=True)
class ModelPack:
    """A folder with a manifest and the files it lists.

    Attributes:
        folder: where it lies.
        manifest: what it says of itself.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> ModelPack:
        """The pack in `folder`.

        Raises:
            PackError: there is no manifest, or it cannot be read.
        """
        path = folder / FILE_NAME
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise PackError(f"{folder} is not a model pack: it has no {FILE_NAME}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise PackError(f"cannot read {path}: {error}") from None
        return cls(folder, Manifest.from_json(text, str(path)))

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
        try:
            other = replace(
                manifest,
                name=f"{manifest.name}:{name}",
                title=chosen["title"],
                regressor=chosen["regressor"],
                measured=chosen["measured"],
            )
        except KeyError as error:
            raise PackError(f"network {name!r} of pack {manifest.name!r} has no {error}") from None
        return ModelPack(self.folder, other)

    def read(self, name: str) -> bytes:
        """The bytes of a file of the pack, after its checksum was compared.

        Raises:
            PackError: the file is missing, incomplete or changed.
        """
        record = self.manifest.files.get(name)
        if record is None:
            raise PackError(f"pack {self.manifest.name!r} in {self.folder} has no file {name!r}")
        try:
            data = (self.folder / name).read_bytes()
        except OSError as error:
            raise PackError(self._broken(f"{name} cannot be read ({error.strerror})")) from None
        if len(data) != record.bytes:
            raise PackError(self._broken(f"{name} has {len(data)} bytes, not {record.bytes}"))
        if hashlib.sha256(data).hexdigest() != record.sha256:
            raise PackError(self._broken(f"{name} has another sha256 than the manifest"))
        return data

    def arrays(self, name: str) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays of an .npz file of the pack, by name.

        Raises:
            PackError: the file is missing, incomplete, changed or holds anything else than arrays.
        """
        try:
            with np.load(io.BytesIO(self.read(name)), allow_pickle=False) as archive:
                return dict(archive)
        except (ValueError, OSError) as error:
            raise PackError(self._broken(f"{name} is not an array archive ({error})")) from None

    def verify(self) -> None:
        """Compare every file with its checksum.

        Raises:
            PackError: a file is missing, incomplete or changed.
        """
        for name in self.manifest.files:
            self.read(name)

    def _broken(self, what: str) -> str:
        name = self.manifest.name.partition(":")[0]
        return (
            f"pack {name!r} in {self.folder} is broken: {what}; remove it with 'tddfa packs remove {name}' "
            f"and install it again"
        )
