"""Stability: jitter of landmarks beside the movement of the face, lag and overshoot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import tee
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.alignment import FaceAligner
from tddfa.errors import DatasetError, InputError
from tddfa.evaluation.bootstrap import mean_interval, rounded
from tddfa.evaluation.data.aflw2000 import read_aflw2000
from tddfa.evaluation.data.arrays import existing_folder
from tddfa.evaluation.faces import progress
from tddfa.evaluation.landmark_tracks import FOLLOWERS, FROM_LAST_FRAME, landmark_track
from tddfa.evaluation.moving_face import STEP, STILL, SWAY, MovingFace
from tddfa.evaluation.report import Report, View
from tddfa.evaluation.tables import headline
from tddfa.evaluation.temporal import acceleration, lag_frames, overshoot_percent, unsteadiness
from tddfa.shapes import Float32, Float64

CLIP_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi"})

_LARGEST_YAW_DEG = 20.0  # a photo from the side lacks the other side
_N_PHOTOS = 6


def measure_stability(aligner: FaceAligner, folder: Path, *, smoothing: str = FROM_LAST_FRAME) -> Report:
    """Measure how much landmarks move otherwise than the face, with the lag and overshoot of smoothing.

    Args:
        aligner: with the pack to measure.
        folder: AFLW2000-3D with its images, from which sequences with exact truth are made; or a folder of
            clips, where only the acceleration of the landmarks is measured.
        smoothing: way to follow the face, one of `FOLLOWERS`.

    Raises:
        DatasetError: the folder holds neither.
        InputError: there is no such smoothing.
    """
    if smoothing not in FOLLOWERS:
        raise InputError(f"no smoothing {smoothing!r}; choose from {', '.join(FOLLOWERS)}")
    clips = sorted(p for p in existing_folder(folder).iterdir() if p.suffix.lower() in CLIP_SUFFIXES)
    if clips:
        return _of_clips(aligner, clips, smoothing)
    return _of_photos(aligner, folder, smoothing)


def _of_photos(aligner: FaceAligner, folder: Path, smoothing: str) -> Report:
    faces = _photos(folder)
    rows: list[dict[str, Any]] = []
    tracks: list[Float32[np.ndarray, "n 68 2"]] = []
    for name, face in progress(faces, f"stability, {aligner.pack.manifest.name}"):
        track = landmark_track(smoothing, aligner, face.frames())
        tracks.append(track)
        rows.append({"name": name, **_numbers(track, face.landmarks)})
    record = {
        "protocol": "stability/synthetic/1",
        **_identity(aligner, folder, len(rows), "sequences", smoothing),
        "frames": len(tracks[0]),
        **_means(rows),
        "unit": "percent of the face's size per frame; lag in frames; overshoot in percent of the movement",
    }
    record["interval"] = [
        rounded(end) for end in mean_interval(np.array([row["error"] for row in rows], np.float64))
    ]

    def view(k: int) -> View:
        frame = SWAY.start + 6  # farthest to the side
        image = list(faces[k][1].frames())[frame]
        return View(image, faces[k][1].landmarks[frame], tracks[k][frame].astype(np.float64))

    return Report(record, _text(record), rows, view)


def _photos(folder: Path) -> Sequence[tuple[str, MovingFace]]:
    data = read_aflw2000(folder)
    if data.images is None:
        raise DatasetError(f"{folder} has crops alone; sequences are made from the 450 px images")
    chosen = [
        k
        for k, name in enumerate(data.names)
        if name in data.images.names and abs(data.yaw_deg[k]) <= _LARGEST_YAW_DEG
    ][:_N_PHOTOS]
    if not chosen:
        raise DatasetError(f"{folder} has no image of a face within {_LARGEST_YAW_DEG:.0f}° of the camera")
    return [
        (data.names[k], MovingFace.of(data.images.read(data.names[k]), data.truths["original"][k]))
        for k in chosen
    ]


def _numbers(track: Float32[np.ndarray, "n 68 2"], truth: Float64[np.ndarray, "n 68 2"]) -> dict[str, Any]:
    steps = unsteadiness(track, truth)
    found = np.isfinite(steps)
    whole = bool(np.isfinite(track).all())
    return {
        "error": float(steps[found].mean()) if found.any() else float("nan"),
        "still": float(np.nanmean(steps[STILL.start : STILL.stop - 1])) if found.any() else float("nan"),
        "moving": float(np.nanmean(steps[SWAY.start : SWAY.stop - 1])) if found.any() else float("nan"),
        "lag_frames": lag_frames(track[SWAY], truth[SWAY]) if whole else None,
        "overshoot_percent": overshoot_percent(track[STEP], truth[STEP]) if whole else None,
        "lost_frames": int((~np.isfinite(track).all(axis=(1, 2))).sum()),
    }


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key in ("error", "still", "moving", "lag_frames", "overshoot_percent"):
        values = [float(row[key]) for row in rows if row[key] is not None and np.isfinite(row[key])]
        record["mean" if key == "error" else key] = rounded(float(np.mean(values))) if values else None
    record["lost_frames"] = sum(int(row["lost_frames"]) for row in rows)
    return record


def _of_clips(aligner: FaceAligner, clips: Sequence[Path], smoothing: str) -> Report:
    rows: list[dict[str, Any]] = []
    for path in progress(clips, f"stability, {aligner.pack.manifest.name}"):
        track = clip_track(smoothing, aligner, path)
        bends = acceleration(track) if len(track) >= 3 else np.zeros(0)
        seen = bends[np.isfinite(bends)]
        rows.append(
            {
                "name": path.name,
                "frames": len(track),
                "lost_frames": int((~np.isfinite(track).all(axis=(1, 2))).sum()),
                "error": float(seen.mean()) if len(seen) else None,
                "median": float(np.median(seen)) if len(seen) else None,
            }
        )
    measured = [row for row in rows if row["error"] is not None]
    if not measured:
        raise DatasetError(f"no clip in {clips[0].parent} shows a face in three frames in a row")
    record = {
        "protocol": "stability/clips/1",
        **_identity(aligner, clips[0].parent, len(rows), "clips", smoothing),
        "frames": sum(row["frames"] for row in rows),
        "lost_frames": sum(row["lost_frames"] for row in rows),
        "mean": rounded(float(np.mean([row["error"] for row in measured]))),
        "clips": {
            row["name"]: {
                key: rounded(v) if isinstance(v := row[key], float) else v for key in row if key != "name"
            }
            for row in rows
        },
        "unit": "acceleration: percent of the face's size per frame squared; movement itself counts too",
    }
    return Report(record, _text(record), rows)


def clip_track(way: str, aligner: FaceAligner, path: Path) -> Float32[np.ndarray, "n 68 2"]:
    """Return the landmarks of each frame of a clip, px; NaN where there is no face."""
    from tddfa.video import VideoReader

    images, times = tee(VideoReader(path))
    return landmark_track(
        way, aligner, (frame.image for frame in images), times=(frame.time for frame in times)
    )


def _identity(aligner: FaceAligner, folder: Path, count: int, unit: str, smoothing: str) -> dict[str, Any]:
    return {
        "pack": aligner.pack.manifest.name,
        "data": folder.name,
        "count": count,
        "unit_of_count": unit,
        "smoothing": smoothing,
    }


def _text(record: Mapping[str, Any]) -> str:
    lines = [*headline(record), f"smoothing  {record['smoothing']}"]
    if "clips" in record:
        for name, clip in record["clips"].items():
            value = "–" if clip["error"] is None else f"{clip['error']:.3f} (median {clip['median']:.3f})"
            lines.append(
                f"{name:<32} {value}, {clip['frames']} frames, {clip['lost_frames']} without the face"
            )
        return "\n".join([*lines, f"mean       {record['mean']:.3f} {record['unit']}"])
    low, high = record["interval"]
    lines += [
        f"unsteady   {record['mean']:.3f} % of the face's size per frame [{low:.3f}, {high:.3f}] "
        f"(still {record['still']:.3f}, moving {record['moving']:.3f})",
        f"lag        {_or_dash(record['lag_frames'], '.2f')} frames",
        f"overshoot  {_or_dash(record['overshoot_percent'], '.1f')} %",
        f"lost       {record['lost_frames']} of {record['count'] * record['frames']} frames",
    ]
    return "\n".join(lines)


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
