"""What a pack says of itself: `manifest.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tddfa.errors import PackError

SCHEMA = "tddfa-pack/1"
"""The version of the format; a reader refuses any other."""

FILE_NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class PackedFile:
    """Size and sha256 of one file of a pack."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The record of a pack; docs/packs.md describes every field.

    Attributes:
        name: how users call it.
        title: one line for people.
        licence: what may be done with it: name, and terms in a sentence.
        provenance: where each part comes from.
        files: every file of the pack but this one.
        detector: kind, file and settings of the face detector; None for a pack without one.
        regressor: kind, file, input and parameter layout of the network.
        model: kind and file of the 3D morphable model.
        measured: numbers measured with this pack, by protocol.
        variants: other networks of the pack by name: each the `title`, `regressor` and `measured` that take
            the place of the pack's own.
        schema: version of this format.
    """

    name: str
    title: str
    licence: Mapping[str, str]
    provenance: Mapping[str, Any]
    files: Mapping[str, PackedFile]
    detector: Mapping[str, Any] | None
    regressor: Mapping[str, Any]
    model: Mapping[str, Any]
    measured: Mapping[str, Any] = field(default_factory=dict[str, Any])
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    schema: str = SCHEMA

    def to_json(self) -> str:
        """The text of `manifest.json`."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Manifest:
        """The manifest in a text.

        Args:
            text: of a `manifest.json`.
            where: what error messages call it.

        Raises:
            PackError: the text is no manifest of this schema.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            if fields["schema"] != SCHEMA:
                raise PackError(
                    f"{where} has the schema {fields['schema']!r}; this version of tddfa reads {SCHEMA!r}"
                )
            files = {
                name: PackedFile(int(f["bytes"]), str(f["sha256"])) for name, f in fields["files"].items()
            }
            fields["files"] = files
            manifest = cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise PackError(f"{where} is not a pack manifest ({type(error).__name__}: {error})") from None
        for name in files:
            if name in ("", ".", "..", FILE_NAME) or "/" in name or "\\" in name:
                raise PackError(f"{where} lists the file name {name!r}, which may not stand in a pack")
        return manifest
