"""Compiled packages that we need: what is wrong with one that cannot be used, on one line."""

from __future__ import annotations

import importlib
from types import ModuleType

from tddfa.errors import MissingPackageError

DISTRIBUTIONS = {
    "av": "av",
    "cv2": "opencv-python-headless",
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "platformdirs": "platformdirs",
    "tqdm": "tqdm",
}
"""Module that we import → the distribution that brings it."""


def load_package(module: str, needed: str) -> ModuleType:
    """Import a module that another distribution may have taken away, or a file of another name may hide.

    Several distributions bring the modules `cv2` and `onnxruntime`. When one of them is uninstalled, it takes
    the files of the others along, and what is left may be an empty folder, which Python imports.

    Args:
        module: its name, a key of `DISTRIBUTIONS`.
        needed: a name that it has to have.

    Raises:
        MissingPackageError: it cannot be imported, or is something else.
    """
    try:
        loaded = importlib.import_module(module)
    except Exception as error:  # extension modules raise anything
        raise missing_package(module, error) from error
    if not hasattr(loaded, needed):
        place = getattr(loaded, "__file__", None) or next(iter(getattr(loaded, "__path__", [])), "nowhere")
        raise missing_package(module, f"what is in {place} has no {needed!r}")
    return loaded


def missing_package(module: str, reason: object) -> MissingPackageError:
    """Return the error for a module that cannot be used.

    Args:
        module: its name, a key of `DISTRIBUTIONS`.
        reason: why it cannot.
    """
    text = " ".join(str(reason).split())
    return MissingPackageError(
        f"the package {DISTRIBUTIONS[module]!r} cannot be used ({text[:300]}); install it again with "
        f"pip install --force-reinstall {DISTRIBUTIONS[module]}"
    )
