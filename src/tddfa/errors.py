"""Errors a person can act on: what was given, what is possible, what to do.

Every error of the library is a `TddfaError` and also the builtin error a caller would expect
(`ValueError`, `OSError`, …), so both ``except TddfaError`` and ``except ValueError`` work.
"""


class TddfaError(Exception):
    """Any error that the library raises on purpose; its text is one line for a person."""


class InputError(TddfaError, ValueError):
    """A value that cannot be used: a box with NaN, an image of the wrong shape, an unknown name."""


class ImageFileError(TddfaError, OSError):
    """An image that cannot be read or written."""


class ExportFileError(TddfaError, OSError):
    """A mesh or data file that cannot be written."""


class VideoFileError(TddfaError, OSError):
    """A video or a camera that cannot be read or written."""


class StorageError(TddfaError, OSError):
    """A folder or bucket that cannot be read or written."""


class DatasetError(TddfaError, ValueError):
    """An evaluation set that is missing, incomplete or has another layout."""


class PackError(TddfaError, RuntimeError):
    """A model pack that is broken, incomplete or cannot be installed."""


class PackNotFoundError(PackError, LookupError):
    """No pack of that name is installed."""


class UnsafePickleError(PackError):
    """A pickle that holds anything else than arrays, numbers, text and containers of them."""


class MissingExtraError(TddfaError, ImportError):
    """A feature whose optional packages are not installed."""


class MissingPackageError(TddfaError, ImportError):
    """A package that we need and that is not installed, incomplete, or hidden by another of its name."""


def require_extra(feature: str, extra: str, missing: str) -> MissingExtraError:
    """The error for `feature` when the package `missing` of the extra `extra` is not installed."""
    return MissingExtraError(
        f"{feature} needs the package {missing!r}, which is not installed; get it with "
        f"pip install 'tddfa[{extra}]'"
    )
