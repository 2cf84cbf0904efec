"""One face of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.deprecation import warn_renamed
from tddfa.errors import InputError
from tddfa.shapes import Float32, Int32
from tddfa.types.box import BoundingBox, Detection
from tddfa.types.display import painted
from tddfa.types.gaze import GazeAngles
from tddfa.types.mesh import Mesh
from tddfa.types.params import FaceParams
from tddfa.types.pose import HeadPose
from tddfa.types.shown import shown


@runtime_checkable
class FaceModel(Protocol):
    """What a `Face` requires of its 3D morphable model (see `tddfa.morphable.MorphableModel`).

    A model may also have `eyes` that turn with its expressions; see `Face.gaze`.
    """

    @property
    def expression_names(self) -> tuple[str, ...]:
        """One name per expression coefficient."""
        ...

    def landmarks(self, params: FaceParams, name: str = "ibug68") -> Float32[np.ndarray, "n_points 3"]:
        """Return a set of landmarks of `params` in the image frame, px."""
        ...

    def reconstruct(self, params: FaceParams) -> Mesh:
        """Return the dense mesh of `params` in the image frame, px."""
        ...

    def shape(self, params: FaceParams) -> Float32[np.ndarray, "n_vertices 3"]:
        """Return the vertices of the mesh of `params` in the model frame, mm."""
        ...

    def pose(self, params: FaceParams) -> HeadPose:
        """Return the head pose of `params`, as the camera sees it."""
        ...

    def blendshapes(
        self, identity: Float32[np.ndarray, " n_identity"]
    ) -> Mapping[str, Float32[np.ndarray, "n_vertices 3"]]:
        """Return the displacement of every vertex at weight 1 of each expression: model frame, mm."""
        ...


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Face:
    """One face of an image: everything but its three fields is derived from them, when first asked for.

    Attributes:
        detection: where it was looked for.
        params: camera and coefficients.
        model: the 3D morphable model that `params` belong to.
    """

    detection: Detection
    params: FaceParams
    model: FaceModel

    def __init__(
        self, detection: Detection, params: FaceParams, model: Any, *old: Any, landmarks: Any = None
    ) -> None:
        if old or landmarks is not None:
            warn_renamed("Face(detection, params, landmarks, model)", "Face(detection, params, model)")
            model = old[0] if old else model
        object.__setattr__(self, "detection", detection)
        object.__setattr__(self, "params", params)
        object.__setattr__(self, "model", model)

    @property
    def box(self) -> BoundingBox:
        """Where the face was looked for, image frame, px."""
        return self.detection.box

    @property
    def score(self) -> float:
        """The detector's score in [0, 1]; 1 for a box or landmarks given by the caller."""
        return self.detection.score

    @property
    def confidence(self) -> float | None:
        """Probability in [0, 1] that this is a well-framed face; None for networks that predict none."""
        return self.params.confidence

    @cached_property
    def landmarks(self) -> Float32[np.ndarray, "68 3"]:
        """The 68 landmarks in iBUG order, image frame, px."""
        return self.model.landmarks(self.params)

    def points(self, name: str = "ibug68") -> Float32[np.ndarray, "n_points 3"]:
        """Return a set of landmarks, image frame, px.

        Args:
            name: a set of the model: `ibug68`, `mediapipe478` and others.

        Raises:
            InputError: the model has no such set.
        """
        return self.landmarks if name == "ibug68" else self.model.landmarks(self.params, name)

    @cached_property
    def pose(self) -> HeadPose:
        """The head pose."""
        return self.model.pose(self.params)

    @cached_property
    def mesh(self) -> Mesh:
        """The dense mesh in the image frame, px."""
        return self.model.reconstruct(self.params)

    @property
    def vertices(self) -> Float32[np.ndarray, "n_vertices 3"]:
        """The vertices of the dense mesh, image frame, px."""
        return self.mesh.vertices

    @property
    def triangles(self) -> Int32[np.ndarray, "n_triangles 3"]:
        """The triangles of the dense mesh: vertex indices, counter-clockwise seen from outside."""
        return self.mesh.triangles

    def cropped(self, crop: str) -> Face:
        """Return the same face with another part of its model's head: `face`, or the whole `head`.

        Args:
            crop: name of a crop of the model.

        Raises:
            InputError: the model has no such crop.
        """
        crops: Any = getattr(self.model, "crops", {})
        given: Any = crop
        if not isinstance(given, str) or given not in crops:
            name = getattr(self.model, "name", type(self.model).__name__)
            there = f"there are: {', '.join(crops)}" if crops else "the open model has face and head"
            raise InputError(f"the model {name!r} has no crop {shown(crop)}; {there}")
        return replace(self, model=crops[crop]())

    @property
    def neutral_mesh(self) -> Mesh:
        """The mesh of the same face without its expression, image frame, px."""
        rest = replace(self.params, expression=np.zeros_like(self.params.expression))
        return self.model.reconstruct(rest)

    @property
    def expression(self) -> Mapping[str, float]:
        """Expression coefficients by name."""
        return dict(zip(self.model.expression_names, map(float, self.params.expression), strict=True))

    @property
    def gaze(self) -> GazeAngles | None:
        """Where the eyes look; None for models whose eyes do not turn."""
        eyes: Any = getattr(self.model, "eyes", None)
        return (
            None if eyes is None else GazeAngles.of(eyes.gaze(self.params.expression).directions, self.pose)
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Face):
            return NotImplemented
        return type(self) is type(other) and all(
            getattr(self, f.name) == getattr(other, f.name) for f in fields(self)
        )

    def __hash__(self) -> int:
        return hash((self.detection, self.params))

    def __repr__(self) -> str:
        x0, y0, x1, y1 = (round(v) for v in self.box)
        pose = self.pose
        confidence = "" if self.confidence is None else f", confidence={self.confidence:.3f}"
        return (
            f"{type(self).__name__}(box=({x0}, {y0}, {x1}, {y1}), score={self.score:.2f}{confidence}, "
            f"yaw={round(pose.yaw_deg)}°, pitch={round(pose.pitch_deg)}°, roll={round(pose.roll_deg)}°)"
        )

    def _repr_png_(self) -> bytes | None:
        return painted([self])

    def __getstate__(self) -> dict[str, Any]:
        # Without what is derived: a mesh would make a pickle a hundred times larger.
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
