"""Errors that are of the machine or the moment, and not of an input: another run may be able to use it."""

from __future__ import annotations

import errno

from tddfa.errors import InputError, StorageError, TddfaError

# What a network drive or a machine that is short of something answers, whatever file is read.
_PASSING = frozenset(
    getattr(errno, name)
    for name in ("EAGAIN", "EIO", "EMFILE", "ENFILE", "ENOMEM", "ESTALE", "ETIMEDOUT", "ENETUNREACH")
    if hasattr(errno, name)
)


class PassingError(TddfaError):
    """An input could not be used, and another run may be able to use it."""


class CutOffError(PassingError, InputError):
    """Work on an input was ended from outside: it took too long, or its process was killed."""


class UnreachableError(PassingError, StorageError):
    """A storage did not give what it may have."""


def may_pass(error: BaseException) -> bool:
    """Return whether another run may be able to use the input of an error."""
    if isinstance(error, (PassingError, MemoryError)):
        return True
    cause = error if isinstance(error, OSError) and error.errno is not None else error.__cause__
    return isinstance(cause, OSError) and cause.errno in _PASSING
