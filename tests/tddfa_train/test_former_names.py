"""Options and names of the last release work for one more, with a warning."""

import warnings

import pytest

torch = pytest.importorskip("torch")

from tddfa.errors import InputError  # noqa: E402
from tddfa_train import cli  # noqa: E402
from tddfa_train.data.batches import LandmarkDataConfig  # noqa: E402
from tddfa_train.data.relabel import RelabelConfig  # noqa: E402
from tddfa_train.export.pack import PackConfig  # noqa: E402
from tddfa_train.landmarks.task import LandmarkLossConfig  # noqa: E402
from tddfa_train.loop.config import from_mapping  # noqa: E402
from tddfa_train.weights import read_weights  # noqa: E402

DATA = {"folders": ["faces"], "backgrounds": "b.npy"}
NETWORK = {"checkpoint": "last.pt", "trunk": "dense", "title": "mine"}
PACK = {"name": "mine", "title": "mine", "licence": {}, "default": NETWORK}


@pytest.mark.parametrize(
    ("kind", "given", "old", "new", "value"),
    [
        (LandmarkDataConfig, DATA, "disguise", "occlusion", {"masked": 0.25}),
        (PackConfig, PACK, "first_look", "verifier", NETWORK),
        (LandmarkLossConfig, {}, "human", "annotations", 0.5),
        (RelabelConfig, {}, "looks", "crops", 3),
    ],
)
def test_configs_of_the_last_release_are_read(kind, given, old, new, value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        today = from_mapping(kind, {**given, new: value})
    with pytest.warns(DeprecationWarning, match=f"'{old}' is deprecated .*; use '{new}'"):
        assert from_mapping(kind, {**given, old: value}) == today
    with pytest.raises(InputError, match="has no option 'nonsense'"):
        from_mapping(kind, {**given, "nonsense": 1})


def test_the_former_name_of_weights_that_ship_reads_them():
    today = read_weights("open:verifier")
    with pytest.warns(DeprecationWarning, match="use 'open:verifier'"):
        former = read_weights("open:first-look")
    assert former.keys() == today.keys()
    assert all(torch.equal(former[key], today[key]) for key in today)


def test_the_former_words_of_the_command_work():
    parser = cli.build_parser()
    relabel = ["relabel", "a", "b", "--checkpoint", "last.pt"]
    assert parser.parse_args([*relabel, "--looks", "3"]).crops == 3
    assert parser.parse_args([*relabel, "--crops", "3"]).crops == 3
    assert parser.parse_args(relabel).crops == 4
    old, new = (parser.parse_args([name, "c.json", "out"]) for name in ("card", "model-card"))
    assert old.run is new.run
