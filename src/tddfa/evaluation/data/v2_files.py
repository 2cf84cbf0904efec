"""Layout of the test sets of the first 3DDFA project."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import DatasetError
from tddfa.evaluation.data.arrays import distinct
from tddfa.evaluation.data.images import FolderImages, ImageSource
from tddfa.shapes import Float64


@dataclass(frozen=True, slots=True)
class V2Folder:
    """A copy of the project, or a folder with the files of its `test.configs` and `test.data`.

    Attributes:
        root: the folder that was given.
    """

    root: Path

    def find(self, name: str) -> Path | None:
        """Return the file or folder of that name; None where there is none."""
        for place in (self.root, self.root / "test.configs", self.root / "test.data"):
            if (place / name).exists():
                return place / name
        return None

    def need(self, name: str) -> Path:
        """Return the file or folder of that name.

        Raises:
            DatasetError: there is none.
        """
        path = self.find(name)
        if path is None:
            raise DatasetError(
                f"{self.root} has no {name}, neither directly nor in test.configs or test.data; "
                "see docs/evaluation.md for what belongs to the set"
            )
        return path

    def crops(self, name: str) -> tuple[ImageSource, tuple[str, ...]]:
        """Return the crops in the folder `name`, and their names in the order of `name`.list.

        Raises:
            DatasetError: one of them is missing or cannot be read.
        """
        listed = self.need(f"{name}.list")
        try:
            names = tuple(listed.read_text(encoding="utf-8").split())
        except OSError as error:
            raise DatasetError(f"cannot read {listed}: {error.strerror}") from None
        except ValueError:
            raise DatasetError(f"{listed} is no list of names: it is not UTF-8 text") from None
        return FolderImages(self.need(name)), distinct(names, listed)


def squares_from(boxes: Float64[np.ndarray, "n 4"], where: Path) -> Float64[np.ndarray, "n 4"]:
    """Return crop boxes (x0, y0, x1, y1), px, when each of them has an area.

    Raises:
        DatasetError: one has not.
    """
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        raise DatasetError(f"{where} has crop boxes without area; a box is (x0, y0, x1, y1)")
    return boxes
