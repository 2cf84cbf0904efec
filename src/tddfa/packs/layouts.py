"""What the arrays of a pack have to be."""

from __future__ import annotations

from typing import Literal

_LARGEST = 1e9  # mm, standard deviations, …: nothing that packs measure is larger


class ArrayLayout:
    """Kind, shape and range of one array.

    Args:
        kind: "numbers" (floats or integers), "indices" (integers) or "texts".
        shape: a number is that size; a letter is any size, the same one wherever it stands in a file.
        below: indices are smaller than the size that this letter has.
        least: smallest value.
        most: largest value.
        optional: whether the array may be missing.
    """

    def __init__(
        self,
        kind: Literal["numbers", "indices", "texts"],
        *shape: int | str,
        below: str | None = None,
        least: float = -_LARGEST,
        most: float = _LARGEST,
        optional: bool = False,
    ) -> None:
        self.kind, self.shape, self.below, self.optional = kind, shape, below, optional
        self.least, self.most = least, most

    @property
    def kinds(self) -> str:
        """The kinds of NumPy's types that fit."""
        return {"numbers": "fiu", "indices": "iu", "texts": "U"}[self.kind]


def linear_model(n_identity: int | str = "i", n_expression: int | str = "e") -> dict[str, ArrayLayout]:
    """Return the layout of a face model, with these numbers of components."""
    return {
        "mean": ArrayLayout("numbers", "n", 3),
        "identity_basis": ArrayLayout("numbers", "n", 3, n_identity),
        "expression_basis": ArrayLayout("numbers", "n", 3, n_expression),
        "expression_names": ArrayLayout("texts", n_expression),
        "triangles": ArrayLayout("indices", "m", 3, below="n"),
        "uv": ArrayLayout("numbers", "n", 2, optional=True),
        "landmark_vertices": ArrayLayout("indices", 68, below="n"),
    }


def statistics(n_numbers: int) -> dict[str, ArrayLayout]:
    """Return the layout of the statistics of a network's numbers."""
    return {
        "mean": ArrayLayout("numbers", n_numbers),
        "std": ArrayLayout("numbers", n_numbers),
    }


def closeup_places() -> dict[str, ArrayLayout]:
    """Return the layout of the places of close-ups on the face, mm."""
    return {
        "eyes": ArrayLayout("numbers", "a", "b", 3, least=-1000, most=1000),
        "mouth": ArrayLayout("numbers", "c", "d", 3, least=-1000, most=1000),
        "face": ArrayLayout("numbers", "c", "e", 3, least=-1000, most=1000),
    }
