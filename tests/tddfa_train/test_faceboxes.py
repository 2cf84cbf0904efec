"""FaceBoxes: the published network, its matching, its loss, and that it learns."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytest.importorskip("tensorboard")

from tddfa.detection import make_detector  # noqa: E402
from tddfa.detection.faceboxes import VARIANCES, anchor_boxes  # noqa: E402
from tddfa.geometry.boxes import intersection_over_union  # noqa: E402
from tddfa.packs.convert.networks import normalised_state  # noqa: E402
from tddfa.packs.convert.pickles import load_arrays  # noqa: E402
from tddfa.runtime import OnnxNetwork  # noqa: E402
from tddfa_train import cli  # noqa: E402
from tddfa_train.detector.faceboxes import (  # noqa: E402
    FaceBoxesNetwork,
    MultiBoxConfig,
    encode,
    faceboxes_input,
    hard_negatives,
    match,
    overlaps,
)
from tddfa_train.detector.recipe import DetectorRecipe, detector_experiment  # noqa: E402
from tddfa_train.export.onnx import export_faceboxes  # noqa: E402
from tddfa_train.export.pack import _detector  # noqa: E402
from tddfa_train.loop.config import read_config  # noqa: E402

CONFIG = MultiBoxConfig()


@pytest.fixture(scope="module")
def network():
    """Norms as after training: fresh ones would hide a norm that is left out."""
    torch.manual_seed(0)
    net = FaceBoxesNetwork().train()
    with torch.no_grad():
        net(faceboxes_input(torch.randint(0, 255, (2, 128, 128, 3), dtype=torch.uint8)))
    return net.eval()


@pytest.mark.parametrize("size", [(128, 128), (160, 97)])
def test_our_faceboxes_is_the_published_one(network, size):
    picture = faceboxes_input(torch.randint(0, 255, (1, *size, 3), dtype=torch.uint8))
    session = ort.InferenceSession(export_faceboxes(network), providers=["CPUExecutionProvider"])
    offsets, scores = session.run(None, {"input": picture.numpy()})
    with torch.no_grad():
        said = network(picture)
    assert said.offsets.shape[1] == len(anchor_boxes(*size))
    np.testing.assert_allclose(offsets, said.offsets.numpy(), atol=1e-4 * np.abs(offsets).max())
    np.testing.assert_allclose(scores, said.logits.softmax(2)[..., 1].numpy(), atol=1e-5)


def test_the_published_checkpoint_has_the_same_names_and_shapes_and_loads(shared):
    published = load_arrays(shared / "reference/3ddfa_v2/FaceBoxes/weights/FaceBoxesProd.pth")
    state = normalised_state(published.get("state_dict", published))
    network = FaceBoxesNetwork()
    own = {k: tuple(v.shape) for k, v in network.state_dict().items() if "num_batches" not in k}
    assert {key: value.shape for key, value in state.items()} == own
    network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in state.items()}, strict=False)
    assert not torch.equal(network.conv1.conv.weight, FaceBoxesNetwork().conv1.conv.weight)


def test_offsets_of_a_box_are_what_detection_turns_back_into_it():
    anchors = torch.from_numpy(anchor_boxes(96, 128))
    rng = np.random.default_rng(0)
    center, sides = rng.uniform(0, 100, (len(anchors), 2)), rng.uniform(8, 200, (len(anchors), 2))
    boxes = torch.from_numpy(np.concatenate([center - sides / 2, center + sides / 2], 1)).float()
    offsets = encode(boxes, anchors)
    back = anchors[:, :2] + offsets[:, :2] * VARIANCES[0] * anchors[:, 2:]
    spread = anchors[:, 2:] * (offsets[:, 2:] * VARIANCES[1]).exp()
    torch.testing.assert_close(torch.cat([back - spread / 2, back + spread / 2], 1), boxes, rtol=0, atol=1e-2)


def test_overlaps_are_those_of_the_library():
    rng = np.random.default_rng(1)
    low = rng.uniform(0, 50, (2, 6, 2))
    first, second = np.concatenate([low, low + rng.uniform(1, 60, (2, 6, 2))], 2).astype(np.float32)
    found = overlaps(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    np.testing.assert_allclose(found, intersection_over_union(first, second), atol=1e-5)


def test_every_face_that_an_anchor_resembles_is_found_by_one_and_every_anchor_by_its_best_face():
    anchors = torch.from_numpy(anchor_boxes(256, 256))
    corners = torch.cat([anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], 1)
    large, near, tiny = [60.0, 50, 200, 210], [30.0, 30, 58, 62], [200.0, 20, 205, 26]
    boxes = torch.tensor([large, near, tiny, [float("nan")] * 4])
    found = match(boxes, anchors, CONFIG)
    shared = overlaps(boxes[:3], corners)
    owners = {tuple(box) for box in found.box[found.positive].tolist()}
    assert owners == {tuple(large), tuple(near)}  # nobody is asked for a face of 6 px
    enough = shared.amax(0) >= CONFIG.overlap
    assert found.positive[enough].all()
    assert (found.positive & ~enough).sum() <= 2
    torch.testing.assert_close(found.box[enough], boxes[:3][shared.argmax(0)][enough])


def test_an_image_without_a_face_asks_for_none():
    anchors = torch.from_numpy(anchor_boxes(64, 64))
    assert not match(torch.full((3, 4), float("nan")), anchors, CONFIG).positive.any()


def test_the_hardest_negatives_are_mined_seven_to_a_positive():
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand(3, 200, generator=generator)
    positive = torch.zeros(3, 200, dtype=torch.bool)
    positive[0, :4] = True
    positive[1, :150] = True
    mined = hard_negatives(cost, positive, 7, 21)
    assert mined.sum(1).tolist() == [28, 50, 21]  # enough, all there are, the fewest
    assert not (mined & positive).any()
    assert cost[0][mined[0]].min() >= cost[0][~mined[0] & ~positive[0]].max()


def test_a_few_mosaics_are_learnt_by_heart_and_the_library_finds_their_faces(
    write_config, drawn_faces, tmp_path
):
    data = {
        "folders": [str(drawn_faces / "faces")],
        "backgrounds": str(drawn_faces / "backgrounds.npy"),
        "shapes": [[96, 2]],
        "face_px": [40.0, 80.0],
        "empty": 0.0,
        "most_faces": 2,
    }
    config = write_config("detector", data=data)
    run = tmp_path / "run"
    assert cli.main(["train", "detector", str(config), str(run), "--network", "faceboxes", "--overfit"]) == 0
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["score"] < 0.2 * rows[0]["score"]
    assert rows[-1]["boxes"] < 0.2 * rows[0]["boxes"]
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["config"]["kind"] == "faceboxes"

    onnx, settings = _detector(str(run / "last.pt"))
    detector = make_detector(OnnxNetwork(onnx, "faceboxes"), settings)
    recipe = replace(read_config(DetectorRecipe, config), kind="faceboxes")
    batch = detector_experiment(recipe).data[0]
    for image, boxes in zip(batch["image"], batch["boxes"], strict=True):
        faces = boxes[np.isfinite(boxes).all(1)]
        found = np.array([list(d.box) for d in detector.detect(image)], np.float32).reshape(-1, 4)
        assert len(found) == len(faces)
        if len(faces):
            assert (intersection_over_union(faces, found).max(1) > 0.5).all()


def test_a_recipe_without_a_detector_refuses_to_choose_one(write_config, tmp_path, capsys):
    config = str(write_config("alignment"))
    assert cli.main(["train", "alignment", config, str(tmp_path), "--network", "faceboxes"]) == 1
    assert "--network chooses a detector" in capsys.readouterr().err
