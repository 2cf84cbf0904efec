import io
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tddfa.errors import InputError  # noqa: E402
from tddfa.morphable import open_face_model  # noqa: E402
from tddfa.regression.expressions import corrected_camera, state  # noqa: E402
from tddfa.types import FaceParams  # noqa: E402
from tddfa_train.data.folder import open_face_folder  # noqa: E402
from tddfa_train.export.pack import ExpressionSource, following_onnx  # noqa: E402
from tddfa_train.expressions.export import (  # noqa: E402
    N_ROTATION,
    Trust,
    closeup_arrays,
    export_closeups,
    export_following,
    int8_closeups,
)
from tddfa_train.expressions.network import VIEWS, CloseUpConfig, FirstAnswer, corrected  # noqa: E402
from tddfa_train.expressions.recipe import CloseUpRecipe, closeup_experiment, make_closeup_network  # noqa: E402
from tddfa_train.expressions.task import first_answer  # noqa: E402
from tddfa_train.expressions.views import make_closeups  # noqa: E402
from tddfa_train.landmarks.task import network_input  # noqa: E402
from tddfa_train.loop.config import read_config  # noqa: E402
from tddfa_train.loop.train import train  # noqa: E402
from tddfa_train.weights import write_weights  # noqa: E402


@pytest.fixture(scope="module")
def model():
    return open_face_model(level=0, crop="head")


@pytest.fixture(scope="module")
def renders(tmp_path_factory, model):
    from tddfa_train.data.answers import FIRST_ANSWER
    from tddfa_train.data.renders import RenderConfig, Studio, make_renders

    folder = tmp_path_factory.mktemp("renders")
    rng = np.random.default_rng(0)
    np.save(folder / "backgrounds.npy", rng.integers(0, 255, (3, 192, 192, 3), dtype=np.uint8))
    studio = Studio.of(model, open_face_model(level=0, crop="head", mouth=False))
    make_renders(folder / "faces", studio, RenderConfig(8, seed=3), folder / "backgrounds.npy")
    faces = open_face_folder(folder / "faces")
    # A first network that knows the pose, and neither the person nor what the face does.
    blank = {key: np.zeros_like(faces.labels[key.removeprefix("first_")]) for key in FIRST_ANSWER}
    blank["first_camera"] = faces.labels["camera"]
    np.savez(folder / "faces" / "labels.npz", **faces.labels, **blank)
    return folder


@pytest.fixture(scope="module")
def recipe(renders, tmp_path_factory):
    values = {
        "data": {
            "folders": [str(renders / "faces")],
            "backgrounds": str(renders / "backgrounds.npy"),
            "batch_size": 8,
            "held_out_every": 0,
            "negatives": 0.0,
        },
        "loop": {"n_steps": 40, "warmup_steps": 5, "workers": 0, "threads": 1, "log_every": 10},
        "view": {"turn_deg": [0, 0], "scale": [0, 0], "shift_mm": [0, 0]},
        "network": {"widths": [8, 16, 16], "feature": 48, "hidden": 64, "squeeze": 8},
    }
    path = tmp_path_factory.mktemp("recipe") / "expressions.json"
    path.write_text(json.dumps(values))
    return read_config(CloseUpRecipe, path)


def test_labels_follow_the_face_into_the_frame_also_in_a_mirror(recipe, model):
    data = closeup_experiment(recipe).data
    for step in range(3):
        batch = data[step]
        for k in range(8):
            camera = batch["first_camera"][k].astype(np.float64)
            # Cameras of the first answers are the true ones here.
            points = model.landmarks(FaceParams(camera, batch["identity"][k], batch["expression"][k]))
            away = np.abs(points[:, :2] - batch["landmarks68"][k, :, :2])
            eyes = np.isin(np.arange(68), np.arange(36, 48))
            assert away[~eyes].max() < 0.05
            assert (
                away[eyes].max() < 1.1
            )  # painted eyes look elsewhere; their lids would slide by two millimetres
            assert np.abs(points[:, :2].mean(0) - 60).max() < 25
            assert points[8, 1] > points[27, 1] + 10  # the chin lies below the nose


def test_photos_with_painted_eyes_say_their_gaze_exactly(recipe, renders, model, tmp_path):
    from dataclasses import replace

    folder = tmp_path / "photos"
    shutil.copytree(renders / "faces", folder)
    gaze = [k for k, name in enumerate(model.expression_names) if name.startswith("eyeLook")]
    with np.load(folder / "labels.npz") as stored:
        labels = dict(stored)
    labels["rotation_weight"] = np.full_like(labels["rotation_weight"], 0.5)  # as fits of photos have it
    labels["expression_weight"] = labels["expression_weight"].copy()
    labels["expression_weight"][:, gaze] = 0.0
    np.savez(folder / "labels.npz", **labels)
    sides = abs(np.cross(*np.swapaxes(labels["camera"][:, :2, :3], 0, 1))[:, 2])
    facing = sides / np.square(labels["camera"][:, 0, :3]).sum(1) > 0.7
    assert facing.any()
    for share in (0.0, 1.0):
        view = replace(recipe.view, painted_photos=share)
        data = replace(recipe.data, folders=(str(folder),))
        batches = closeup_experiment(replace(recipe, data=data, view=view)).data
        weights = np.concatenate([batches[step]["expression_weight"][:, gaze] for step in range(3)])
        assert weights.max() == share
        assert set(np.unique(weights)) <= {0.0, share}


def test_both_decodings_correct_a_camera_alike():
    rng = np.random.default_rng(1)
    turn = np.diag([1.0, -1, -1]) @ np.array(
        [[np.cos(0.6), 0, np.sin(0.6)], [0, 1, 0], [-np.sin(0.6), 0, np.cos(0.6)]]
    )
    camera = np.concatenate([0.7 * turn, rng.normal(size=(3, 1))], 1)  # upright, as all cameras of batches
    raw = rng.normal(size=6)
    units = np.array([0.05, 0.05, 0.05, 0.1, 5, 5])
    theirs = corrected(torch.from_numpy(camera[None]), torch.from_numpy(raw[None]))[0].numpy()
    np.testing.assert_allclose(theirs, corrected_camera(camera, raw * units), atol=1e-9)


def test_a_few_renders_are_learnt_and_the_exported_network_says_the_same(recipe, tmp_path, model):
    experiment = closeup_experiment(recipe)
    train(experiment.network, experiment.task, experiment.data, experiment.loop, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["movement"] < 0.8 * rows[0]["movement"]
    network = experiment.network.eval()
    batch = experiment.data[0]
    tensors = {key: torch.from_numpy(value) for key, value in batch.items()}
    first = first_answer(tensors)
    with torch.no_grad():
        face = network(network_input(tensors["crop"]), first)
    faces = [
        FaceParams(
            batch["first_camera"][k].astype(np.float64),
            batch["first_identity"][k],
            batch["first_expression"][k],
        )
        for k in range(8)
    ]
    numbers = np.stack([state(face) for face in faces])
    np.testing.assert_allclose(numbers, first.numbers().numpy(), atol=1e-5)
    float32 = export_closeups(network)
    for data, tolerance in ((float32, 2e-3), (int8_closeups(float32, batch["crop"], numbers), 0.15)):
        pose, identity, expression = run(data, batch["crop"], numbers)
        np.testing.assert_allclose(expression, face.expression.clamp(0, 1).numpy(), atol=tolerance)
        np.testing.assert_allclose(batch["first_identity"] + identity, face.identity, atol=4 * tolerance)
        moved = corrected_camera(faces[0].camera, pose[0])
        np.testing.assert_allclose(moved, face.camera[0], atol=20 * tolerance)
    still = run(export_closeups(network, Trust((0, 0, 0), 0, 0)), batch["crop"], numbers)
    assert not still[0].any()
    assert not still[1].any()
    np.testing.assert_array_equal(still[2], run(float32, batch["crop"], numbers)[2])


def test_the_first_answer_stays_where_the_face_looks_away(recipe, model):
    network = make_closeup_network(recipe.network, model).eval()
    rng = np.random.default_rng(2)
    views = rng.integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    yaw = np.deg2rad([10.0, 45.0, 80.0])
    numbers = rng.uniform(0, 1, (3, 6 + model.n_identity + model.n_expression)).astype(np.float32)
    numbers[:, :6] = np.stack([np.cos(yaw), 0 * yaw, -np.sin(yaw), 0 * yaw, 0 * yaw - 1, 0 * yaw], 1)
    pose, identity, expression = run(export_closeups(network), views, numbers)
    faded = run(export_closeups(network, Trust(facing=(0.5, 0.87), shown=(0.1, 0.8))), views, numbers)
    share = np.array([1, (np.cos(yaw[1]) - 0.5) / 0.37, 0], np.float32)[:, None]
    np.testing.assert_allclose(faded[0], share * pose, atol=1e-6)
    np.testing.assert_allclose(faded[1], share * identity, atol=1e-6)
    share = np.array([1, (np.cos(yaw[1]) - 0.1) / 0.7, (np.cos(yaw[2]) - 0.1) / 0.7], np.float32)[:, None]
    first = numbers[:, -model.n_expression :]
    np.testing.assert_allclose(faded[2], share * expression + (1 - share) * first, atol=1e-6)


def test_the_person_is_read_from_the_views_alone_and_gives_way_to_the_first_answer(recipe, model):
    network = make_closeup_network(recipe.network, model, person=True).eval()
    rng = np.random.default_rng(5)
    views = rng.integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    numbers = rng.uniform(0, 1, (3, 6 + model.n_identity + model.n_expression)).astype(np.float32)
    yaw = np.deg2rad([0.0, 45.0, 90.0])
    numbers[:, :6] = np.stack([np.cos(yaw), 0 * yaw, -np.sin(yaw), 0 * yaw, 0 * yaw - 1, 0 * yaw], 1)
    with torch.no_grad():
        person = network.person(network.seen(network_input(torch.from_numpy(views)))).numpy()
    data = export_closeups(network, Trust(facing=(0.2, 0.9)))
    share = np.array([1, (np.cos(yaw[1]) - 0.2) / 0.7, 0], np.float32)[:, None]
    expected = share * person + (1 - share) * numbers[:, 6 : 6 + model.n_identity]
    np.testing.assert_allclose(run(data, views, numbers)[3], expected, atol=1e-4)
    quantized = run(int8_closeups(data, views, numbers), views, numbers)
    np.testing.assert_allclose(quantized[3], expected, atol=0.15)
    assert len(run(export_following(network), views, numbers[:, :6], "rotation")) == 3


def test_named_expressions_are_shifted_to_rest_and_stretched_and_no_others_are(recipe, model):
    network = make_closeup_network(recipe.network, model).eval()
    with torch.no_grad():
        network.head.bias[-model.n_expression :] += 0.5 / network.regressed
    rng = np.random.default_rng(3)
    views = rng.integers(0, 256, (4, 128, 128, 3), dtype=np.uint8)
    numbers = rng.uniform(0, 1, (4, 6 + model.n_identity + model.n_expression)).astype(np.float32)
    plain = run(export_closeups(network), views, numbers)
    stretched = run(export_closeups(network, Trust(stretch={"eyeLook": (1.2, 0.1)})), views, numbers)
    gaze = np.array([name.startswith("eyeLook") for name in model.expression_names])
    assert (plain[2][:, gaze] > 0).all()
    expected = np.where(gaze, np.clip(1.2 * (plain[2] - 0.1), 0, 1), plain[2])
    np.testing.assert_allclose(stretched[2], expected, atol=1e-5)
    for before, after in zip(plain[:2], stretched[:2], strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_a_network_that_follows_says_what_it_says_of_a_face_that_is_not_known_yet(recipe, model):
    network = make_closeup_network(recipe.network, model).eval()
    rng = np.random.default_rng(4)
    views = rng.integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    numbers = np.zeros((3, 6 + model.n_identity + model.n_expression), np.float32)
    yaw = np.deg2rad([0.0, -10.0, 25.0])
    numbers[:, :6] = np.stack([np.cos(yaw), 0 * yaw, -np.sin(yaw), 0 * yaw, 0 * yaw - 1, 0 * yaw], 1)
    trust = Trust(turn=(0.5, 1, 1), stretch={"eyeLook": (1.2, 0.1)})
    following = export_following(network, trust)
    expected = run(export_closeups(network, trust), views, numbers)
    for ours, theirs in zip(run(following, views, numbers[:, :6], "rotation"), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    quantized = int8_closeups(following, views, numbers, numbers="rotation")
    for ours, theirs in zip(run(quantized, views, numbers[:, :6], "rotation"), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.15)


def test_where_only_a_camera_is_known_identity_and_expression_begin_at_rest(recipe, renders, tmp_path):

    shutil.copytree(renders / "faces", tmp_path / "faces")
    with np.load(tmp_path / "faces" / "labels.npz") as stored:
        labels = dict(stored)
    labels["first_identity"] = labels["first_identity"] + 1
    np.savez(tmp_path / "faces" / "labels.npz", **labels)
    answered = replace(recipe, data=replace(recipe.data, folders=(str(tmp_path / "faces"),)))
    assert closeup_experiment(answered).data[0]["first_identity"].any()
    followed = replace(answered, view=replace(recipe.view, camera_only=1.0))
    batch = closeup_experiment(followed).data[0]
    assert not batch["first_identity"].any()
    assert not batch["first_expression"].any()
    assert batch["identity"].any()


def run(data, views, numbers, name="state"):
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": views, name: numbers.astype(np.float32)})


def test_views_are_sampled_from_the_front_of_the_face(model):
    closeups = make_closeups(model)
    assert set(closeup_arrays(closeups)) == {"eyes", "mouth", "face"}
    marks = model.landmark_sets["ibug68"].positions(model.mean)
    for points, shown in (
        (closeups.eyes, marks[17:27]),
        (closeups.eyes, marks[36:48]),
        (closeups.mouth, marks[48:]),
    ):
        low, high = points.min((0, 1)), points.max((0, 1))
        assert (shown[:, :2] > low[:2]).all()
        assert (shown[:, :2] < high[:2]).all()
    # They lie on the skin: a landmark is close to the nearest point of a view.
    for mark in marks[[19, 24, 36, 45]]:
        assert np.linalg.norm(closeups.eyes - mark, axis=2).min() < 4


def test_a_folder_without_first_answers_is_named(recipe, drawn_faces):
    from tddfa.errors import InputError

    other = replace(recipe, data=replace(recipe.data, folders=(str(drawn_faces / "faces"),)))
    with pytest.raises(InputError, match="tddfa-train answers"):
        closeup_experiment(other)


def test_answers_of_a_pack_are_added_to_a_folder(renders, tmp_path):

    from tddfa import FaceAligner
    from tddfa_train.data.answers import FIRST_ANSWER, add_answers

    shutil.copytree(renders / "faces", tmp_path / "faces")
    assert add_answers(tmp_path / "faces", FaceAligner("open")) == 8
    with np.load(tmp_path / "faces" / "labels.npz") as labels:
        assert set(FIRST_ANSWER) <= set(labels)
        size = np.linalg.norm(labels["first_camera"][:, 0, :3], axis=1)
        np.testing.assert_allclose(size, np.linalg.norm(labels["camera"][:, 0, :3], axis=1), rtol=0.25)


def test_an_untrained_network_leaves_camera_and_identity_nearly_as_they_are(model):
    network = make_closeup_network(
        CloseUpRecipe.__dataclass_fields__["network"].default_factory(), model
    ).eval()
    first = FirstAnswer(
        torch.eye(3, 4)[None], torch.zeros(1, model.n_identity), torch.zeros(1, model.n_expression)
    )
    with torch.no_grad():
        face = network(torch.zeros(1, 3, 128, 128), first)
    assert (face.camera - first.camera).abs().max() < 0.2
    assert face.identity.abs().max() < 0.2


def answered(network, seed=0):
    rng = np.random.default_rng(seed)
    views = torch.from_numpy(rng.normal(size=(4, 3, 128, 128)).astype(np.float32))
    n_identity, n_expression = network.n_identity, len(network.regressed)
    first = FirstAnswer(
        torch.eye(3, 4).repeat(4, 1, 1), torch.zeros(4, n_identity), torch.zeros(4, n_expression)
    )
    with torch.no_grad():
        return views, network.eval().feature(views, first), network.head(network.feature(views, first))


def test_a_view_that_starts_anew_is_alive_and_changes_no_answer(recipe, model):
    config = recipe.network
    network = make_closeup_network(config, model, points=True)
    start = VIEWS.index("face") * config.feature
    with torch.no_grad():
        network.face.project.bias.fill_(-1e3)  # a view that died: all of its features are 0
    views, before, answers = answered(network)
    assert (before[:, config.hidden + start :] == 0).all()
    assert network.unread_views(views) == ["face"]
    network.begin_anew("face")
    assert network.unread_views(views) == []
    _, after, same = answered(network)
    alive = (after[:, config.hidden + start : config.hidden + start + config.feature] > 0).float().mean()
    assert 0.2 < alive < 0.8
    np.testing.assert_allclose(same, answers, atol=1e-5)


def test_training_leaves_views_that_are_held_still_as_they_are(recipe, tmp_path):
    held = replace(recipe, still=("eyes", "mouth"), anew=("face",), loop=replace(recipe.loop, n_steps=3))
    experiment = closeup_experiment(held)
    before = {key: value.clone() for key, value in experiment.network.state_dict().items()}
    train(experiment.network, experiment.task, experiment.data, experiment.loop, tmp_path)
    changed = {
        key.split(".")[0]
        for key, value in experiment.network.state_dict().items()
        if not torch.equal(value, before[key])
    }
    assert changed == {"face", "join", "head", "points"}


def test_a_head_learns_what_tells_people_apart_where_it_is_known(recipe, renders, tmp_path):
    shutil.copytree(renders / "faces", tmp_path / "told")
    labels = dict(open_face_folder(tmp_path / "told").labels)
    labels["embedding"] = np.random.default_rng(2).normal(size=(8, 5)).astype(np.float32)
    np.savez(tmp_path / "told" / "labels.npz", **labels)
    folders = (str(tmp_path / "told"), str(renders / "faces"))
    both = replace(recipe, data=replace(recipe.data, folders=folders), embedding=1.0)
    experiment = closeup_experiment(both)
    batch = experiment.data[0]
    known = np.isfinite(batch["embedding"]).all(axis=1)
    assert 0 < known.sum() < len(known)
    tensors = {key: torch.from_numpy(np.asarray(value)) for key, value in batch.items()}
    loss = experiment.task.losses(experiment.network, tensors)["embedding"]
    loss.backward()
    assert np.isfinite(loss.item())
    assert experiment.network.embedding.weight.grad.abs().max() > 0
    tensors["embedding"].fill_(np.nan)
    assert experiment.task.losses(experiment.network, tensors)["embedding"].item() == 0
    labels["embedding"] = labels["embedding"][:, 0]
    np.savez(tmp_path / "told" / "labels.npz", **labels)
    with pytest.raises(InputError, match=r"need the shape \(n, k\).*\(8,\) in told"):
        closeup_experiment(both)
    with pytest.raises(InputError, match="no folder has the labels 'embedding'"):
        closeup_experiment(replace(recipe, embedding=1.0))
    with pytest.raises(InputError, match="no view 'nose'"):
        closeup_experiment(replace(recipe, still=("nose",)))


@pytest.mark.parametrize("export", [export_closeups, export_following])
def test_a_view_of_which_nothing_is_read_is_left_out_and_no_answer_changes(export, recipe, model):
    network = make_closeup_network(recipe.network, model, person=export is export_closeups).eval()
    with torch.no_grad():
        network.mouth.project.bias.fill_(-1e3)
        network.mouth.project.weight.mul_(0.1)
    rng = np.random.default_rng(0)
    views = rng.integers(0, 255, (3, 128, 128, 3), dtype=np.uint8)
    assert network.unread_views(network_input(torch.from_numpy(views))) == ["mouth"]
    known = "rotation" if export is export_following else "state"
    n_numbers = N_ROTATION + (0 if known == "rotation" else model.n_identity + model.n_expression)
    numbers = rng.normal(size=(3, n_numbers))
    whole, short = export(network), export(network, Trust(), ["mouth"])
    assert len(short) < 0.85 * len(whole)
    for expected, found in zip(
        run(whole, views, numbers, known), run(short, views, numbers, known), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_pack_of_floats_needs_no_data_and_one_of_integers_warns_of_unread_views(
    recipe, renders, model, tmp_path, caplog
):
    network = make_closeup_network(recipe.network, model)
    with torch.no_grad():
        network.face.project.bias.fill_(-1e3)
        network.face.project.weight.mul_(0.1)
    write_weights(tmp_path / "dead.safetensors", network.state_dict(), {})
    config = {
        "data": {"folders": ["nowhere"], "backgrounds": str(renders / "backgrounds.npy"), "negatives": 0.0},
        "loop": {"n_steps": 1, "workers": 0, "threads": 1},
        "network": asdict(recipe.network),
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    source = ExpressionSource(str(tmp_path / "dead.safetensors"), str(tmp_path / "config.json"), int8=False)
    floats = following_onnx(source)
    assert not caplog.messages
    config["data"] |= {"folders": [str(renders / "faces")], "held_out_every": 0, "batch_size": 64}
    (tmp_path / "config.json").write_text(json.dumps(config))
    integers = following_onnx(replace(source, int8=True))
    assert "reads nothing in the view of the face" in caplog.messages[0]
    views = np.random.default_rng(1).integers(0, 255, (2, 128, 128, 3), dtype=np.uint8)
    numbers = np.tile(np.eye(3)[:2].ravel(), (2, 1))
    for a, b in zip(
        run(floats, views, numbers, "rotation"), run(integers, views, numbers, "rotation"), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=0.1)


@pytest.mark.parametrize(
    ("name", "known", "read"),
    # The network that follows faces has two views: that of the face died in training and is left out.
    [("expressions.onnx", "state", VIEWS), ("following.onnx", "rotation", VIEWS[:2])],
)
def test_the_networks_that_ship_read_their_views(name, known, read, model):
    from tddfa import FaceAligner, read_image
    from tddfa.packs import find_pack

    photo = read_image(Path(__file__).parents[2] / "examples/photos/group.jpg")
    faces = [face.params for face in FaceAligner("open").align(photo)]
    closeups = make_closeups(model)
    views = np.stack([closeups(photo, face.camera) for face in faces])
    numbers = np.stack([state(face) for face in faces])
    if known == "rotation":
        numbers = numbers[:, :N_ROTATION]
    tall, narrow = CloseUpConfig().eyes_size[0], CloseUpConfig().mouth_size[1]
    below = slice(tall, None)
    areas = (slice(tall), slice(None)), (below, slice(narrow)), (below, slice(narrow, None))
    data = find_pack("open").read(name)
    expected = run(data, views, numbers, known)
    for view, (rows, columns) in zip(VIEWS, areas, strict=True):
        grey = views.copy()
        grey[:, rows, columns] = 128
        found = run(data, grey, numbers, known)
        moved = max(np.abs(a - b).max() for a, b in zip(found, expected, strict=True))
        assert moved > 1e-2 if view in read else moved == 0, view


def test_the_kept_weights_answer_as_the_network_that_ships(model):
    from tddfa import FaceAligner, read_image
    from tddfa.packs import find_pack
    from tddfa_train.weights import load_weights

    network = make_closeup_network(CloseUpConfig(), model)
    assert load_weights(network, "open:expressions") == []
    photo = read_image(Path(__file__).parents[2] / "examples/photos/group.jpg")
    faces = [face.params for face in FaceAligner("open:small").align(photo)]
    closeups = make_closeups(model)
    views = np.stack([closeups(photo, face.camera) for face in faces])
    numbers = np.stack([state(face) for face in faces])
    said = run(find_pack("open").read("expressions.onnx"), views, numbers)[2]
    with np.load(io.BytesIO(find_pack("open").read("closeups.npz"))) as places:
        for name, points in closeup_arrays(closeups).items():
            np.testing.assert_allclose(places[name], points, atol=1e-3)
    first = FirstAnswer(
        *(
            torch.from_numpy(np.stack([np.asarray(getattr(face, key), np.float32) for face in faces]))
            for key in ("camera", "identity", "expression")
        )
    )
    with torch.no_grad():
        ours = network.eval()(network_input(torch.from_numpy(views)), first).expression.clamp(0, 1).numpy()
    assert np.abs(said - ours).mean() < 0.02


def test_the_kept_weights_follow_as_the_network_that_ships_does(model):
    from tddfa import FaceAligner, read_image
    from tddfa.packs import find_pack
    from tddfa.regression.expressions import upright_rotation
    from tddfa_train.weights import load_weights

    network = make_closeup_network(CloseUpConfig(), model)
    assert load_weights(network, "open:following") == []
    photo = read_image(Path(__file__).parents[2] / "examples/photos/group.jpg")
    faces = [face.params for face in FaceAligner("open").align(photo)]
    views = np.stack([make_closeups(model)(photo, face.camera) for face in faces])
    rotations = np.array([upright_rotation(face.camera) for face in faces], np.float32)
    shipped = run(find_pack("open").read("following.onnx"), views, rotations, "rotation")
    kept = run(export_following(network.eval()), views, rotations, "rotation")
    assert np.abs(shipped[0][:, :3] - kept[0][:, :3]).max() < 0.01
    gaze = np.array([name.startswith(("eyeLook", "eyeSquint")) for name in model.expression_names])
    assert np.abs(shipped[2] - kept[2])[:, ~gaze].mean() < 0.02
