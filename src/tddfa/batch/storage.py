"""Folders and buckets: files that are either whole or not there, on any file system of Arrow."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tddfa.batch.arrow import arrow
from tddfa.batch.passing import UnreachableError
from tddfa.dataclass import dataclass
from tddfa.errors import StorageError
from tddfa.files import atomic_path, file_above, write_once

_IN_MEMORY = 64 << 20  # bytes of a new object that are held in memory before a temporary file takes them
_CONNECT_S, _REQUEST_S, _ATTEMPTS = 10, 60, 3
_GOOGLE_S = 30


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder that was listed.

    Attributes:
        name: its name, without the folder.
        is_folder: whether it is a folder.
        size: bytes.
        modified: time of its last change, ns; 0 where it is not known.
    """

    name: str
    is_folder: bool
    size: int = 0
    modified: int = 0


@dataclass(frozen=True, slots=True)
class Storage:
    """A folder, local or in a bucket.

    Attributes:
        place: as the user gave it: a path, or a URL such as s3://bucket/folder.
        fs: the file system of Arrow.
        root: the folder in it.
    """

    place: str
    fs: Any
    root: str

    @classmethod
    def open(cls, place: str) -> Storage:
        """Return the storage of a path or URL.

        Raises:
            StorageError: there is no such kind of storage, or the URL cannot be understood.
        """
        place = os.fspath(place)
        try:
            if not is_url(place) or place.lower().startswith("file://"):
                path = place if not is_url(place) else _file_path(place)
                return cls(place, arrow("fs").LocalFileSystem(), os.path.abspath(path))  # noqa: PTH100
            if place.startswith("s3://"):
                return cls(place, *_s3(place))
            return cls(place, *arrow("fs").FileSystem.from_uri(_with_limit(place)))
        except (OSError, ValueError, NotImplementedError) as error:
            raise failed("open", place, error) from None

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return self.fs.type_name == "local"

    def where(self, name: str = "") -> str:
        """Return the path of a file in the file system."""
        if self.is_local:
            return os.path.join(self.root, name) if name else self.root  # noqa: PTH118
        return posixpath.join(self.root, name) if name else self.root

    def url(self, name: str) -> str:
        """Return what a file is called in messages."""
        base, _, _ = self.place.partition("?")
        return posixpath.join(base, name) if name else base

    def check_is_folder(self) -> None:
        """Refuse a file in the place of the folder, or of one above it.

        Raises:
            StorageError: there is one.
        """
        if self.is_local and (file := file_above(self.root)) is not None:
            raise StorageError(f"cannot write to {self.place}: {file} is a file; choose another folder")

    def read(self, name: str = "") -> bytes:
        """Return the bytes of a file.

        Raises:
            StorageError: there is none, or it cannot be read.
        """
        try:
            if self.is_local:
                return Path(self.where(name)).read_bytes()
            with self.fs.open_input_stream(self.where(name)) as file:
                return file.read()
        except (OSError, ValueError) as error:
            raise failed("read", self.url(name), error) from None

    @contextlib.contextmanager
    def reading(self, name: str = "") -> Generator[Any]:
        """Open a file for reading at any place.

        Raises:
            StorageError: there is none, or it cannot be read.
        """
        try:
            file = self.fs.open_input_file(self.where(name))
        except (OSError, ValueError) as error:
            raise failed("read", self.url(name), error) from None
        with file:
            yield file

    @contextlib.contextmanager
    def writing(self, name: str) -> Generator[IO[bytes]]:
        """Yield a file to write to; what was written appears, whole, when the block ends without an error.

        Raises:
            StorageError: it cannot be written.
        """
        try:
            if self.is_local:
                path = Path(self.where(name))
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_path(path) as temporary, temporary.open("wb") as file:
                    yield file
                return
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
                yield file  # type: ignore[misc]
                file.seek(0)
                self._upload(name, file)
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise failed("write", self.url(name), error) from None

    def write(self, name: str, data: bytes) -> None:
        """Write a file in one step.

        Raises:
            StorageError: it cannot be written.
        """
        with self.writing(name) as file:
            file.write(data)

    def write_new(self, name: str, data: bytes) -> bool:
        """Write a file in one step unless there is one, and return whether it was written.

        Of several processes that try at once, one succeeds; in a bucket, as far as they are not within the
        milliseconds that a small object takes.

        Raises:
            StorageError: it cannot be written.
        """
        if self.is_local:
            path = Path(self.where(name))
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                return write_once(path, data)
            except OSError as error:
                raise failed("write", self.url(name), error) from None
        if self.size(name) is not None:
            return False
        self.write(name, data)
        return True

    def remove(self, name: str) -> None:
        """Remove a file that nothing needs; one that cannot be removed stays."""
        with contextlib.suppress(OSError):
            self.fs.delete_file(self.where(name))

    def size(self, name: str) -> int | None:
        """Return the size of a file, bytes; None where there is none.

        Raises:
            StorageError: the storage cannot be read.
        """
        try:
            info = self.fs.get_file_info(self.where(name))
        except OSError as error:
            raise failed("read", self.url(name), error) from None
        return info.size if info.type == arrow("fs").FileType.File else None

    def is_folder(self, name: str = "") -> bool:
        """Return whether a name is that of a folder.

        Raises:
            StorageError: the storage cannot be read.
        """
        try:
            info = self.fs.get_file_info(self.where(name))
        except OSError as error:
            raise failed("read", self.url(name), error) from None
        return info.type == arrow("fs").FileType.Directory

    def entries(self, name: str = "", *, details: bool = True) -> list[Entry]:
        """Return the files and folders in a folder, by name; none where there is no such folder.

        Args:
            name: of the folder.
            details: whether sizes and times are wanted, which cost a local file system a call for each.

        Raises:
            StorageError: the folder cannot be read.
        """
        try:
            found = list(self._local_entries(name, details) if self.is_local else self._entries(name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise failed("read", self.url(name), error) from None
        return sorted(found, key=lambda entry: entry.name)

    def _local_entries(self, name: str, details: bool) -> Iterator[Entry]:
        with os.scandir(self.where(name)) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield Entry(entry.name, True)
                elif _may_be_file(entry):
                    status = _status(entry) if details else None
                    yield Entry(
                        entry.name,
                        False,
                        0 if status is None else status.st_size,
                        0 if status is None else status.st_mtime_ns,
                    )

    def _entries(self, name: str) -> Iterator[Entry]:
        fs = arrow("fs")
        for info in self.fs.get_file_info(fs.FileSelector(self.where(name), allow_not_found=True)):
            folder = info.type == fs.FileType.Directory
            yield Entry(info.base_name, folder, info.size or 0, info.mtime_ns or 0)

    def _upload(self, name: str, file: IO[bytes]) -> None:
        """Send a file; an object of a bucket is there when all of it has been taken."""
        where, fs = self.where(name), self.fs
        if fs.type_name in ("s3", "gcs", "abfs"):
            with fs.open_output_stream(where) as out:
                shutil.copyfileobj(file, out, 8 << 20)
            return
        fs.create_dir(posixpath.dirname(where), recursive=True)
        temporary = f"{posixpath.dirname(where)}/.tddfa-{os.urandom(8).hex()}"
        with fs.open_output_stream(temporary) as out:
            shutil.copyfileobj(file, out, 8 << 20)
        fs.move(temporary, where)


def _with_limit(url: str) -> str:
    """Return a URL that says how long Google's storage is tried: Arrow's own limit is 15 minutes."""
    if not url.startswith(("gs://", "gcs://")) or "retry_limit_seconds" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}retry_limit_seconds={_GOOGLE_S}"


def _file_path(url: str) -> str:
    """Return the path of a file: URL, with or without percent signs for what a URL may not have."""
    path = url[len("file://") :].removeprefix("localhost")
    return path if Path(path).exists() else unquote(path)


def is_url(place: str) -> bool:
    """Return whether a place is a URL: a scheme of two letters or more, so that C:/ is none."""
    scheme, colon, _ = place.partition("://")
    return bool(colon) and len(scheme) > 1 and scheme.replace("+", "").isalnum()


def folder_of(place: str) -> tuple[str, str]:
    """Return the folder of a path or URL, and the name in it; what follows a `?` stays with the folder."""
    base, mark, query = place.partition("?") if is_url(place) else (place, "", "")
    if is_url(place):
        folder, _, name = base.rpartition("/")
        return folder + mark + query, name
    return os.path.split(place)


def failed(action: str, place: str, error: BaseException) -> StorageError:
    """Return the error for something that could not be done, on one line and with what to do."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    for sign, advice in _ADVICE.items():
        if sign in text:
            text = advice
            break
    # What is not there will not be there later; whoever does not answer now may do so then.
    kind = UnreachableError if _is_of_access(error) else StorageError
    return kind(f"cannot {action} {place.partition('?')[0]}: {text[:300]}")


def _is_of_access(error: BaseException) -> bool:
    return isinstance(error, OSError) and not isinstance(error, (FileNotFoundError, IsADirectoryError))


_ADVICE = {
    "ACCESS_DENIED": "access denied; check the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, a "
    "role) and what they allow",
    "INVALID_ACCESS_KEY_ID": "the access key is not known there; check AWS_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH": "the secret key is wrong; check AWS_SECRET_ACCESS_KEY",
    "OAuth2 access token": "there are no credentials for Google Cloud; set GOOGLE_APPLICATION_CREDENTIALS, "
    "or give gs://anonymous@BUCKET/FOLDER for a public bucket",
    "NO_SUCH_BUCKET": "there is no such bucket; check its name and region, or make it",
    "NETWORK_CONNECTION": "the server cannot be reached; check the network and endpoint_override",
    "Unrecognized filesystem type": "it is no storage that can be read; give a path, or an address that "
    "begins with s3://, gs://, abfs:// or hdfs://",
    "HTTP status 301": "the bucket is in another region; name it: s3://BUCKET/FOLDER?region=NAME",
    "HTTP status 400": "the server refuses the request; check that the session token (AWS_SESSION_TOKEN) has "
    "not expired, and the region",
    "HTTP status 503": "the server is too busy; try again later, with --resume",
    "SLOW_DOWN": "the server is too busy; try again later, with --resume",
    "No space left on device": "no space left on the disk; free some, then run again with --resume",
    "Errno 28": "no space left on the disk; free some, then run again with --resume",
}
"""What an error of a storage says → what a person can do."""


def _s3(url: str) -> tuple[Any, str]:
    """Return the file system of s3://bucket/folder?endpoint_override=…&region=…&scheme=…, and the folder.

    Arrow's own reading of the URL has no limits of time: a bucket that cannot be reached takes minutes.
    """
    fs = arrow("fs")
    parts = urlsplit(url)
    given = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    unknown = set(given) - {"endpoint_override", "region", "scheme", "anonymous"}
    if unknown:
        raise ValueError(
            f"{sorted(unknown)[0]!r} is no option of s3; choose from endpoint_override, region, scheme, "
            "anonymous"
        )
    if not parts.hostname:
        raise ValueError("the name of the bucket is missing; give s3://BUCKET/FOLDER")
    endpoint = given.get("endpoint_override") or os.environ.get("AWS_ENDPOINT_URL", "")
    scheme = given.get("scheme", "http" if endpoint.startswith("http://") else "https")
    region = given.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    options: dict[str, Any] = {"scheme": scheme}
    if endpoint:
        options["endpoint_override"] = endpoint.partition("://")[2] or endpoint
        options["force_virtual_addressing"] = False
    if region or endpoint:
        options["region"] = region or "us-east-1"
    else:
        options["region"] = fs.resolve_s3_region(parts.netloc)
    system = fs.S3FileSystem(
        anonymous=given.get("anonymous") == "true",
        connect_timeout=_CONNECT_S,
        request_timeout=_REQUEST_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        **options,
    )
    return system, (parts.netloc + parts.path).rstrip("/")


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a file, or its reader has to say why it is none: a link to itself."""
    try:
        return entry.is_file()
    except OSError:
        return True


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None
