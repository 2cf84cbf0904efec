"""The studio: photos, videos and a camera in a browser, and `POST /api/align` for scripts.

The server does all inference through `alignment`, `streams`, `render` and `export`; the page shows it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tddfa.studio.settings import Limits, StudioSettings

if TYPE_CHECKING:
    from tddfa.studio.app import make_app as make_app
    from tddfa.studio.server import serve as serve

# Starlette and uvicorn are loaded on first use, so that the command's help stays quick.
_LATER = {"make_app": "tddfa.studio.app", "serve": "tddfa.studio.server"}

__all__ = ["Limits", "StudioSettings", *_LATER]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
