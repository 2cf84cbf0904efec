"""Fits of the open face model to all points of a set of faces at once, with a teacher's expression weights.

Points alone leave expressions ambiguous and a teacher's weights alone leave geometry open; together they give
labels of both. Photos of one person share an identity.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa_train.data.teacher_weights import TeacherWeights
from tddfa_train.point_model import PointModel, camera_from_six

_EXPRESSIVE = np.r_[17:27, 36:68]  # brows, lids and lips of the 68 points
# Beyond this yaw the teacher guesses the far side of the face; the trust fades over _FADE_DEG.
_MOST_YAW_DEG, _FADE_DEG = 50.0, 15.0
_CALIBRATION_YAW_DEG = 30.0
_HUGE = 25.0  # strength of the teacher's weights while point offsets are measured


@dataclass(frozen=True, slots=True)
class PointFitConfig:
    """Strengths and steps of the fits; distances count in percent of the face's size.

    Attributes:
        steps: of the optimiser.
        identity: strength of the prior on a person's identity.
        deviation: how much stronger a single photo is held to its person's identity.
        rest: L1 strength that holds an expression at 0.
        teacher: L1 strength that holds an expression at the teacher's weight, where it is reliable.
        calibration_faces: faces that the offsets of the teacher's points are measured on.
        calibration_rounds: of measuring and moving.
    """

    steps: int = 160
    identity: float = 1.5
    deviation: float = 30.0
    rest: float = 1.0
    teacher: float = 6.0
    calibration_faces: int = 900
    calibration_rounds: int = 3


class LabelledPoints(NamedTuple):
    """Points and weights that a set of faces is fitted to.

    Attributes:
        landmarks68: x, y, depth, px; depth up to a shift.
        spread: how far the teacher's crops disagree on the 68 points, px.
        mediapipe: the model's MediaPipe points, px; NaN where there are none.
        weights: teacher's expression weights in the model's order, at rest 0.
        reliability: of each weight, 0 where the teacher never moves it.
        rest_strength: L1 strength of each expression, in units of `PointFitConfig.rest`.
        teacher_strength: of each expression, in units of `PointFitConfig.teacher`.
        person: number of the person of each face.
    """

    landmarks68: Float[np.ndarray, "n 68 3"]
    spread: Float[np.ndarray, " n"]
    mediapipe: Float[np.ndarray, "n m 2"]
    weights: Float[np.ndarray, "n e"]
    reliability: Float[np.ndarray, " e"]
    rest_strength: Float[np.ndarray, " e"]
    teacher_strength: Float[np.ndarray, " e"]
    person: Int[np.ndarray, " n"]

    def rows(self, rows: Int[np.ndarray, " k"]) -> "LabelledPoints":
        """Take some of the faces."""
        return self._replace(
            landmarks68=self.landmarks68[rows],
            spread=self.spread[rows],
            mediapipe=self.mediapipe[rows],
            weights=self.weights[rows],
            person=np.unique(self.person[rows], return_inverse=True)[1],
        )


@dataclass(frozen=True, slots=True, eq=False)
class PointFits:
    """Camera and coefficients of a set of faces.

    Attributes:
        camera: `image_from_model`.
        identity: coefficients.
        expression: weights in [0, 1].
        error: weighted mean distance of the teacher's points, percent of the face's size.
        trust: how much the teacher's points and weights counted, 0 to 1.
        residual: fitted minus given MediaPipe points, percent of the face's size.
    """

    camera: Float[np.ndarray, "n 3 4"]
    identity: Float[np.ndarray, "n i"]
    expression: Float[np.ndarray, "n e"]
    error: Float[np.ndarray, " n"]
    trust: Float[np.ndarray, " n"]
    residual: Float[np.ndarray, "n m 2"]


def teacher_labels(
    teacher: TeacherWeights,
    blendshapes: Float[np.ndarray, "n k"],
    names: tuple[str, ...],
    model: MorphableModel,
) -> tuple[
    Float[np.ndarray, "n e"], Float[np.ndarray, " e"], Float[np.ndarray, " e"], Float[np.ndarray, " e"]
]:
    """Turn a teacher's raw expression weights into targets of the model's expressions.

    Args:
        teacher: what is known about its weights.
        blendshapes: raw weights.
        names: of their columns.
        model: whose expressions are fitted.

    Returns:
        Targets, reliability, rest strength and teacher strength (see `LabelledPoints`).
    """
    raw = np.zeros((len(blendshapes), model.n_expression))
    for column, name in enumerate(model.expression_names):
        if name in names:
            raw[:, column] = blendshapes[:, names.index(name)]
    rest, reliability, held, strength = (
        np.array([getter(name) for name in model.expression_names])
        for getter in (teacher.rest, teacher.reliability, teacher.rest_strength, teacher.strength)
    )
    return np.clip((raw - rest) / (1 - rest), 0, 1) * reliability, reliability, held, strength


def fit_points(
    points: LabelledPoints,
    model: MorphableModel,
    point_weights: Float[np.ndarray, " m"],
    config: PointFitConfig | None = None,
    *,
    calibrate: bool = True,
) -> tuple[PointFits, Float[np.ndarray, "m 3"]]:
    """Fit a face model to the points of many faces.

    Args:
        points: of all faces.
        model: level 0, with the set `mediapipe478`.
        point_weights: how much each MediaPipe point counts.
        config: strengths.
        calibrate: measure first where the teacher has each point on the model, on average.

    Returns:
        The fits, and the offsets that were added to the teacher's points: head frame, share of the size.
    """
    config = config or PointFitConfig()
    fitter = _Fitter(model, point_weights, config)
    offsets = np.zeros((len(point_weights), 3))
    if calibrate and np.isfinite(points.mediapipe).any():
        count = min(config.calibration_faces, len(points.landmarks68))
        some = points.rows(np.random.default_rng(0).permutation(len(points.landmarks68))[:count])
        for _ in range(config.calibration_rounds):
            fits = fitter.fit(some, offsets, config.steps * 2 // 3, _HUGE)
            offsets = offsets + _head_offsets(fits, model)
    return fitter.fit(points, offsets, config.steps, config.teacher), offsets


class _Fitter:
    def __init__(self, model: MorphableModel, point_weights: np.ndarray, config: PointFitConfig):
        self.model, self.config, self.point_weights = model, config, point_weights
        self.marks = model.landmark_sets["ibug68"]
        self.points = model.landmark_sets["mediapipe478"]
        self.shown = PointModel(model, _joined(self.marks, self.points))
        self.lateral = np.sign(self.points.positions(model.mean)[:, 0])
        self.middle = np.abs(self.points.positions(model.mean)[:, 0]) < 8

    def fit(self, given: LabelledPoints, offsets: np.ndarray, steps: int, teacher: float) -> PointFits:
        marks = given.landmarks68.astype(np.float64)
        size = np.sqrt(np.prod(np.ptp(marks[..., :2], axis=1), axis=1))[:, None, None]
        rotation, log_scale, shift = _first_cameras(marks / size, self.marks.positions(self.model.mean))
        yaw = np.degrees(np.arcsin(np.clip(-rotation[:, 0, 2], -1, 1)))
        seen = np.isfinite(given.mediapipe).all((1, 2))
        trust = np.clip((_MOST_YAW_DEG - np.abs(yaw)) / _FADE_DEG, 0, 1) * seen
        target = np.nan_to_num(given.mediapipe) / size + np.einsum("nij,pj->npi", rotation[:, :2], offsets)
        problem = _Problem(
            marks=_tensor(marks / size),
            target=_tensor(target),
            mark_weight=_tensor(self._mark_weights(given, size, trust)),
            point_weight=_tensor(self._point_weights(yaw, trust)),
            weights=_tensor(given.weights),
            strength=_tensor(
                self.config.rest * given.rest_strength
                + teacher * given.teacher_strength * given.reliability * trust[:, None]
            ),
            person=torch.from_numpy(given.person),
        )
        fitted = self._solve(problem, rotation, log_scale, shift, steps)
        camera, identity, expression, shown = fitted
        distance = shown[:, 68:, :2] - target
        weight = problem.point_weight.numpy()
        error = 100 * (np.linalg.norm(distance, axis=2) * weight).sum(1) / np.maximum(weight.sum(1), 1e-3)
        return PointFits(camera * size, identity, expression, error, trust, 100 * distance)

    def _mark_weights(self, given: LabelledPoints, size: np.ndarray, trust: np.ndarray) -> np.ndarray:
        weight = np.ones((len(trust), 68))
        weight[:, _EXPRESSIVE] = 1 - 0.85 * trust[:, None]
        return weight / np.clip(given.spread / (0.01 * size[:, 0, 0]), 1, 3)[:, None]

    def _point_weights(self, yaw: np.ndarray, trust: np.ndarray) -> np.ndarray:
        far = (self.lateral * np.sign(yaw)[:, None] > 0) & ~self.middle
        fading = 1 - np.clip((np.abs(yaw) - 20) / 25, 0, 1)
        return self.point_weights * trust[:, None] * np.where(far, fading[:, None], 1.0)

    def _solve(
        self, problem: "_Problem", rotation: np.ndarray, log_scale: np.ndarray, shift: np.ndarray, steps: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        n, persons = len(rotation), int(problem.person.max()) + 1
        six = nn.Parameter(_tensor(rotation[:, :2].reshape(n, 6)))
        scale, place = nn.Parameter(_tensor(log_scale)), nn.Parameter(_tensor(shift))
        own = nn.Parameter(torch.zeros(persons, self.model.n_identity))
        apart = nn.Parameter(torch.zeros(n, self.model.n_identity))
        weights = nn.Parameter(problem.weights.clamp(0.02, 0.95))
        groups = [([six, scale, place], 0.006), ([own, apart], 0.06), ([weights], 0.03)]
        optimizer = torch.optim.Adam(
            [{"params": parameters, "lr": rate} for parameters, rate in groups], betas=(0.9, 0.95)
        )
        for step in range(steps):
            slowing = 1 - 0.9 * max(0.0, step / steps - 0.5) * 2
            for group, (_, rate) in zip(optimizer.param_groups, groups, strict=True):
                group["lr"] = rate * slowing
            shown = self.shown(camera_from_six(six, scale, place), own[problem.person] + apart, weights)
            loss = problem.misfit(shown) + problem.prior(weights)
            loss = loss + 0.5 * self.config.identity * own.square().sum()
            loss = loss + 0.5 * self.config.identity * self.config.deviation * apart.square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            camera, identity = camera_from_six(six, scale, place), own[problem.person] + apart
            expression = weights.clamp(0, 1)
            shown = self.shown(camera, identity, expression)
        return camera.numpy(), identity.numpy(), expression.numpy(), shown.numpy()


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    marks: Tensor
    target: Tensor
    mark_weight: Tensor
    point_weight: Tensor
    weights: Tensor
    strength: Tensor
    person: Tensor

    def misfit(self, shown: Tensor) -> Tensor:
        """How far the points are from what was given, robustly, in percent of the size."""
        marks, points = shown[:, :68], shown[:, 68:]
        flat = _huber((marks[..., :2] - self.marks[..., :2]).norm(dim=2) * 100) * self.mark_weight
        depth, true_depth = marks[..., 2], self.marks[..., 2]
        deep = (depth - depth.mean(1, keepdim=True)) - (true_depth - true_depth.mean(1, keepdim=True))
        near = _huber((points[..., :2] - self.target).norm(dim=2) * 100) * self.point_weight
        return flat.sum() + 0.15 * (_huber(deep.abs() * 100) * self.mark_weight).sum() + 0.6 * near.sum()

    def prior(self, weights: Tensor) -> Tensor:
        """How far the weights are from the teacher's, and from [0, 1]."""
        outside = weights.clamp(max=0).square() + (weights - 1).clamp(min=0).square()
        return ((weights - self.weights).abs() * self.strength).sum() + 400 * outside.sum()


def _huber(distance: Tensor) -> Tensor:
    return torch.where(distance < 1, 0.5 * distance.square(), distance - 0.5)


def _tensor(value: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(value, np.float32))


def _joined(first: LandmarkSet, second: LandmarkSet) -> LandmarkSet:
    width = max(first.vertices.shape[1], second.vertices.shape[1])
    widened = [
        (
            np.pad(s.vertices, ((0, 0), (0, width - s.vertices.shape[1]))),
            np.pad(s.weights, ((0, 0), (0, width - s.weights.shape[1]))),
        )
        for s in (first, second)
    ]
    vertices, weights = zip(*widened, strict=True)
    return LandmarkSet(np.concatenate(vertices).astype(np.int32), np.concatenate(weights).astype(np.float32))


def _first_cameras(
    marks: Float[np.ndarray, "n 68 3"], mean: Float[np.ndarray, "68 3"]
) -> tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, " n"], Float[np.ndarray, "n 2"]]:
    """Find the similarity that carries the mean face onto each face.

    Source: Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    TPAMI 1991.
    """
    given = np.nan_to_num(marks - marks.mean(1, keepdims=True))
    centered = mean - mean.mean(0)
    U, S, Vt = np.linalg.svd(np.einsum("npi,pj->nij", given, centered))
    sign = np.sign(np.linalg.det(U) * np.linalg.det(Vt))
    flip = np.ones((len(marks), 3))
    flip[:, 2] = sign
    rotation = np.einsum("nij,nj,njk->nik", U, flip, Vt)
    scale = (S * flip).sum(1) / (centered**2).sum()
    shift = marks[..., :2].mean(1) - scale[:, None] * (rotation @ mean.mean(0))[:, :2]
    return rotation, np.log(scale), shift


def _head_offsets(fits: PointFits, model: MorphableModel) -> Float[np.ndarray, "m 3"]:
    """Where the model has each point seen from where the teacher has it: head frame, share of the size."""
    scale = np.linalg.norm(fits.camera[:, :1, :3], axis=2, keepdims=True)
    rows = (fits.camera[:, :, :3] / scale)[:, :2]
    frontal: Bool[np.ndarray, " n"] = np.abs(np.degrees(np.arcsin(-rows[:, 0, 2]))) < _CALIBRATION_YAW_DEG
    use = frontal & (fits.trust > 0.9)
    A, residual = rows[use], fits.residual[use] / 100
    offsets = np.zeros((residual.shape[1], 3))
    for point in range(len(offsets)):
        weight = np.ones(len(A))
        for _ in range(5):
            normal = np.einsum("n,nij,nik->jk", weight, A, A) + 0.3 * len(A) * np.diag([0.02, 0.02, 1])
            offsets[point] = np.linalg.solve(normal, np.einsum("n,nij,ni->j", weight, A, residual[:, point]))
            error = np.linalg.norm(residual[:, point] - A @ offsets[point], axis=1)
            weight = 1 / np.maximum(error / np.maximum(np.median(error), 1e-9), 1)
    from tddfa_train.data.points import mirror_twins

    twins = mirror_twins(model.landmark_sets["mediapipe478"].positions(model.mean)[:, :2])
    return (offsets + offsets[twins] * (-1, 1, 1)) / 2
