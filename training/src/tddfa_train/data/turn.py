"""A dataset folder of turned views, made from one with landmarks in 3D."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from tddfa.errors import InputError
from tddfa.geometry.camera import camera_pose
from tddfa.morphable.model import MorphableModel
from tddfa_train.data.face_profiling import bend_image, rotation_about, turn_image, turn_points
from tddfa_train.data.fits import LandmarkFitter
from tddfa_train.data.folder import open_backgrounds, open_face_folder, write_face_folder


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """Which faces are turned, and how far."""

    count: int
    seed: int = 0
    yaw_deg: tuple[float, float] = (30.0, 95.0)  # of the turned face
    pitch_sigma_deg: float = 10.0
    largest_source_yaw_deg: float = 55.0
    largest_error: float = (
        0.012  # of the fit, as a share of the face's size: beyond, depth is not to be trusted
    )


def further_turn(
    camera: Float[np.ndarray, "3 4"], yaw_deg: float, pitch_deg: float
) -> Float[np.ndarray, "3 3"]:
    """The rotation of the image frame that turns a head to a yaw, about its own axes, and nods it by a pitch.

    Args:
        camera: `image_from_model`.
        yaw_deg: wanted; its sign is that of `tddfa.types.HeadPose`.
        pitch_deg: added.
    """
    now = camera_pose(np.asarray(camera, np.float64)).yaw_deg
    up, left = camera[:, 1], camera[:, 0]
    # Model y points up in the head, so a turn about it by +1 degree takes the nose to the subject's left:
    # to the right of the image, where yaw is negative.
    turn = rotation_about(up, now - yaw_deg)
    return turn @ rotation_about(left, -pitch_deg)


def make_views(
    source: Path, target: Path, model: MorphableModel, config: ViewConfig, backgrounds: Path
) -> int:
    """Writes a dataset folder of turned faces.

    Args:
        source: dataset folder with `landmarks68` (three coordinates) and `landmarks68_std`.
        target: folder to write.
        model: a face model with the whole head.
        config: how many, how far.
        backgrounds: array of images of the same size, seen behind turned heads.

    Returns:
        How many faces were written.
    """
    folder = open_face_folder(source)
    scenery = open_backgrounds(backgrounds, side=folder.images.shape[1], in_memory=False)
    scenery = scenery[:, : folder.images.shape[1], : folder.images.shape[2]]
    rng = np.random.default_rng(config.seed)
    fitter = LandmarkFitter(model)
    low, high = config.yaw_deg
    if not 0 <= low < high <= 120:
        raise InputError(f"yaw from {low:g} to {high:g} degrees is no range within 0 to 120")
    usable = np.flatnonzero(np.abs(folder.labels["yaw_deg"]) < config.largest_source_yaw_deg)
    if not len(usable):
        raise InputError(
            f"no face of {source} is turned by less than {config.largest_source_yaw_deg:g} degrees"
        )
    rows = np.tile(rng.permutation(usable), -(-config.count // len(usable)))[: config.count]
    images: list[np.ndarray] = []
    landmarks: list[np.ndarray] = []
    yaws: list[float] = []
    kept: list[int] = []
    for row in tqdm(rows, desc="views", unit="face", disable=None):
        points = folder.labels["landmarks68"][row].astype(np.float64)
        fit, error = fitter.fit(points)
        if error > config.largest_error:
            continue
        points[:, 2] = np.where(np.isfinite(points[:, 2]), points[:, 2], fit.points[:, 2])
        # Labels know depth up to a shift; the mesh decides it.
        points[:, 2] += (fit.points[:, 2] - points[:, 2]).mean()
        now = camera_pose(fit.params.camera).yaw_deg
        side = np.sign(now) if abs(now) > 8 else rng.choice((-1.0, 1.0))
        wanted = side * rng.uniform(min(max(low, abs(now)), high), high)
        rotation = further_turn(fit.params.camera, wanted, rng.normal(0, config.pitch_sigma_deg))
        image = np.array(folder.images[row])
        bent = bend_image(image, model.reconstruct(fit.params))
        backdrop = (
            np.array(scenery[rng.integers(len(scenery))]) if rng.random() < 0.7 else np.zeros_like(image)
        )
        images.append(turn_image(bent, rotation, backdrop))
        landmarks.append(turn_points(points, bent.pivot, rotation))
        yaws.append(float(wanted))
        kept.append(int(row))
    if not kept:
        raise InputError(f"no face of {source} was fitted well enough to be turned")
    picked = np.array(kept)
    n = len(kept)
    write_face_folder(
        target,
        np.stack(images),
        {
            "landmarks68": np.stack(landmarks).astype(np.float32),
            "landmarks68_std": folder.labels["landmarks68_std"][picked] * 1.3,
            "yaw_deg": np.array(yaws, np.float32),
            "source_row": picked,
            "subset": np.array(["turned"] * n),
            "eye_aspect": folder.labels.get("eye_aspect", np.full(len(folder), np.nan, np.float32))[picked],
        },
    )
    return n
