"""The protocols of `tddfa eval`, the most important ones first, in a limited time.

A record is used again while neither the pack nor the code that it depends on has changed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.accuracy.fingerprints import of_pack, of_source
from benchmarks.machine import commit, machine, now
from tddfa.alignment import FaceAligner
from tddfa.errors import TddfaError
from tddfa.evaluation import evaluate

SCHEMA = "tddfa-accuracy/1"

_SMOOTHINGS = ("from-last-frame", "one-euro")
"""Nothing, as published, and what `tddfa video` does."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A protocol with its data.

    Attributes:
        protocol: name in `PROTOCOLS`.
        folder: its data.
        options: of the protocol.
        variants: whether variants of a pack are measured, too.
        seconds: how long it takes, about, where it has not been measured.
    """

    protocol: str
    folder: Path
    options: Mapping[str, str] = field(default_factory=dict)
    variants: bool = True
    seconds: float = 20.0

    @property
    def name(self) -> str:
        """Name of a run that gave no record."""
        return " ".join([self.protocol, *self.options.values()])


def measure_accuracy(
    packs: Sequence[str],
    aflw2000: Path,
    *,
    eyes: Path | None = None,
    clips: Path | None = None,
    photos: Path | None = None,
    known: Mapping[str, Any] | None = None,
    minutes: float | None = None,
) -> dict[str, Any]:
    """The records of all protocols that the data allow, by pack and protocol (and smoothing).

    Args:
        packs: names of packs.
        aflw2000: folder of AFLW2000-3D.
        eyes: folder with a reference for eyes.
        clips: folder of clips.
        photos: folder of photos, which give the people of rendered scenes their looks.
        known: an earlier result; its records of the same networks, code and data are used again.
        minutes: no protocol but the first begins that would not end within them, as far as is known; what is
            left out keeps its earlier record of the same networks, or is among the errors.

    Returns:
        The results, see results/schema.json.
    """
    end = None if minutes is None else time.monotonic() + 60 * minutes
    source, aligners = of_source(), {pack: FaceAligner(pack) for pack in packs}
    networks = {pack: of_pack(aligner.pack) for pack, aligner in aligners.items()}
    before = _before(known, networks)
    seconds: dict[_Job, float] = {}  # that a run takes, from other packs or from earlier
    records: dict[str, dict[str, Any]] = {pack: {} for pack in packs}
    errors: dict[str, str] = {}
    runs = [
        (job, pack)
        for job in _jobs(aflw2000, eyes, clips, photos)
        for pack in packs
        if job.variants or ":" not in pack
    ]
    for job, pack in tqdm(runs, desc="accuracy", disable=None):
        key, old = before.get((pack, job.name, job.folder.name), ("", None))
        if old is not None:
            seconds[job] = max(seconds.get(job, 0.0), old["run"]["seconds"])
        if old is not None and old["run"]["source"] == source:
            records[pack][key] = old
            continue
        begin = time.monotonic()
        if end is not None and begin + seconds.get(job, job.seconds) > end and job is not runs[0][0]:
            if old is None:
                errors[f"{pack} {job.name}"] = "no time was left; run again to measure what is missing"
            else:
                records[pack][key] = old
            continue
        try:
            record = dict(evaluate(job.protocol, aligners[pack], job.folder, **job.options).record)
        except TddfaError as error:
            errors[f"{pack} {job.name}"] = str(error)
            continue
        seconds[job] = max(seconds.get(job, 0.0), time.monotonic() - begin)
        record["run"] = {
            "name": job.name,
            "measured": now(),
            "commit": commit(),
            "networks": networks[pack],
            "source": source,
            "seconds": round(time.monotonic() - begin, 1),
        }
        records[pack][f"{record['protocol']} {record.get('smoothing', '')}".strip()] = record
    return {
        "schema": SCHEMA,
        "measured": now(),
        "commit": commit(),
        "machine": machine(),
        "packs": records,
        "errors": errors,
    }


def _jobs(aflw2000: Path, eyes: Path | None, clips: Path | None, photos: Path | None) -> list[_Job]:
    """Return the protocols that the data allow, those of the first table first."""
    jobs = [_Job("aflw2000", aflw2000, {"crops": crops}) for crops in ("ground-truth", "detector")]
    jobs += [_Job("stability", aflw2000, {"smoothing": way}) for way in _SMOOTHINGS]
    if eyes is not None:
        jobs.append(_Job("eyes", eyes))
    if photos is not None:
        # Variants share the tracker with their pack: theirs would take as long and tell little.
        jobs.append(_Job("tracking", photos, variants=False, seconds=150.0))
    if clips is not None:
        jobs += [
            _Job("stability", clips, {"smoothing": way}, variants=False, seconds=60.0) for way in _SMOOTHINGS
        ]
    return jobs


def _before(
    known: Mapping[str, Any] | None, networks: Mapping[str, str]
) -> dict[tuple[str, str, str], tuple[str, dict[str, Any]]]:
    """Return the earlier records of the same networks, by pack, run and data."""
    return {
        (pack, record["run"]["name"], record["data"]): (key, record)
        for pack, records in ({} if known is None else known["packs"]).items()
        for key, record in records.items()
        if "run" in record and record["run"]["networks"] == networks.get(pack)
    }
