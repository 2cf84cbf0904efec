"""Place and shape of faces, fitted to labelled landmarks through the last layer of a close-ups' network.

A network that learns expressions, points and poses together leaves an error that is the same for all faces:
noses a little low, mouths a little narrow. The last layer alone takes it away, in minutes. Rotation and
expressions stay what they are: those of renders are exact, and labels of photos, which are another network's,
follow a third of an expression. Faces that are turned aside stay as well; their labels are no better than the
answers.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from tqdm import tqdm

from tddfa.errors import InputError
from tddfa.morphable import MorphableModel, open_face_model
from tddfa_train.data.answers import FIRST_ANSWER
from tddfa_train.expressions.batches import CloseUpBatches
from tddfa_train.expressions.given_faces import given_faces
from tddfa_train.expressions.network import N_POSE, CloseUpNetwork, FirstAnswer, corrected
from tddfa_train.expressions.recipe import CloseUpRecipe, started_network
from tddfa_train.landmarks.task import network_input
from tddfa_train.loop.schedule import n_threads
from tddfa_train.point_model import PointModel
from tddfa_train.weights import read_weights, write_weights

_SEED = 12  # other augmentations than those of the training
_N_TURN = 3  # numbers of the turn come first
_HELD_OUT = 10  # every tenth face is measured, not fitted


@dataclass(frozen=True, slots=True)
class PlacementConfig:
    """Numbers of the fit.

    Attributes:
        crops: augmented views of each face.
        labels: part of the way from the network's landmarks to the labelled ones that is taught, for photos.
            Labels err as well, and what they and the network say err differently. Those of renders are exact,
            and all of the way is taught.
        yaw_deg: up to the first one, faces are taught so; from the second one up, they stay as they are.
        aside: how much more often faces beyond the second one are drawn.
        renders: how much more often renders are drawn.
        turn: of the turn about x, y and z, what the pack takes over; see
            `tddfa_train.expressions.export.Trust`.
        place: of scale and shift, likewise.
        identity: of the identity, likewise.
        facing: the cosines between which all this fades, likewise.
        depth: weight of the landmarks' depth.
        shape: weight of the mean squared change of the mesh, mm².
        decay: weight of the squared change of the layer.
        steps: number of batches.
        batch_size: views in each.
        learning_rate: of Adam; it ends at a hundredth.
    """

    crops: int = 2
    labels: float = 0.5
    yaw_deg: tuple[float, float] = (18.0, 34.0)
    aside: float = 7.0
    renders: float = 3.0
    turn: tuple[float, float, float] = (1.0, 1.0, 1.0)
    place: float = 1.0
    identity: float = 1.0
    facing: tuple[float, float] = (-2.0, -1.0)
    depth: float = 0.15
    shape: float = 0.02
    decay: float = 1e-3
    steps: int = 400
    batch_size: int = 512
    learning_rate: float = 2e-3

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        **dict.fromkeys(("crops", "steps", "batch_size"), (1, math.inf)),
        **dict.fromkeys(("aside", "renders", "depth", "shape", "decay", "learning_rate"), (0, math.inf)),
    }


class Placement(NamedTuple):
    """What a fit has changed: mean distances from the labels of faces that took no part, % of their size.

    Attributes:
        n_faces: how many there are within the first of `PlacementConfig.yaw_deg`.
        before: of the network that was given.
        after: of the new one.
    """

    n_faces: int
    before: float
    after: float


def write_placement(
    recipe: CloseUpRecipe, target: Path, config: PlacementConfig, *, device: str = "cpu"
) -> Placement:
    """Fit the last layer, and write the weights of the network with it.

    Args:
        recipe: data, augmentation and network; `start` names the trained weights.
        target: the .safetensors file.
        config: numbers of the fit.
        device: where features are computed, "cpu" or "cuda".

    Raises:
        InputError: weights or labels are missing.
    """
    torch.set_num_threads(n_threads(recipe.loop))
    model = open_face_model(level=0, crop="head")
    network, start = started_network(recipe, model)
    data = CloseUpBatches(recipe.data, recipe.view, recipe.loop.n_steps, model)
    views = _views(network, data, config.crops, recipe.loop.workers, device)
    network = network.cpu()
    placed, change = fit_placement(network, views, model, config)
    own, n = read_weights(start), len(placed.bias)
    weights = {
        **own,
        "head.weight": torch.cat([placed.weight.detach(), own["head.weight"][n:]]),
        "head.bias": torch.cat([placed.bias.detach(), own["head.bias"][n:]]),
    }
    about = {
        "network": "expressions",
        "start": Path(start).name,
        "folders": [folder.name for folder in data.folders],
        "placement": asdict(config),
        "faces": change.n_faces,
        "distance from labels, %": [round(change.before, 3), round(change.after, 3)],
    }
    write_weights(target, weights, about)
    return change


@dataclass(frozen=True, slots=True, eq=False)
class SeenFaces:
    """Augmented views of faces as the network sees them, and their labels.

    Attributes:
        feature: what the last layer reads.
        first: what was known before.
        landmarks: labelled, px of the frame of `first`.
        yaw_deg: labelled.
        face: number of the face, in the order of the data.
        exact: whether it is a render.
    """

    feature: Float[Tensor, "n f"]
    first: FirstAnswer
    landmarks: Float[Tensor, "n 68 3"]
    yaw_deg: Float[Tensor, " n"]
    face: Int[Tensor, " n"]
    exact: Bool[Tensor, " n"]


def fit_placement(
    network: CloseUpNetwork, seen: SeenFaces, model: MorphableModel, config: PlacementConfig
) -> tuple[nn.Linear, Placement]:
    """Fit the rows of the last layer that give scale, shift and identity.

    Args:
        network: trained; it stays as it is.
        seen: faces.
        model: the face model.
        config: numbers of the fit.

    Returns:
        The layer without its rows for expressions, those of the turn as they were, and what changed.

    Raises:
        InputError: no face of a photo looks ahead.
    """
    landmarks = PointModel(model, model.landmark_sets["ibug68"])
    n_placed = N_POSE + network.n_identity
    taken = torch.tensor([*config.turn, *[config.place] * 3, *[config.identity] * network.n_identity])
    share = taken * _facing_share(seen.first.camera, config.facing)[:, None]
    with torch.no_grad():
        raw = network.head(seen.feature)
    expression = (raw[:, n_placed:] * network.regressed).clamp(0, 1)

    def shown(k: Tensor, change: Tensor | float) -> Float[Tensor, "k 68 3"]:
        placed = share[k] * (raw[k, :n_placed] + change)
        camera = corrected(seen.first.camera[k], placed[:, :N_POSE])
        return landmarks(camera, seen.first.identity[k] + placed[:, N_POSE:], expression[k])

    sizes = _sizes(seen.landmarks)
    full, none = config.yaw_deg
    yaw = seen.yaw_deg.abs()
    taught = ((none - yaw) / (none - full)).clamp(0, 1) * torch.where(seen.exact, 1.0, config.labels)
    with torch.no_grad():
        own = torch.cat([shown(k, 0.0) for k in torch.arange(len(yaw)).split(4096)])
    target = own + taught[:, None, None] * (_centred(seen.landmarks, own) - own)
    held_out = seen.face % _HELD_OUT == 0
    ahead = torch.where(held_out & (yaw < full) & ~seen.exact)[0]
    drawn = (~held_out) * torch.where(yaw > none, config.aside, 1.0)
    drawn = drawn * torch.where(seen.exact, config.renders, 1.0)
    if not len(ahead) or not (~held_out & (yaw < full) & ~seen.exact).any():
        raise InputError(f"no photo within {full:g} degrees of yaw has landmarks; add photos that have")
    # Features that are nearly always 0 stay small.
    mean, deviation = seen.feature.mean(0), seen.feature.std(0) + 1e-2
    known = (seen.feature - mean) / deviation
    moved = nn.Linear(known.shape[1], n_placed - _N_TURN)
    nn.init.zeros_(moved.weight)
    nn.init.zeros_(moved.bias)
    spread = torch.from_numpy(_spread(model))
    optimizer = torch.optim.Adam(moved.parameters(), lr=config.learning_rate)
    draw = torch.Generator().manual_seed(_SEED)
    for step in tqdm(range(config.steps), desc="fit", unit="batch", disable=None):
        rate = 0.01 + 0.495 * (1 + math.cos(math.pi * step / config.steps))
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * rate * min(1.0, (step + 1) / 50)
        k = torch.multinomial(drawn, config.batch_size, replacement=True, generator=draw)
        change = nn.functional.pad(moved(known[k]), (_N_TURN, 0))
        off = shown(k, change) - target[k]
        flat = (off[..., :2].norm(dim=2).mean(1) / sizes[k]).mean()
        deep = ((off[..., 2] - off[..., 2].mean(1, keepdim=True)).abs().mean(1) / sizes[k]).mean()
        shape = (share[k] * change)[:, N_POSE:]
        loss = 100 * (flat + config.depth * deep) + config.shape * ((shape @ spread) * shape).sum(1).mean()
        loss = loss + config.decay * moved.weight.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    placed = nn.Linear(known.shape[1], n_placed)
    with torch.no_grad():
        fitted = torch.where(~held_out & (yaw < none))[0]
        moved.weight -= _following(moved.weight, known[fitted], expression[fitted])
        weight = nn.functional.pad(moved.weight, (0, 0, _N_TURN, 0))
        bias = nn.functional.pad(moved.bias, (_N_TURN, 0))
        after = shown(ahead, known[ahead] @ weight.T + bias)
        weight = weight / deviation
        placed.weight.copy_(network.head.weight[:n_placed] + weight)
        placed.bias.copy_(network.head.bias[:n_placed] + bias - weight @ mean)
        distances = [
            float(((points - seen.landmarks[ahead])[..., :2].norm(dim=2).mean(1) / sizes[ahead]).mean())
            for points in (own[ahead], after)
        ]
    n_faces = len(torch.unique(seen.face[ahead]))
    return placed, Placement(n_faces, 100 * distances[0], 100 * distances[1])


def _following(
    weight: Float[Tensor, "p f"], feature: Float[Tensor, "n f"], expression: Float[Tensor, "n e"]
) -> Float[Tensor, "p f"]:
    """Return the part of a layer's weights whose answers follow the expressions.

    A shape that follows them would undo what they move.

    Args:
        weight: of the layer.
        feature: what it reads, of variance 1 and mean 0.
        expression: of the same faces.
    """
    answers = feature @ weight.T
    answers, expression = answers - answers.mean(0), expression - expression.mean(0)
    told = _regression(expression, answers, 1e-3)  # expression → answers
    return (_regression(feature, expression, 1e-2) @ told).T


def _regression(
    given: Float[Tensor, "n a"], wanted: Float[Tensor, "n b"], ridge: float
) -> Float[Tensor, "a b"]:
    """Return the matrix of a ridge regression; the ridge is a part of the mean variance."""
    given, wanted = given.double(), wanted.double()
    square = given.T @ given
    square += ridge * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
    return torch.linalg.solve(square, given.T @ wanted).float()


def _facing_share(camera: Float[Tensor, "n 3 4"], facing: tuple[float, float]) -> Float[Tensor, " n"]:
    """Return how much of a correction a pack takes over, by the cosine between the face and the viewer."""
    right, down = camera[:, 0, :3], camera[:, 1, :3]
    cosine = torch.linalg.cross(right, down)[:, 2].abs() / right.square().sum(1)
    return ((cosine - facing[0]) / (facing[1] - facing[0])).clamp(0, 1)


def _sizes(landmarks: Float[Tensor, "n 68 3"]) -> Float[Tensor, " n"]:
    """Return the sizes of faces by which landmark errors are divided, px."""
    flat = landmarks[..., :2]
    return (flat.amax(1) - flat.amin(1)).prod(1).sqrt()


def _centred(labels: Float[Tensor, "n 68 3"], own: Float[Tensor, "n 68 3"]) -> Float[Tensor, "n 68 3"]:
    """Return labels whose depth, which is known up to a shift or not at all, is around that of `own`."""
    depth = labels[..., 2] + (own[..., 2] - labels[..., 2]).mean(1, keepdim=True)
    known = torch.isfinite(depth)
    return torch.cat([labels[..., :2], torch.where(known, depth, own[..., 2])[..., None]], 2)


def _spread(model: MorphableModel) -> Float[np.ndarray, "i i"]:
    """Return the matrix of the mean squared displacement of a vertex by the identity, mm²."""
    basis = model.identity_basis.reshape(-1, model.n_identity).astype(np.float64)
    return (3 * basis.T @ basis / len(basis)).astype(np.float32)


@torch.no_grad()
def _views(
    network: CloseUpNetwork, data: CloseUpBatches, n_crops: int, workers: int, device: str
) -> SeenFaces:
    network = network.to(device).eval()
    rows = np.tile(np.flatnonzero(data.probability > 0), n_crops)
    keys = ("crop", "landmarks68", *FIRST_ANSWER)
    features: list[Tensor] = []
    first: list[list[Tensor]] = []
    landmarks: list[Tensor] = []
    for batch in given_faces(data, rows, keys, seed=_SEED, workers=workers):
        known = [batch[key].float() for key in FIRST_ANSWER]
        seen = FirstAnswer(*(each.to(device) for each in known))
        features.append(network.feature(network_input(batch["crop"].to(device)), seen).cpu())
        first.append(known)
        landmarks.append(batch["landmarks68"].float())
    yaw = np.concatenate([folder.labels["yaw_deg"] for folder in data.folders])[rows]
    return SeenFaces(
        torch.cat(features),
        FirstAnswer(*(torch.cat(each) for each in zip(*first, strict=True))),
        torch.cat(landmarks),
        torch.from_numpy(yaw.astype(np.float32)),
        torch.from_numpy(rows.astype(np.int64)),
        torch.from_numpy(np.array([folder.is_exact for folder in data.folders])[data.rows[rows, 0]]),
    )
