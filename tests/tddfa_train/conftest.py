"""A small dataset folder: drawn faces with exact landmarks."""

import json

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors on several threads wait for each other, and longest on a busy machine."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def drawn_faces(tmp_path_factory):
    """Folders `faces` and `backgrounds.npy`: bright dots where the landmarks are."""
    pytest.importorskip("torch")
    from tddfa.morphable import open_face_model
    from tddfa_train.data.fits import fit_folder
    from tddfa_train.data.folder import write_face_folder

    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    model = open_face_model(level=0, crop="head")
    neutral = model.landmarks(model.params())
    images, landmarks, yaws = [], [], []
    for _ in range(6):
        yaw = rng.uniform(-80, 80)
        turn = np.deg2rad(yaw)
        rotation = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
        points = (neutral @ rotation.T) * 0.55
        points[:, :2] += 79.5 - points[:, :2].mean(0)
        image = np.full((160, 160, 3), 40, np.uint8)
        for x, y in points[:, :2].round().astype(int):
            image[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = rng.integers(150, 255, 3)
        images.append(image)
        landmarks.append(points)
        yaws.append(yaw)
    write_face_folder(
        folder / "faces",
        np.stack(images),
        {
            "landmarks68": np.stack(landmarks).astype(np.float32),
            "landmarks68_std": np.full(6, 0.5, np.float32),
            "yaw_deg": np.array(yaws, np.float32),
            "valid": np.tile(np.float32([0, 0, 160, 160]), (6, 1)),
        },
    )
    fit_folder(folder / "faces", model)
    np.save(folder / "backgrounds.npy", rng.integers(0, 255, (3, 160, 160, 3), dtype=np.uint8))
    np.savez(
        folder / "rule.npz",
        mean=np.zeros(204),
        matrix=np.vstack([np.zeros((204, 4)), [[-0.5, -0.6, 0.5, 0.6]]]),
    )
    return folder


@pytest.fixture
def write_config(drawn_faces, tmp_path):
    """Writes a config over the drawn faces, with more options on top, and gives its path."""

    def write(recipe, **options):
        data = {"folders": [str(drawn_faces / "faces")], "backgrounds": str(drawn_faces / "backgrounds.npy")}
        loop = {"n_steps": 6, "warmup_steps": 2, "workers": 0, "threads": 1, "save_every": 3, "log_every": 2}
        if recipe == "detector":
            values = {
                "data": data | {"shapes": [[128, 2]]},
                "box_rule": str(drawn_faces / "rule.npz"),
                "loop": loop,
            }
        else:
            few = {"batch_size": 4, "held_out_every": 0}
            values = {"trunk": "dense-small", "data": data | few, "loop": loop}
        path = tmp_path / f"{recipe}.json"
        path.write_text(json.dumps(values | options))
        return path

    return write
