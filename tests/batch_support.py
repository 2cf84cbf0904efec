"""Folders of photos for batches, and the rows that come of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import toys
from tddfa import write_image
from tddfa.batch.chunk import ChunkJob, ChunkReport, Item
from tddfa.batch.inputs import Unit


def write_photos(folder: Path, n: int) -> Path:
    """A folder of small photos that differ, two of them in a folder of their own."""
    (folder / "more").mkdir(parents=True)
    for i in range(n):
        place = folder / "more" if i < 2 else folder
        write_image(place / f"{i:04d}.png", np.roll(toys.image(), 3 * i, axis=1))
    return folder


def rows_of(out: Path | str, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows of a batch, in an order that does not depend on its parts."""
    import pyarrow.parquet as pq

    table = pq.read_table(os.fspath(out) + "/faces", columns=columns)
    return sorted(table.to_pylist(), key=lambda row: (row["path"], row.get("frame", 0), row["face"]))


def same_rows(one: Path | str, other: Path | str) -> bool:
    """Whether two batches have the same rows; NaN equals NaN."""
    return repr(rows_of(one)) == repr(rows_of(other))


class InlineEngine:
    """An engine without processes, which take seconds to start."""

    def run(
        self,
        job: ChunkJob,
        chunks: Iterator[int],
        *,
        timeout_s: float,
        resume: bool,
        alive: Callable[[int, int], None],
    ) -> Generator[ChunkReport | None]:
        """Yield the report of each chunk."""
        for chunk in chunks:
            report = job.done(chunk) if resume else None
            yield report or job.run(chunk, {}, lambda at, n, chunk=chunk: alive(chunk, at))


class PoisonJob(ChunkJob):
    """A job in which files of some names kill the process that reads them, or hang."""

    def __reduce__(self) -> Any:
        return PoisonJob, (self._place, self._settings)

    def _item(self, unit: Unit, *, read: bool = True) -> Item:
        if read and "kill" in Path(unit.path).name:
            os.kill(os.getpid(), signal.SIGKILL)
        if read and "hang" in Path(unit.path).name:
            time.sleep(1000)
        return super()._item(unit, read=read)
