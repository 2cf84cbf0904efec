"""An extension of griffe, which the documentation is built with: `tddfa.dataclass` makes dataclasses."""

from __future__ import annotations

from typing import Any

import griffe


class DocumentedDataclasses(griffe.Extension):
    """Read tddfa's decorator as the standard library's, whose classes have their fields as arguments."""

    def on_alias_instance(self, *, alias: griffe.Alias, **_: Any) -> None:
        """Let an import of the one be an import of the other."""
        if alias.target_path == "tddfa.dataclass.dataclass":
            alias.target_path = "dataclasses.dataclass"
