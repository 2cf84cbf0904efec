"""Folders and patterns of images, and animated WebP, as videos."""

from __future__ import annotations

import glob
import itertools
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from tddfa.errors import ImageFileError, InputError, VideoFileError
from tddfa.imaging.animation import decode_animation
from tddfa.imaging.files import read_image
from tddfa.imaging.format_names import IMAGE_SUFFIXES
from tddfa.provenance import is_ours
from tddfa.types.arguments import as_list, as_path
from tddfa.video.frame import Frame, FrameSource
from tddfa.video.moment import Moment, empty_range
from tddfa.video.rates import as_rate, nearest_rate
from tddfa.video.reader import VideoReader
from tddfa.video.source import Readable

DEFAULT_FPS = 25
_MOST_FPS = 10_000
_PRINTF = re.compile(r"%(0(\d+))?d")
_CLOCK = Fraction(1, 90_000)

_NUMBER = re.compile(r"(.*?)(\d+)(\D*)", re.ASCII)  # before the last number of a name, the number, after it
_FEWEST_COUNTED, _MOST_MISSING = 8, 0.1  # names, and the share of steps that are larger than the others

_log = logging.getLogger(__name__)


def open_video(
    place: str | os.PathLike[str] | Readable | Sequence[str | os.PathLike[str]],
    *,
    fps: float | None = None,
    start: Moment | int | str | None = None,
    end: Moment | int | str | None = None,
    timeout_s: float | None = None,
) -> FrameSource:
    """Return the source of frames that a place means.

    Args:
        place: a video (see `VideoReader`), a folder of images, a glob ("shot/*.png"), a printf pattern
            ("shot/%04d.png"), a list of image files, or an animated WebP.
        fps: frames per second of a sequence of images; 25 when not given.
        start: first frame to give: its number, a time ("1.5s", "2:03.5"), or a `Moment`.
        end: the frame to stop before.
        timeout_s: how long a network or a pipe may keep silent.

    Raises:
        InputError: `fps` was given for a video, which has a rate of its own.
        VideoFileError: there is no such thing, or it has no frame.
    """
    if isinstance(place, Sequence) and not isinstance(place, str):
        return ImageSequence(place, fps=DEFAULT_FPS if fps is None else fps, start=start, end=end)
    if isinstance(place, (str, os.PathLike)) and is_image_sequence(place):
        return ImageSequence(place, fps=DEFAULT_FPS if fps is None else fps, start=start, end=end)
    if fps is not None:
        raise InputError(f"fps is for sequences of images; {place} has a rate of its own")
    if isinstance(place, (str, os.PathLike)) and Path(place).suffix.lower() == ".webp":
        return AnimatedImage(place, start=start, end=end)
    return VideoReader(place, start=start, end=end, timeout_s=timeout_s)


def is_image_sequence(place: str | os.PathLike[str]) -> bool:
    """Return whether a place means several images: a folder that holds some, a glob or a printf pattern."""
    text = os.fspath(place)
    path = Path(text)
    if os.path.isdir(path):  # noqa: PTH112, which raises nothing
        return any(_is_image(entry) for entry in path.iterdir())
    if os.path.exists(path) or "://" in text:  # noqa: PTH110
        return False
    pattern = _PRINTF.search(path.name) is not None or glob.has_magic(text)
    return pattern and path.suffix.lower() in (*IMAGE_SUFFIXES, ".*", "")


class _Times:
    """What sources of numbered frames have in common."""

    time_base = _CLOCK
    has_sound = False
    repeatable = True
    origin = 0.0

    rate: Fraction
    damage: str | None
    _start: Moment | None
    _end: Moment | None

    def _wanted(self, times: Sequence[float]) -> range:
        """Return the indices from start to end."""
        start, end, n = self._start, self._end, len(times)
        first = next((i for i, t in enumerate(times) if start is None or start.reached(i, t)), n)
        last = next((i for i, t in enumerate(times) if end is not None and end.reached(i, t)), n)
        return range(first, max(first, last))


class ImageSequence(_Times):
    """Images as the frames of a video, in the order of their numbers.

    Args:
        place: a folder, a glob, a printf pattern, or a list of files. Of a folder, hidden files are left out;
            names are sorted as people count (2 before 10). A plot of `tddfa video --plot` is no frame.
        fps: frames per second.
        start: first frame to give: its number, a time ("1.5s", "2:03.5"), or a `Moment`.
        end: the frame to stop before.

    Attributes:
        path: what was given; of a list, its first file.
        paths: the files.
        rate: frames per second.
        damage: after iterating, a line on files that could not be read; None when all were.

    Raises:
        InputError: `fps` is below 0.001 or too high.
        VideoFileError: there is no image.
    """

    def __init__(
        self,
        place: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        fps: float = DEFAULT_FPS,
        start: Moment | int | str | None = None,
        end: Moment | int | str | None = None,
    ) -> None:
        self.rate = as_rate("fps", fps)
        if fps >= _MOST_FPS:
            raise InputError(f"fps={fps}; give frames per second below {_MOST_FPS}")
        if isinstance(place, (str, os.PathLike)):
            self.paths = image_paths(as_path("place", place))
        else:
            each = as_list("place", place, "a folder, a glob, a pattern or a list of image files is needed")
            self.paths = [as_path(f"place[{k}]", path) for k, path in enumerate(each)]
        if not self.paths:
            what = "an empty list" if not isinstance(place, (str, os.PathLike)) else os.fspath(place)
            raise VideoFileError(f"no images in {what}")
        self.path = Path(place) if isinstance(place, (str, os.PathLike)) else self.paths[0]
        if gaps := missing_numbers([path.stem for path in self.paths]):
            _log.warning(
                "%s: %d of its numbers %s missing (the first is %d); the frames after it come earlier",
                self.path,
                len(gaps),
                "is" if len(gaps) == 1 else "are",
                gaps[0],
            )
        self.damage: str | None = None
        self._start, self._end = Moment.of("start", start), Moment.of("end", end)

    @property
    def n_frames(self) -> int:
        """Number of frames between start and end."""
        return len(self._indices())

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames from start to end; a file that cannot be read is left out, its time passes.

        Raises:
            VideoFileError: not one can be read, or the sequence ends before the start.
        """
        self.damage = None
        indices, bad = self._indices(), list[str]()
        if not indices:
            n = len(self.paths)
            raise VideoFileError(empty_range(self.path, n, "image", ends_first=indices.start < n))
        for index in indices:
            try:
                image = read_image(self.paths[index])
            except ImageFileError as error:
                bad.append(str(error))
                continue
            yield Frame(index, index / float(self.rate), image)
        if len(bad) == len(indices):
            raise VideoFileError(f"not one image of {self.path} can be read: {bad[0]}")
        if bad:
            self.damage = f"{len(bad)} of {len(indices)} images of {self.path} cannot be read: {bad[0]}"

    def _indices(self) -> range:
        return self._wanted([k / float(self.rate) for k in range(len(self.paths))])


class AnimatedImage(_Times):
    """The frames of an animated WebP file.

    Args:
        path: of the file; an image that does not move has one frame.
        start: first frame to give: its number, a time ("1.5s", "2:03.5"), or a `Moment`.
        end: the frame to stop before.

    Raises:
        VideoFileError: it is missing or cannot be read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        start: Moment | int | str | None = None,
        end: Moment | int | str | None = None,
    ) -> None:
        self.path = as_path("path", path)
        self.damage: str | None = None
        self._start, self._end = Moment.of("start", start), Moment.of("end", end)
        try:
            self._images, durations = decode_animation(self.path)
        except ImageFileError as error:
            raise VideoFileError(str(error)) from None
        self._times = [sum(durations[:k]) for k in range(len(durations))]
        mean = sum(durations) / len(durations)
        self.rate = nearest_rate(1 / mean) if mean > 0 else Fraction(DEFAULT_FPS)

    @property
    def n_frames(self) -> int:
        """Number of frames between start and end."""
        return len(self._wanted(self._times))

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames from start to end.

        Raises:
            VideoFileError: there is none.
        """
        indices = self._wanted(self._times)
        if not indices:
            n = len(self._times)
            raise VideoFileError(empty_range(self.path, n, "frame", ends_first=indices.start < n))
        for index in indices:
            yield Frame(index, self._times[index], self._images[index])


def image_paths(place: str | os.PathLike[str]) -> list[Path]:
    """Return the images that a folder, a glob or a pattern means, in their order."""
    text = os.fspath(place)
    path = Path(text)
    if path.is_dir():
        return sorted((p for p in path.iterdir() if _is_frame(p)), key=_counted)
    pattern = _PRINTF.search(path.name)
    if pattern is not None and path.parent.is_dir():
        before, after = path.name[: pattern.start()], path.name[pattern.end() :]
        digits = rf"\d{{{pattern[2]},}}" if pattern[2] else r"\d+"
        name = re.compile(re.escape(before) + f"({digits})" + re.escape(after))
        found = ((name.fullmatch(p.name), p) for p in path.parent.iterdir())
        return [p for _, p in sorted((int(match[1]), p) for match, p in found if match is not None)]
    matches = (Path(m) for m in glob.glob(text, recursive=True))  # noqa: PTH207, absolute patterns too
    return sorted((p for p in matches if _is_frame(p)), key=_counted)


def missing_numbers(names: Sequence[str]) -> list[int]:
    """Return the numbers that names without suffix lack, of frames that count evenly but for a few of them.

    Names that differ in more than one number, and photos with arbitrary numbers, lack none.
    """
    parts = [_NUMBER.fullmatch(name) for name in names]
    if len(names) < _FEWEST_COUNTED or len({match and (match[1], match[3]) for match in parts}) != 1:
        return []
    numbers = [int(match[2]) for match in parts if match is not None]
    steps = Counter(b - a for a, b in itertools.pairwise(numbers))
    (step, count), *_ = steps.most_common(1) or [(0, 0)]
    if step <= 0 or count < (1 - _MOST_MISSING) * (len(names) - 1):
        return []
    return sorted(set(range(numbers[0], numbers[-1], step)) - set(numbers))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _is_frame(path: Path) -> bool:
    """Return whether a file is an image, and no plot of an earlier run into the folder of the sequence."""
    return _is_image(path) and not (path.stem.endswith("_plot") and is_ours(path))


def _counted(path: Path) -> list[tuple[int, int, str]]:
    """Return a key that sorts names as people count: 2 before 10."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(p), "") if p.isdecimal() and p.isascii() else (1, 0, p) for p in parts if p] + [
        (2, 0, str(path))
    ]
