"""A frame of a video together with the faces in it."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Any

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.tracking.face import TrackedFace
from tddfa.types import Face, Image
from tddfa.types.arguments import check_kind, check_number

_TRACKED = "FaceTracker.update returns tracked faces"


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFrame:
    """One frame of a stream.

    Attributes:
        index: number of the frame in its source, from 0.
        time: s since the first frame of the source.
        image: the frame, RGB; None where no sink needs images.
        faces: every face that is tracked, by id, also those that are lost in this frame.
        captured: `time.perf_counter()` when a live source delivered the image; None for recorded sources.
        coded: the decoder's own frame, from which a video sink copies what was not drawn over.
    """

    index: int
    time: float
    image: Image | None
    faces: tuple[TrackedFace, ...]
    captured: float | None = None
    coded: Any = field(default=None, repr=False)

    @property
    def visible_faces(self) -> list[Face]:
        """The faces that are seen in this frame: those to draw."""
        return [tracked.face for tracked in self.faces if tracked.visible]


def check_frame(frame: Any, image_for: str | None = None) -> None:
    """Refuse what a sink cannot take.

    Args:
        frame: what it is given.
        image_for: what needs the image, if anything does.

    Raises:
        InputError: `frame` is no tracked frame, its time is no number, its faces are not tracked, or it has
            no image and needs one.
    """
    check_kind("frame", frame, TrackedFrame, "follow yields tracked frames")
    check_number("frame.time", frame.time, -math.inf, math.inf)
    if not isinstance(frame.faces, tuple | list):
        raise InputError(f"frame.faces is a {type(frame.faces).__name__}, not a tuple; {_TRACKED}")
    for k, tracked in enumerate(frame.faces):
        check_kind(f"frame.faces[{k}]", tracked, TrackedFace, _TRACKED)
    if image_for is not None and frame.image is None:
        raise InputError(f"{image_for} needs images; call follow with images=True")


def not_open(sink: object) -> InputError:
    """Return the error of a sink that is written to outside its context."""
    return InputError(f"this {type(sink).__name__} is not open; write inside a with statement")
