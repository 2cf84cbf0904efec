"""Photos and videos by the million: planned chunks, workers that may die, one Parquet dataset."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tddfa.batch.align import TableAligner as TableAligner
    from tddfa.batch.run import BatchReport as BatchReport
    from tddfa.batch.run import run_batch as run_batch
    from tddfa.batch.settings import BatchSettings as BatchSettings

# Loaded on first use: pyarrow is an extra.
_PUBLIC = {
    "BatchReport": "run",
    "BatchSettings": "settings",
    "TableAligner": "align",
    "run_batch": "run",
}

__all__ = [*_PUBLIC]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tddfa.batch.{_PUBLIC[name]}"), name)
