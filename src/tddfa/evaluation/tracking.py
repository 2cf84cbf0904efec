"""Tracking: is everybody followed, as the same person, and is it noticed when someone is gone?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.alignment import FaceAligner
from tddfa.dataclass import dataclass
from tddfa.errors import DatasetError, TddfaError
from tddfa.evaluation.bootstrap import rounded
from tddfa.evaluation.data.arrays import existing_folder
from tddfa.evaluation.faces import progress
from tddfa.evaluation.person_track import PersonTrack, ids_per_person, people_per_id
from tddfa.evaluation.report import Report
from tddfa.evaluation.scenes import (
    Head,
    Scene,
    SceneFrame,
    TrueFace,
    continuous_scenes,
    cut_scenes,
    plain_background,
)
from tddfa.evaluation.tables import headline, number
from tddfa.imaging import read_image
from tddfa.tracking import FaceTracker, TrackedFace, make_smoother
from tddfa.types import BoundingBox, Image

SMOOTHING = "one-euro"
"""The smoother of `tddfa video`."""

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
_MOST_HEADS, _MOST_BACKGROUNDS = 4, 3
_RATE = 30.0  # frames per second
_SAME_FACE = 0.4  # overlap of the boxes of a face that was found and one that is there


def measure_tracking(aligner: FaceAligner, folder: Path, *, smoothing: str = SMOOTHING) -> Report:
    """Measure how well the faces of rendered scenes are followed, whose truth is known.

    Args:
        aligner: with the pack to measure.
        folder: photos. Those with faces give the people of the scenes their faces, those without become
            backgrounds.
        smoothing: a smoother of the tracker.

    Raises:
        DatasetError: the folder shows fewer than two people.
        InputError: there is no such smoother.
    """
    make_smoother(smoothing)
    heads, backgrounds = _heads(folder)
    plays: list[tuple[Scene, int]] = [
        *((scene, k) for scene in continuous_scenes() for k in range(len(backgrounds))),
        # Each scene with cuts shows several backgrounds already; the cast changes.
        *((scene, k) for scene in cut_scenes() for k in range(2)),
    ]
    played: list[_Played] = []
    rows: list[dict[str, Any]] = []
    for scene, k in progress(plays, f"tracking, {aligner.pack.manifest.name}"):
        cast = [heads[(k + j) % len(heads)] for j in range(len(heads))]
        walls = [*backgrounds[k % len(backgrounds) :], *backgrounds, _mirrored(backgrounds[0])]
        played.append(_play(aligner, scene, cast, walls, smoothing, seed=k))
        rows.append({"scene": scene.name, "take": k, **played[-1].record(), "error": played[-1].missed})
    record: dict[str, Any] = {
        "protocol": "tracking/synthetic/2",
        "pack": aligner.pack.manifest.name,
        "data": folder.name,
        "count": len(rows),
        "unit_of_count": "scenes",
        "smoothing": smoothing,
        "scenes": {
            name: _joined([p for p in played if p.scene == name]).record()
            for name in dict.fromkeys(p.scene for p in played)
        },
        **_joined(played).record(),
        "unit": "recall in percent of the faces that are visible; the longest delays in frames; landmark "
        "errors in percent of the face's size",
    }
    return Report(record, _text(record), rows)


def _heads(folder: Path) -> tuple[list[Head], list[Image]]:
    """Return heads of people, and backgrounds."""
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
            heads.append(Head(image, max(faces, key=lambda f: f.detection.box.area)))
        elif not faces and len(backgrounds) < _MOST_BACKGROUNDS:
            backgrounds.append(image)
    if len(heads) < 2:
        raise DatasetError(f"{folder} shows {len(heads)} people in photos; the scenes need two")
    return heads, backgrounds or [plain_background()]


def _mirrored(image: Image) -> Image:
    """Return another wall of the same room."""
    return np.ascontiguousarray(image[:, ::-1] // 2 + 60)


@dataclass(frozen=True, slots=True, eq=False)
class _Played:
    """Scenes after the tracker has seen them.

    Attributes:
        scene: name of the scene; empty for several.
        tracks: how each person was followed.
        people_per_id: how many people each id was given to.
        false_tracks: faces that were found where nobody is, one per frame.
    """

    scene: str
    tracks: list[PersonTrack]
    people_per_id: list[int]
    false_tracks: int

    @property
    def missed(self) -> float:
        """Frames in which a visible face was not found."""
        return float(sum(track.faces - track.followed for track in self.tracks))

    def record(self) -> dict[str, Any]:
        tracks = self.tracks
        faces, followed = (sum(getattr(track, name) for track in tracks) for name in ("faces", "followed"))
        at_cuts = [e for track in tracks for e in track.errors_at_cuts]
        elsewhere = [e for track in tracks for e in track.errors]
        ids = list(ids_per_person(tracks))
        return {
            "recall": round(100 * followed / max(faces, 1), 2),
            "faces": faces,
            "followed": followed,
            "switches": sum(track.switches for track in tracks),
            "false_tracks": self.false_tracks,
            "strangers": self.false_tracks,  # its former name
            "lost_after": max((n for track in tracks for n in track.lost_after), default=0),
            "found_after": max((n for track in tracks for n in track.found_after), default=0),
            "ids_per_person": rounded(float(np.mean(ids))) if ids else None,
            "people_per_id": rounded(float(np.mean(self.people_per_id))) if self.people_per_id else None,
            "error_at_cuts": rounded(float(np.mean(at_cuts))) if at_cuts else None,
            "error_elsewhere": rounded(float(np.mean(elsewhere))) if elsewhere else None,
        }


def _joined(played: Sequence[_Played]) -> _Played:
    return _Played(
        "",
        [track for one in played for track in one.tracks],
        [n for one in played for n in one.people_per_id],
        sum(one.false_tracks for one in played),
    )


def _play(
    aligner: FaceAligner,
    scene: Scene,
    heads: Sequence[Head],
    backgrounds: Sequence[Image],
    smoothing: str,
    seed: int,
) -> _Played:
    tracks = {person: PersonTrack() for person in scene.people}
    false_tracks = 0
    for truth, found in _followed(aligner, scene.frames(heads, backgrounds, seed), smoothing):
        seen = [tracked for tracked in found if tracked.visible]
        mine = _matched(truth.faces, seen)
        false_tracks += len(seen) - len(mine)
        present = {tracked.id for tracked in seen}
        for person, track in tracks.items():
            face, tracked = truth.faces.get(person), mine.get(person)
            track.add(
                face.visible if face is not None else 0.0,
                tracked.id if tracked is not None else None,
                present,
                error=_error(face, tracked),
                since_cut=truth.since_cut,
            )
    every = list(tracks.values())
    return _Played(scene.name, every, people_per_id(every), false_tracks)


def _followed(
    aligner: FaceAligner, frames: Iterable[SceneFrame], smoothing: str
) -> Iterator[tuple[SceneFrame, list[TrackedFace]]]:
    """Yield each frame's truth with the tracked, smoothed faces, however late the smoother gives them."""
    tracker, smoother = FaceTracker(aligner), make_smoother(smoothing)
    waiting: list[SceneFrame] = []
    for k, frame in enumerate(frames):
        waiting.append(frame)
        for faces in smoother.push(tracker.update(frame.image), k / _RATE):
            yield waiting.pop(0), faces
    for faces in smoother.flush():
        yield waiting.pop(0), faces


def _error(face: TrueFace | None, tracked: TrackedFace | None) -> float | None:
    """Return the mean distance of the landmarks from the truth, percent of the size of the true face."""
    if face is None or tracked is None:
        return None
    size = float(np.sqrt(np.prod(np.ptp(face.landmarks, axis=0))))
    distances = np.linalg.norm(tracked.face.landmarks[:, :2] - face.landmarks, axis=1)
    return 100 * float(distances.mean()) / size


def _matched(truth: Mapping[int, TrueFace], found: Sequence[TrackedFace]) -> dict[int, TrackedFace]:
    """Return the face that was found for each person; the best pairs first."""
    mine: dict[int, TrackedFace] = {}
    taken: set[int] = set()
    for _, person, k in sorted(_pairs(truth, found), reverse=True):
        if person not in mine and k not in taken:
            mine[person] = found[k]
            taken.add(k)
    return mine


def _pairs(truth: Mapping[int, TrueFace], found: Sequence[TrackedFace]) -> Iterator[tuple[float, int, int]]:
    for k, tracked in enumerate(found):
        box = BoundingBox.around(tracked.face.landmarks)
        for person, face in truth.items():
            # A face that is hidden may still be followed for a while; then it is no false track.
            shared = box.iou(BoundingBox.around(face.landmarks))
            if shared > _SAME_FACE:
                yield shared + face.visible, person, k


def _text(record: Mapping[str, Any]) -> str:
    columns = {
        "recall": "recall",
        "switches": "switches",
        "false_tracks": "false",
        "lost_after": "lost after",
        "found_after": "found after",
        "ids_per_person": "ids/person",
        "people_per_id": "people/id",
        "error_at_cuts": "err at cuts",
        "error_elsewhere": "elsewhere",
    }
    lines = [
        *headline(record),
        f"smoothing  {record['smoothing']}",
        f"{'':<40}" + "".join(f"{title:>12}" for title in columns.values()),
    ]
    for name, numbers in {**record["scenes"], "all": record}.items():
        lines.append(f"{name:<40}" + "".join(f"{_cell(numbers[key]):>12}" for key in columns))
    return "\n".join([*lines, record["unit"]])


def _cell(value: float | None) -> str:
    return str(value) if isinstance(value, int) else number(value, 2)
