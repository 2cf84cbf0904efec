"""The files of the project of 3DDFA_V2: from a local copy, or downloaded and checked."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from tddfa.dataclass import dataclass
from tddfa.errors import PackError
from tddfa.packs.convert.download import download, public
from tddfa.packs.reading import read_regular

log = logging.getLogger(__name__)

COMMIT = "1b6c67601abffc1e9f248b291708aef0e43b55ae"
"""The last commit of the project of 3DDFA_V2."""

DOWNLOAD_URL = f"https://raw.githubusercontent.com/cleardusk/3DDFA_V2/{COMMIT}"

# File of the project of 3DDFA_V2 → its git blob id there.
V2_BLOBS: Mapping[str, str] = {
    "weights/mb1_120x120.pth": "bb78e0cd616fa578febb725b4be3a3ddd546f6b4",
    "weights/mb05_120x120.pth": "6b7be882d53da54cc84732b295695d5c89c93bc3",
    "FaceBoxes/weights/FaceBoxesProd.pth": "89c411c20eb55668e224b04cba549687ea242b57",
    "configs/bfm_noneck_v3.pkl": "7a44e1e29d658fc5d7303eb07cd820b23daab34a",
    "configs/tri.pkl": "31b52dcfb1a823649a6157f784ce39304c96ca6d",
    "configs/param_mean_std_62d_120x120.pkl": "110c0f3eda9f7c610dd20a4ac96de848b76de443",
    "configs/indices.npy": "8dc0fbd5fcd3f46528ce0c8cb40fd5fa8432bed4",
    "configs/BFM_UV.mat": "fa205443b62307647358facf6fd92b13166d0d86",
}

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being fetched, how many bytes are there, and how many there will be (0: unknown)."""

_LARGEST = 1 << 30  # bytes of a file in a local copy


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the project of 3DDFA_V2.

    Attributes:
        path: where it lies now.
        name: its path in the project.
        blob: its git blob id.
        published: whether it is the published file, bit for bit.
    """

    path: Path
    name: str
    blob: str
    published: bool


def git_blob_id(data: bytes) -> str:
    """The id git gives a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class Source:
    """Where the files of the project of 3DDFA_V2 come from.

    Args:
        location: a folder in the project's layout, a URL under which it lies, or None for its repository.
        cache: folder for what is downloaded.
        progress: told about downloads.
    """

    def __init__(self, location: str | None, cache: Path, progress: Progress | None = None) -> None:
        self._cache = cache
        self._progress = progress
        is_url = location is not None and location.startswith(("http://", "https://"))
        self._url = location.rstrip("/") if location and is_url else None if location else DOWNLOAD_URL
        self._folder = Path(location).expanduser() if location and not is_url else None
        if self._folder is not None and not self._folder.is_dir():
            raise PackError(
                f"{location} is no folder; --from takes a local copy of the 3DDFA_V2 project (with configs/, "
                f"weights/ and FaceBoxes/ in it), a URL of one, or the folder of a ready pack"
            )

    @property
    def location(self) -> str:
        """Where from, for the record: the URL, or that it was a local copy."""
        return public(self._url) if self._url else "a local copy"

    def get(self, name: str) -> SourceFile:
        """A file by its path in the project.

        Raises:
            PackError: it is not there, cannot be downloaded, or was downloaded and is not the published one.
        """
        path = self._folder / name if self._folder else self._download(name)
        try:
            data = read_regular(path, _LARGEST)
            if len(data) > _LARGEST:
                raise PackError(f"{path} is larger than any published file")
            blob = git_blob_id(data)
        except FileNotFoundError:
            raise PackError(
                f"{self._folder} has no {name}; --from takes a copy of the 3DDFA_V2 project, or the folder "
                "of a ready pack with its manifest.json"
            ) from None
        except OSError as error:
            raise PackError(f"cannot read {path}: {error.strerror}") from None
        published = blob == V2_BLOBS.get(name)
        if not published and name in V2_BLOBS:
            what = f"{name} is not the published file (git blob {blob[:12]}, not {V2_BLOBS[name][:12]})"
            if self._folder is None:
                raise PackError(f"{what}; it was changed or damaged on its way: try again, or use --from DIR")
            log.warning("%s; it is used as it is", what)
        return SourceFile(path, name, blob, published)

    def _download(self, name: str) -> Path:
        url = f"{self._url}/{name}"
        target = self._cache / name.replace("/", "_")
        told = self._progress
        try:
            download(url, target, told and (lambda done, total: told(name, done, total)))
        except PackError as error:
            raise PackError(
                f"{error}; without a network, copy the 3DDFA_V2 project here and use --from DIR"
            ) from None
        return target
