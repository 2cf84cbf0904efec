"""Tracking: is everybody followed, as the same person, and is it noticed when someone is gone?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tddfa.alignment import FaceAligner
from tddfa.errors import DatasetError, TddfaError
from tddfa.evaluation.data.arrays import existing_folder
from tddfa.evaluation.faces import progress
from tddfa.evaluation.rendered_people import Head, Scene, Seen, plain_background, scenes
from tddfa.evaluation.report import Report
from tddfa.evaluation.tables import headline
from tddfa.imaging import read_image
from tddfa.tracking import FaceTracker, TrackedFace
from tddfa.types import BoundingBox, Image

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
_MOST_HEADS, _MOST_BACKGROUNDS = 4, 3

# The part of a head from which it has to be followed, and down to which it has to be given up; between them
# either is right.
_VISIBLE, _GONE = 0.6, 0.15
_SAME_FACE = 0.4  # overlap of the boxes of a face that was found and one that is there


def measure_tracking(aligner: FaceAligner, folder: Path) -> Report:
    """How well the faces of rendered scenes are followed, whose truth is known.

    Args:
        aligner: with the pack to measure.
        folder: of photos. Those with faces give the people of the scenes their looks, those without become
            backgrounds.

    Raises:
        DatasetError: the folder shows fewer than two people.
    """
    heads, backgrounds = _looks(folder)
    rows: list[dict[str, Any]] = []
    plays = [
        (scene, k, (heads[k % len(heads)], heads[(k + 1) % len(heads)]), background)
        for scene in scenes()
        for k, background in enumerate(backgrounds)
    ]
    for scene, k, cast, background in progress(plays, f"tracking, {aligner.pack.manifest.name}"):
        rows.append({"scene": scene.name, "background": k, **_play(aligner, scene, cast, background, k)})
    summed = ("faces", "followed", "switches", "strangers")
    longest = ("lost_after", "found_after")
    record: dict[str, Any] = {
        "protocol": "tracking/synthetic/1",
        "pack": aligner.pack.manifest.name,
        "data": folder.name,
        "count": len(rows),
        "unit_of_count": "scenes",
        "scenes": {
            name: _total([row for row in rows if row["scene"] == name], summed, longest)
            for name in dict.fromkeys(row["scene"] for row in rows)
        },
        **_total(rows, summed, longest),
        "unit": "recall in percent of the faces that are visible; the longest delays in frames",
    }
    return Report(record, _text(record), rows)


def _looks(folder: Path) -> tuple[list[Head], list[Image]]:
    """The looks of people, and backgrounds."""
    finder = FaceAligner("open")  # whatever pack is measured: the scenes are to be the same
    heads: list[Head] = []
    backgrounds: list[Image] = []
    for path in sorted(p for p in existing_folder(folder).iterdir() if p.suffix.lower() in _SUFFIXES):
        if len(heads) >= _MOST_HEADS and len(backgrounds) >= _MOST_BACKGROUNDS:
            break
        try:
            image = read_image(path)
        except TddfaError:
            continue
        faces = finder.align(image)
        if faces and len(heads) < _MOST_HEADS:
            heads.append(
                Head(image, max(faces, key=lambda f: f.detection.box.width * f.detection.box.height))
            )
        elif not faces and len(backgrounds) < _MOST_BACKGROUNDS:
            backgrounds.append(image)
    if len(heads) < 2:
        raise DatasetError(f"{folder} shows {len(heads)} people in photos; the scenes need two")
    return heads, backgrounds or [plain_background()]


@dataclass(slots=True, eq=False)
class _Person:
    """What was seen of one person so far.

    Attributes:
        id: by which the tracker knows the person; None before it does.
        faces: frames in which the face is visible.
        followed: those in which it was found.
        switches: how often it got another id.
        lost_after: for each time the person was gone for long: frames until that was noticed.
        found_after: for each return: frames until it was.
    """

    id: int | None = None
    faces: int = 0
    followed: int = 0
    switches: int = 0
    lost_after: list[int] = field(default_factory=list[int])
    found_after: list[int] = field(default_factory=list[int])
    _gone: int = 0
    _back: int | None = None

    def add(self, seen: Seen, found: int | None, present: set[int]) -> None:
        """Take the next frame.

        Args:
            seen: the truth.
            found: the id of the face that was found there.
            present: the ids of all faces that were found.
        """
        if seen.visible >= _VISIBLE:
            self.faces += 1
            self.followed += found is not None
            if self._gone:
                self._gone, self._back = 0, 0
            if self._back is not None:
                if found is None:
                    self._back += 1
                else:
                    self.found_after.append(self._back)
                    self._back = None
            if found is not None and found != self.id:
                self.switches += self.id is not None
                self.id = found
        elif seen.visible <= _GONE and self.id is not None:
            self._gone += 1
            if self.id in present:
                if self._gone == 1:
                    self.lost_after.append(0)
                self.lost_after[-1] += 1


def _play(
    aligner: FaceAligner, scene: Scene, heads: Sequence[Head], background: Image, seed: int
) -> dict[str, Any]:
    tracker = FaceTracker(aligner)
    people = [_Person() for _ in scene.paths]
    strangers = 0
    for image, truth in scene.frames(heads, background, seed):
        found = [t for t in tracker.update(image) if t.visible]
        mine = _matched(truth, found)
        strangers += len(found) - len(set(mine.values()) - {None})
        present = {t.id for t in found}
        for k, (person, seen) in enumerate(zip(people, truth, strict=True)):
            person.add(seen, mine[k], present)
    return {
        "faces": sum(p.faces for p in people),
        "followed": sum(p.followed for p in people),
        "switches": sum(p.switches for p in people),
        "strangers": strangers,
        "lost_after": max((n for p in people for n in p.lost_after), default=0),
        "found_after": max((n for p in people for n in p.found_after), default=0),
        "error": float(sum(p.faces - p.followed for p in people)),
    }


def _matched(truth: Sequence[Seen], found: Iterable[TrackedFace]) -> dict[int, int | None]:
    """The id of the face that was found for each person; the best pairs first."""
    pairs = sorted(_pairs(truth, found), reverse=True)
    mine: dict[int, int | None] = dict.fromkeys(range(len(truth)))
    taken: set[int] = set()
    for _, person, id in pairs:
        if mine[person] is None and id not in taken:
            mine[person] = id
            taken.add(id)
    return mine


def _pairs(truth: Sequence[Seen], found: Iterable[TrackedFace]) -> Iterator[tuple[float, int, int]]:
    for tracked in found:
        box = BoundingBox.around(tracked.face.landmarks)
        for k, seen in enumerate(truth):
            # A face that is hidden may still be followed for a while; then it is no stranger.
            shared = box.iou(seen.box)
            if shared > _SAME_FACE:
                yield shared + seen.visible, k, tracked.id


def _total(
    rows: Sequence[Mapping[str, Any]], summed: Sequence[str], longest: Sequence[str]
) -> dict[str, Any]:
    sums = Counter[str]()
    for row in rows:
        sums.update({key: row[key] for key in summed})
    return {
        "recall": round(100 * sums["followed"] / max(sums["faces"], 1), 2),
        **{key: sums[key] for key in summed},
        **{key: max(row[key] for row in rows) for key in longest},
    }


def _text(record: Mapping[str, Any]) -> str:
    columns = ("recall", "switches", "strangers", "lost_after", "found_after")
    lines = [*headline(record), f"{'':<28}" + "".join(f"{name:>12}" for name in columns)]
    for name, numbers in {**record["scenes"], "all": record}.items():
        lines.append(f"{name:<28}" + "".join(f"{numbers[key]:>12}" for key in columns))
    return "\n".join([*lines, record["unit"]])
