"""How one person was followed: frames found, ids, delays, errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from tddfa.dataclass import dataclass

AFTER_CUT = 3
"""Frames after a cut in which errors count as those of the cut."""

VISIBLE, GONE = 0.6, 0.15
"""Part of a head from which it has to be followed, and down to which it has to be given up; between them
either is right."""


@dataclass(slots=True, eq=False)
class PersonTrack:
    """What happened to one person so far.

    Attributes:
        faces: frames in which the face is visible.
        followed: those in which it was found.
        switches: how often it got another id than it had last.
        ids: every id it had.
        lost_after: for each time the person was gone for long: frames until that was noticed.
        found_after: for each return: frames until it was.
        errors_at_cuts: landmark errors of the first frames after cuts, percent of the face.
        errors: those of all other frames.
    """

    faces: int = 0
    followed: int = 0
    switches: int = 0
    ids: list[int] = field(default_factory=list[int])
    lost_after: list[int] = field(default_factory=list[int])
    found_after: list[int] = field(default_factory=list[int])
    errors_at_cuts: list[float] = field(default_factory=list[float])
    errors: list[float] = field(default_factory=list[float])
    _gone: int = 0
    _seen_while_gone: bool = False
    _back: int | None = None
    _last: int | None = None

    def add(
        self,
        visible: float,
        found: int | None,
        present: set[int],
        *,
        error: float | None = None,
        since_cut: int | None = None,
    ) -> None:
        """Take the next frame.

        Args:
            visible: part of the head that is seen.
            found: id of the face that was found there.
            present: ids of all faces that were found.
            error: of its landmarks, percent of the face.
            since_cut: frames since the last cut; None where there was none.
        """
        if visible >= VISIBLE:
            self._add_visible(found)
            if error is not None:
                at_cut = since_cut is not None and since_cut < AFTER_CUT
                (self.errors_at_cuts if at_cut else self.errors).append(error)
        elif visible <= GONE and self._last is not None:
            self._gone += 1
            if self._last in present:
                # The ID may also come up again, on something else, after the person was lost.
                if not self._seen_while_gone:
                    self.lost_after.append(0)
                    self._seen_while_gone = True
                self.lost_after[-1] += 1

    def _add_visible(self, found: int | None) -> None:
        self.faces += 1
        self.followed += found is not None
        if self._gone:
            self._gone, self._back, self._seen_while_gone = 0, 0, False
        if self._back is not None:
            if found is None:
                self._back += 1
            else:
                self.found_after.append(self._back)
                self._back = None
        if found is not None and found != self._last:
            self.switches += self._last is not None
            self._last = found
            if found not in self.ids:
                self.ids.append(found)


def people_per_id(tracks: list[PersonTrack]) -> list[int]:
    """Return how many people each id was given to."""
    ids = sorted({id for track in tracks for id in track.ids})
    return [sum(id in track.ids for track in tracks) for id in ids]


def ids_per_person(tracks: list[PersonTrack]) -> Iterator[int]:
    """Yield how many ids each person had who was found at all."""
    return (len(track.ids) for track in tracks if track.ids)
