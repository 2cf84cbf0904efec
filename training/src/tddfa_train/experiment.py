"""What a recipe becomes: network, task, data and evaluation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tddfa.errors import InputError
from tddfa.geometry.camera import camera_pose
from tddfa_train.aflw2000 import evaluate_points, open_aflw2000
from tddfa_train.landmarks.task import network_input
from tddfa_train.loop.devices import device_of
from tddfa_train.loop.schedule import LoopConfig
from tddfa_train.loop.task import StepData, Task
from tddfa_train.networks import DENSE, TRUNKS, DenseConfig

Evaluate = Callable[[nn.Module], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Where AFLW2000-3D lies: an array of its official crops, and the labels."""

    crops: str
    labels: str


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything that the loop needs."""

    network: nn.Module
    task: Task
    data: StepData
    loop: LoopConfig
    evaluate: Evaluate | None = None


def make_trunk(name: str) -> nn.Module:
    """Build an untrained trunk.

    Raises:
        InputError: there is none of that name.
    """
    if name not in TRUNKS:
        raise InputError(f"no trunk named {name!r}; there are: {', '.join(TRUNKS)}")
    return TRUNKS[name]()


def dense_config(name: str) -> DenseConfig:
    """Return the layout of a trunk of plain convolutions.

    Raises:
        InputError: there is none of that name.
    """
    if name not in DENSE:
        raise InputError(f"no trunk of plain convolutions named {name!r}; there are: {', '.join(DENSE)}")
    return DENSE[name]


def aflw2000_evaluation(
    config: EvaluationConfig, predict: Callable[[nn.Module, Tensor], np.ndarray], *, pose: bool = False
) -> Evaluate:
    """AFLW2000-3D by landmarks and, for networks with a camera, by head pose."""
    data = open_aflw2000(Path(config.crops), Path(config.labels))

    def evaluate(network: nn.Module) -> dict[str, Any]:
        crops = torch.from_numpy(data.crops).to(device_of(network))
        chunks = crops.split(100)
        with torch.no_grad():
            result: dict[str, Any] = dict(
                evaluate_points(np.concatenate([predict(network, c) for c in chunks]), data)
            )
            if pose and data.angles_deg is not None:
                cameras = np.concatenate([network(network_input(c)).camera.cpu().numpy() for c in chunks])
                result["pose_mae"] = pose_error(cameras, data.angles_deg)
        return result

    return evaluate


def pose_error(cameras: np.ndarray, angles_deg: np.ndarray) -> dict[str, float]:
    """Mean absolute error of pitch, yaw and roll, degrees, over faces with all true angles within ±99°."""
    poses = [camera_pose(camera.astype(np.float64)) for camera in cameras]
    found = np.array([[pose.pitch_deg, pose.yaw_deg, pose.roll_deg] for pose in poses])
    counted = (np.abs(angles_deg) <= 99).all(1)
    error = np.abs(found - angles_deg)[counted].mean(0)
    names = ("pitch", "yaw", "roll")
    return dict(zip(names, map(float, error), strict=True)) | {
        "mean": float(error.mean()),
        "count": int(counted.sum()),
    }
