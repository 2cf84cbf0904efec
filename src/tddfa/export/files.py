"""Write files, with errors that a person can act on."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeAlias

from tddfa.errors import ExportFileError
from tddfa.files import atomic_write
from tddfa.types.arguments import as_path

P = ParamSpec("P")
StrPath: TypeAlias = str | os.PathLike[str]


def write(path: StrPath, data: bytes) -> None:
    """Write `data` to `path`, which holds all of it afterwards, or what it held before.

    Raises:
        InputError: `path` is no path.
        ExportFileError: the folder is missing or read-only, or the disk is full.
    """
    path = as_path("path", path)
    if path.is_dir():  # also '', which stands for the current one
        raise ExportFileError(f"cannot write {path}: it is a folder")
    try:
        atomic_write(path, data)
    except OSError as error:
        raise ExportFileError(f"cannot write {path}: {error.strerror}") from error


def writer_of(to_bytes: Callable[P, bytes]) -> Callable[Concatenate[StrPath, P], None]:
    """Return `write_x(path, …)` for a function `x_bytes(…)`, with the same further arguments."""

    def write_bytes(path: StrPath, /, *args: P.args, **kwargs: P.kwargs) -> None:
        write(path, to_bytes(*args, **kwargs))

    name = to_bytes.__name__
    write_bytes.__name__ = write_bytes.__qualname__ = f"write_{name.removesuffix('_bytes')}"
    write_bytes.__module__ = to_bytes.__module__
    write_bytes.__doc__ = f"""Write what `{name}` returns for the arguments after the first to a file.

    Args:
        path: file to write.
        *args: as `{name}`.
        **kwargs: as `{name}`.

    Raises:
        InputError: as `{name}`.
        ExportFileError: the file cannot be written; nothing is left behind.
    """
    signature = inspect.signature(to_bytes)
    path = inspect.Parameter("path", inspect.Parameter.POSITIONAL_ONLY, annotation="StrPath")
    parameters = [path, *signature.parameters.values()]
    write_bytes.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    return write_bytes
