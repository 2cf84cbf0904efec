"""The kinds of face models that packs have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tddfa.morphable.linear import linear_model
from tddfa.morphable.model import MorphableModel
from tddfa.morphable.open_model import open_face_model
from tddfa.packs.specs import ANY_MODEL, ModelSpec

MODELS: Mapping[str, Callable[[str, Any, Callable[[str], Mapping[str, Any]]], MorphableModel]] = {
    "linear": lambda name, spec, arrays: linear_model(name, arrays(spec.file)),
    "open": lambda _name, spec, _arrays: open_face_model(level=spec.level, crop=spec.crop),
}
"""Kind in a pack's manifest → model from the pack's name, its spec and its arrays by file name."""


def make_model(
    name: str, spec: ModelSpec | Mapping[str, Any], arrays: Callable[[str], Mapping[str, Any]]
) -> MorphableModel:
    """Return the face model that a manifest describes.

    Args:
        name: name of the pack.
        spec: the manifest's `model`, or the JSON object of one.
        arrays: reads an .npz of the pack.

    Raises:
        PackError: its kind is unknown, or a field is missing or wrong.
    """
    read = ANY_MODEL.read(spec, "model")
    return MODELS[str(read.kind)](name, read, arrays)
