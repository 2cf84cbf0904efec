"""What the files of a kind are called."""

from __future__ import annotations

from tddfa.dataclass import dataclass
from tddfa.kinds import OutputOptions


@dataclass(frozen=True, slots=True)
class Target:
    """The files of one kind of one image.

    Attributes:
        kind: name of the kind.
        stem: what the names of its files begin with.
        suffix: suffix of its main file.
        options: how the files are written.
    """

    kind: str
    stem: str
    suffix: str
    options: OutputOptions

    @property
    def name(self) -> str:
        """Name of the main file."""
        return self.stem + self.suffix
