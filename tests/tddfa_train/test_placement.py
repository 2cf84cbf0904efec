"""Camera and identity of the last layer, fitted to landmarks."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tddfa.errors import InputError  # noqa: E402
from tddfa.morphable import open_face_model  # noqa: E402
from tddfa_train import cli  # noqa: E402
from tddfa_train.data.folder import open_face_folder  # noqa: E402
from tddfa_train.data.renders import RenderConfig, Studio, make_renders  # noqa: E402
from tddfa_train.expressions.network import (  # noqa: E402
    N_POSE,
    CloseUpConfig,
    FirstAnswer,
    corrected,
)
from tddfa_train.expressions.placement import (  # noqa: E402
    PlacementConfig,
    SeenFaces,
    fit_placement,
)
from tddfa_train.expressions.recipe import make_closeup_network  # noqa: E402
from tddfa_train.point_model import PointModel  # noqa: E402
from tddfa_train.weights import read_weights, write_weights  # noqa: E402

N = 300
SMALL = CloseUpConfig(widths=(8, 16, 16), feature=48, hidden=64, squeeze=8)
FAST = PlacementConfig(steps=250, batch_size=128, labels=1.0, learning_rate=0.01, decay=1e-3, shape=0.0)


@pytest.fixture(scope="module")
def model():
    return open_face_model(level=0, crop="head")


@pytest.fixture(scope="module")
def network(model):
    torch.manual_seed(0)
    return make_closeup_network(SMALL, model).eval()


def turned(yaw_deg):
    """Cameras of 0.56 px per mm."""
    yaw = torch.deg2rad(yaw_deg)
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    rows = [
        yaw.cos(),
        zero,
        -yaw.sin(),
        60 * one,
        zero,
        -one,
        zero,
        60 * one,
        -yaw.sin(),
        zero,
        -yaw.cos(),
        zero,
    ]
    camera = torch.stack(rows, 1).view(-1, 3, 4).clone()
    camera[:, :, :3] *= 0.56
    return camera


def seen_faces(network, model, yaw_deg, off):
    """Faces whose labels are what the network says, with its numbers moved by `off` before."""
    draw = torch.Generator().manual_seed(1)
    feature = torch.randn(len(yaw_deg), network.head.in_features, generator=draw).relu()
    n = len(yaw_deg)
    first = FirstAnswer(
        turned(yaw_deg), torch.zeros(n, network.n_identity), torch.zeros(n, len(network.regressed))
    )
    labels = labelled(network, model, feature, first.camera, off)
    return SeenFaces(feature, first, labels, yaw_deg, torch.arange(n), torch.zeros(n, dtype=torch.bool))


def labelled(network, model, feature, camera, off):
    with torch.no_grad():
        raw = network.head(feature)
        placed = raw[:, : N_POSE + network.n_identity] + off
        expression = (raw[:, placed.shape[1] :] * network.regressed).clamp(0, 1)
        points = PointModel(model, model.landmark_sets["ibug68"])
        return points(corrected(camera, placed[:, :N_POSE]), placed[:, N_POSE:], expression)


@pytest.fixture(scope="module")
def off(network):
    """A shift and another shape, the same for all faces."""
    off = torch.zeros(N_POSE + network.n_identity)
    off[5], off[N_POSE : N_POSE + 6] = -0.3, torch.tensor([0.7, -0.7, 0.6, 0.5, -0.6, 0.7])
    return off


def test_an_error_that_all_faces_share_is_taken_away(network, model, off):
    seen = seen_faces(network, model, torch.linspace(-15, 15, N), off)
    placed, change = fit_placement(network, seen, model, FAST)
    assert change.n_faces == N / 10
    assert change.before > 1.0
    assert change.after < 0.3 * change.before
    rows = len(placed.bias)
    assert rows == N_POSE + network.n_identity
    assert torch.equal(placed.weight[:3], network.head.weight[:3])  # the turn
    assert torch.equal(placed.bias[:3], network.head.bias[:3])


def test_part_of_the_way_to_the_labels_is_gone(network, model, off):
    seen = seen_faces(network, model, torch.linspace(-15, 15, N), off)
    _, change = fit_placement(network, seen, model, replace(FAST, labels=0.5))
    assert 0.4 * change.before < change.after < 0.6 * change.before


def test_all_of_the_way_to_exact_labels_is_gone(network, model, off):
    seen = seen_faces(network, model, torch.linspace(-15, 15, N), off)
    exact = torch.arange(N) % 10 != 0  # those that are measured are photos
    exact[1] = False
    _, change = fit_placement(network, replace(seen, exact=exact), model, replace(FAST, labels=0.0))
    assert change.after < 0.3 * change.before


def test_faces_turned_aside_stay(network, model, off):
    yaw = torch.cat([torch.linspace(-15, 15, N), torch.linspace(40, 70, N)])
    seen = seen_faces(network, model, yaw, off)
    # What tells both apart has to be among the features, as the first answer's rotation is.
    seen = replace(seen, feature=torch.cat([(yaw > 30).float()[:, None], seen.feature[:, 1:]], 1))
    seen = replace(seen, landmarks=labelled(network, model, seen.feature, seen.first.camera, off))
    placed, change = fit_placement(network, seen, model, replace(FAST, steps=400))
    assert change.after < 0.3 * change.before
    none = 0 * off
    before = labelled(network, model, seen.feature, seen.first.camera, none)
    with torch.no_grad():
        rows = placed(seen.feature) - network.head(seen.feature)[:, : len(placed.bias)]
    moved = (
        (labelled(network, model, seen.feature, seen.first.camera, rows) - before)[..., :2]
        .norm(dim=2)
        .mean(1)
    )
    assert moved[yaw > 30].mean() < 0.3 * moved[yaw < 30].mean()


def test_the_shape_does_not_follow_expressions(network, model, off):
    """Labels that follow half of an expression would have the shape undo the other half."""
    seen = seen_faces(network, model, torch.linspace(-15, 15, N), 0 * off)
    n_placed = N_POSE + network.n_identity
    with torch.no_grad():
        raw = network.head(seen.feature)
    expression = (raw[:, n_placed:] * network.regressed).clamp(0, 1)
    points = PointModel(model, model.landmark_sets["ibug68"])
    camera = corrected(seen.first.camera, raw[:, :N_POSE])
    half = points(camera, raw[:, N_POSE:n_placed], 0.5 * expression)
    placed, _ = fit_placement(network, replace(seen, landmarks=half), model, replace(FAST, decay=0.0))
    with torch.no_grad():
        moved = (placed(seen.feature) - raw[:, :n_placed])[:, N_POSE:]
    expression = expression[:, expression.std(0) > 0.01]
    correlation = np.corrcoef(np.concatenate([expression, moved], 1).T)[: expression.shape[1]]
    assert np.abs(correlation[:, expression.shape[1] :]).max() < 0.25


def test_labels_without_depth_are_taken(network, model, off):
    seen = seen_faces(network, model, torch.linspace(-15, 15, N), off)
    flat = seen.landmarks.clone()
    flat[::2, :, 2] = torch.nan
    placed, change = fit_placement(network, replace(seen, landmarks=flat), model, FAST)
    assert torch.isfinite(placed.weight).all()
    assert change.after < 0.3 * change.before


def test_faces_that_look_ahead_are_needed(network, model, off):
    seen = seen_faces(network, model, torch.full((N,), 60.0), off)
    with pytest.raises(InputError, match="no photo within 18 degrees"):
        fit_placement(network, seen, model, FAST)


def test_the_command_changes_the_last_layer_alone(model, tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "backgrounds.npy", rng.integers(0, 255, (3, 192, 192, 3), dtype=np.uint8))
    studio = Studio.of(model, open_face_model(level=0, crop="head", mouth=False))
    make_renders(
        tmp_path / "faces", studio, RenderConfig(24, seed=4, yaw_sigma_deg=5), tmp_path / "backgrounds.npy"
    )
    assert cli.main(["answers", str(tmp_path / "faces")]) == 0
    labels = open_face_folder(tmp_path / "faces").labels
    np.savez(tmp_path / "faces" / "labels.npz", **labels | {"fit_error": np.ones(24)})  # as photos have it
    config = {
        "data": {
            "folders": [str(tmp_path / "faces")],
            "backgrounds": str(tmp_path / "backgrounds.npy"),
            "held_out_every": 0,
        },
        "loop": {"n_steps": 1, "workers": 0, "threads": 1},
        "network": {"widths": [8, 16, 16], "feature": 48, "hidden": 64, "squeeze": 8},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    network = make_closeup_network(SMALL, model)
    write_weights(tmp_path / "start.safetensors", network.state_dict(), {})
    (tmp_path / "options.json").write_text(json.dumps({"crops": 1, "steps": 3}))
    file = tmp_path / "placed.safetensors"
    command = [
        "place",
        str(tmp_path / "config.json"),
        "-o",
        str(file),
        "--options",
        str(tmp_path / "options.json"),
    ]
    assert cli.main(command) == 1
    assert "--start" in capsys.readouterr().err
    assert cli.main([*command, "--start", str(tmp_path / "start.safetensors")]) == 0
    assert "faces that were left out of the fit" in capsys.readouterr().out
    start, written = read_weights(tmp_path / "start.safetensors"), read_weights(file)
    assert written.keys() == start.keys()
    assert {key for key in start if not torch.equal(start[key], written[key])} == {"head.weight", "head.bias"}
    n_placed = N_POSE + network.n_identity
    assert torch.equal(start["head.weight"][n_placed:], written["head.weight"][n_placed:])
