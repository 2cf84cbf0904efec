"""A network learns to read expressions from close-ups of eyes and mouth."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from tddfa.errors import InputError
from tddfa.morphable import MorphableModel, open_face_model
from tddfa.morphable.landmarks import LandmarkSet
from tddfa_train.alignment.distillation import as_teacher
from tddfa_train.alignment.recipe import expression_scale
from tddfa_train.alignment.task import (
    AlignmentLossConfig,
    AlignmentTask,
    difference_pairs,
    regressed_expressions,
)
from tddfa_train.data.batches import LandmarkDataConfig
from tddfa_train.data.mediapipe_points import mediapipe_labels, mediapipe_weights
from tddfa_train.data.surface_points import SurfacePoints
from tddfa_train.experiment import Experiment
from tddfa_train.expressions.batches import CloseUpBatches, ViewConfig
from tddfa_train.expressions.distillation import CloseUpDistillationConfig, CloseUpDistillationTask
from tddfa_train.expressions.network import VIEWS, CloseUpConfig, CloseUpNetwork
from tddfa_train.expressions.pruning import pruned_closeups
from tddfa_train.expressions.task import CloseUpTask
from tddfa_train.landmarks.task import network_input
from tddfa_train.loop.schedule import LoopConfig
from tddfa_train.point_model import PointModel
from tddfa_train.weights import load_weights, read_weights, take_weights


@dataclass(frozen=True, slots=True)
class CloseUpRecipe:
    """Close-ups → expressions and corrections of camera and identity.

    Attributes:
        data: folders and augmentation.
        loop: length and rates.
        view: through which camera the close-ups are seen.
        network: sizes.
        loss: weights of the losses of the alignment networks.
        movement: weight of the movement of the face itself.
        embedding: weight of the squared error of what tells people apart in another network, the labels
            `embedding` of some folders; see docs/training.md.
        start: weights to start from; the blocks of `network` are as wide as theirs.
        prune: whether the weights of `start` are pruned to the sizes of `network`.
        teacher: weights of a network of the same sizes but for its blocks; it teaches in place of the labels,
            and all but the views stays as in `start`.
        distillation: loss of what is learned from a teacher.
        anew: views that start anew in the weights of `start`.
        still: views that are not trained.
        seed: of everything random.
    """

    data: LandmarkDataConfig
    loop: LoopConfig
    view: ViewConfig = field(default_factory=ViewConfig)
    network: CloseUpConfig = field(default_factory=CloseUpConfig)
    loss: AlignmentLossConfig = field(default_factory=AlignmentLossConfig)
    movement: float = 0.1
    embedding: float = 0.0
    start: str | None = None
    prune: bool = False
    teacher: str | None = None
    distillation: CloseUpDistillationConfig = field(default_factory=CloseUpDistillationConfig)
    anew: tuple[str, ...] = ()
    still: tuple[str, ...] = ()
    seed: int = 0


def make_closeup_network(
    config: CloseUpConfig,
    model: MorphableModel,
    *,
    points: bool = False,
    person: bool = False,
    n_embedding: int = 0,
) -> CloseUpNetwork:
    """Build an untrained network for a face model."""
    regressed = regressed_expressions(model.expression_names, model.expression_basis)
    n_points = len(shown_points(model).vertices) if points else 0
    return CloseUpNetwork(
        config, model.n_identity, regressed, n_points, person=person, n_embedding=n_embedding
    )


def sizes(recipe: CloseUpRecipe) -> CloseUpConfig:
    """Return the sizes of the network of a recipe: blocks are those of the weights that it starts from."""
    if recipe.start is None or recipe.prune:
        return recipe.network
    return recipe.network.with_blocks_of(read_weights(recipe.start))


def started_network(recipe: CloseUpRecipe, model: MorphableModel) -> tuple[CloseUpNetwork, str]:
    """Build the network of a recipe with the weights that it starts from.

    Args:
        recipe: sizes and start.
        model: the face model.

    Returns:
        The network, and the name of the weights.

    Raises:
        InputError: the recipe names no weights, or those of another network.
    """
    if recipe.start is None:
        raise InputError("the last layer is that of a trained network; name its weights with --start")
    network = make_closeup_network(sizes(recipe), model)
    if missing := load_weights(network, recipe.start):
        raise InputError(f"{recipe.start} is not of the network of this config: no {missing[0]}")
    return network, recipe.start


def shown_points(model: MorphableModel) -> LandmarkSet:
    """Join the 68 landmarks and MediaPipe's points."""
    sets = [model.landmark_sets["ibug68"], model.landmark_sets["mediapipe478"]]
    width = max(s.vertices.shape[1] for s in sets)

    def padded(values: np.ndarray) -> np.ndarray:
        return np.pad(values, [(0, 0), (0, width - values.shape[1])])

    return LandmarkSet(
        np.concatenate([padded(s.vertices) for s in sets]), np.concatenate([padded(s.weights) for s in sets])
    )


def closeup_experiment(recipe: CloseUpRecipe) -> Experiment:
    """Network, task and data of a recipe."""
    torch.manual_seed(recipe.seed)
    model = open_face_model(level=0, crop="head")
    data = CloseUpBatches(recipe.data, recipe.view, recipe.loop.n_steps, model)
    n_embedding = data.n_embedding if recipe.embedding else 0
    if recipe.embedding and not n_embedding:
        raise InputError("'embedding' has a weight, but no folder has the labels 'embedding'")
    if unknown := [name for name in (*recipe.anew, *recipe.still) if name not in VIEWS]:
        raise InputError(f"there is no view {unknown[0]!r}; there are: {', '.join(VIEWS)}")
    _check_start(recipe)
    person = bool(recipe.teacher and recipe.start) and "person.weight" in read_weights(str(recipe.start))
    network = make_closeup_network(sizes(recipe), model, points=True, person=person, n_embedding=n_embedding)
    if recipe.start:
        saved = read_weights(recipe.start)
        take_weights(network, _pruned(saved, network, data) if recipe.prune else saved, recipe.start)
    if recipe.teacher:
        return Experiment(network, _taught(recipe, recipe.teacher, network, model), data, recipe.loop)
    for name in recipe.anew:
        network.begin_anew(name)
    network.hold_still(recipe.still)
    labels = mediapipe_labels(data)
    points = model.landmark_sets["mediapipe478"]
    alignment = AlignmentTask(
        recipe.loss,
        PointModel(model, model.landmark_sets["ibug68"]),
        None if labels is None else PointModel(model, points),
        None if labels is None else mediapipe_weights(labels),
        None if labels is None or points.indices is None else difference_pairs(points.indices),
        None if data.surface_mirror is None else PointModel(model, SurfacePoints.of(model).points),
        expression_scale(data, model, recipe.loss.gaze),
    )
    task = CloseUpTask(alignment, recipe.movement, PointModel(model, shown_points(model)), recipe.embedding)
    return Experiment(network, task, data, recipe.loop)


def _check_start(recipe: CloseUpRecipe) -> None:
    """Refuse options that would not be heeded.

    Raises:
        InputError: there are some.
    """
    for name in ("prune", "teacher"):
        if getattr(recipe, name) and recipe.start is None:
            raise InputError(f'"{name}" needs weights to start from ("start")')
    for name in ("anew", "still", "embedding"):
        if recipe.teacher and getattr(recipe, name):
            raise InputError(f'"{name}" does not go with a teacher, from whom all views are learned')


def _pruned(
    saved: Mapping[str, Tensor], network: CloseUpNetwork, data: CloseUpBatches, count: int = 384
) -> dict[str, Tensor]:
    """Prune weights to a network.

    Raises:
        InputError: it has batch norms, or is not a narrower one.
    """
    if network.config.normalized:
        raise InputError('"prune" is for networks without batch norms ("normalized": false)')
    batches = range(min(-(-count // data.config.batch_size), len(data)))
    closeups = np.concatenate([data[step]["crop"] for step in batches])[:count]
    try:
        return pruned_closeups(saved, network, network_input(torch.from_numpy(closeups)))
    except RuntimeError:
        raise InputError("the weights to prune are of no network of these sizes but for its blocks") from None


def _taught(
    recipe: CloseUpRecipe, weights: str, network: CloseUpNetwork, model: MorphableModel
) -> CloseUpDistillationTask:
    """Hold all but the views of a network still; return the task of learning them from a teacher.

    Raises:
        InputError: the teacher is another network.
    """
    saved = read_weights(weights)
    teacher = make_closeup_network(
        recipe.network.with_blocks_of(saved), model, person=network.person is not None
    )
    if missing := take_weights(teacher, saved, weights):
        raise InputError(f"{weights} is not of the network of this config: no {missing[0]}")
    network.hold_heads_still()
    as_teacher(teacher)
    return CloseUpDistillationTask(recipe.distillation, teacher)
