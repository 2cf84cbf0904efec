"""When to search a whole image, and how thoroughly."""

from __future__ import annotations

from collections.abc import Sequence

from tddfa.tracking.track import Track

_EVERY = 4  # frames between searches while a face is lost or none is there;
_EAGER_FRAMES = 5  # after a loss in every frame for so long, then in every second, …

# Frames between searches in ever larger copies of the image, for small faces, while no face is there. In 4K
# they take up to forty times as long as others: the wait doubles with each search in vain.
_SMALL_EVERY, _SMALL_EVERY_MOST = 12, 48


class SearchSchedule:
    """Says which frames are searched.

    Args:
        every: frames between searches while all faces are there.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._last, self._n_searches = -every, 0
        self._small_wait, self._next_small = _SMALL_EVERY, 0

    def begin_shot(self, frame: int) -> None:
        """Let small faces be searched at once."""
        self._small_wait, self._next_small = _SMALL_EVERY, frame

    def is_due(self, frame: int, tracks: Sequence[Track]) -> bool:
        """Return whether a frame is to be searched, in which no track went missing."""
        wait = self._every if any(t.visible for t in tracks) else min(_EVERY, self._every)
        for track in tracks:
            if not track.visible and not track.has_left:
                wait = min(wait, _EVERY, 1 + (frame - track.path.frame) // _EAGER_FRAMES)
        return frame - self._last >= wait

    def begin_search(self, frame: int, *, is_missing: bool) -> bool:
        """Note that a frame is searched; return whether thoroughly.

        Verifying faint candidates takes longer than finding them. While all faces are there, every second
        search leaves them out.

        Args:
            frame: its number.
            is_missing: whether a face is missing, or none is there.
        """
        self._last = frame
        self._n_searches += 1
        return is_missing or self._n_searches % 2 == 1

    def small_is_due(self, frame: int) -> bool:
        """Return whether small faces are searched in a frame, while no face is there."""
        return frame >= self._next_small

    def end_small(self, frame: int, *, found: bool) -> None:
        """Note that small faces were searched, and whether any was found."""
        self._next_small = frame + self._small_wait
        self._small_wait = _SMALL_EVERY if found else min(2 * self._small_wait, _SMALL_EVERY_MOST)
