"""A network of close-ups is pruned to narrower blocks and learns what a wider one reads in the same views."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from tddfa.errors import InputError

torch = pytest.importorskip("torch")

from tddfa.morphable import open_face_model  # noqa: E402
from tddfa_train.expressions.network import VIEWS, CloseUpConfig  # noqa: E402
from tddfa_train.expressions.pruning import pruned_closeups  # noqa: E402
from tddfa_train.expressions.recipe import (  # noqa: E402
    CloseUpRecipe,
    closeup_experiment,
    make_closeup_network,
    sizes,
    started_network,
)
from tddfa_train.loop.config import from_mapping  # noqa: E402
from tddfa_train.loop.optimizers import make_optimizer  # noqa: E402

WIDE = CloseUpConfig(widths=(8, 12, 16), feature=24, hidden=32, squeeze=8)
NARROW = replace(WIDE, inner=(0, 6, 8), normalized=False)


@pytest.fixture(scope="module")
def model():
    return open_face_model(level=0, crop="head")


@pytest.fixture
def wide(model, tmp_path):
    """A wide network whose norms have seen batches, and its checkpoint."""
    torch.manual_seed(0)
    network = make_closeup_network(WIDE, model, points=True, person=True)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2.0)
    torch.save({"average": network.state_dict()}, tmp_path / "wide.pt")
    return network.eval()


def _closeups(count=24):
    return torch.randn(count, 3, 128, 128, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def recipe(drawn_faces, tmp_path, wide):
    """A recipe that prunes and is taught; changes are given as keywords."""
    from tddfa.alignment import FaceAligner
    from tddfa_train.data.answers import add_answers

    add_answers(drawn_faces / "faces", FaceAligner("open:small"))

    def make(**changes):
        checkpoint = str(tmp_path / "wide.pt")
        settings = {
            "data": {
                "folders": [str(drawn_faces / "faces")],
                "backgrounds": str(drawn_faces / "backgrounds.npy"),
                "batch_size": 4,
                "negatives": 0.0,
            },
            "loop": {"n_steps": 4, "workers": 0, "optimizer": "muon", "learning_rate": 1e-3},
            "network": asdict(NARROW),
            "start": checkpoint,
            "prune": True,
            "teacher": checkpoint,
        }
        return from_mapping(CloseUpRecipe, settings | changes)

    return make


def test_folded_norms_and_full_blocks_answer_the_same(wide, model):
    plain = make_closeup_network(replace(WIDE, normalized=False), model, points=True, person=True).eval()
    closeups = _closeups()
    plain.load_state_dict(pruned_closeups(wide.state_dict(), plain, closeups))
    with torch.no_grad():
        torch.testing.assert_close(plain.seen(closeups), wide.seen(closeups), atol=1e-4, rtol=1e-4)


def test_channels_that_nobody_reads_are_pruned_without_a_trace(wide, model):
    weights = wide.state_dict()
    for name in VIEWS:
        weights[f"{name}.body.2.second.0.weight"][:, [0, 2, 3, 7, 8, 11]] = 0
        weights[f"{name}.body.4.second.0.weight"][:, :8] = 0
    wide.load_state_dict(weights)
    narrow = make_closeup_network(NARROW, model, points=True, person=True).eval()
    closeups = _closeups()
    narrow.load_state_dict(pruned_closeups(weights, narrow, closeups))
    with torch.no_grad():
        torch.testing.assert_close(narrow.seen(closeups), wide.seen(closeups), atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize("config", [WIDE, NARROW, CloseUpConfig(), CloseUpConfig(inner=(0, 16, 32))])
def test_blocks_follow_from_weights(config, model):
    base = replace(config, inner=(), normalized=True)
    assert base.with_blocks_of(make_closeup_network(config, model).state_dict()) == config


def test_a_recipe_prunes_its_start_and_learns_from_a_teacher_alone(recipe, wide):
    experiment = closeup_experiment(recipe())
    network, task = experiment.network, experiment.task
    batch = {key: torch.from_numpy(value) for key, value in experiment.data[0].items()}
    weights = network.state_dict()
    heads = {key: value.clone() for key, value in weights.items() if key.split(".")[0] not in VIEWS}
    assert all(torch.equal(value, wide.state_dict()[key]) for key, value in heads.items())
    with torch.no_grad():
        for name in VIEWS:
            network.view(name).project.weight.mul_(0.7)  # so that there is something to learn
    optimizer = make_optimizer(network, recipe().loop)
    distances = []
    for _ in range(6):
        terms = task.losses(network, batch)
        assert terms.keys() == {"features", "numbers"}
        loss = sum(terms.values())
        distances.append(float(loss.detach()))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    assert 0 < distances[-1] < distances[0]
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in heads.items())
    # The teacher itself, unpruned, has nothing to learn.
    same = closeup_experiment(recipe(prune=False, network=asdict(WIDE)))
    same.network.eval()
    assert all(float(term.detach()) == 0 for term in same.task.losses(same.network, batch).values())


def test_a_start_keeps_its_blocks_unless_it_is_pruned(recipe, model, tmp_path):
    narrow = make_closeup_network(NARROW, model, points=True)
    torch.save({"average": narrow.state_dict()}, tmp_path / "narrow.pt")
    start = {"start": str(tmp_path / "narrow.pt"), "network": asdict(WIDE), "prune": False, "teacher": None}
    assert sizes(recipe(**start)) == NARROW
    network, _ = started_network(recipe(**start), model)
    assert not [key for key in network.state_dict() if "running" in key]
    for changes, text in (
        ({"network": asdict(replace(NARROW, normalized=True))}, "without batch norms"),
        ({"network": asdict(replace(NARROW, widths=(8, 12, 20)))}, "but for its blocks"),
        ({"teacher": "open:detector"}, "fits this network"),
        ({"start": None}, '"prune" needs weights'),
        ({"start": None, "prune": False}, '"teacher" needs weights'),
        ({"still": ["eyes"]}, "does not go with a teacher"),
    ):
        with pytest.raises(InputError, match=text):
            closeup_experiment(recipe(**changes))
