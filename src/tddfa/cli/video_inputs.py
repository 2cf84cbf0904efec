"""Arguments of `tddfa video` → the videos they mean: files, standard input, URLs, sequences of images."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tddfa.cli.inputs import Inputs
from tddfa.dataclass import dataclass
from tddfa.imaging.format_names import IMAGE_SUFFIXES
from tddfa.kinds import is_output_name
from tddfa.provenance import is_ours
from tddfa.video.names import VIDEO_SUFFIXES

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class VideoJob:
    """One video and where its outputs go.

    Attributes:
        place: what `tddfa.video.open_video` takes.
        target: folder and stem of the outputs, relative to the output folder.
        is_sequence: whether it is a sequence of images, which have no rate of their own.
    """

    place: str
    target: Path
    is_sequence: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return "standard input" if self.place == "-" else self.place

    @property
    def short_name(self) -> str:
        """For a progress bar."""
        return self.name if self.place == "-" else Path(self.place).name


class VideoInputs:
    """The inputs of a run that must not be written over: files, and the images of sequences.

    Args:
        files: the files.
        jobs: the videos of the run.
    """

    def __init__(self, files: Inputs, jobs: Sequence[VideoJob]) -> None:
        self._files = files
        self._sequences = [job.place for job in jobs if job.is_sequence]

    def holds(self, path: Path) -> bool:
        """Whether an existing file is one of the inputs, under any of its names."""
        if self._files.holds(path):
            return True
        with contextlib.suppress(OSError):
            status = path.stat()
            return (status.st_dev, status.st_ino) in self._images
        return False

    @cached_property
    def _images(self) -> frozenset[tuple[int, int]]:
        """Device and number of each image of a sequence."""
        from tddfa.video.sequence import image_paths

        found: set[tuple[int, int]] = set()
        for place in self._sequences:
            with contextlib.suppress(OSError):  # the reader says what is wrong
                for image in image_paths(place):
                    status = image.stat()
                    found.add((status.st_dev, status.st_ino))
        return frozenset(found)


def find_videos(inputs: Sequence[str]) -> tuple[list[VideoJob], Inputs]:
    """Return the videos that the arguments mean, each once, and the files among them.

    Args:
        inputs: files, folders, globs, URLs, "-".
    """
    jobs: list[VideoJob] = []
    files: list[str] = []
    for text in dict.fromkeys(inputs):
        if text == "-":
            jobs.append(VideoJob(text, Path("stdin")))
        elif _URL.match(text):
            jobs.append(VideoJob(text, Path(_stem_of_url(text))))
        elif _is_sequence(text):
            jobs.append(VideoJob(text, Path(_stem_of_sequence(text)), is_sequence=True))
        else:
            files.append(text)
    found = Inputs(files, suffixes=VIDEO_SUFFIXES, noun="videos", unreadable=frozenset())
    jobs += [VideoJob(str(job.path), job.target) for job in found]
    return _distinct(jobs), found


def _is_sequence(text: str) -> bool:
    """Return whether an argument means images: a folder that holds some and no video, a glob or a pattern."""
    path = Path(text)
    # Unlike those of pathlib, these raise no error for long names and for folders that may not be read.
    if os.path.isdir(text):  # noqa: PTH112
        try:
            return _holds_images_alone(path)
        except OSError:
            return False  # the search for videos says so
    is_image = path.suffix.lower() in IMAGE_SUFFIXES - VIDEO_SUFFIXES
    pattern = re.search(r"%(0\d+)?d", path.name) is not None or any(c in text for c in "*?[")
    return is_image and pattern and not os.path.exists(text)  # noqa: PTH110


def _holds_images_alone(folder: Path) -> bool:
    suffixes = {p.suffix.lower() for p in folder.iterdir() if not p.name.startswith(".")}
    # GIFs are videos here, and images only beside others.
    images = suffixes & (IMAGE_SUFFIXES - VIDEO_SUFFIXES)
    videos = (p for p in folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    return bool(images) and all(is_output_name(p.stem) and is_ours(p) for p in videos)


def _stem_of_sequence(text: str) -> str:
    path = Path(text)
    folder = path if path.is_dir() else path.parent
    return folder.resolve().name or "sequence"


def _stem_of_url(url: str) -> str:
    parts = urlsplit(url)
    stem = Path(unquote(parts.path)).stem or parts.hostname or "stream"
    return re.sub(r"[^\w.-]+", "_", stem).strip("._") or "stream"


def _distinct(jobs: list[VideoJob]) -> list[VideoJob]:
    """Return the jobs with targets that differ."""
    taken: set[Path] = set()
    out: list[VideoJob] = []
    for job in jobs:
        target, number = job.target, 1
        while target in taken:
            number += 1
            target = job.target.with_name(f"{job.target.name}_{number}")
        taken.add(target)
        out.append(VideoJob(job.place, target, job.is_sequence))
    return out
