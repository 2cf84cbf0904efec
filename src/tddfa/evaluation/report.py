"""The result of a protocol."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.files import atomic_write
from tddfa.shapes import Float, Float64
from tddfa.types import Image


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A face for a contact sheet: the image, and points on it.

    Attributes:
        image: the image or crop.
        truth: px of `image`.
        predicted: px of `image`.
    """

    image: Image
    truth: Float[np.ndarray, "n 2"]
    predicted: Float[np.ndarray, "n 2"]


def in_crop(
    points: Float64[np.ndarray, "n 2"], square: Float64[np.ndarray, "4"], crop: Image
) -> Float64[np.ndarray, "n 2"]:
    """Return points of an image in the pixels of `crop`, which a benchmark cut from `square`."""
    return (points - square[:2]) * np.array([crop.shape[1], crop.shape[0]]) / (square[2:] - square[:2])


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """The numbers of one protocol, one pack and one set.

    Attributes:
        record: the numbers as JSON has them.
        text: the same as a table in plain text.
        rows: one per image or frame; the key `error` is its error, where the protocol has one.
        view: shows the face of a row, by its number; None where there is nothing to show.
    """

    record: Mapping[str, Any]
    text: str
    rows: Sequence[Mapping[str, Any]] = ()
    view: Callable[[int], View] | None = field(default=None, repr=False)

    def worst(self, n: int) -> list[int]:
        """Return the numbers of the `n` rows with the largest error, worst first."""
        measured = [k for k, row in enumerate(self.rows) if isinstance(row.get("error"), float)]
        return sorted(measured, key=lambda k: -float(self.rows[k]["error"]))[:n]

    def write_rows(self, path: Path) -> None:
        """Write the rows as a CSV table.

        Raises:
            OSError: the file cannot be written.
        """
        text = io.StringIO()
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {key: f"{v:.6g}" if isinstance(v, float) else v for key, v in row.items()} for row in self.rows
        )
        atomic_write(path, text.getvalue().encode())
