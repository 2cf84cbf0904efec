"""Relabel a dataset with a trained network, averaged over many crops of every face.

The mean is better than any one answer, and far better than the labels of the first round where their teacher
was weak. Where people marked points, the faces move towards them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import nn
from tqdm import tqdm

from tddfa.morphable.model import MorphableModel
from tddfa_train.alignment.network import FaceOutput
from tddfa_train.data.annotations import towards_annotations
from tddfa_train.data.augment import PlacementConfig, crop_from_image, warp
from tddfa_train.data.folder import FaceFolder, open_face_folder, write_face_folder
from tddfa_train.data.surface_points import SurfacePoints
from tddfa_train.landmarks.task import network_input
from tddfa_train.point_model import PointModel

_SIDE = 120
_CHUNK = 128
# The roll of each face is removed first; around that, the crops differ a little.
_CROPS = PlacementConfig(
    tight_share=1.0, tight_scale=0.06, tight_shift=0.03, roll_sigma_deg=8.0, any_roll_share=0.0, stretch=0.0
)


@dataclass(frozen=True, slots=True)
class RelabelConfig:
    """How the network labels faces again.

    Attributes:
        crops: crops of every face; each is shown as it is and mirrored.
        seed: of the placements.
    """

    crops: int = 8
    seed: int = 0


def label_again(
    source: Path, target: Path, network: nn.Module, model: MorphableModel, config: RelabelConfig
) -> Float32[np.ndarray, " n"]:
    """Writes a dataset folder with `surface`, `surface_std` and `surface_mirror` beside the labels it has.

    Args:
        source: a dataset folder.
        target: receives the same images with more labels.
        network: an `AlignmentNetwork` of `model`, trained.
        model: of the whole head, as it was trained.
        config: number and placement of the crops.

    Returns:
        How far the points moved towards what people marked, as a share of the face; NaN where nobody did.
    """
    folder = open_face_folder(source)
    surface = SurfacePoints.of(model)
    exact = folder.is_exact
    points, spread, cameras = (
        _exact(folder, model, surface)
        if exact
        else _looked_at(folder, network.eval(), PointModel(model, surface.points), surface.mirror, config)
    )
    moved = np.full(len(folder), np.nan, np.float32)
    if "human21" in folder.labels and not exact:
        points, moved = towards_annotations(
            points, cameras, folder.labels["human21"], surface.points.positions(model.identity_basis)
        )
    labels = folder.labels | {
        "surface": points.astype(np.float32),
        "surface_std": spread.astype(np.float32),
        "surface_mirror": surface.mirror,
    }
    write_face_folder(target, folder.images, labels)
    return moved


_Labels = tuple[Float[np.ndarray, "n p 3"], Float[np.ndarray, " n"], Float[np.ndarray, "n 3 4"]]


def _exact(folder: FaceFolder, model: MorphableModel, surface: SurfacePoints) -> _Labels:
    """Renders know where everything is."""
    camera, identity, expression = (
        torch.from_numpy(folder.labels[key].astype(np.float32))
        for key in ("camera", "identity", "expression")
    )
    points = PointModel(model, surface.points)(camera, identity, expression).numpy()
    return points, np.full(len(folder), 0.5), camera.numpy()


@torch.no_grad()
def _looked_at(
    folder: FaceFolder,
    network: nn.Module,
    points: PointModel,
    mirror: Int[np.ndarray, " p"],
    config: RelabelConfig,
) -> _Labels:
    rng = np.random.default_rng(config.seed)
    found = np.zeros((len(folder), len(mirror), 3))
    spread = np.zeros(len(folder))
    cameras = np.zeros((len(folder), 3, 4))
    for start in tqdm(range(0, len(folder), _CHUNK), desc=folder.name, unit="chunk", disable=None):
        rows = np.arange(start, min(start + _CHUNK, len(folder)))
        surfaces: list[np.ndarray] = []
        for crop in range(2 * config.crops):
            mirrored = crop % 2 == 1
            cuts = [_cut(folder.labels["landmarks68"][row], rng, mirrored=mirrored) for row in rows]
            crops = np.stack([warp(folder.images[r], cut, _SIDE) for r, cut in zip(rows, cuts, strict=True)])
            with torch.autocast("cpu", torch.bfloat16):
                output: FaceOutput = network(network_input(torch.from_numpy(crops)))
            seen = points(output.camera, output.identity, output.weights()).double().numpy()
            back = np.stack([np.linalg.inv(np.vstack([cut, [0, 0, 1]]).astype(np.float64)) for cut in cuts])
            flat = np.einsum("bij,bpj->bpi", back[:, :2, :2], seen[..., :2]) + back[:, None, :2, 2]
            scale = np.sqrt(np.abs(np.linalg.det(back[:, :2, :2])))
            depth = (seen[..., 2] - seen[..., 2].mean(1, keepdims=True)) * scale[:, None]
            placed = np.concatenate([flat, depth[..., None]], 2)
            surfaces.append(placed[:, mirror] if mirrored else placed)
            if crop == 0:
                spatial = np.zeros((len(rows), 3, 3))
                spatial[:, :2, :2], spatial[:, 2, 2] = back[:, :2, :2], scale
                cameras[rows] = spatial @ output.camera.double().numpy()
        stack = np.stack(surfaces)
        found[rows] = stack.mean(0)
        spread[rows] = stack[..., :2].std(0).mean((1, 2))
    return found, spread, cameras


def _cut(
    landmarks: Float[np.ndarray, "68 d"], rng: np.random.Generator, *, mirrored: bool
) -> Float32[np.ndarray, "2 3"]:
    """Return a random crop of a face without its roll: crop from image."""
    points = landmarks[:, :2].astype(np.float32)
    down = points[48:].mean(0) - points[36:48].mean(0)
    cos, sin = np.array([down[1], down[0]]) / max(float(np.linalg.norm(down)), 1e-6)
    rotation = np.array([[cos, -sin], [sin, cos]], np.float32)
    cut = crop_from_image(points @ rotation.T, _SIDE, _CROPS, rng, mirror=mirrored)
    cut[:, :2] = cut[:, :2] @ rotation
    return cut
