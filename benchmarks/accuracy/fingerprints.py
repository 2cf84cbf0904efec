"""Fingerprints of what a measured accuracy depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache

from benchmarks.machine import REPOSITORY
from tddfa.packs import ModelPack

_PACKAGES = (
    "alignment",
    "detection",
    "evaluation",
    "geometry",
    "imaging",
    "morphable",
    "native",
    "regression",
    "runtime",
    "tracking",
    "types",
    "video",
)
_SUFFIXES = frozenset({".py", ".c", ".h", ".npz"})


def of_pack(pack: ModelPack) -> str:
    """Return a fingerprint of the networks of a pack, and of how they are used."""
    manifest = pack.manifest
    files = [f"{name} {file.sha256}" for name, file in sorted(manifest.files.items())]
    return _digest(line.encode() for line in [*files, repr(manifest.detector), repr(manifest.regressor)])


@cache
def of_source() -> str:
    """Return a fingerprint of the code that predictions and protocols are made of."""
    source = REPOSITORY / "src" / "tddfa"
    paths = sorted(p for name in _PACKAGES for p in (source / name).rglob("*") if p.suffix in _SUFFIXES)
    return _digest(part for p in paths for part in (str(p.relative_to(source)).encode(), p.read_bytes()))


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]
