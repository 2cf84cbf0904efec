"""Arrow, loaded on first use: the extra `batch`."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Generator
from functools import cache
from typing import Any

from tddfa.errors import require_extra


@cache
def arrow(module: str = "") -> Any:
    """Return the module `pyarrow`, or one of its parts: "parquet", "fs".

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(f"pyarrow.{module}" if module else "pyarrow")
    except ImportError:
        raise require_extra("tddfa batch", "batch", "pyarrow") from None


@contextlib.contextmanager
def parquet_writer(file: Any, schema: Any, **options: Any) -> Generator[Any]:
    """Yield a `ParquetWriter`, and end it with the block.

    After an error it is ended without a word: else it would complain of a closed file when it is collected.
    """
    writer = arrow("parquet").ParquetWriter(file, schema, **options)
    try:
        yield writer
        writer.close()
    except BaseException:
        with contextlib.suppress(Exception):
            writer.close()
        writer.is_open = False
        raise
