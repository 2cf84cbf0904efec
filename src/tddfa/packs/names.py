"""Which names packs and their files may have."""

from __future__ import annotations

from typing import Any

from tddfa.errors import PackError
from tddfa.packs.spec import shown, wrong

MANIFEST_FILE = "manifest.json"

# Separators, the colon of drives and streams, and what no file system of Windows can hold.
_FORBIDDEN = frozenset('/\\:*?"<>|')
_LONGEST = 128


def is_pack_name(name: str) -> bool:
    """Return whether `name` can be the name of an installed pack."""
    plain = 0 < len(name) <= _LONGEST and name.isprintable()
    return plain and not name.startswith(".") and not _FORBIDDEN & set(name)


class PackName:
    """The name of a pack."""

    def read(self, value: object, at: str) -> str:
        """Return the name."""
        if not isinstance(value, str) or not is_pack_name(value):
            raise wrong(at, value, "a name of letters, digits and dashes")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {
            "type": "string",
            "minLength": 1,
            "maxLength": _LONGEST,
            "pattern": r'^[^./\\:*?"<>|][^/\\:*?"<>|]*$',
        }


class FileName:
    """The name of a file of a pack, which lies in the folder of the pack itself."""

    def read(self, value: object, at: str) -> str:
        """Return the name."""
        if not isinstance(value, str):
            raise wrong(at, value, "the name of a file")
        # On file systems that ignore case, any spelling of it would be the manifest.
        if not is_pack_name(value) or value.casefold() == MANIFEST_FILE or value.endswith((" ", ".")):
            raise PackError(f"{at} is the file name {shown(value)}, which may not stand in a pack")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return PackName().schema() | {"not": {"const": MANIFEST_FILE}}
