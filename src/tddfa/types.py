"""The values that travel between stages: frozen, with their shapes, units and frames.

Frames are defined once, in docs/conventions.md: the image frame (x right, y down, z away from the
camera, px, pixel centres at integers) and the model frame (x to the subject's left, y up, z out of
the face, mm).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

from tddfa.errors import InputError

Image: TypeAlias = UInt8[np.ndarray, "_height _width 3"]
"""A picture: RGB, row-major."""


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """An axis-aligned box in the image frame, px; it may reach outside the picture.

    Raises:
        InputError: a coordinate is not finite, or the box has no area.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.x0, self.y0, self.x1, self.y1))):
            raise InputError(f"box {tuple(self)} has a coordinate that is not a finite number")
        if self.x1 <= self.x0 or self.y1 <= self.y0:
            raise InputError(
                f"box {tuple(self)} has no area; a box is (x0, y0, x1, y1) with x0 < x1 and y0 < y1"
            )

    def __iter__(self) -> Iterator[float]:
        return iter((self.x0, self.y0, self.x1, self.y1))

    @classmethod
    def around(cls, points: Float32[np.ndarray, "n d"] | Float64[np.ndarray, "n d"]) -> BoundingBox:
        """The smallest box that holds the x and y of all points."""
        x0, y0 = points[:, :2].min(axis=0)
        x1, y1 = points[:, :2].max(axis=0)
        return cls(float(x0), float(y0), float(x1), float(y1))

    @property
    def width(self) -> float:
        """Extent in x, px."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Extent in y, px."""
        return self.y1 - self.y0

    @property
    def center(self) -> tuple[float, float]:
        """The middle (x, y), px."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


@dataclass(frozen=True, slots=True)
class Detection:
    """A face found in a picture.

    Attributes:
        box: where it is.
        score: how sure the detector is, in [0, 1]; 1 for a box or landmarks given by the caller.
    """

    box: BoundingBox
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class FaceParams:
    """What a network says of one face: a camera and the coefficients of a 3D morphable model.

    Attributes:
        camera: `image_from_model`, an affine map from the model frame (mm) to the image frame (px).
            Its z row places the origin of the model frame at z = 0: depth is relative.
        identity: coefficients of the identity basis.
        expression: coefficients of the expression basis.
        confidence: how sure the network is that it saw a well-framed face, in [0, 1]; None when it does not
            say.
    """

    camera: Float64[np.ndarray, "3 4"]
    identity: Float32[np.ndarray, " n_identity"]
    expression: Float32[np.ndarray, " n_expression"]
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Rotation of the head, degrees, with the signs of AFLW2000-3D and 300W-LP.

    Attributes:
        yaw_deg: positive turns the nose to the left of the picture; in [-90, 90].
        pitch_deg: positive looks up; in (-180, 180].
        roll_deg: positive turns the head clockwise in the picture; in (-180, 180].
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True, eq=False)
class Topology:
    """What all meshes of one model share.

    Attributes:
        triangles: vertex indices, counter-clockwise seen from outside.
        uv: texture coordinate of each vertex in [0, 1], v up; None without a UV layout.
        colors: the projected normalised coordinate code (PNCC) of each vertex, RGB in [0, 1].
    """

    triangles: Int32[np.ndarray, "n_triangles 3"]
    uv: Float32[np.ndarray, "n_vertices 2"] | None
    colors: Float32[np.ndarray, "n_vertices 3"]


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A surface: vertices in some frame (the image frame for `Face.mesh`) and their topology."""

    vertices: Float32[np.ndarray, "n_vertices 3"]
    topology: Topology

    @property
    def triangles(self) -> Int32[np.ndarray, "n_triangles 3"]:
        """Vertex indices, counter-clockwise seen from outside."""
        return self.topology.triangles


@runtime_checkable
class FaceModel(Protocol):
    """What a `Face` asks of its 3D morphable model (see `tddfa.morphable.MorphableModel`)."""

    @property
    def expression_names(self) -> tuple[str, ...]:
        """One name per expression coefficient."""
        ...

    def reconstruct(self, params: FaceParams) -> Mesh:
        """The dense mesh of `params` in the image frame."""
        ...

    def shape(self, params: FaceParams) -> Float32[np.ndarray, "n_vertices 3"]:
        """The vertices of the mesh of `params` in the model frame, mm."""
        ...

    def pose(self, params: FaceParams) -> HeadPose:
        """The head pose of `params`, as the camera sees it."""
        ...

    def blendshapes(
        self, identity: Float32[np.ndarray, " n_identity"]
    ) -> Mapping[str, Float32[np.ndarray, "n_vertices 3"]]:
        """Displacement of every vertex at weight 1 of each expression, by name: model frame, mm."""
        ...


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a picture.

    Attributes:
        detection: where it was looked for.
        params: camera and coefficients.
        landmarks: 68 points in iBUG order, image frame, px.
        model: the 3D morphable model that `params` belong to.
    """

    detection: Detection
    params: FaceParams
    landmarks: Float32[np.ndarray, "68 3"]
    model: FaceModel

    @cached_property
    def pose(self) -> HeadPose:
        """The head pose; computed when first asked for."""
        return self.model.pose(self.params)

    @cached_property
    def mesh(self) -> Mesh:
        """The dense mesh in the image frame, px; computed when first asked for."""
        return self.model.reconstruct(self.params)

    @property
    def neutral_mesh(self) -> Mesh:
        """The same face without its expression, in the image frame, px."""
        rest = replace(self.params, expression=np.zeros_like(self.params.expression))
        return self.model.reconstruct(rest)

    @property
    def expression(self) -> Mapping[str, float]:
        """Expression coefficients by name."""
        return dict(zip(self.model.expression_names, map(float, self.params.expression), strict=True))


BoxLike: TypeAlias = BoundingBox | Detection | Iterable[float]
"""A box as callers have it: `BoundingBox`, `Detection`, or 4 or 5 numbers (x0, y0, x1, y1[, score])."""
