"""A face with an identity over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from tddfa.types import Face

State: TypeAlias = Literal["new", "tracked", "returned", "lost"]
"""First seen in this frame; seen again; seen again after it was lost; not seen in this frame."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """One person's face in one frame.

    Attributes:
        id: 0 for the first person of the video; never given to another.
        face: where and how it is; while it is lost, as it was last seen.
        confidence: how sure it is that the face is there, in [0, 1]; 0 while it is lost.
        age: frames since the person was first seen.
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
