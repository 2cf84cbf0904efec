"""Packs from checkpoints: what training exports, the library runs."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from tddfa import FaceAligner, read_image  # noqa: E402
from tddfa.morphable import open_face_model  # noqa: E402
from tddfa.packs import ModelPack, find_pack  # noqa: E402
from tddfa_train import cli  # noqa: E402
from tddfa_train.alignment.recipe import make_alignment_network  # noqa: E402
from tddfa_train.data.augment import PlacementConfig, crop_from_image, warp  # noqa: E402
from tddfa_train.data.folder import open_face_folder  # noqa: E402
from tddfa_train.detector.network import DetectorConfig, FaceDetector  # noqa: E402
from tddfa_train.landmarks.task import network_input  # noqa: E402
from tddfa_train.point_model import PointModel  # noqa: E402


@pytest.fixture(scope="module")
def trained():
    """An untrained network whose head says more than nothing."""
    torch.manual_seed(3)
    network = make_alignment_network("dense-small", open_face_model(level=0, crop="head"))
    torch.nn.init.normal_(network.head.weight, std=0.05)
    return network.eval()


@pytest.fixture
def pack(trained, tmp_path):
    torch.manual_seed(4)
    torch.save({"average": trained.state_dict()}, tmp_path / "network.pt")
    torch.save({"average": FaceDetector(DetectorConfig()).state_dict()}, tmp_path / "detector.pt")
    source = {"checkpoint": str(tmp_path / "network.pt"), "trunk": "dense-small", "title": "a test"}
    config = {
        "name": "toy",
        "title": "A toy",
        "licence": {"name": "MIT", "terms": "any use"},
        "default": source,
        "variants": {"small": source},
        "detector": str(tmp_path / "detector.pt"),
        "verifier": source,
    }
    (tmp_path / "pack.json").write_text(json.dumps(config))
    assert cli.main(["pack", str(tmp_path / "pack.json"), str(tmp_path / "pack")]) == 0
    return tmp_path / "pack"


def test_the_library_sees_the_crop_that_training_showed_and_draws_the_landmarks_that_training_meant(
    pack, trained, drawn_faces
):
    faces = open_face_folder(drawn_faces / "faces")
    image, points = np.array(faces.images[0]), faces.labels["landmarks68"][0]
    (face,) = FaceAligner(pack).align(image, landmarks=[points])

    still = PlacementConfig(
        tight_share=1, tight_scale=0, tight_shift=0, roll_sigma_deg=0, any_roll_share=0, stretch=0
    )
    matrix = crop_from_image(points[:, :2], 120, still, np.random.default_rng(0), mirror=False)
    model = open_face_model(level=0, crop="head")
    landmarks = PointModel(model, model.landmark_sets["ibug68"])
    with torch.no_grad():
        crop = torch.from_numpy(warp(image, matrix, 120))[None]
        seen = trained(network_input(crop))
        meant = landmarks(seen.camera, seen.identity, seen.weights())[0].numpy()
    expected = (meant[:, :2] - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    # Weights are stored in half precision, and the two warps round differently.
    np.testing.assert_allclose(face.landmarks[:, :2], expected, atol=0.5)


def test_a_pack_is_whole_and_its_detector_and_variants_run(pack, drawn_faces):
    opened = ModelPack.open(pack)
    opened.verify()
    assert set(opened.manifest.files) == {
        "regressor.onnx",
        "regressor-small.onnx",
        "verifier.onnx",
        "detector.onnx",
    }
    image = np.array(open_face_folder(drawn_faces / "faces").images[0])
    assert isinstance(FaceAligner(opened).align(image), list)


def test_a_pack_takes_the_detector_of_another_and_believes_it(pack, tmp_path):
    config = json.loads((tmp_path / "pack.json").read_text())
    config |= {"detector": "open", "min_confidence": 0, "variants": {}, "verifier": None}
    (tmp_path / "mine.json").write_text(json.dumps(config))
    assert cli.main(["pack", str(tmp_path / "mine.json"), str(tmp_path / "mine")]) == 0
    image = read_image(Path(__file__).parents[2] / "examples" / "photos" / "hopper.jpg")
    # An untrained network is sure of nothing, so all that the sensitive detector finds are faces.
    found = [face.detection for face in FaceAligner(tmp_path / "mine").align(image)]
    (known,) = FaceAligner("open").align(image)
    best = max(found, key=lambda detection: detection.score)
    assert best.score == pytest.approx(known.detection.score, abs=1e-6)
    # The box of a doubtful detection is moved onto the face by a network that knows faces.
    np.testing.assert_allclose(
        list(best.box), list(known.detection.box), atol=0.05 * known.detection.box.width
    )
    config["detector"] = "nowhere.pt"
    (tmp_path / "mine.json").write_text(json.dumps(config))
    assert cli.main(["pack", str(tmp_path / "mine.json"), str(tmp_path / "other")]) == 1


def test_a_checkpoint_of_another_network_is_refused(pack, tmp_path, capsys):
    config = json.loads((tmp_path / "pack.json").read_text())
    config["default"]["trunk"] = "dense"
    (tmp_path / "wrong.json").write_text(json.dumps(config))
    assert cli.main(["pack", str(tmp_path / "wrong.json"), str(tmp_path / "other")]) == 1
    assert "is not of a 'dense' network" in capsys.readouterr().err
    assert not (tmp_path / "other" / "manifest.json").exists()


def test_a_variant_may_read_boxes_first(pack, tmp_path, capsys):
    config = json.loads((tmp_path / "pack.json").read_text()) | {"framed_reader": "small"}
    (tmp_path / "pack.json").write_text(json.dumps(config))
    assert cli.main(["pack", str(tmp_path / "pack.json"), str(tmp_path / "other")]) == 0
    manifest = ModelPack.open(tmp_path / "other").manifest
    assert manifest.regressor.framed_reader == "regressor-small.onnx"
    assert manifest.variants["small"].regressor.framed_reader == "regressor-small.onnx"
    shipped = find_pack("open").manifest
    assert shipped.regressor.framed_reader == "regressor-small.onnx", "as this one was written"
    assert {name: variant.regressor.framed_reader for name, variant in shipped.variants.items()} == {
        "small": "regressor-small.onnx",
        "mirrored": None,
    }
    (tmp_path / "pack.json").write_text(json.dumps(config | {"framed_reader": "large"}))
    assert cli.main(["pack", str(tmp_path / "pack.json"), str(tmp_path / "third")]) == 1
    assert "framed_reader is 'large', but the pack has no such variant" in capsys.readouterr().err


def test_every_network_of_a_pack_has_the_same_verifier_or_none(pack, tmp_path):
    manifest = ModelPack.open(pack).manifest
    specs = [manifest.regressor, manifest.variants["small"].regressor]
    assert [spec.verifier for spec in specs] == ["verifier.onnx"] * 2
    config = json.loads((tmp_path / "pack.json").read_text()) | {"verifier": None}
    (tmp_path / "pack.json").write_text(json.dumps(config))
    assert cli.main(["pack", str(tmp_path / "pack.json"), str(tmp_path / "other")]) == 0
    assert ModelPack.open(tmp_path / "other").manifest.regressor.verifier is None
