"""The identity of a person: renders of the same people, the fit of the head, and its file."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tddfa.errors import InputError  # noqa: E402
from tddfa.morphable import open_face_model  # noqa: E402
from tddfa_train import cli  # noqa: E402
from tddfa_train.data.answers import FIRST_ANSWER  # noqa: E402
from tddfa_train.data.folder import open_face_folder  # noqa: E402
from tddfa_train.data.renders import (  # noqa: E402
    RenderConfig,
    RenderedPerson,
    Studio,
    make_renders,
    random_face,
)
from tddfa_train.expressions.batches import CloseUpBatches  # noqa: E402
from tddfa_train.expressions.person_fit import (  # noqa: E402
    PersonConfig,
    _solved,
    consistency,
    fit_person_head,
    folded,
    person_answers,
)
from tddfa_train.expressions.person_labels import identity_by_embedding  # noqa: E402
from tddfa_train.expressions.person_map import covariances, symmetric, wiener_map, within_people  # noqa: E402
from tddfa_train.expressions.person_samples import PersonSamples, collect_samples  # noqa: E402
from tddfa_train.expressions.recipe import CloseUpRecipe, make_closeup_network  # noqa: E402
from tddfa_train.loop.config import read_config  # noqa: E402
from tddfa_train.weights import load_weights, read_weights, write_weights  # noqa: E402

PEOPLE, IMAGES = 4, 3


@pytest.fixture(scope="module")
def model():
    return open_face_model(level=0, crop="head")


@pytest.fixture(scope="module")
def studio(model):
    return Studio.of(model, open_face_model(level=0, crop="head", mouth=False))


@pytest.fixture(scope="module")
def renders(tmp_path_factory, studio):
    folder = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    np.save(folder / "backgrounds.npy", rng.integers(0, 255, (3, 192, 192, 3), dtype=np.uint8))
    config = RenderConfig(PEOPLE * IMAGES, seed=4, images_per_person=IMAGES, yaw_sigma_deg=5)
    make_renders(folder / "faces", studio, config, folder / "backgrounds.npy")
    labels = open_face_folder(folder / "faces").labels
    blank = {key: np.zeros_like(labels[key.removeprefix("first_")]) for key in FIRST_ANSWER}
    blank["first_camera"] = labels["camera"]
    np.savez(folder / "faces" / "labels.npz", **labels, **blank)
    return folder


@pytest.fixture(scope="module")
def config_file(renders):
    values = {
        "data": {
            "folders": [str(renders / "faces")],
            "backgrounds": str(renders / "backgrounds.npy"),
            "held_out_every": 0,
            "negatives": 0.0,
        },
        "loop": {"n_steps": 1, "workers": 0, "threads": 1},
        "network": {"widths": [8, 16, 16], "feature": 48, "hidden": 64, "squeeze": 8},
    }
    path = renders / "expressions.json"
    path.write_text(json.dumps(values))
    return path


def test_renders_of_a_person_share_the_identity_and_differ_in_pose_and_expression(renders):
    labels = open_face_folder(renders / "faces").labels
    assert labels["person"].tolist() == np.repeat(np.arange(PEOPLE), IMAGES).tolist()
    identity = labels["identity"].reshape(PEOPLE, IMAGES, -1)
    assert (identity == identity[:, :1]).all()
    assert len(np.unique(identity[:, 0], axis=0)) == PEOPLE
    for key in ("camera", "expression"):
        assert len(np.unique(labels[key].reshape(len(labels[key]), -1), axis=0)) == PEOPLE * IMAGES


def test_one_image_of_each_person_is_what_it_was(renders, studio, tmp_path):
    make_renders(tmp_path / "faces", studio, RenderConfig(3, seed=9), renders / "backgrounds.npy")
    folder = open_face_folder(tmp_path / "faces")
    assert "person" not in folder.labels
    rng = np.random.default_rng(9)
    scenery = np.load(renders / "backgrounds.npy")
    for image, identity in zip(folder.images, folder.labels["identity"], strict=True):
        expected, face = random_face(studio, RenderConfig(1), scenery[rng.integers(3)], rng)
        np.testing.assert_array_equal(image, expected)
        np.testing.assert_array_equal(identity, face.identity)
    with pytest.raises(InputError, match="at least 1"):
        make_renders(tmp_path / "none", studio, RenderConfig(3, images_per_person=0), renders)


def test_a_person_is_rendered_in_the_same_colours(studio):
    person = RenderedPerson.random(studio, RenderConfig(1, face_only=1.0), np.random.default_rng(3))
    assert person.face_only
    scenery = np.zeros((192, 192, 3), np.uint8)
    person = replace(person, face_only=False)
    colors = {}
    for name, skin in (("light", 0.9), ("dark", 0.15)):
        own = replace(person, colors=replace(person.colors, skin=np.full(3, skin, np.float32)))
        images = [
            random_face(studio, RenderConfig(1), scenery, np.random.default_rng(k), own)[0] for k in range(3)
        ]
        colors[name] = np.array([image.mean() for image in images])
    assert (colors["light"] > colors["dark"] + 10).all()


def test_samples_know_their_person_and_whether_they_are_mirrored(renders, config_file, model):
    recipe = read_config(CloseUpRecipe, config_file)
    data = CloseUpBatches(recipe.data, recipe.view, 1, model)
    network = make_closeup_network(recipe.network, model)
    samples = collect_samples(network, data, n_crops=2, largest_yaw_deg=50)
    labels = data.folders[0].labels
    ahead = np.flatnonzero(np.abs(labels["yaw_deg"]) < 50)
    assert samples.image.tolist() == [*ahead, *ahead]
    np.testing.assert_array_equal(samples.person, labels["person"][samples.image])
    np.testing.assert_array_equal(samples.identity, labels["identity"][samples.image])
    assert samples.rendered.all()
    assert 0 < samples.mirrored.sum() < len(samples)
    assert samples.feature.shape == (len(samples), 3 * 48)
    assert (samples.n_images == np.bincount(labels["person"][ahead])[samples.person]).all()
    with pytest.raises(InputError, match="coefficients"):
        collect_samples(network, data, n_crops=1, largest_yaw_deg=0)


def test_embeddings_tell_the_identity_that_fits_to_single_images_miss():
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(4000, 6))
    truth = embedding @ rng.normal(size=(6, 4)) + 1
    fits = truth + rng.normal(0, 2, truth.shape)
    fitted = np.arange(4000) % 4 > 0
    fits[~fitted] = np.nan
    told = identity_by_embedding(fits, embedding, fitted, 0.01)
    assert np.abs(told - truth).mean() < 0.1 * np.abs(fits - truth)[fitted].mean()
    # A strong regression knows nobody and answers the mean.
    mean = identity_by_embedding(fits, embedding, fitted, 1e6)
    np.testing.assert_allclose(mean, np.broadcast_to(fits[fitted].mean(0), mean.shape), atol=1e-3)


def test_photos_without_a_fit_take_part_where_an_embedding_tells_who_they_are(
    renders, config_file, model, tmp_path
):
    recipe = read_config(CloseUpRecipe, config_file)
    labels = dict(open_face_folder(renders / "faces").labels)
    embedding = labels["identity"][:, :8]
    labels["embedding"] = embedding
    shutil.copytree(renders / "faces", tmp_path / "fitted")
    np.savez(tmp_path / "fitted" / "labels.npz", **labels)
    shutil.copytree(renders / "faces", tmp_path / "plain")
    fits = {"camera", "identity", "expression", "expression_weight", "fit_weight", "rotation_weight"}
    without = {key: value for key, value in labels.items() if key not in fits}
    np.savez(tmp_path / "plain" / "labels.npz", **without)
    folders = str(tmp_path / "fitted"), str(tmp_path / "plain")
    data = CloseUpBatches(replace(recipe.data, folders=folders), recipe.view, 1, model)
    network = make_closeup_network(recipe.network, model)
    samples = collect_samples(network, data, n_crops=1, largest_yaw_deg=50, ridge=1e-6)
    half = len(samples) // 2
    assert half == (np.abs(labels["yaw_deg"]) < 50).sum()
    np.testing.assert_allclose(samples.identity[:half], samples.identity[half:], atol=1e-6)
    np.testing.assert_allclose(samples.identity[:half, :8], embedding[samples.image[:half]], atol=0.2)
    # An image whose embedding is not known, and which has no fit, is left out.
    without["embedding"] = np.where(np.arange(len(embedding))[:, None] == 0, np.nan, embedding)
    np.savez(tmp_path / "plain" / "labels.npz", **without)
    data = CloseUpBatches(replace(recipe.data, folders=folders), recipe.view, 1, model)
    fewer = collect_samples(network, data, n_crops=1, largest_yaw_deg=50, ridge=1e-6)
    assert len(embedding) not in fewer.image
    assert len(fewer) == len(samples) - (abs(labels["yaw_deg"][0]) < 50)
    assert np.isfinite(fewer.identity).all()
    data = CloseUpBatches(replace(recipe.data, folders=folders[1:]), recipe.view, 1, model)
    with pytest.raises(InputError, match="no face with an embedding has a fit"):
        collect_samples(network, data, n_crops=1, largest_yaw_deg=50)


def test_a_batch_says_which_labels_are_those_of_the_mirror_image(config_file, model):
    recipe = read_config(CloseUpRecipe, config_file)
    data = CloseUpBatches(recipe.data, recipe.view, 1, model)
    rng = np.random.default_rng(0)
    sign = np.asarray(model.identity_mirror_sign)
    samples = [data.sample(2, rng) for _ in range(8)]
    assert {bool(sample["mirrored"]) for sample in samples} == {False, True}
    for sample in samples:
        expected = data.folders[0].labels["identity"][2] * (sign if sample["mirrored"] else 1)
        np.testing.assert_allclose(sample["identity"], expected, atol=1e-6)


SIGN = np.array([1, 1, -1, 1, -1], np.float32)


def synthetic(n_people=60, n_images=6, noise=0.0, photos=False):
    """Features are a linear function of the identity and of something that differs from image to image."""
    rng = np.random.default_rng(5)
    mix = rng.normal(size=(len(SIGN) + 3, 16))
    identity = np.repeat(rng.normal(size=(n_people, len(SIGN))), n_images, 0)
    mirrored = rng.random(len(identity)) < 0.5
    shown = np.where(mirrored[:, None], SIGN, 1) * identity
    changing = rng.normal(size=(len(identity), 3))
    feature = np.concatenate([shown, changing], 1) @ mix + 2
    # The label of an image errs by what changes from image to image, as fits of photos do.
    labels = identity + noise * np.concatenate([changing, changing[:, :2]], 1)
    person = np.repeat(np.arange(n_people), n_images)
    rendered = person % 2 == 0 if photos else np.ones(len(person), bool)
    values = feature.astype(np.float32), mirrored, labels.astype(np.float32)
    return PersonSamples(*values, person, np.arange(len(person)), rendered), identity


FAST = PersonConfig(consistency=0.0, ridge=1e-6, noise=0.0, spread=1.0)


@pytest.mark.parametrize("photos", [False, True])
def test_a_linear_identity_is_recovered(photos):
    samples, identity = synthetic(photos=photos)
    head = fit_person_head(samples, SIGN, FAST)
    np.testing.assert_allclose(person_answers(head, samples, SIGN), identity, atol=0.01)
    wide = fit_person_head(samples, SIGN, replace(FAST, spread=1.5))
    ratio = person_answers(wide, samples, SIGN).std(0) / person_answers(head, samples, SIGN).std(0)
    np.testing.assert_allclose(ratio, 1.5, rtol=1e-3)


def test_the_layer_has_the_least_loss():
    samples, _ = synthetic(noise=1.0, photos=True)
    config = replace(FAST, consistency=2.0, ridge=0.1, photo_share=0.3)

    def loss(weight, bias):
        turned = np.where(samples.mirrored[:, None], SIGN, 1)
        answers = turned * (samples.feature @ weight.T + bias)
        total = config.ridge * np.square(weight).sum()
        for share, kind in ((0.7, samples.rendered), (0.3, ~samples.rendered)):
            error = np.square(answers - samples.identity)[kind].sum(1).mean()
            within = np.trace(within_people(answers[kind], samples.person[kind]))
            total += share * (error + config.consistency * within)
        return total

    layer = _solved(samples.feature, samples, SIGN, config)
    weight, bias = (value.detach().double().numpy() for value in (layer.weight, layer.bias))
    least = loss(weight, bias)
    rng = np.random.default_rng(3)
    for _ in range(20):
        moved = weight + 1e-2 * rng.normal(size=weight.shape), bias + 1e-2 * rng.normal(size=bias.shape)
        assert loss(*moved) > least


def test_answers_for_a_person_agree_more_where_consistency_counts():
    samples, _ = synthetic(noise=1.0, photos=True)
    ratios = [
        consistency(fit_person_head(samples, SIGN, replace(FAST, consistency=weight)), samples, SIGN, FAST)
        for weight in (0.0, 10.0)
    ]
    for kind in ("renders", "photos"):
        assert ratios[0][kind][0] == 30
        assert ratios[1][kind][1] < 0.7 * ratios[0][kind][1]


def test_variances_within_people_need_several_images():
    rng = np.random.default_rng(4)
    answers = rng.normal(size=(5, 2))
    np.testing.assert_array_equal(within_people(answers, np.arange(5)), np.zeros((2, 2)))
    alone = within_people(answers, np.array([0, 0, 0, 1, 2]))
    np.testing.assert_allclose(alone, np.cov(answers[:3].T))


def test_the_mean_person_is_that_of_the_labels_of_photos():
    samples, _ = synthetic(noise=1.0, photos=True)
    apart = replace(samples, identity=samples.identity + np.where(samples.rendered, 0, 3)[:, None])
    head = fit_person_head(apart, SIGN, FAST)
    photos = person_answers(head, samples, SIGN)[~samples.rendered].mean(0)
    label = apart.identity[~samples.rendered].mean(0) * (1 + SIGN) / 2
    np.testing.assert_allclose(photos * (1 + SIGN) / 2, label, atol=1e-3)


def test_the_map_lowers_what_differs_from_image_to_image():
    samples, _ = synthetic(noise=1.0)
    plain, mapped = (fit_person_head(samples, SIGN, replace(FAST, noise=noise)) for noise in (0.0, 2.0))
    before, after = (consistency(head, samples, SIGN, FAST)["renders"][1] for head in (plain, mapped))
    assert after < before


def test_the_folded_layer_is_all_of_its_parts():
    rng = np.random.default_rng(6)
    layer = torch.nn.Linear(7, 5)
    mean, deviation = rng.normal(size=7), rng.uniform(0.1, 2, 7)
    matrix, (center, target) = rng.normal(size=(5, 5)), rng.normal(size=(2, 5))
    x = rng.normal(size=(20, 7))
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    expected = ((x - mean) / deviation @ weight.T + bias - center) @ matrix.T + target
    head = folded(layer, mean, deviation, matrix, center, target)
    with torch.no_grad():
        found = head(torch.from_numpy(x).float()).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_covariances_and_the_map_of_known_ones():
    rng = np.random.default_rng(7)
    between, within = np.diag([4.0, 1.0, 0.0]), np.diag([1.0, 1.0, 1.0])
    people = rng.normal(size=(4000, 3)) * np.sqrt(np.diag(between))
    answers = np.repeat(people, 3, 0) + rng.normal(size=(12000, 3))
    found = covariances(answers, np.repeat(np.arange(4000), 3))
    np.testing.assert_allclose(found[0], within, atol=0.05)
    np.testing.assert_allclose(found[1], between, atol=0.25)
    np.testing.assert_allclose(wiener_map(within, between, 1.0), np.diag([0.8, 0.5, 0]), atol=1e-4)
    np.testing.assert_allclose(wiener_map(within, np.diag([1.0, 1.0, -2.0]), 0.0)[2], 0, atol=1e-4)
    mirror = np.array([1.0, -1.0, 1.0])
    matrix = wiener_map(*(symmetric(covariance, mirror) for covariance in found), 0.5)
    np.testing.assert_allclose(matrix * mirror, mirror[:, None] * matrix, atol=1e-12)
    with pytest.raises(InputError, match="too few"):
        covariances(answers[:3], np.arange(3))


def test_a_folder_in_which_nobody_has_several_images_is_no_good():
    samples, _ = synthetic()
    lonely = replace(samples, person=np.arange(len(samples)))
    with pytest.raises(InputError, match="images-per-person"):
        fit_person_head(lonely, SIGN, FAST)


def test_the_command_adds_the_head_to_the_weights(config_file, model, tmp_path, capsys):
    recipe = read_config(CloseUpRecipe, config_file)
    network = make_closeup_network(recipe.network, model)
    write_weights(tmp_path / "start.safetensors", network.state_dict(), {})
    (tmp_path / "options.json").write_text(json.dumps({"crops": 1, "several_images": 2}))
    file = tmp_path / "person.safetensors"
    command = ["person", str(config_file), "-o", str(file), "--options", str(tmp_path / "options.json")]
    assert cli.main(command) == 1
    assert "--start" in capsys.readouterr().err
    assert cli.main([*command, "--start", str(tmp_path / "start.safetensors")]) == 0
    assert "people in renders" in capsys.readouterr().out
    with_head = make_closeup_network(recipe.network, model, person=True)
    assert load_weights(with_head, file) == []
    assert with_head.person is not None
    assert with_head.person.weight.abs().max() > 0
    start, written = read_weights(tmp_path / "start.safetensors"), read_weights(file)
    assert written.keys() == start.keys() | {"person.weight", "person.bias"}
    assert all(torch.equal(start[key], written[key]) for key in start)


def test_the_command_renders_several_images_of_each_person(renders, tmp_path):
    render = ["render", str(tmp_path / "faces"), "--backgrounds", str(renders / "backgrounds.npy")]
    assert cli.main([*render, "--count", "3", "--images-per-person", "2"]) == 0
    assert open_face_folder(tmp_path / "faces").labels["person"].tolist() == [0, 0, 1]
