"""Files, folders and globs on the command line → the pictures they mean, and names for what comes of them."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"})


@dataclass(frozen=True, slots=True)
class Job:
    """One picture and where its outputs go.

    Attributes:
        path: the picture.
        target: folder and stem of the outputs, relative to the output folder: `<target>_<kind>.<ext>`.
    """

    path: Path
    target: Path


def find_jobs(inputs: Sequence[str]) -> tuple[list[Job], list[str]]:
    """The pictures that the arguments mean, each once, and one line for each argument that means none.

    A folder means every picture under it; its outputs keep the folders between it and the picture. Two
    pictures that would write the same files (a.jpg and a.png) get their suffix into the name.
    """
    found: dict[Path, Path] = {}
    problems: list[str] = []
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            pictures = sorted(
                p for p in path.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file()
            )
            if not pictures:
                problems.append(f"no pictures in the folder {text}")
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
