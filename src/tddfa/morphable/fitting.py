"""Fits of a face model to points: camera, identity and expression by regularised least squares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.geometry.camera import project
from tddfa.geometry.rotation import nearest_rotation
from tddfa.morphable.finite_array import as_finite_array
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa.shapes import Bool, Float, Float32, Float64, Int, Real
from tddfa.types import FaceParams
from tddfa.types.arguments import check_kind, check_number

MEDIAPIPE = (468, 478)
"""Number of points that MediaPipe gives, without and with the irises."""
N_ITERATIONS = 8
NOISE_MM = 1.0
"""Standard deviation of a point that is not an outlier."""
OUTLIER_MM = 5.0
"""Distance at which a point counts half."""
IDENTITY_SPREAD = 1.3
"""Standard deviation of an identity coefficient: faces of photos vary more than the model's samples, which
have 1."""
IDENTITY_LIMIT = 4.0
EXPRESSION_SPREAD = {"eyeBlink": 0.5, "jawOpen": 0.35, "": 0.2}
"""Standard deviation of an expression coefficient around 0 before the bounds, by the start of its name."""
SIDE_SPREAD = {"eyeBlink": 0.25, "": 0.12}
"""Standard deviation of the difference of an expression's left and right half."""
NEEDED_MODEL = "take the model of an aligner, or open_face_model()"
"""What a message says where a model is needed."""
CONVERGED = 0.01
"""Step of coefficients, radians and log scale below which a fit ends."""
EFFECTIVE_POINTS = 120
"""Neighbouring points err together: more points than these add no certainty over the prior."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Result of a fit.

    Attributes:
        params: camera, identity and expression.
        points: points of the model, image frame, px.
        error_px: weighted mean distance of the points to the targets in x and y, px.
    """

    params: FaceParams
    points: Float32[np.ndarray, "n_points 3"]
    error_px: float

    def __repr__(self) -> str:
        return f"Fit({self.params}, {len(self.points)} points, error_px={self.error_px:.2f})"


def fit_landmarks(
    model: MorphableModel,
    points: Real[np.ndarray, "n_points d"] | Sequence[Sequence[float]],
    weights: Real[np.ndarray, " n_weights"] | Sequence[float] | None = None,
    *,
    landmark_set: str | LandmarkSet = "ibug68",
    identity_stiffness: float = 1.0,
    expression_stiffness: float = 1.0,
) -> Fit:
    """Return the face of `model` whose landmarks are at `points`.

    Args:
        model: a face model.
        points: landmarks (x, y) or (x, y, z) in the image frame, px, in the order of the set; for MediaPipe's
            set also all its 468 or 478 points.
        weights: weight of each point; 0 for points that are not known.
        landmark_set: landmarks that the points are: a key of `model.landmark_sets`, or a set of your own (see
            `calibrate_landmarks`).
        identity_stiffness: weight of the prior that keeps the identity near the mean face; 1 is that of its
            statistics.
        expression_stiffness: the same for the neutral expression.

    Raises:
        InputError: there is no such set, the number of points is not that of the set, or they are too few or
            too close together to tell a face.
    """
    check_kind("model", model, MorphableModel, NEEDED_MODEL)
    landmarks = model.landmark_set(landmark_set)
    given = as_finite_array("the points", points)
    weight = None if weights is None else as_finite_array("the weights", weights)
    if landmarks.indices is not None and given.ndim == 2 and len(given) != len(landmarks):
        given, weight = _selected(given, weight, landmarks.indices)
    return _fitter(model, landmarks).fit(
        given,
        weight,
        identity_stiffness=identity_stiffness,
        expression_stiffness=expression_stiffness,
    )


def _selected(
    points: Float[np.ndarray, "n_all d"],
    weights: Float[np.ndarray, " n_weights"] | None,
    indices: Int[np.ndarray, " n_points"],
) -> tuple[Float[np.ndarray, "n_points d"], Float[np.ndarray, " n_points"]]:
    """Return the points of a set out of all points of MediaPipe; those that are not given have weight 0."""
    n = len(points)
    if n not in MEDIAPIPE:
        raise InputError(
            f"{n} points were given; of MediaPipe give all {' or '.join(map(str, MEDIAPIPE))}, or the "
            f"{len(indices)} of the model's set"
        )
    if weights is not None and weights.shape != (n,):
        raise InputError(f"weights have shape {weights.shape}; they are {n} numbers, one per point")
    given = indices < n
    chosen = np.where(given, indices, 0)
    weight = np.ones(n) if weights is None else weights
    return points[chosen], np.where(given, weight[chosen], 0)


@lru_cache(maxsize=16)
def _fitter(model: MorphableModel, landmarks: LandmarkSet) -> Fitter:
    return Fitter(model, landmarks)


class Fitter:
    """Fit a model to observations of the same points again and again.

    Args:
        model: a face model; expressions are kept in [0, 1] where its expressions have ARKit names.
        points: the points that are observed, on the model.
    """

    def __init__(self, model: MorphableModel, points: LandmarkSet) -> None:
        check_kind("model", model, MorphableModel, NEEDED_MODEL)
        check_kind("points", points, LandmarkSet, "a set of `model.landmark_sets` is one")
        self.model = model
        self._n_points = len(points)
        self._mean = points.positions(model.mean)
        basis = np.concatenate([model.identity_basis, model.expression_basis], axis=2)
        of_points = points.positions(basis)
        # Coefficients that move no point (gaze, for landmarks of the skin) stay zero and cost nothing.
        self._active = np.flatnonzero(np.abs(of_points).max(axis=(0, 1)) > 1e-3)
        # Coordinate by coordinate, so that a rotation is one product.
        self._basis = np.ascontiguousarray(np.moveaxis(of_points[:, :, self._active], 1, 0), np.float32)
        self._lids = None if model.eyelids is None else _Lids.of(model, points, basis, self._active)
        self._prior = _prior_precision(model.n_identity, model.expression_names)[
            np.ix_(self._active, self._active)
        ]
        bounds = np.repeat([IDENTITY_LIMIT, 1.0], [model.n_identity, model.n_expression])
        if "jawOpen" not in model.expression_names:
            bounds[model.n_identity :] = np.inf  # not blendshapes: coefficients of any sign and size
        self._high = bounds[self._active]
        self._low = np.where((self._active < model.n_identity) | np.isinf(self._high), -self._high, 0.0)
        mouth = [
            int(np.searchsorted(self._active, model.n_identity + k))
            for k, name in enumerate(model.expression_names)
            if name in ("jawOpen", "mouthClose") and model.n_identity + k in self._active
        ]
        self._jaw_and_close = mouth if len(mouth) == 2 else None

    def fit(
        self,
        targets: Float[np.ndarray, "n_points 2"] | Float[np.ndarray, "n_points 3"],
        weights: Float[np.ndarray, " n_weights"] | Float[np.ndarray, "n_weights d"] | None = None,
        *,
        identity_stiffness: float = 1.0,
        expression_stiffness: float = 1.0,
        n_iterations: int = N_ITERATIONS,
    ) -> Fit:
        """Return the face whose points are at `targets`.

        Args:
            targets: observed points, image frame, px; with a third column for depth, known up to a shift.
            weights: weight of each point or coordinate; 0 where it is unknown.
            identity_stiffness: weight of the prior that keeps the identity near the mean face; 1 is that of
                its statistics.
            expression_stiffness: the same for the neutral expression.
            n_iterations: maximum number of Gauss-Newton steps.

        Raises:
            InputError: the numbers of points differ, fewer than 4 points count, or one of them is not finite.
        """
        target, weight = self._checked(targets, weights)
        for part, stiffness in (("identity", identity_stiffness), ("expression", expression_stiffness)):
            check_number(f"{part}_stiffness", stiffness, 0, math.inf)
        scale, rotation, t = _first_camera(self._mean, target, weight)
        n_identity = self.model.n_identity
        low = self._low
        prior = self._prior * np.where(self._active < n_identity, identity_stiffness, expression_stiffness)
        prior = (prior + prior.T) / 2
        # Neighbouring points err together: beyond a number of points, more of them are no more evidence.
        evidence = min(1.0, EFFECTIVE_POINTS / weight.max(axis=1).sum()) / NOISE_MM**2
        jacobian = np.empty((3, len(target), 7 + len(low)), np.float32)
        rows = jacobian.reshape(-1, jacobian.shape[2])
        free = np.full(7, np.inf)
        x = np.zeros(len(low))
        shape, lid_basis = self._shape(x)
        for _ in range(n_iterations):
            posed = shape @ (scale * rotation.T)
            residual = np.where(weight > 0, target - posed - t, 0)
            distance = np.linalg.norm(residual, axis=1) / scale
            robust = 1 / (1 + (distance / OUTLIER_MM) ** 2) ** 2
            row_weight = (np.sqrt(weight * (robust[:, None] * evidence)) / scale).T
            linear = (scale * rotation).astype(np.float32)
            jacobian[:, :, :7] = _camera_columns(posed)
            jacobian[:, :, 7:] = (linear @ self._basis.reshape(3, -1)).reshape(self._basis.shape)
            if self._lids is not None:
                of_lids = (linear @ lid_basis.reshape(3, -1)).reshape(lid_basis.shape)
                jacobian[:, self._lids.moved, 7:] += of_lids
            jacobian *= row_weight[:, :, None].astype(np.float32)
            H = (rows.T @ rows).astype(np.float64)
            g = ((residual.T * row_weight).astype(np.float32).ravel() @ rows).astype(np.float64)
            H[np.arange(7), np.arange(7)] += 1e-9 * np.trace(H[:7, :7]) + 1e-12
            H[7:, 7:] += prior
            g[7:] -= prior @ x
            high = self._upper_bounds(x)
            step = _bounded_minimum(H, g, np.append(-free, low - x), np.append(free, high - x))
            scale, rotation, t = _moved_camera(scale, rotation, t, step[:7])
            x = np.clip(x + step[7:], low, high)
            x = np.minimum(x, self._upper_bounds(x))
            shape, lid_basis = self._shape(x)
            if np.abs(step[7:]).max(initial=0) < CONVERGED and np.abs(step[:4]).max() < CONVERGED:
                break
        camera = np.column_stack([scale * rotation, [t[0], t[1], 0.0]])
        coefficients = np.zeros(n_identity + self.model.n_expression, np.float32)
        coefficients[self._active] = x
        params = FaceParams(camera, coefficients[:n_identity], coefficients[n_identity:])
        points = project(camera, shape)
        error = np.linalg.norm(points[:, :2] - target[:, :2], axis=1)
        return Fit(params, points, float(np.average(error, weights=weight[:, :2].max(axis=1))))

    def _upper_bounds(self, x: Float64[np.ndarray, " n_active"]) -> Float64[np.ndarray, " n_active"]:
        if self._jaw_and_close is None:
            return self._high
        jaw, close = self._jaw_and_close
        high = self._high.copy()
        # mouthClose closes an open jaw; beyond that it would push the lips through each other.
        high[close] = x[jaw]
        return high

    def _checked(
        self, targets: Any, weights: Any
    ) -> tuple[Float64[np.ndarray, "n_points 3"], Float64[np.ndarray, "n_points 3"]]:
        """Return targets and weights with three columns each."""
        n = self._n_points
        targets = as_finite_array("the points", targets)
        weights = None if weights is None else as_finite_array("the weights", weights)
        if targets.ndim != 2 or targets.shape[0] != n or targets.shape[1] not in (2, 3):
            raise InputError(
                f"points have shape {targets.shape}; this fit needs {n} points of 2 or 3 coordinates"
            )
        target = np.zeros((n, 3))
        target[:, : targets.shape[1]] = targets
        weight = np.zeros((n, 3))
        if weights is None:
            weight[:, : targets.shape[1]] = 1
        elif weights.shape == (n,):
            weight[:, : targets.shape[1]] = weights[:, None]
        elif weights.shape == (n, targets.shape[1]):
            weight[:, : targets.shape[1]] = weights
        else:
            raise InputError(f"weights have shape {weights.shape}; they are {n} numbers, one per point")
        if not np.isfinite(weight).all() or (weight < 0).any():
            raise InputError("weights are finite and not negative; use 0 for a point that is not known")
        if not np.isfinite(target[weight > 0]).all():
            raise InputError("a point that counts is not finite; give it weight 0")
        counts = (weight[:, :2] > 0).any(axis=1)
        if counts.sum() < 4:
            raise InputError("a fit needs at least 4 points with a weight above 0")
        spread = np.linalg.svd(target[counts, :2] - target[counts, :2].mean(axis=0), compute_uv=False)
        if spread[-1] <= 1e-6 * max(spread[0], 1e-12):
            raise InputError("the points lie in one place or on one line; no face looks like that")
        return np.where(weight > 0, target, 0), weight

    def _shape(
        self, x: Float64[np.ndarray, " n_active"]
    ) -> tuple[Float32[np.ndarray, "n_points 3"], Float32[np.ndarray, "3 n_moved n_active"]]:
        """Return the points in the model frame, and what the lids' correction adds to their derivative."""
        x32 = x.astype(np.float32)
        shape = self._mean + (self._basis @ x32).T
        if self._lids is None:
            return shape, np.zeros((3, 0, len(x)), np.float32)
        correction, basis = self._lids.correction(x32)
        shape[self._lids.moved] += correction
        return shape, basis


def _prior_precision(n_identity: int, names: tuple[str, ...]) -> Float64[np.ndarray, "n n"]:
    """Return the inverse covariance of the coefficients before any point is observed."""
    spread = [IDENTITY_SPREAD] * n_identity + [_by_start(EXPRESSION_SPREAD, name) for name in names]
    precision = np.diag(1 / np.array(spread) ** 2)
    for k, name in enumerate(names):
        other = name.removesuffix("Left") + "Right"
        if name.endswith("Left") and other in names and name not in ("jawLeft", "mouthLeft"):
            a, b = n_identity + k, n_identity + names.index(other)
            tie = 1 / _by_start(SIDE_SPREAD, name) ** 2
            precision[[a, b], [a, b]] += tie
            precision[[a, b], [b, a]] -= tie
    return precision


def _by_start(table: dict[str, float], name: str) -> float:
    return next(value for start, value in table.items() if name.startswith(start))


@dataclass(frozen=True, slots=True, eq=False)
class _Lids:
    """Correction of the eyelids for the points of a fit; see `Eyelids.close`.

    Attributes:
        moved: indices of the points that it moves.
        share: share of each gap that each of them moves by.
        gap_mean: gaps of the mean face, mm.
        gap_basis: change of the gaps per unit of each active coefficient, mm.
        blink: index of the active coefficient that closes the eye of each gap.
    """

    moved: Int[np.ndarray, " n_moved"]
    share: Float32[np.ndarray, "n_moved n_gaps"]
    gap_mean: Float32[np.ndarray, "n_gaps 3"]
    gap_basis: Float32[np.ndarray, "3 n_gaps n_active"]
    blink: Int[np.ndarray, " n_gaps"]

    @classmethod
    def of(
        cls,
        model: MorphableModel,
        points: LandmarkSet,
        basis: Float32[np.ndarray, "n_base 3 n_coefficients"],
        active: Int[np.ndarray, " n_active"],
    ) -> _Lids | None:
        """Return the correction of `model` on `points`; None where it moves none of them."""
        eyelids = model.eyelids
        if eyelids is None:
            return None
        share = eyelids.shares(points, len(model.mean))
        moved = np.flatnonzero(share.any(axis=1))
        blink = model.n_identity + np.array(eyelids.blink)
        if len(moved) == 0 or not np.isin(blink, active).all():
            return None
        gap_basis = np.einsum("gkci,gk->cgi", basis[eyelids.gap_vertices][..., active], eyelids.gap_weights)
        return cls(
            moved=moved,
            share=share[moved],
            gap_mean=eyelids.gaps(model.mean),
            gap_basis=np.ascontiguousarray(gap_basis),
            blink=np.searchsorted(active, blink)[eyelids.gap_eye],
        )

    def correction(
        self, x: Float32[np.ndarray, " n_active"]
    ) -> tuple[Float32[np.ndarray, "n_moved 3"], Float32[np.ndarray, "3 n_moved n_active"]]:
        """Return how far the moved points move, and its derivative."""
        closed = x[self.blink][:, None]
        gaps = self.gap_mean + (self.gap_basis @ x).T
        of_blink = self.gap_basis[:, np.arange(len(self.blink)), self.blink].T
        slope = self.gap_basis * closed
        slope[:, np.arange(len(self.blink)), self.blink] += (gaps + (1 - 2 * closed) * of_blink).T
        return self.share @ (closed * (gaps + (1 - closed) * of_blink)), self.share @ slope


def _first_camera(
    mean: Float32[np.ndarray, "n 3"], target: Float64[np.ndarray, "n 3"], weight: Float64[np.ndarray, "n 3"]
) -> tuple[float, Float64[np.ndarray, "3 3"], Float64[np.ndarray, "3"]]:
    """Return scale, rotation and shift that bring the mean face closest to the targets in x and y."""
    w = weight[:, :2].min(axis=1)
    centre = np.average(mean, axis=0, weights=w)
    X = mean - centre
    # A little isotropic evidence keeps depth in place where all points lie in one plane.
    damping = 1e-3 * np.average((X**2).sum(axis=1), weights=w) * w.sum() * np.eye(3)
    middle = np.average(target[:, :2], axis=0, weights=w)
    rows = np.linalg.solve((X.T * w) @ X + damping, (X.T * w) @ (target[:, :2] - middle)).T
    M = np.vstack([rows, np.cross(rows[0], rows[1]) / max(np.linalg.norm(rows[1]), 1e-12)])
    R = nearest_rotation(M)
    scale = float(np.trace(rows @ R[:2].T) / 2)
    t = np.append(middle, 0.0) - scale * R @ centre
    if (weight[:, 2] > 0).any():
        t[2] = np.average(target[:, 2] - scale * mean @ R[2], weights=weight[:, 2])
    return max(scale, 1e-9), R, t


def _camera_columns(posed: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "3 n 7"]:
    """Return the derivative of each coordinate of posed points by rotation (3), log scale and shift (3)."""
    x, y, z = posed.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    return np.stack(
        [
            np.stack([zero, z, -y, x, one, zero, zero], axis=1),
            np.stack([-z, zero, x, y, zero, one, zero], axis=1),
            np.stack([y, -x, zero, z, zero, zero, one], axis=1),
        ]
    )


def _moved_camera(
    scale: float, R: Float64[np.ndarray, "3 3"], t: Float64[np.ndarray, "3"], step: Float64[np.ndarray, "7"]
) -> tuple[float, Float64[np.ndarray, "3 3"], Float64[np.ndarray, "3"]]:
    """Return the camera after a step of `_camera_columns`, at most half a radian and a factor of 1.6."""
    angle = float(np.linalg.norm(step[:3]))
    turn = np.eye(3)
    if angle > 1e-12:
        x, y, z = step[:3] / angle
        K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        angle = min(angle, 0.5)
        turn += np.sin(angle) * K + (1 - np.cos(angle)) * K @ K  # Rodrigues' formula
    return scale * float(np.exp(np.clip(step[3], -0.5, 0.5))), nearest_rotation(turn @ R), t + step[4:]


def _bounded_minimum(
    H: Float64[np.ndarray, "n n"],
    g: Float64[np.ndarray, " n"],
    low: Float64[np.ndarray, " n"],
    high: Float64[np.ndarray, " n"],
) -> Float64[np.ndarray, " n"]:
    """Return a step towards the minimum of x·Hx/2 − g·x between bounds.

    It is the minimum over the variables that are not held at a bound. Variables that are pushed against their
    bound are held, then those that the minimum takes outside; the next Gauss-Newton step releases them where
    the slope has turned.

    Source: Bertsekas, "Projected Newton methods for optimization problems with simple constraints", 1982.
    """
    x = np.zeros_like(g)
    held: Bool[np.ndarray, " n"] = ((low >= 0) & (g <= 0)) | ((high <= 0) & (g >= 0))
    for _ in range(3):
        free = np.flatnonzero(~held)
        fixed = np.flatnonzero(held & (x != 0))
        x[free] = np.linalg.solve(H[np.ix_(free, free)], g[free] - H[np.ix_(free, fixed)] @ x[fixed])
        outside = (x < low) | (x > high)
        np.clip(x, low, high, out=x)
        if not outside.any():
            break
        held |= outside
    return x
