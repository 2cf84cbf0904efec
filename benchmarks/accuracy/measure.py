"""The protocols of `tddfa eval`, one pack after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.machine import commit, machine, now
from tddfa.alignment import FaceAligner
from tddfa.errors import TddfaError
from tddfa.evaluation import evaluate

SCHEMA = "tddfa-accuracy/1"

_SMOOTHINGS = ("from-last-frame", "one-euro")
"""Nothing, as published, and what `tddfa video` does."""


def measure_accuracy(
    packs: Sequence[str],
    aflw2000: Path,
    *,
    eyes: Path | None = None,
    clips: Path | None = None,
    photos: Path | None = None,
) -> dict[str, Any]:
    """The records of all protocols that the data allow, by pack and protocol (and smoothing).

    Args:
        packs: names of packs.
        aflw2000: folder of AFLW2000-3D.
        eyes: folder with a reference for eyes.
        clips: folder of clips.
        photos: folder of photos, which give the people of rendered scenes their looks.
    """
    jobs: list[tuple[str, Path, dict[str, str]]] = [
        ("aflw2000", aflw2000, {"crops": "ground-truth"}),
        ("aflw2000", aflw2000, {"crops": "detector"}),
        *(("stability", aflw2000, {"smoothing": way}) for way in _SMOOTHINGS),
    ]
    if clips is not None:
        jobs += [("stability", clips, {"smoothing": way}) for way in _SMOOTHINGS]
    if photos is not None:
        jobs.append(("tracking", photos, {}))
    if eyes is not None:
        jobs.append(("eyes", eyes, {}))
    records: dict[str, dict[str, Any]] = {}
    errors: dict[str, str] = {}
    with tqdm(total=len(packs) * len(jobs), desc="accuracy", disable=None) as bar:
        for pack in packs:
            aligner = FaceAligner(pack)
            records[pack] = {}
            for protocol, folder, options in jobs:
                try:
                    record = dict(evaluate(protocol, aligner, folder, **options).record)
                    key = f"{record['protocol']} {record.get('smoothing', '')}".strip()
                    records[pack][key] = record
                except TddfaError as error:
                    errors[f"{pack} {protocol} {' '.join(options.values())}".strip()] = str(error)
                bar.update()
    return {
        "schema": SCHEMA,
        "measured": now(),
        "commit": commit(),
        "machine": machine(),
        "packs": records,
        "errors": errors,
    }
