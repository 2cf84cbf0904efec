"""The table of protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tddfa._version import __version__
from tddfa.alignment import FaceAligner
from tddfa.errors import InputError
from tddfa.evaluation.aflw import measure_aflw
from tddfa.evaluation.aflw2000 import measure_aflw2000
from tddfa.evaluation.expressions.protocol import measure_expressions
from tddfa.evaluation.eyes import measure_eyes
from tddfa.evaluation.report import Report
from tddfa.evaluation.stability import measure_stability
from tddfa.evaluation.tracking import measure_tracking

PROTOCOLS: Mapping[str, Callable[..., Report]] = {
    "aflw2000": measure_aflw2000,
    "aflw": measure_aflw,
    "stability": measure_stability,
    "eyes": measure_eyes,
    "expressions": measure_expressions,
    "tracking": measure_tracking,
}
"""Name of a protocol → `measure(aligner, folder, **options) -> Report`."""

MAKE_THEIR_DATA = frozenset({"expressions"})
"""Protocols that need no data folder."""


def evaluate(protocol: str, aligner: FaceAligner, folder: str | Path | None = None, **options: Any) -> Report:
    """Measure a pack by a protocol.

    Args:
        protocol: a key of `PROTOCOLS`.
        aligner: with the pack to measure.
        folder: the set, see docs/evaluation.md; `expressions` alone makes its own where none is given.
        options: of the protocol, such as `crops="detector"` of aflw2000.

    Raises:
        InputError: there is no such protocol, or it needs a folder.
        DatasetError: the set is missing or incomplete.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"no protocol {protocol!r}; choose from {', '.join(PROTOCOLS)}")
    if folder is None and protocol not in MAKE_THEIR_DATA:
        raise InputError(f"the protocol {protocol} needs a data folder")
    report = PROTOCOLS[protocol](aligner, None if folder is None else Path(folder), **options)
    if options.get("predictions") is not None:
        return replace(report, record={**report.record, "measured_with": {"tddfa": __version__}})
    return replace(report, record={**report.record, "measured_with": _program(aligner)})


def _program(aligner: FaceAligner) -> dict[str, str]:
    """Return the version of the program and the exact network that were measured."""
    manifest = aligner.pack.manifest
    return {"tddfa": __version__, "network_sha256": manifest.files[manifest.regressor.file].sha256}
