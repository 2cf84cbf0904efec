"""Fits of a face model to points: camera, identity and expression by regularised least squares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from tddfa.errors import InputError
from tddfa.geometry.camera import project
from tddfa.geometry.rotation import nearest_rotation
from tddfa.morphable.eyelids import Eyelids
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa.types import FaceParams

N_ITERATIONS = 8
NOISE_MM = 1.0
"""Standard deviation of a point that is not an outlier."""
OUTLIER_MM = 5.0
"""Distance at which a point counts half."""
IDENTITY_SPREAD = 1.3
"""Standard deviation of an identity coefficient: people differ more than the model's own, of 1."""
IDENTITY_LIMIT = 4.0
EXPRESSION_SPREAD = {"eyeBlink": 0.5, "jawOpen": 0.35, "": 0.2}
"""Standard deviation of an expression coefficient around 0 before the bounds cut it, by the start of its name."""
SIDE_SPREAD = {"eyeBlink": 0.25, "": 0.12}
"""Standard deviation of the difference of an expression's left and right half."""
CONVERGED = 0.003
"""Steps of coefficients, radians and log scale that are not worth another one."""
EFFECTIVE_POINTS = 120
"""Neighbouring points err together: more points than these add no certainty over the prior."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What a fit found.

    Attributes:
        params: camera, identity and expression.
        points: the model's points, image frame, px.
        error_px: weighted mean distance of the model's points to the given ones, in x and y.
    """

    params: FaceParams
    points: Float32[np.ndarray, "n_points 3"]
    error_px: float


def fit_landmarks(
    model: MorphableModel,
    points: Float[np.ndarray, "n_points 2"] | Float[np.ndarray, "n_points 3"],
    weights: Float[np.ndarray, " n_points"] | None = None,
    *,
    landmark_set: str = "ibug68",
    identity_stiffness: float = 1.0,
    expression_stiffness: float = 1.0,
) -> Fit:
    """The face of `model` whose landmarks are at `points`.

    Args:
        model: a face model.
        points: landmarks in the image frame, px, in the order of the set; of MediaPipe's all 468 or 478.
        weights: how much each point counts; 0 for points that are not known.
        landmark_set: which landmarks they are, a key of `model.landmark_sets`.
        identity_stiffness: how strongly the identity is kept near the mean face; 1 is its own statistics.
        expression_stiffness: how strongly the expression is kept near the neutral one.

    Raises:
        InputError: there is no such set, or the number of points is not that of the set.
    """
    if landmark_set not in model.landmark_sets:
        there = ", ".join(model.landmark_sets)
        raise InputError(
            f"no landmark set named {landmark_set!r} in the model {model.name!r}; there are: {there}"
        )
    numbers = model.landmark_sets[landmark_set].numbers
    if numbers is not None and len(points) > len(numbers):
        points, weights = _numbered(points, weights, numbers)
    fitter = _named_fitter(model, landmark_set)
    return fitter.fit(
        points,
        weights,
        identity_stiffness=identity_stiffness,
        expression_stiffness=expression_stiffness,
    )


def _numbered(
    points: Float[np.ndarray, "n_all d"],
    weights: Float[np.ndarray, " n_all"] | None,
    numbers: Int[np.ndarray, " n_points"],
) -> tuple[Float[np.ndarray, "n_points d"], Float[np.ndarray, " n_points"]]:
    """The points of a set out of all points of its scheme; those that are not given have weight 0."""
    given = numbers < len(points)
    chosen = np.where(given, numbers, 0)
    weight = np.ones(len(points)) if weights is None else weights
    return points[chosen], np.where(given, weight[chosen], 0)


@lru_cache(maxsize=16)
def _named_fitter(model: MorphableModel, landmark_set: str) -> Fitter:
    return Fitter(model, model.landmark_sets[landmark_set])


class Fitter:
    """Fits a model to observations of the same points again and again.

    Args:
        model: a face model; expressions are kept in [0, 1] where its expressions have ARKit names.
        points: the points that are observed, on the model.
    """

    def __init__(self, model: MorphableModel, points: LandmarkSet) -> None:
        self.model = model
        self._n_points = len(points)
        linear = np.concatenate([model.identity_basis, model.expression_basis], axis=2)
        self._mean = points.positions(model.mean)
        self._basis = np.ascontiguousarray(points.positions(linear), np.float32)
        self._lids = None if model.eyelids is None else _Lids.of(model, model.eyelids, points, linear)
        # Coefficients that move no point (gaze, for landmarks of the skin) stay zero and cost nothing.
        self._active = np.flatnonzero(np.abs(self._basis).max(axis=(0, 1)) > 1e-3)
        names = model.expression_names
        self._bounded = "jawOpen" in names
        self._prior = _prior_precision(model.n_identity, names)
        self._mouth = (
            (names.index("mouthClose"), names.index("jawOpen"))
            if {"mouthClose", "jawOpen"} <= {*names}
            else None
        )

    def fit(
        self,
        targets: Float[np.ndarray, "n_points 2"] | Float[np.ndarray, "n_points 3"],
        weights: Float[np.ndarray, " n_points"] | Float[np.ndarray, "n_points 3"] | None = None,
        *,
        identity_stiffness: float = 1.0,
        expression_stiffness: float = 1.0,
        n_iterations: int = N_ITERATIONS,
    ) -> Fit:
        """The face whose points are at `targets`.

        Args:
            targets: image frame, px; with a third column for depth, known up to a shift.
            weights: how much each point, or each coordinate of it, counts; 0 where it is unknown.
            identity_stiffness: how strongly the identity is kept near the mean face; 1 is its own statistics.
            expression_stiffness: how strongly the expression is kept near the neutral one.
            n_iterations: Gauss-Newton steps.

        Raises:
            InputError: the numbers of points differ, fewer than 4 points count, or one of them is not finite.
        """
        target, weight = self._checked(targets, weights)
        scale, R, t = _first_camera(self._mean, target, weight)
        n_identity, n_expression = self.model.n_identity, self.model.n_expression
        low = np.concatenate([np.full(n_identity, -IDENTITY_LIMIT), np.zeros(n_expression)])
        high = np.concatenate([np.full(n_identity, IDENTITY_LIMIT), np.ones(n_expression)])
        if not self._bounded:
            low[n_identity:], high[n_identity:] = -np.inf, np.inf
        stiffness = np.repeat([identity_stiffness, expression_stiffness], [n_identity, n_expression])
        active, n_active = self._active, len(self._active)
        prior = self._prior[np.ix_(active, active)] * stiffness[active]
        # Neighbouring points err together: beyond a number of points, more of them are no more evidence.
        count = weight.max(axis=1).sum()
        evidence = min(1.0, EFFECTIVE_POINTS / count) / NOISE_MM**2
        J = np.empty((len(target), 3, 7 + n_active), np.float32)
        x = np.zeros(n_identity + n_expression)
        shape, basis = self._shape(x)
        for _ in range(n_iterations):
            posed = shape @ (scale * R.T)
            residual = np.where(weight > 0, target - posed - t, 0)
            distance = np.linalg.norm(residual, axis=1) / scale
            robust = 1 / (1 + (distance / OUTLIER_MM) ** 2) ** 2
            row_weight = np.sqrt(weight * (robust[:, None] * evidence)) / scale
            J[:, :, :7] = _camera_columns(posed)
            np.matmul((scale * R).astype(np.float32), basis, out=J[:, :, 7:])
            J *= row_weight[:, :, None].astype(np.float32)
            rows = J.reshape(-1, J.shape[2])
            H = (rows.T @ rows).astype(np.float64)
            g = ((residual * row_weight).astype(np.float32).ravel() @ rows).astype(np.float64)
            camera = np.arange(7)
            H[camera, camera] += 1e-9 * np.trace(H[:7, :7]) + 1e-12
            H[7:, 7:] += prior
            g[7:] -= prior @ x[active]
            if self._mouth is not None:
                # mouthClose closes an open jaw; beyond that it would push the lips through each other.
                close, jaw = (n_identity + k for k in self._mouth)
                high[close] = max(x[jaw], x[close])
            free = np.full(7, np.inf)
            step = _bounded_minimum(
                H, g, np.append(-free, (low - x)[active]), np.append(free, (high - x)[active])
            )
            scale, R, t = _moved_camera(scale, R, t, step[:7])
            x[active] = np.clip(x[active] + step[7:], low[active], high[active])
            if self._mouth is not None:
                x[close] = min(x[close], x[jaw])
            shape, basis = self._shape(x)
            if np.abs(step[7:]).max(initial=0) < CONVERGED and np.abs(step[:4]).max() < CONVERGED:
                break
        camera = np.column_stack([scale * R, [t[0], t[1], 0.0]])
        params = FaceParams(camera, x[:n_identity].astype(np.float32), x[n_identity:].astype(np.float32))
        points = project(camera, shape.astype(np.float32))
        flat = weight[:, :2].max(axis=1)
        error = np.linalg.norm(points[:, :2] - target[:, :2], axis=1)
        return Fit(params, points, float(np.average(np.where(flat > 0, error, 0), weights=flat)))

    def _checked(
        self, targets: np.ndarray, weights: np.ndarray | None
    ) -> tuple[Float64[np.ndarray, "n_points 3"], Float64[np.ndarray, "n_points 3"]]:
        """Targets and weights with three columns each."""
        n = self._n_points
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
        if (weight[:, :2] > 0).any(axis=1).sum() < 4:
            raise InputError("a fit needs at least 4 points with a weight above 0")
        return np.where(weight > 0, target, 0), weight

    def _shape(
        self, x: Float64[np.ndarray, " n_coefficients"]
    ) -> tuple[Float32[np.ndarray, "n_points 3"], Float32[np.ndarray, "n_points 3 n_active"]]:
        """The points in the model frame, and what each active coefficient does to them there."""
        x32 = x.astype(np.float32)
        shape = self._mean + self._basis @ x32
        basis = self._basis if len(self._active) == len(x) else self._basis[:, :, self._active]
        if self._lids is None:
            return shape, basis
        return self._lids.corrected(shape, basis, x32, self._active)


def _prior_precision(n_identity: int, names: tuple[str, ...]) -> Float64[np.ndarray, "n n"]:
    """Inverse covariance of the coefficients before any point is seen."""
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
    """What the correction of the eyelids does to the points of a fit.

    Attributes:
        moved: the points that it moves.
        share: by how much of each gap.
        gap_mean: the gaps of the mean face.
        gap_basis: what each coefficient does to them.
        blink_gaps: what a complete blink does to them.
        blink: which coefficient closes the eye of each gap.
    """

    moved: Int[np.ndarray, " n_moved"]
    share: Float32[np.ndarray, "n_moved n_gaps"]
    gap_mean: Float32[np.ndarray, "n_gaps 3"]
    gap_basis: Float32[np.ndarray, "n_gaps 3 n_coefficients"]
    blink_gaps: Float32[np.ndarray, "n_gaps 3"]
    blink: Int[np.ndarray, " n_gaps"]

    @classmethod
    def of(
        cls,
        model: MorphableModel,
        eyelids: Eyelids,
        points: LandmarkSet,
        basis: Float32[np.ndarray, "n_base 3 n_coefficients"],
    ) -> _Lids:
        """The correction of `model` on `points`."""
        spread = np.zeros((len(model.mean), len(eyelids.gap_eye)), np.float32)
        spread[eyelids.spread_vertices, eyelids.spread_gap] = eyelids.spread_weights
        share = points.positions(spread)
        moved = np.flatnonzero(share.any(axis=1))
        gap_basis = np.einsum("gkci,gk->gci", basis[eyelids.gap_vertices], eyelids.gap_weights)
        blink = model.n_identity + np.array(eyelids.blink)
        return cls(
            moved=moved,
            share=share[moved],
            gap_mean=eyelids.gaps(model.mean),
            gap_basis=gap_basis,
            blink_gaps=gap_basis[:, :, blink].sum(axis=2),
            blink=blink[eyelids.gap_eye],
        )

    def corrected(
        self,
        shape: Float32[np.ndarray, "n_points 3"],
        basis: Float32[np.ndarray, "n_points 3 n_active"],
        x: Float32[np.ndarray, " n_coefficients"],
        active: Int[np.ndarray, " n_active"],
    ) -> tuple[Float32[np.ndarray, "n_points 3"], Float32[np.ndarray, "n_points 3 n_active"]]:
        """Points and their derivative with the correction; see `Eyelids.close`."""
        closed = x[self.blink][:, None]
        if len(self.moved) == 0:
            return shape, basis
        gaps = self.gap_mean + self.gap_basis @ x
        shape, basis = shape.copy(), basis.copy()
        shape[self.moved] += self.share @ (closed * (gaps + (1 - closed) * self.blink_gaps))
        slope = closed[:, :, None] * self.gap_basis[:, :, active]
        for k in np.unique(self.blink):
            own = self.blink == k
            of_blink = gaps + (1 - 2 * closed) * self.blink_gaps
            slope[own, :, np.searchsorted(active, k)] += of_blink[own]
        n_gaps = len(self.gap_mean)
        basis[self.moved] += (self.share @ slope.reshape(n_gaps, -1)).reshape(-1, 3, len(active))
        return shape, basis


def _first_camera(
    mean: Float32[np.ndarray, "n 3"], target: Float64[np.ndarray, "n 3"], weight: Float64[np.ndarray, "n 3"]
) -> tuple[float, Float64[np.ndarray, "3 3"], Float64[np.ndarray, "3"]]:
    """Scale, rotation and shift that bring the mean face nearest to the targets in x and y."""
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


def _camera_columns(posed: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3 7"]:
    """Derivative of posed points by rotation (3), log scale and shift (3)."""
    x, y, z = posed.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    return np.stack(
        [
            np.stack([zero, z, -y, x, one, zero, zero], axis=1),
            np.stack([-z, zero, x, y, zero, one, zero], axis=1),
            np.stack([y, -x, zero, z, zero, zero, one], axis=1),
        ],
        axis=1,
    )


def _moved_camera(
    scale: float, R: Float64[np.ndarray, "3 3"], t: Float64[np.ndarray, "3"], step: Float64[np.ndarray, "7"]
) -> tuple[float, Float64[np.ndarray, "3 3"], Float64[np.ndarray, "3"]]:
    """The camera after a step of `_camera_columns`, at most half a radian and a factor of 1.6."""
    angle = float(np.linalg.norm(step[:3]))
    if angle > 1e-12:
        x, y, z = step[:3] / angle
        K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        angle = min(angle, 0.5)
        # Rodrigues' formula.
        R = (np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * K @ K) @ R
    return scale * float(np.exp(np.clip(step[3], -0.5, 0.5))), nearest_rotation(R), t + step[4:]


def _bounded_minimum(
    H: Float64[np.ndarray, "n n"],
    g: Float64[np.ndarray, " n"],
    low: Float64[np.ndarray, " n"],
    high: Float64[np.ndarray, " n"],
) -> Float64[np.ndarray, " n"]:
    """A step towards the minimum of x·Hx/2 − g·x between bounds: the minimum over those not held at a bound.

    Variables that stand at a bound and are pushed against it are held, then those that the minimum takes outside;
    the next Gauss-Newton step lets them go again where the slope has turned.

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
