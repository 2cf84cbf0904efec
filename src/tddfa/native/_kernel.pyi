"""Functions on buffers; the sources say what each takes. They are called through the twins' Python side."""

from collections.abc import Callable

def __getattr__(name: str) -> Callable[..., None]: ...
