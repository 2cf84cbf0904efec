"""A face with an id over time."""

from __future__ import annotations

from typing import Literal, TypeAlias

from tddfa.dataclass import dataclass
from tddfa.types import Face

State: TypeAlias = Literal["new", "tracked", "returned", "lost"]
"""First seen in this frame; seen once more; seen again after a loss or a cut; not seen in this frame."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """One person's face in one frame.

    Attributes:
        id: number of the person, from 0; never given to another.
        face: the face in this frame; while it is lost, as it was last seen.
        confidence: probability that the face is there, in [0, 1]; 0 while it is lost.
        age: number of frames since the person was first seen.
        state: "new", "tracked", "returned" or "lost".
    """

    id: int
    face: Face
    confidence: float
    age: int
    state: State

    @property
    def visible(self) -> bool:
        """Whether the face is seen in this frame."""
        return self.state != "lost"

    @property
    def begins(self) -> bool:
        """Whether the frame before says nothing about the face: it is new, or back after a loss or a cut."""
        return self.state in ("new", "returned")
