"""What teaches expressions: weights, differences of points, renders with gaze, fits to a teacher."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

from tddfa.geometry.camera import scaled_camera  # noqa: E402
from tddfa.geometry.rotation import head_rotation  # noqa: E402
from tddfa.morphable import open_face_model  # noqa: E402
from tddfa.types import FaceParams, HeadPose  # noqa: E402
from tddfa_train.alignment.network import unit_range  # noqa: E402
from tddfa_train.alignment.task import difference_pairs, face_rotation  # noqa: E402
from tddfa_train.data.augment import warp  # noqa: E402
from tddfa_train.data.coefficients import nearest_rotation, rarity  # noqa: E402
from tddfa_train.data.lip_gaps import part_lips  # noqa: E402
from tddfa_train.data.point_fits import (  # noqa: E402
    LabelledPoints,
    PointFitConfig,
    PointFits,
    fit_points,
    teacher_labels,
)
from tddfa_train.data.render_expressions import (  # noqa: E402
    GAZE_DEG_PER_UNIT,
    ExpressionConfig,
    random_expression,
    twin_of,
)
from tddfa_train.data.renders import RenderConfig, Studio, gaze_direction, random_face, sphere_through  # noqa: E402
from tddfa_train.data.teacher_weights import FACE_LANDMARKER  # noqa: E402
from tddfa_train.networks.dense import DenseConfig, DenseNet, folded  # noqa: E402


@pytest.fixture(scope="module")
def model():
    return open_face_model(level=0, crop="head", mouth=False)


@pytest.fixture(scope="module")
def studio(model):
    return Studio.of(model, open_face_model(level=1, crop="head", mouth=False))


def test_an_expression_at_rest_is_zero_and_can_still_be_learned():
    raw = torch.tensor([-0.5, 0.0, 0.4, 1.0, 1.7], requires_grad=True)
    weights = unit_range(raw)
    weights.sum().backward()
    assert (raw.grad > 0).all()
    assert weights[1:4].tolist() == pytest.approx([0.0, 0.4, 1.0])


def test_folded_batch_norms_compute_the_same():
    torch.manual_seed(0)
    config = DenseConfig(widths=(8, 8, 16, 16, 16), squeeze=8, feature=16, detail=6, detail_feature=12)
    network = DenseNet(config).train()
    crops = torch.randn(4, 3, 120, 120)
    for _ in range(3):
        network(crops)
    network.eval()
    plain = DenseNet(DenseConfig(**{f: getattr(config, f) for f in config.__slots__} | {"normalized": False}))
    plain.load_state_dict(folded(network.state_dict()))
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(crops), network(crops), atol=1e-5, rtol=1e-4)


def test_pairs_of_points_name_the_points_they_mean(model):
    points = model.landmark_sets["mediapipe478"]
    pairs = difference_pairs(points.indices).numpy()
    places = points.positions(model.mean)
    upper, lower = places[pairs[0]]
    assert points.indices[pairs[0]].tolist() == [159, 145]
    assert upper[1] > lower[1]
    assert np.linalg.norm(upper - lower) < 15


def test_random_expressions_wink_look_around_and_rest(model):
    rng = np.random.default_rng(0)
    names = model.expression_names
    movable = frozenset(names) - {"tongueOut"}
    faces = np.stack([random_expression(movable, names, ExpressionConfig(), rng) for _ in range(2000)])
    assert faces.min() >= 0
    assert faces.max() <= 1
    assert (faces[:, names.index("tongueOut")] == 0).all()
    left, right = (faces[:, names.index(f"eyeBlink{side}")] for side in ("Left", "Right"))
    assert 0.04 < (np.abs(left - right) > 0.5).mean() < 0.15
    still = [k for k, name in enumerate(names) if not name.startswith(("eyeLook", "eyeBlink"))]
    assert 0.05 < (faces[:, still].max(1) == 0).mean() < 0.2
    # Both eyes turn to the same side.
    outward = faces[:, names.index("eyeLookOutLeft")] - faces[:, names.index("eyeLookInLeft")]
    inward = faces[:, names.index("eyeLookInRight")] - faces[:, names.index("eyeLookOutRight")]
    assert np.corrcoef(outward, inward)[0, 1] > 0.9


def test_twins_are_on_the_other_side():
    assert twin_of("mouthSmileLeft") == "mouthSmileRight"
    assert twin_of("jawLeft") is None
    assert twin_of("jawOpen") is None


def test_gaze_turns_by_the_stated_angle_to_the_stated_side(model):
    names = model.expression_names
    rest = np.array([0.0, 0.0, 1.0])
    expression = np.zeros(len(names), np.float32)
    expression[names.index("eyeLookOutLeft")] = 1
    direction = gaze_direction(names, expression, "Left", rest)
    assert direction[0] > 0  # the subject's left
    assert np.degrees(np.arccos(direction @ rest)) == pytest.approx(GAZE_DEG_PER_UNIT[0], abs=1e-3)


def test_irises_at_rest_lie_where_the_model_has_them(studio, model):
    points = model.landmark_sets["mediapipe478"]
    iris = points.positions(model.mean)[list(points.indices).index(473)]
    left = studio.eyes[1]
    center, radius = sphere_through(
        studio.shown.shape(studio.shown.params())[np.unique(left.triangles)].astype(np.float64)
    )
    assert 10 < radius < 17
    assert (iris - center) / np.linalg.norm(iris - center) == pytest.approx(studio.rest_gaze[1])


@pytest.mark.parametrize("seed", [1, 5])
def test_finer_samples_show_the_same_face_at_the_same_place(studio, seed):
    scenery = np.full((96, 96, 3), 90, np.uint8)

    def head(samples: int) -> np.ndarray:
        config = RenderConfig(count=1, side=96, samples=samples)
        image, _ = random_face(studio, config, scenery, np.random.default_rng(seed))
        levels = image.mean(axis=2)
        return (np.abs(levels - levels[0, 0]) > 2).astype(np.float64)  # the scenery has one colour

    coarse, fine = head(1), head(5)
    (dx, dy), _ = cv2.phaseCorrelate(coarse, fine)
    assert np.hypot(dx, dy) < 0.3  # px; corners instead of centres of pixels would be 0.4 in x and in y
    assert 0 < np.abs(fine - coarse).sum() < 0.08 * coarse.sum()  # the border alone differs


def test_a_render_shows_a_face_before_the_scenery(studio):
    rng = np.random.default_rng(5)
    scenery = np.full((192, 192, 3), 128, np.uint8)
    image, params = random_face(studio, RenderConfig(1), scenery, rng)
    assert image.shape == scenery.shape
    assert (image != scenery).any(2).mean() > 0.1
    assert params.expression.shape == (52,)


def test_one_sided_and_rare_faces_are_drawn_more_often(model):
    names = model.expression_names
    expression = np.zeros((100, len(names)))
    expression[:60, names.index("mouthSmileLeft")] = expression[:60, names.index("mouthSmileRight")] = 0.8
    expression[98, names.index("mouthPucker")] = 0.9
    expression[99, names.index("eyeBlinkLeft")] = 0.9
    boost = rarity(expression, model)
    assert boost[70] == 1
    assert boost[98] > boost[0]
    assert boost[99] > boost[98] or boost[99] > 2


def test_the_nearest_rotation_of_a_camera_is_its_rotation():
    rotation = head_rotation(HeadPose(20.0, -10.0, 5.0))
    camera = scaled_camera(3.0, rotation, np.zeros(2))
    assert nearest_rotation(camera[:2, :3]) == pytest.approx(rotation, abs=1e-6)
    batch = torch.from_numpy(camera[None].astype(np.float32))
    assert face_rotation(batch)[0].numpy() == pytest.approx(rotation, abs=1e-6)


def test_fits_find_a_wink_in_points_and_share_an_identity_between_photos(model):
    rng = np.random.default_rng(1)
    names = model.expression_names
    identity = rng.normal(0, 0.7, model.n_identity).astype(np.float32)
    faces = []
    for yaw, expression in ((0, {}), (12, {"eyeBlinkLeft": 0.9}), (-12, {"jawOpen": 0.6})):
        camera = scaled_camera(1.2, head_rotation(HeadPose(yaw, 4.0, 0.0)), np.array([100.0, 90.0]))
        weights = np.array([expression.get(name, 0.0) for name in names], np.float32)
        faces.append(FaceParams(camera, identity, weights))
    raw = np.stack([face.expression for face in faces])
    targets, *strengths = teacher_labels(FACE_LANDMARKER, raw, names, model)
    given = LabelledPoints(
        np.stack([model.landmarks(face) for face in faces]),
        np.full(3, 0.3),
        np.stack([model.landmarks(face, "mediapipe478")[:, :2] for face in faces]),
        np.zeros_like(targets),  # geometry alone
        np.zeros(len(names)),
        strengths[1],
        strengths[2],
        np.zeros(3, np.int64),
    )
    fits, _ = fit_points(given, model, np.ones(162), PointFitConfig(steps=250), calibrate=False)
    assert fits.error.max() < 0.5
    blink = names.index("eyeBlinkLeft")
    assert fits.expression[1, blink] > 0.6
    assert fits.expression[1, names.index("eyeBlinkRight")] < 0.15
    assert fits.expression[2, names.index("jawOpen")] == pytest.approx(0.6, abs=0.15)
    assert fits.identity.std(0).mean() < 0.3 * fits.identity.std()


def test_lips_of_a_fit_part_as_far_as_the_teachers_and_closed_ones_stay_closed(model):
    names, n = model.expression_names, 3
    camera = scaled_camera(1.1, head_rotation(HeadPose(8.0, 3.0, 2.0)), np.array([80.0, 80.0]))
    smile = {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7}
    teeth = {f"mouth{part}{side}": 1.0 for part in ("UpperUp", "LowerDown") for side in ("Left", "Right")}
    seen = [np.array([face.get(x, 0.0) for x in names], np.float32) for face in (smile | teeth, smile, {})]
    fitted = np.array([[face.get(x, 0.0) for x in names] for face in (smile, smile, {})], np.float32)
    identity = np.zeros((n, model.n_identity), np.float32)
    teacher = np.stack(
        [model.landmarks(FaceParams(camera, identity[0], face), "mediapipe478")[:, :2] for face in seen]
    )
    none = np.zeros(n)
    fits = PointFits(np.stack([camera] * n), identity, fitted, none, np.ones(n), np.zeros_like(teacher))
    parted = part_lips(fits, teacher, model).expression
    assert np.array_equal(parted[1:], fitted[1:])
    numbers = list(model.landmark_sets["mediapipe478"].indices)
    upper, lower = numbers.index(13), numbers.index(14)

    def gap(expression: np.ndarray) -> float:
        points = model.landmarks(FaceParams(camera, identity[0], expression), "mediapipe478")[:, :2]
        return float(np.linalg.norm(points[upper] - points[lower]))

    assert gap(fitted[0]) < 0.5 * gap(seen[0])
    assert gap(parted[0]) == pytest.approx(gap(seen[0]), rel=0.1)
    assert parted[0, names.index("jawOpen")] < 0.1
    untrusted = replace(fits, trust=none)
    assert np.array_equal(part_lips(untrusted, teacher, model).expression, fitted)


def test_fit_labels_a_folder_whose_teacher_saw_a_wink(model, tmp_path):
    from tddfa_train import cli
    from tddfa_train.data.folder import open_face_folder, write_face_folder

    names = model.expression_names
    camera = scaled_camera(0.8, head_rotation(HeadPose(3.0, 2.0, 0.0)), np.array([79.5, 70.0]))
    rows = [{}, {"eyeBlinkLeft": 0.9}, {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}, {"jawOpen": 0.5}]
    weights = np.array([[row.get(name, 0.0) for name in names] for row in rows], np.float32)
    faces = [FaceParams(camera, np.zeros(model.n_identity, np.float32), row) for row in weights]
    blind = model.landmarks(
        FaceParams(camera, faces[0].identity, weights[0])
    )  # a teacher without expressions
    write_face_folder(
        tmp_path / "faces",
        np.zeros((4, 160, 160, 3), np.uint8),
        {
            "landmarks68": np.stack([blind] * 4),
            "landmarks68_std": np.full(4, 0.5, np.float32),
            "yaw_deg": np.zeros(4, np.float32),
            "mediapipe": np.stack([model.landmarks(face, "mediapipe478")[:, :2] for face in faces]),
            "mediapipe_indices": model.landmark_sets["mediapipe478"].indices,
            "teacher_weights": weights,
            "teacher_names": np.array(names),
        },
    )
    assert cli.main(["fit", str(tmp_path / "faces")]) == 0
    labels = open_face_folder(tmp_path / "faces").labels
    blinks = labels["expression"][:, [names.index("eyeBlinkLeft"), names.index("eyeBlinkRight")]]
    assert blinks[1, 0] > 0.6
    assert blinks[1, 1] < 0.1
    assert labels["expression"][2, names.index("mouthSmileLeft")] > 0.5
    # The landmarks of the closed eye have closed, those of the jaw are still the first teacher's.
    opening = np.linalg.norm(labels["landmarks68"][:, 44, :2] - labels["landmarks68"][:, 46, :2], axis=1)
    assert opening[1] < 0.6 * opening[0]
    np.testing.assert_allclose(labels["landmarks68"][1, :17, :2], blind[:17, :2], atol=1e-3)


def test_sides_of_a_mirrored_crop_are_exchanged_back():
    from tddfa_train.data.face_landmarker import exchange_sides

    weights = {"eyeBlinkLeft": 0.9, "eyeBlinkRight": 0.1, "jawOpen": 0.3}
    assert exchange_sides(weights) == {"eyeBlinkRight": 0.9, "eyeBlinkLeft": 0.1, "jawOpen": 0.3}


def test_a_missing_teacher_is_one_line(tmp_path, capsys):
    from tddfa_train import cli

    assert cli.main(["prepare", str(tmp_path), str(tmp_path / "o"), "--face-landmarker", "none.task"]) == 1
    error = capsys.readouterr().err.strip()
    assert "tddfa-train[teacher]" in error or "none.task" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(("name", "trunk"), [("open", "dense-folded"), ("open:verifier", "dense-light")])
def test_the_kept_weights_fill_their_networks(model, name, trunk):
    from tddfa_train.alignment.recipe import make_alignment_network
    from tddfa_train.weights import load_weights

    network = make_alignment_network(trunk, model)
    assert load_weights(network, name) == []
    face = network.eval()(torch.zeros(1, 3, 120, 120))
    assert torch.isfinite(face.camera).all()


def _crop(photo, landmarks):
    low, high = landmarks.min(0), landmarks.max(0)
    scale = 120 / (2**0.5 * (high - low).max())
    shift = 59.5 - scale * (low + high) / 2
    return warp(photo, np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32), 120)


def test_kept_weights_answer_as_the_network_that_ships(model):
    """Float weights were recovered from the int8 network: a fifth of a pixel apart."""
    import onnxruntime as ort

    from tddfa import FaceAligner, read_image
    from tddfa.packs import find_pack
    from tddfa_train.alignment.recipe import make_alignment_network
    from tddfa_train.landmarks.task import network_input
    from tddfa_train.point_model import PointModel
    from tddfa_train.weights import load_weights

    network = make_alignment_network("dense-folded", model).eval()
    load_weights(network, "open")
    photo = read_image(Path(__file__).parents[2] / "examples/photos/group.jpg")
    boxes = [face.landmarks[:, :2] for face in FaceAligner().align(photo)]
    crops = np.stack([_crop(photo, marks) for marks in boxes])
    file = find_pack("open").read("regressor-small.onnx")
    said = ort.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"input": crops})
    points = PointModel(model, model.landmark_sets["ibug68"])
    with torch.no_grad():
        face = network(network_input(torch.from_numpy(crops)))
        still = torch.zeros_like(face.expression)
        ours = points(face.camera, face.identity, still)
        theirs = points(torch.from_numpy(said[0]), torch.from_numpy(said[1]), still)
    assert float((ours - theirs)[..., :2].norm(dim=2).mean()) < 1.0
