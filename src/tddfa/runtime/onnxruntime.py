"""ONNX Runtime, loaded on first use and without its telemetry."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from tddfa.packages import load_package


@cache
def onnxruntime() -> Any:
    """Return the module `onnxruntime`.

    Since version 1.29 it writes an identifier of the device and a database of events into the home folder,
    and sends them. It looks at the variable once, when it is loaded; a value that the user has set stays.

    Raises:
        MissingPackageError: it is not installed, or what is there is something else.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return load_package("onnxruntime", "InferenceSession")
