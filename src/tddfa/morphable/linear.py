"""Linear face models from the arrays of a pack, such as the Basel Face Model of a converted pack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tddfa.errors import PackError
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa.morphable.surface import pncc_colors
from tddfa.types import Topology


def linear_model(name: str, arrays: Mapping[str, Any]) -> MorphableModel:
    """Return the face model in the arrays of a pack.

    Args:
        name: name of the pack.
        arrays: `mean`, `identity_basis`, `expression_basis`, `expression_names`, `triangles`,
            `landmark_vertices` and, for models with a texture layout, `uv`.

    Raises:
        PackError: an array is missing.
    """
    try:
        mean = arrays["mean"]
        return MorphableModel(
            name=name,
            mean=mean,
            identity_basis=arrays["identity_basis"],
            expression_basis=arrays["expression_basis"],
            expression_names=tuple(map(str, arrays["expression_names"])),
            topology=Topology(arrays["triangles"], arrays.get("uv"), pncc_colors(mean)),
            landmark_sets={"ibug68": LandmarkSet.at_vertices(arrays["landmark_vertices"])},
        )
    except KeyError as error:
        raise PackError(f"the face model of pack {name!r} has no array {error}") from None
