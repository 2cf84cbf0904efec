"""A smaller detector is pruned from a larger one, learns from it, and ships like any other."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from tddfa.errors import InputError

torch = pytest.importorskip("torch")

from tddfa_train.detector.distillation import (  # noqa: E402
    DetectorDistillationConfig,
    DetectorDistillationTask,
)
from tddfa_train.detector.network import DetectorConfig, FaceDetector  # noqa: E402
from tddfa_train.detector.pruning import pruned_detector  # noqa: E402
from tddfa_train.detector.recipe import DetectorRecipe, detector_experiment  # noqa: E402
from tddfa_train.detector.task import DetectorLossConfig, DetectorTask  # noqa: E402
from tddfa_train.export.onnx import export_detector  # noqa: E402
from tddfa_train.landmarks.task import network_input  # noqa: E402
from tddfa_train.loop.config import read_config  # noqa: E402

LARGE = DetectorConfig(stem=8, widths=(12, 12, 16, 16), head=12, normalized=False)
LIGHT = DetectorConfig(stem_kernel=4, widths=(32, 64, 96, 128), inner=(32, 48, 64), head=32, normalized=False)
SMALL = replace(LARGE, widths=(8, 12, 16, 16), inner=(8, 8, 8), head=8)


def _detector(config, seed=0):
    torch.manual_seed(seed)
    return FaceDetector(config).eval()


def _images(count=8, side=256):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def _answers(network, images):
    with torch.no_grad():
        return network.raw_levels(images)


def _dead(weights, layer, outputs):
    """Zero some outputs of a convolution: nobody misses them."""
    for part in ("weight", "bias"):
        weights[f"{layer}.{part}"][outputs] = 0


def test_a_detector_that_is_pruned_of_dead_channels_answers_the_same():
    weights = _detector(LARGE).state_dict()
    for layer in ("down.0.0.0", "down.0.1.0", *(f"lateral.{n}.0" for n in range(4))):
        _dead(weights, layer, [1, 4, 7, 9])
    for level in range(4):
        _dead(weights, f"smooth.{level}.0", [0, 3, 6, 11])
    for level, dead in ((1, 4), (2, 8), (3, 8)):
        _dead(weights, f"down.{level}.1.first.0", list(range(dead)))
    large, small = FaceDetector(LARGE), FaceDetector(SMALL)
    large.load_state_dict(weights)
    images = _images()
    small.load_state_dict(pruned_detector(weights, LARGE, SMALL, images))
    for right, own in zip(_answers(large, images), _answers(small, images), strict=True):
        torch.testing.assert_close(own, right, atol=2e-3, rtol=2e-3)


def test_pruning_keeps_a_detector_nearer_to_the_larger_one_than_chance():
    large, images = _detector(LARGE), _images()
    pruned = FaceDetector(SMALL)
    pruned.load_state_dict(pruned_detector(large.state_dict(), LARGE, SMALL, images))
    fresh = _images(side=320)
    right = _answers(large, fresh)
    error = [
        sum(float((own - true).norm()) for own, true in zip(_answers(network, fresh), right, strict=True))
        for network in (pruned, _detector(SMALL, seed=3))
    ]
    assert error[0] < 0.5 * error[1]


def test_a_detector_that_equals_its_teacher_has_nothing_to_learn_from_it():
    teacher = _detector(LARGE)
    with torch.no_grad():
        for head in teacher.heads:
            head.bias[0] = -3.0  # doubts everywhere
    task = DetectorDistillationTask(DetectorDistillationConfig(), teacher, DetectorTask(DetectorLossConfig()))
    rng = np.random.default_rng(0)
    batch = {"image": torch.from_numpy(rng.integers(0, 256, (2, 128, 128, 3), dtype=np.uint8))}
    terms = task.losses(teacher, batch)
    assert terms.keys() == {"logits", "scores", "sides"}
    assert all(float(term.detach()) == pytest.approx(0, abs=1e-6) for term in terms.values())
    assert all(float(term.detach()) > 1e-3 for term in task.losses(_detector(LARGE, seed=2), batch).values())


def test_labels_are_learned_beside_a_teacher_by_the_terms_of_the_task_without_one():
    network, labels = _detector(LARGE), DetectorTask(DetectorLossConfig())
    task = DetectorDistillationTask(DetectorDistillationConfig(labels=0.5), network, labels)
    batch = {
        "image": torch.zeros((1, 128, 128, 3), dtype=torch.uint8),
        "boxes": torch.tensor([[[30.0, 30, 90, 100]]]),
    }
    terms, alone = task.losses(network, batch), labels.losses(network, batch)
    assert all(torch.equal(terms[f"label {name}"], 0.5 * term) for name, term in alone.items())


def _recipe(write_config, **settings):
    return read_config(DetectorRecipe, write_config("detector", **settings))


def test_a_recipe_prunes_its_start_and_learns_from_a_teacher(write_config, tmp_path):
    large = _detector(LARGE)
    torch.save({"average": large.state_dict()}, tmp_path / "large.pt")
    settings = {"network": asdict(SMALL), "start": str(tmp_path / "large.pt"), "prune": True}
    experiment = detector_experiment(_recipe(write_config, **settings))
    images = network_input(torch.from_numpy(experiment.data[0]["image"]))
    right = _answers(large, images)
    own = _answers(experiment.network, images)
    correlations = [
        torch.corrcoef(torch.stack([a.ravel(), b.ravel()]))[0, 1] for a, b in zip(own, right, strict=True)
    ]
    assert min(correlations) > 0.9
    for changed, text in (
        ({"network": asdict(LIGHT)}, "fewer channels"),
        ({"network": asdict(replace(SMALL, normalized=True))}, "without batch norms"),
        ({"prune": False}, "other sizes"),
        ({"start": "open"}, "is not of a detector"),
        ({"start": None}, "with weights to start from"),
        ({"kind": "faceboxes"}, "with weights to start from"),
    ):
        with pytest.raises(InputError, match=text):
            detector_experiment(_recipe(write_config, **settings | changed))
    taught = detector_experiment(_recipe(write_config, start="open:detector", teacher="open:detector"))
    batch = {key: torch.from_numpy(value) for key, value in taught.data[0].items()}
    assert sum(float(term.detach()) for term in taught.task.losses(taught.network, batch).values()) < 1e-3


@pytest.mark.parametrize("config", [DetectorConfig(), LARGE, SMALL, LIGHT])
def test_sizes_follow_from_weights(config):
    assert DetectorConfig.of(_detector(config).state_dict()) == config


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, stem_kernel=4)])
def test_lighter_detectors_answer_the_same_from_bytes(config):
    import onnxruntime

    network = _detector(config)
    image = np.random.default_rng(0).integers(0, 256, (1, 128, 192, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(export_detector(network), providers=["CPUExecutionProvider"])
    (places,) = session.run(None, {"input": image})
    with torch.no_grad():
        levels = network.raw_levels(network_input(torch.from_numpy(image)))
    right = torch.cat([level.flatten(2) for level in levels], 2).numpy()
    if config.stem_kernel == 4:  # no border that bytes are half a step off
        np.testing.assert_allclose(places, right, atol=1e-4)
    else:
        assert np.abs(places - right).mean() < 0.01


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"shapes": [[100, 2]]}, "the side 100; multiples of 64 px"),
        ({"shapes": []}, "shapes are pairs of a side"),
        ({"shapes": [[128, 0]]}, "shapes are pairs of a side"),
        ({"face_px": [50, 9]}, "face_px are the least and the most"),
        ({"noise_sigma": [-1, 9]}, "noise_sigma are the least and the most"),
        ({"noise": 2}, "noise"),
        ({"most_faces": 0}, "most_faces"),
        ({"folder_weights": [1, 1]}, "2 numbers for 1 folders"),
        ({"folder_weights": [0]}, "one that is more"),
        ({"folders": []}, "name at least one dataset folder"),
    ],
)
def test_mosaics_that_cannot_be_are_one_line(write_config, data, text):
    given = json.loads(write_config("detector").read_text())["data"]
    with pytest.raises(InputError, match=text) as error:
        detector_experiment(_recipe(write_config, data=given | data))
    assert "\n" not in str(error.value)
