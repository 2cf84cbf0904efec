"""What is written down while a network trains: means of the losses, speed, evaluations."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor


class Journal:
    """`log.jsonl` and TensorBoard events in the folder of a run, which a resumed run goes on with.

    Args:
        folder: of the run.
        every: steps of a row.
    """

    def __init__(self, folder: Path, every: int):
        from torch.utils.tensorboard import SummaryWriter

        self._every = every
        self._writer = SummaryWriter(str(folder / "events"))
        self._file = (folder / "log.jsonl").open("a", buffering=1)
        self._sums: dict[str, float] = {}
        self._seen = self._skipped = 0
        self._since = time.monotonic()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._writer.close()

    def note(self, step: int, terms: Mapping[str, Tensor], rate: float, samples: int, *, taken: bool) -> None:
        """Take in a step; every few steps a row is written.

        Args:
            step: its number, from 1.
            terms: the losses.
            rate: the learning rate.
            samples: faces of the step.
            taken: whether the weights moved; they do not where a gradient is not finite.
        """
        for key, value in terms.items():
            self._sums[key] = self._sums.get(key, 0.0) + float(value.detach())
        self._seen += samples
        self._skipped += not taken
        if step % self._every:
            return
        row: dict[str, Any] = {key: round(value / self._every, 5) for key, value in self._sums.items()}
        row |= {
            "step": step,
            "rate": rate,
            "per_second": round(self._seen / (time.monotonic() - self._since)),
            "skipped": self._skipped,
            "threads": torch.get_num_threads(),
        }
        self._file.write(json.dumps(row) + "\n")
        for key, value in row.items():
            self._writer.add_scalar(f"train/{key}", value, step)
        self._sums, self._seen, self._since = {}, 0, time.monotonic()

    def evaluation(self, step: int, result: Mapping[str, Any], hours: float) -> None:
        """Write an evaluation down; the time that it took does not count as training."""
        self._file.write(json.dumps({"step": step, "evaluation": result, "hours": hours}) + "\n")
        self._since = time.monotonic()
