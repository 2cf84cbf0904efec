"""Files, folders and globs on the command line → the inputs they mean, and names for what comes of them."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"})
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".3gp", ".ogv"}
)


@dataclass(frozen=True, slots=True)
class Job:
    """One input and where its outputs go.

    Attributes:
        path: the picture or video.
        target: folder and stem of the outputs, relative to the output folder: `<target>_<kind>.<ext>`.
    """

    path: Path
    target: Path


def find_jobs(
    inputs: Sequence[str], *, suffixes: Set[str] = PICTURE_SUFFIXES, noun: str = "pictures"
) -> tuple[list[Job], list[str]]:
    """The pictures that the arguments mean, each once, and one line for each argument that means none.

    A folder means every picture under it; its outputs keep the folders between it and the picture. Two
    pictures that would write the same files (a.jpg and a.png) get their suffix into the name.

    Args:
        inputs: files, folders, globs.
        suffixes: of the files that a folder stands for.
        noun: what they are.
    """
    found: dict[Path, Path] = {}
    problems: list[str] = []
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            pictures = sorted(p for p in path.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
            if not pictures:
                problems.append(f"no {noun} in the folder {text}")
            for p in pictures:
                found.setdefault(p, p.relative_to(path).with_suffix(""))
        elif path.exists() or not glob.has_magic(text):
            found.setdefault(path, Path(path.stem))
        else:
            matches = sorted(Path(m) for m in glob.glob(text, recursive=True))  # noqa: PTH207, absolute patterns too
            pictures = [p for p in matches if p.is_file()]
            if not pictures:
                problems.append(f"no file matches {text}")
            for p in pictures:
                found.setdefault(p, Path(p.stem))
    return _distinct(found), problems


def _distinct(found: dict[Path, Path]) -> list[Job]:
    uses = Counter(found.values())
    jobs: list[Job] = []
    taken: set[Path] = set()
    for path, target in found.items():
        if uses[target] > 1:
            target = target.with_name(path.name.replace(".", "_"))
        candidate, number = target, 1
        while candidate in taken:
            number += 1
            candidate = target.with_name(f"{target.name}_{number}")
        taken.add(candidate)
        jobs.append(Job(path, candidate))
    return jobs
