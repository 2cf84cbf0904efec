"""A linear 3D morphable model: mean shape, identity basis, expression basis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.geometry.camera import camera_pose, camera_scale, project, scaled_camera
from tddfa.morphable.coarse_mesh import coarsened
from tddfa.morphable.eyelids import Eyelids
from tddfa.morphable.eyes import Eyes, Gaze
from tddfa.morphable.finite_array import as_finite_array
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.point_subset import PointSubset
from tddfa.morphable.quantized_basis import QuantizedBasis
from tddfa.morphable.registry import source_of
from tddfa.morphable.surface import Surface
from tddfa.morphable.symmetric_basis import SymmetricBasis
from tddfa.morphable.vertex_subset import PlainBasis, VertexSubset
from tddfa.shapes import Bool, Float, Float32, Float64, Int, Int32
from tddfa.types import FaceParams, HeadPose, Mesh, MeshPart, Topology
from tddfa.types.arguments import check_above_0, check_kind, shown

_FRONTAL = np.diag([1.0, -1.0, -1.0])
"""Rotation, image frame from model frame, of a face that looks at the camera."""
_SYMMETRIC_FROM = 1000
"""Minimum number of vertices for a symmetric basis. Below, joining the two sides costs more than it saves."""
_QUANTIZED_FROM = 1 << 20
"""Minimum size of the bases for a quantized one. Smaller bases fit into a cache and are fast as they are."""


@dataclass(frozen=True, eq=False, repr=False)
class MorphableModel:
    """V(params) = camera · surface(mean + identity basis · identity + expression basis · expression).

    The linear part lives on the base vertices. `surface` refines and crops them; without one they
    are the mesh, as in the Basel Face Model. With `eyelids` the lids meet where a blink is complete.

    Attributes:
        name: name of the model, for messages.
        mean: the mean face, model frame, mm.
        identity_basis: displacement of each base vertex per unit of each identity coefficient, mm.
        expression_basis: the same for each expression coefficient, mm.
        expression_names: name of each expression coefficient.
        topology: triangles, UV layout and PNCC colours of the mesh.
        landmark_sets: named points; `ibug68` is always there.
        regions: named parts of the mesh, as masks of its vertices.
        surface: refinement and crop of the base vertices; None where they are the mesh.
        eyelids: the correction of the lids.
        eyes: how expressions turn the eyeballs; None for a model without any.
        identity_mirror_sign: factor of each identity coefficient when the face is mirrored; None where the
            mirror image is not a face of the model.
        mirror: for each base vertex its partner on the other side; None with `identity_mirror_sign`.
        crops: name → function that returns this model with another part of its head.
    """

    name: str
    mean: Float32[np.ndarray, "n_base 3"]
    identity_basis: Float32[np.ndarray, "n_base 3 n_identity"]
    expression_basis: Float32[np.ndarray, "n_base 3 n_expression"]
    expression_names: tuple[str, ...]
    topology: Topology
    landmark_sets: Mapping[str, LandmarkSet]
    regions: Mapping[str, Bool[np.ndarray, " n_vertices"]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    surface: Surface | None = None
    eyelids: Eyelids | None = None
    eyes: Eyes | None = None
    identity_mirror_sign: Float32[np.ndarray, " n_identity"] | None = None
    mirror: Int32[np.ndarray, " n_base"] | None = None
    crops: Mapping[str, Callable[[], MorphableModel]] = field(default_factory=lambda: MappingProxyType({}))

    def __repr__(self) -> str:
        coefficients = f"{self.n_identity} identity and {self.n_expression} expression coefficients"
        return (
            f"<MorphableModel {self.name!r}: {self.n_vertices} vertices, {coefficients}, "
            f"landmarks {', '.join(self.landmark_sets)}; regions {', '.join(self.regions) or 'none'}>"
        )

    def __reduce__(self) -> Any:
        # Where the model comes from says everything that its arrays do, in a thousandth of the bytes.
        source = source_of(self)
        if source is not None:
            return source
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return _from_fields, (values | {"regions": dict(self.regions), "crops": dict(self.crops)},)

    @property
    def n_vertices(self) -> int:
        """Return the number of vertices of the mesh."""
        return len(self.topology.colors)

    @property
    def n_identity(self) -> int:
        """Return the number of identity coefficients."""
        return self.identity_basis.shape[2]

    @property
    def n_expression(self) -> int:
        """Return the number of expression coefficients."""
        return self.expression_basis.shape[2]

    def params(
        self,
        camera: Float64[np.ndarray, "3 4"] | None = None,
        identity: Float[np.ndarray, " n_identity"] | None = None,
        expression: Mapping[str, float] | Float[np.ndarray, " n_expression"] | None = None,
    ) -> FaceParams:
        """Return parameters of this model; coefficients are 0 and the camera is frontal where not given.

        Args:
            camera: `image_from_model`; by default 1 px per mm.
            identity: identity coefficients.
            expression: expression coefficients, or some of them by name: `{"jawOpen": 0.5}`.

        Raises:
            InputError: an expression has no such name, a vector or the camera another shape, or a number is
                not finite.
        """
        if isinstance(expression, Mapping):
            by_name = np.zeros(self.n_expression, np.float32)
            for name, weight in expression.items():
                by_name[self.expression_index(name)] = as_finite_array(f"the weight of {name}", weight, ())
            expression = by_name
        if camera is None:
            camera = scaled_camera(1.0, _FRONTAL, np.zeros(2))
        return FaceParams(
            as_finite_array("the camera", camera, (3, 4)),
            self._coefficients("identity", identity, self.n_identity),
            self._coefficients("expression", expression, self.n_expression),
        )

    def _coefficients(self, kind: str, vector: Any, length: int) -> Float32[np.ndarray, " n"]:
        if vector is None:
            return np.zeros(length, np.float32)
        given = as_finite_array(kind, vector)
        if given.shape != (length,):
            raise InputError(
                f"{kind} has shape {given.shape}; the model {self.name!r} has {length} coefficients"
            )
        return as_finite_array(kind, given, (length,)).astype(np.float32)

    def expression_index(self, name: str) -> int:
        """Return the index of an expression.

        Args:
            name: name of the expression.

        Raises:
            InputError: the model has no expression of that name.
        """
        try:
            return self.expression_names.index(name)
        except ValueError:
            from difflib import get_close_matches

            near = get_close_matches(str(name), self.expression_names, n=3, cutoff=0.0)
            raise InputError(
                f"no expression named {shown(name)} in the model {self.name!r}; nearest: {', '.join(near)}"
            ) from None

    @property
    def mesh_vertices(self) -> Int[np.ndarray, " n_used"]:
        """Return the base vertices that the mesh is made of; a crop leaves others out."""
        return np.arange(len(self.mean)) if self.surface is None else self.surface.base

    def landmark_set(self, name: str | LandmarkSet) -> LandmarkSet:
        """Return the landmarks of a name; a set of your own as it is.

        Args:
            name: a key of `landmark_sets`, or a set.

        Raises:
            InputError: the model has no such set.
        """
        if isinstance(name, LandmarkSet):
            return name
        given: Any = name
        if not isinstance(given, str) or given not in self.landmark_sets:
            there = ", ".join(self.landmark_sets)
            raise InputError(
                f"no landmark set named {shown(name)} in the model {self.name!r}; there are: {there}"
            )
        return self.landmark_sets[name]

    def shape(self, params: FaceParams) -> Float32[np.ndarray, "n_vertices 3"]:
        """Return the vertices of the mesh of `params` in the model frame, mm."""
        self._check(params)
        if self._quantized is not None:
            return self._quantized.vertices(_coefficients(params), np.eye(3, 4))
        base = self._mesh_subset.vertices(params)
        return base if self.surface is None else self.surface(base)

    def _shapes(self, many: Sequence[FaceParams]) -> list[Float32[np.ndarray, "n_vertices 3"]]:
        """Return the shape of each; three in one pass over the surface take half the time of one by one."""
        if self._quantized is not None or self.surface is None:
            return [self.shape(params) for params in many]
        base = np.stack([self._mesh_subset.vertices(params) for params in many], axis=2)
        return list(np.ascontiguousarray(np.moveaxis(self.surface(base), 2, 0)))

    def reconstruct(self, params: FaceParams) -> Mesh:
        """Return the dense mesh of `params` in the image frame, px."""
        self._check(params)
        if self._quantized is not None:
            return Mesh(self._quantized.vertices(_coefficients(params), params.camera), self.topology)
        # The camera comes first: refining commutes with affine maps, and there are fewer base vertices.
        base = project(params.camera, self._mesh_subset.vertices(params))
        return Mesh(base if self.surface is None else self.surface(base), self.topology)

    def pose(self, params: FaceParams) -> HeadPose:
        """Return the head pose of `params`, as the camera sees it."""
        self._check(params)
        return camera_pose(params.camera)

    def gaze(self, params: FaceParams) -> Gaze:
        """Return where the eyes of `params` look, relative to the head.

        Raises:
            InputError: the model has no eyeballs.
        """
        if self.eyes is None:
            raise InputError(
                f"the model {self.name!r} has no eyeballs, so there is no gaze; the open model has"
            )
        self._check(params)
        return self.eyes.gaze(params.expression)

    def landmarks(
        self, params: FaceParams, name: str | LandmarkSet = "ibug68"
    ) -> Float32[np.ndarray, "n_points 3"]:
        """Return the landmarks of `params` in the image frame, px, without the cost of the whole mesh.

        Args:
            params: parameters of this model.
            name: a key of `landmark_sets`, or a set of your own; `ibug68` has the 68 points in iBUG order.

        Raises:
            InputError: the model has no such set.
        """
        self._check(params)
        return project(params.camera, self._point_subset(name).points(params))

    @property
    def corrected_expressions(self) -> tuple[str, ...]:
        """Return the expressions whose displacement depends on the identity: eyelids that close."""
        blinks = () if self.eyelids is None else self.eyelids.blink
        return tuple(self.expression_names[k] for k in blinks)

    def blendshapes(
        self,
        identity: Float[np.ndarray, " n_identity"] | None = None,
        names: Iterable[str] | None = None,
        *,
        neutral: Float32[np.ndarray, "n_vertices 3"] | None = None,
    ) -> dict[str, Float32[np.ndarray, "n_vertices 3"]]:
        """Return the displacement of every vertex at weight 1 of each expression, by name: model frame, mm.

        Args:
            identity: coefficients of the face; the eyelids travel as far as its eyes are open. The
                displacements of all expressions but `corrected_expressions` are the same for every face.
            names: expressions to return; all when not given.
            neutral: `shape` of the face without an expression, where it is known.

        Raises:
            InputError: the model has no expression of such a name.
        """
        indices = {
            name: self.expression_index(name) for name in (self.expression_names if names is None else names)
        }
        linear = [name for name in indices if name not in self.corrected_expressions]
        shapes = self._linear_blendshapes(linear, [indices[name] for name in linear]) if linear else {}
        if len(linear) < len(indices):
            others = sorted(indices.keys() - shapes.keys())
            each = [self.params(identity=identity, expression={name: 1.0}) for name in others]
            known = [] if neutral is None else [neutral]
            unknown = [] if known else [self.params(identity=identity)]
            neutral, *displaced = known + self._shapes(unknown + each)
            shapes |= {name: shape - neutral for name, shape in zip(others, displaced, strict=True)}
        return {name: shapes[name] for name in indices}

    def _linear_blendshapes(
        self, names: Sequence[str], indices: Sequence[int]
    ) -> dict[str, Float32[np.ndarray, "n_vertices 3"]]:
        basis = self.expression_basis[self.mesh_vertices][:, :, indices]
        # All in one pass: a surface refines any number of channels at once.
        moved = basis if self.surface is None else self.surface(basis)
        return dict(zip(names, np.ascontiguousarray(np.moveaxis(moved, 2, 0)), strict=True))

    def coarse_mesh(self, shapes: Iterable[Float32[np.ndarray, "n_vertices 3"]]) -> MeshPart | None:
        """Return the mesh without vertices that it can do without; None for a mesh that is not refined.

        Args:
            shapes: displacements of its expressions, mm; what is left out lies near the coarse mesh in each.
        """
        if self.surface is None or not self.surface.levels:
            return None
        inside = self.topology.inside
        unseen = np.zeros(self.n_vertices, bool) if inside is None else inside > 0
        return coarsened(self.surface, np.stack([self.shape(self.params()), *shapes]), unseen)

    def neutral(self, params: FaceParams) -> FaceParams:
        """Return the same face without its expression."""
        self._check(params)
        return replace(params, expression=np.zeros_like(params.expression))

    def frontal(self, params: FaceParams) -> FaceParams:
        """Return the same face turned to the camera, at the same position and size."""
        self._check(params)
        camera = scaled_camera(camera_scale(params.camera), _FRONTAL, params.camera[:2, 3])
        return replace(params, camera=camera)

    def mirrored(self, params: FaceParams, image_width: float) -> FaceParams:
        """Return the parameters of the face in the image mirrored left to right.

        Args:
            params: parameters of this model.
            image_width: width of the image, px.

        Raises:
            InputError: the mirror image is not a face of the model (as in the Basel Face Model), or an
                argument is not possible.
        """
        self._check(params)
        check_above_0("image_width", image_width, "a width in px")
        if self.identity_mirror_sign is None:
            raise InputError(f"the model {self.name!r} cannot be mirrored: its bases are not symmetric")
        camera = params.camera * np.array([[-1.0], [1.0], [1.0]]) * np.array([-1.0, 1.0, 1.0, 1.0])
        camera[0, 3] += image_width - 1
        expression = params.expression[self._mirrored_expressions]
        sign = self.identity_mirror_sign
        corrective = None if params.corrective is None else params.corrective * sign
        identity = params.identity * sign
        return replace(params, camera=camera, identity=identity, expression=expression, corrective=corrective)

    @cached_property
    def _mirrored_expressions(self) -> Int[np.ndarray, " n_expression"]:
        return mirrored_expressions(self.expression_names)

    @cached_property
    def _quantized(self) -> QuantizedBasis | None:
        """Return the model in 16 bits, where it is large."""
        size = self.mean.size * (self.n_identity + self.n_expression)
        if self.surface is not None or self.eyelids is not None or size < _QUANTIZED_FROM:
            return None
        return QuantizedBasis.of(self.mean, [self.identity_basis, self.expression_basis])

    @cached_property
    def _mesh_subset(self) -> VertexSubset:
        return self.subset(self.mesh_vertices)

    def _check(self, params: FaceParams) -> None:
        check_kind("params", params, FaceParams, "a face has them: face.params")
        camera: Any = params.camera
        identity: Any = params.identity
        expression: Any = params.expression
        is_array = isinstance(camera, np.ndarray) and camera.shape == (3, 4)
        # Half precision misses pixels, and the linear algebra of NumPy takes none.
        if not is_array or camera.dtype.kind not in "fiu" or camera.dtype.char in "eg":
            raise InputError(
                f"the camera of params is {shown(camera)}; an array (3, 4) of float64 is needed, see "
                "MorphableModel.params"
            )
        for name, values in (("identity", identity), ("expression", expression)):
            if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "fiu":
                raise InputError(f"{name} of params is {shown(values)}; an array of coefficients is needed")
        corrective = params.corrective
        if corrective is not None and getattr(corrective, "shape", None) != identity.shape:
            raise InputError(f"corrective of params is {shown(corrective)}; identity is {shown(identity)}")
        n_identity, n_expression = len(identity), len(expression)
        if n_identity != self.n_identity or n_expression != self.n_expression:
            raise InputError(
                f"parameters of {n_identity} identity and {n_expression} expression coefficients belong to "
                f"another model; {self.name!r} has {self.n_identity} and {self.n_expression}"
            )

    @cached_property
    def _point_subsets(self) -> dict[LandmarkSet, PointSubset]:
        return {}

    def _point_subset(self, name: str | LandmarkSet) -> PointSubset:
        points = self.landmark_set(name)
        if points not in self._point_subsets:
            self._point_subsets[points] = PointSubset.of(
                points, self.mean, self.identity_basis, self.expression_basis, self.eyelids
            )
        return self._point_subsets[points]

    def subset(self, used: Int[np.ndarray, " n_used"]) -> VertexSubset:
        """Return the model on some of its base vertices.

        Args:
            used: sorted indices of base vertices.
        """
        basis = np.concatenate([self.identity_basis[used], self.expression_basis[used]], axis=2)
        eyelids, blink_gaps = self.eyelids, None
        if eyelids is not None and not np.isin(eyelids.gap_vertices, used).all():
            eyelids = None
        if eyelids is not None:
            blinks = self.expression_basis[..., list(eyelids.blink)].sum(axis=-1)
            blink_gaps = eyelids.gaps(blinks)
            eyelids = eyelids.within(used)
        return VertexSubset(self.mean[used].reshape(-1), self._basis_of(used, basis), eyelids, blink_gaps)

    def _basis_of(
        self, used: Int[np.ndarray, " n_used"], basis: Float32[np.ndarray, "n_used 3 n_coefficients"]
    ) -> PlainBasis | SymmetricBasis:
        mirrored = self._mirrored_coefficients
        if self.mirror is not None and mirrored is not None and len(used) >= _SYMMETRIC_FROM:
            partner = np.searchsorted(used, self.mirror[used])
            if np.array_equal(used.take(partner, mode="clip"), self.mirror[used]):
                return SymmetricBasis.of(basis, partner, *mirrored)
        return PlainBasis(np.ascontiguousarray(basis.reshape(-1, basis.shape[2]).T))

    @cached_property
    def _mirrored_coefficients(
        self,
    ) -> tuple[Int[np.ndarray, " n_coefficients"], Float32[np.ndarray, " n_coefficients"]] | None:
        """Return for each coefficient the one that it becomes in the mirror, and its sign there."""
        if self.identity_mirror_sign is None:
            return None
        expressions = self.n_identity + self._mirrored_expressions
        return (
            np.concatenate([np.arange(self.n_identity), expressions]),
            np.concatenate([self.identity_mirror_sign, np.ones(self.n_expression, np.float32)]),
        )


def mirrored_expressions(names: Sequence[str]) -> Int[np.ndarray, " n_expression"]:
    """Return for each expression the index of the one that it becomes in the mirror.

    Args:
        names: names of the expressions.
    """
    swap = {"Left": "Right", "Right": "Left"}
    # jawLeft and mouthLeft move the whole jaw and mouth: mirrored, they are jawRight and mouthRight.
    partners = [
        next((name.removesuffix(a) + b for a, b in swap.items() if name.endswith(a)), name) for name in names
    ]
    return np.array([names.index(name) for name in partners])


def _coefficients(params: FaceParams) -> Float32[np.ndarray, " n_coefficients"]:
    return np.concatenate([params.shape, params.expression])


def _from_fields(values: Mapping[str, Any]) -> MorphableModel:
    return MorphableModel(**values)
