"""Arrow, loaded on first use: the extra `batch`."""

from __future__ import annotations

import importlib
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
