"""The record of a pack: `manifest.json`."""

from __future__ import annotations

import builtins
import hashlib
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from tddfa.dataclass import dataclass
from tddfa.errors import PackError
from tddfa.packs.layouts import ArrayLayout, linear_model
from tddfa.packs.names import MANIFEST_FILE, FileName, PackName
from tddfa.packs.spec import (
    Choice,
    Free,
    JsonObject,
    OrNull,
    Reader,
    Spec,
    Table,
    Text,
    Whole,
    described,
    plain,
    setting,
    shown,
)
from tddfa.packs.specs import (
    ANY_DETECTOR,
    ANY_MODEL,
    ANY_REGRESSOR,
    DetectorSpec,
    Licence,
    LinearModelSpec,
    ModelSpec,
    Part,
    RegressorSpec,
    V2RegressorSpec,
    Variant,
    file_names,
)

SCHEMA = "tddfa-pack/2"
"""The version of the format that is written."""

OLD_SCHEMAS = ("tddfa-pack/1",)
"""Versions that are read, too: fields had other names, which are accepted in any version."""

log = logging.getLogger(__name__)

FILE_NAME = MANIFEST_FILE

LARGEST = 1 << 20
"""Size of the largest manifest, bytes: the built-in one has 8 kB."""

_DEEPEST = 32  # levels of objects and lists


class Sha256:
    """A checksum as 64 hexadecimal digits."""

    def read(self, value: object, at: str) -> str:
        """Return the checksum."""
        digits = value if isinstance(value, str) else ""
        if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
            raise PackError(f"{at} is {shown(value)}; 64 hexadecimal digits are needed")
        return digits

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"type": "string", "pattern": "^[0-9a-f]{64}$"}


class PackedFile(Spec):
    """Size and checksum of one file of a pack.

    Attributes:
        bytes: size.
        sha256: checksum.
    """

    bytes: int = setting(Whole(0, 1 << 34))
    sha256: str = setting(Sha256())

    @classmethod
    def of(cls, data: builtins.bytes) -> PackedFile:
        """Return the record of a file with this content."""
        return cls(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


class DamagedManifestError(PackError):
    """A manifest that is no JSON, as one that was cut off."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The record of a pack; docs/packs.md describes every field.

    Attributes:
        name: how users call it.
        title: one line for people.
        licence: what may be done with it.
        provenance: where each part comes from.
        files: every file of the pack but this one.
        detector: the face detector; None for a pack without one.
        regressor: the network that finds the parameters of faces.
        model: the 3D morphable model.
        measured: numbers measured with this pack, by protocol.
        variants: other networks of the pack by name; each takes the place of the pack's own.
        schema: version of this format.
    """

    name: str
    title: str
    licence: Licence
    provenance: JsonObject
    files: Mapping[str, PackedFile]
    detector: DetectorSpec | None
    regressor: RegressorSpec
    model: ModelSpec
    measured: JsonObject = field(default_factory=dict[str, Any])
    variants: Mapping[str, Variant] = field(default_factory=dict[str, Variant])
    schema: str = SCHEMA

    def __post_init__(self) -> None:
        # Parts may be given as plain objects. The name of a variant, `pack:network`, is not that of a pack.
        for name, reader in _READERS.items():
            if name != "name":
                object.__setattr__(self, name, reader.read(getattr(self, name), name))

    @classmethod
    def from_json(cls, text: str, where: str) -> Manifest:
        """Return the manifest in a text.

        Args:
            text: content of a `manifest.json`.
            where: what error messages call it.

        Raises:
            PackError: the text is no manifest of a schema that is read; the message names the field.
        """
        try:
            content = _parsed(text)
            given = content.get("schema")
            if given not in (SCHEMA, *OLD_SCHEMAS):
                raise PackError(f"schema is {shown(given)}; this version of tddfa reads {SCHEMA!r} and older")
            content["schema"] = SCHEMA
            missing = [name for name in _READERS if name not in content and name not in _OPTIONAL]
            if missing:
                raise PackError(f"{missing[0]} is missing")
            _READERS["name"].read(content["name"], "name")
            manifest = cls(**{name: content[name] for name in _READERS if name in content})
            manifest._check_files()
            unknown = [name for name in content if name not in _READERS]
            if unknown:
                log.warning("%s: the field %s is not known and has no effect", where, shown(unknown[0]))
        except PackError as error:
            kind = DamagedManifestError if isinstance(error, DamagedManifestError) else PackError
            raise kind(f"{where} is not a pack manifest: {error}") from None
        return manifest

    def to_json(self) -> str:
        """Return the text of `manifest.json`."""
        content = {name: plain(getattr(self, name)) for name in _READERS}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    def layouts(self) -> dict[str, dict[str, ArrayLayout]]:
        """Return what the arrays in the files of the pack have to be, by file."""
        found: dict[str, dict[str, ArrayLayout]] = {}
        for part in self._parts().values():
            found |= part.layouts()
        if isinstance(self.model, LinearModelSpec) and isinstance(self.regressor, V2RegressorSpec):
            numbers = self.regressor.parameters
            found[self.model.file] = linear_model(numbers.identity, numbers.expression)
        return found

    def networks(self) -> set[str]:
        """Return the files of the pack that are networks."""
        arrays = self.layouts()
        files = [file for part in self._parts().values() for file in file_names(part).values()]
        return {file for file in files if file not in arrays}

    def _parts(self) -> dict[str, Part]:
        parts: dict[str, Part] = {"regressor": self.regressor, "model": self.model}
        if self.detector is not None:
            parts["detector"] = self.detector
        return parts | {f"variants.{name}.regressor": v.regressor for name, v in self.variants.items()}

    def _check_files(self) -> None:
        for at, part in self._parts().items():
            for name, file in file_names(part).items():
                if file not in self.files:
                    raise PackError(f"{at}.{name} is {shown(file)}, which is not one of the files")


_READERS: dict[str, Reader] = {
    "schema": Choice(SCHEMA),
    "name": PackName(),
    "title": Text(),
    "licence": Licence,
    "provenance": Free(),
    "files": Table(FileName(), PackedFile),
    "detector": OrNull(ANY_DETECTOR),
    "regressor": ANY_REGRESSOR,
    "model": ANY_MODEL,
    "measured": Free(),
    "variants": Table(PackName(), Variant),
}
_OPTIONAL = ("measured", "variants")


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of `manifest.json`."""
    about = described(Manifest)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The manifest of a tddfa model pack",
        "type": "object",
        "properties": {name: reader.schema() | about[name] for name, reader in _READERS.items()},
        "required": [name for name in _READERS if name not in _OPTIONAL],
    }


def _parsed(text: str) -> dict[str, Any]:
    """Return the JSON object in a text, if it is no deeper than manifests are."""
    try:
        content = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_each_once)
    except RecursionError:
        raise PackError("it has too many levels") from None
    except ValueError as error:
        raise DamagedManifestError(f"it is no JSON ({error})") from None
    if not isinstance(content, dict):
        raise PackError(f"it is {shown(content)}, not an object")
    _check_tree(content)
    return content


def _check_tree(content: dict[str, Any]) -> None:
    level: list[Any] = [content]
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, str) and not value.isascii():
                _check_characters(value)
            elif isinstance(value, float) and not math.isfinite(value):
                raise PackError("it has a number that is not finite")
        level = inner
        if not level:
            return
    raise PackError("it has too many levels")


def _check_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PackError(f"it has half of a character in the text {shown(text)}") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise PackError(f"the field {shown(twice)} is there twice")
    return content


def _no_constant(name: str) -> float:
    raise PackError(f"it has the number {name}, which is not finite")
