"""Close-ups with labels: photos and renders seen through the first network's answer, or near the true one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, Float32

from tddfa.errors import InputError
from tddfa.morphable.eyes import IRIS_RADIUS_MM
from tddfa.morphable.model import MorphableModel
from tddfa.regression.expressions import roll_correction
from tddfa.types import FaceParams
from tddfa_train.data.answers import FIRST_ANSWER
from tddfa_train.data.augment import degrade
from tddfa_train.data.batches import Batch, LabelledImage, LandmarkDataConfig
from tddfa_train.data.coefficients import CoefficientBatches
from tddfa_train.data.eye_light import eyes_in_other_light
from tddfa_train.data.eye_openings import EyeOpenings
from tddfa_train.data.eye_paint import Eye, with_painted_eyes
from tddfa_train.data.folder import FaceFolder
from tddfa_train.data.occlusion import occluded
from tddfa_train.data.render_expressions import GAZE_DEG_PER_UNIT
from tddfa_train.expressions.views import HEIGHT, WIDTH, make_closeups
from tddfa_train.parameters.batches import moved_params

_FRAME = 120
"""Side of the frame in which labels and answers are compared, px; a face fills it as it fills a crop."""
_PX_PER_MM = 0.56
_BOTH_EYES = 0.7
"""Cosine between a face and the viewer from which on both eyes show."""
_EMBEDDING = "embedding"
_PUPILS = [0, 5]
"""Middle of the right and of the left iris among the landmarks of irises."""
_ELSEWHERE = 0.6
"""How often painted eyes look elsewhere."""
_MAX_ASIDE_DEG = 34.0
"""How far painted eyes look to a side at the most."""
_LIFT_DEG = 4.0
"""Sigma of how far they look above or below where the lids would have them."""
_MAX_LIFT_DEG = 24.0
_SIDEWAYS = ("eyeLookOutLeft", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutRight")
"""The left eye to the left and to the right, the right eye to the left and to the right."""
_LIFTED = (("eyeLookUpLeft", "eyeLookDownLeft"), ("eyeLookUpRight", "eyeLookDownRight"))


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """Through which camera the close-ups are seen.

    Attributes:
        answered: how often through the first network's answer, moved a little; else near the label's camera.
        camera_only: how often a camera is all that is known, as of a face that is followed from frame to
            frame: identity and expression of the first answer are 0.
        turn_deg: sigma of a turn about each axis, degrees, for answers and for labels.
        scale: sigma of the log scale.
        shift_mm: sigma of a shift.
        painted_eyes: how often renders get other eyes, which may look to another side.
        painted_photos: how often photos with a fit get other eyes. Their irises say the gaze exactly then.
        relit_eyes: how often the other renders' eyes get other irises, highlights and shadows.
    """

    answered: float = 0.7
    camera_only: float = 0.0
    turn_deg: tuple[float, float] = (1.5, 4.0)
    scale: tuple[float, float] = (0.015, 0.04)
    shift_mm: tuple[float, float] = (0.8, 2.5)
    painted_eyes: float = 0.3
    painted_photos: float = 0.3
    relit_eyes: float = 0.5


class CloseUpBatches(CoefficientBatches):
    """Batches of views, and the first answer as `first_camera`, `first_identity`, `first_expression`.

    `mirrored` says which views and labels are those of the mirror image. `embedding` is the label of that
    name, by which another network tells people apart: NaN in folders without it, left out where none has it.

    Every folder needs the first network's answers: `first_camera`, `first_identity` and `first_expression`
    in its labels (`tddfa-train answers`).
    """

    def __init__(self, config: LandmarkDataConfig, view: ViewConfig, n_steps: int, model: MorphableModel):
        super().__init__(config, n_steps, model)
        self.view = view
        self.closeups = make_closeups(model)
        self.openings = EyeOpenings.of(model)
        self._gazes = [k for k, name in enumerate(model.expression_names) if name.startswith("eyeLook")]
        self.noise_bank = np.random.default_rng(7).normal(size=(24, HEIGHT, WIDTH, 3)).astype(np.float32)
        self.n_embedding = _n_embedding(self.folders)
        for folder in self.folders:
            if "first_camera" not in folder.labels:
                raise InputError(
                    f"{folder.name} has no answers of a first network; add them with "
                    f"'tddfa-train answers {folder.name}'"
                )

    def sample(self, index: int, rng: np.random.Generator) -> Batch:
        """Return the views and labels of one face, augmented.

        Args:
            index: of the face, a row of `rows`.
            rng: source of randomness.
        """
        return self._sample(self._face(index), rng)

    def _face(self, index: int) -> LabelledImage:
        face = super()._face(index)
        number, row = map(int, self.rows[index])
        stored = self.folders[number].labels
        for key in FIRST_ANSWER:
            face.labels[key] = stored[key][row]
        if self.n_embedding:
            known = stored[_EMBEDDING][row] if _EMBEDDING in stored else np.full(self.n_embedding, np.nan)
            face.labels[_EMBEDDING] = known.astype(np.float32)
        return face

    def _sample(self, face: LabelledImage, rng: np.random.Generator) -> Batch:
        labels, image = face.labels, face.image
        mirror = bool(rng.random() < 0.5) and self.mirrors
        fitted = float(labels.get("fit_weight", 0)) > 0
        kind = 0 if rng.random() < self.view.answered or not fitted else 1
        start = labels["camera"] if kind else labels["first_camera"]
        identity, expression = labels["first_identity"], labels["first_expression"]
        if self.view.camera_only and rng.random() < self.view.camera_only:
            identity, expression = np.zeros_like(identity), np.zeros_like(expression)
        first = FaceParams(self._moved(start.astype(np.float64), kind, rng), identity, expression)
        matrix = frame_from_image(first.camera, mirror=mirror)
        numbers = moved_params(first, matrix, self.model)
        camera, n = numbers[:12].reshape(3, 4), 12 + self.model.n_identity
        back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
        points = labels["landmarks68"][:, :2]
        if np.isfinite(points).all():
            image = np.asarray(image)
            if fitted and _facing(labels["camera"]) > _BOTH_EYES:
                is_render = float(labels["rotation_weight"]) == 1
                painted = self.view.painted_eyes if is_render else self.view.painted_photos
                if rng.random() < painted:
                    image, labels = self._painted(image, labels, rng)
                elif is_render and rng.random() < self.view.relit_eyes:
                    image = self._relit(image, points, labels, rng)
            image = occluded(image, points, self.config.occlusion, self.backgrounds, rng)
        seen = camera.astype(np.float64)
        seen[:2] = back[:2, :2] @ camera[:2]
        seen[:2, 3] += back[:2, 2]
        views = self.closeups(image, seen)
        views = degrade(views, self.config.photometric, rng, fillers=None, noise_bank=self.noise_bank)
        sample = self._labelled_crop(views, labels, matrix, mirror=mirror, negative=False)
        if self.n_embedding:
            sample[_EMBEDDING] = face.labels[_EMBEDDING]
        return sample | {
            "first_camera": camera,
            "first_identity": numbers[12:n],
            "first_expression": numbers[n:],
            "mirrored": np.array(mirror),
        }

    def _painted(
        self, image: np.ndarray, labels: dict[str, np.ndarray], rng: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return a face with other eyes, and its labels, of which the gaze may be another one."""
        face = FaceParams(labels["camera"].astype(np.float64), labels["identity"], labels["expression"])
        shown, balls = self.openings.shown(face, *image.shape[:2])
        if rng.random() < _ELSEWHERE:
            # Lids stay where they are. They would follow a gaze to the side by a millimetre at the most, and
            # by as much one of 5° up or down.
            face = replace(face, expression=self._looking_elsewhere(face.expression, rng))
        weight = labels["expression_weight"].copy()
        weight[self._gazes] = 1.0  # the irises are where the labels have them, in photos as well
        labels = labels | {"expression": face.expression, "expression_weight": weight}
        irises = self.model.landmarks(face, "irises")[:, :2].astype(np.float64)
        eyes = [
            Eye(ball, iris[0], (iris[1:3] - iris[3:5]) / 2)
            for ball, iris in zip(balls, (irises[:5], irises[5:]), strict=True)
        ]
        return with_painted_eyes(image, shown, (eyes[0], eyes[1]), rng), labels

    def _looking_elsewhere(self, expression: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        # Of each eye, to the subject's left; the eyes differ a little.
        left = rng.uniform(-_MAX_ASIDE_DEG, _MAX_ASIDE_DEG) + rng.normal(0, 2, 2)
        weights = np.maximum([left[0], -left[0], left[1], -left[1]], 0) / GAZE_DEG_PER_UNIT[0]
        expression = expression.copy()
        for name, weight in zip(_SIDEWAYS, weights, strict=True):
            expression[self.model.expression_names.index(name)] = weight
        lift = rng.normal(0, _LIFT_DEG)
        for names in _LIFTED:
            up, down = (self.model.expression_names.index(name) for name in names)
            angle = (expression[up] - expression[down]) * GAZE_DEG_PER_UNIT[1] + lift
            angle = np.clip(angle, -_MAX_LIFT_DEG, _MAX_LIFT_DEG) / GAZE_DEG_PER_UNIT[1]
            expression[up], expression[down] = max(angle, 0.0), max(-angle, 0.0)
        return expression

    def _relit(
        self,
        image: np.ndarray,
        points: np.ndarray,
        labels: Mapping[str, np.ndarray],
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Return a render with other eyes; photos have eyes of every kind."""
        face = FaceParams(labels["camera"].astype(np.float64), labels["identity"], labels["expression"])
        pupils = self.model.landmarks(face, "irises")[_PUPILS, :2]
        radius = IRIS_RADIUS_MM * float(np.linalg.norm(face.camera[0, :3]))
        return eyes_in_other_light(image, points, pupils, radius, rng)

    def _moved(
        self, camera: Float[np.ndarray, "3 4"], kind: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "3 4"]:
        view = self.view
        turn = cv2.Rodrigues(np.deg2rad(rng.normal(0, view.turn_deg[kind], 3)))[0]
        size = float(np.linalg.norm(camera[0, :3]))
        out = camera.copy()
        out[:, :3] = turn @ camera[:, :3] * np.exp(rng.normal(0, view.scale[kind]))
        out[:2, 3] += size * rng.normal(0, view.shift_mm[kind], 2)
        return out


def _n_embedding(folders: Sequence[FaceFolder]) -> int:
    """Return how many numbers the embeddings of the folders have; 0 where none has any."""
    shapes = {
        folder.name: folder.labels[_EMBEDDING].shape for folder in folders if _EMBEDDING in folder.labels
    }
    lengths = {shape[1] if len(shape) == 2 else 0 for shape in shapes.values()}
    if len(lengths) > 1 or 0 in lengths:
        found = ", ".join(f"{shape} in {name}" for name, shape in shapes.items())
        raise InputError(f"the labels 'embedding' need the shape (n, k), with one k for all folders: {found}")
    return max(lengths, default=0)


def _facing(camera: Float[np.ndarray, "3 4"]) -> float:
    """Return the cosine between where a face looks and the viewer."""
    right, down = camera[:2, :3].astype(np.float64)
    return abs(float(np.cross(right, down)[2])) / float(right @ right)


def frame_from_image(camera: Float[np.ndarray, "3 4"], *, mirror: bool) -> Float32[np.ndarray, "2 3"]:
    """Return the affine into a frame in which a face is upright, of one size, and in the middle."""
    size = float(np.linalg.norm(camera[0, :3]))
    linear = _PX_PER_MM / size * roll_correction(camera)
    if mirror:
        linear[0] = -linear[0]
    middle = camera[:2, :3] @ np.array([0.0, -40.0, 0.0]) + camera[:2, 3]
    offset = (_FRAME - 1) / 2 - linear @ middle
    return np.concatenate([linear, offset[:, None]], 1).astype(np.float32)
