"""Configs with mistakes are refused in one line that names the option."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

from tddfa.errors import InputError
from tddfa_train.alignment.recipe import AlignmentRecipe
from tddfa_train.expressions.person_fit import PersonConfig
from tddfa_train.expressions.placement import PlacementConfig
from tddfa_train.loop.config import from_mapping, read_config, to_json
from tddfa_train.weights import read_weights

WHOLE = {
    "trunk": "dense-small",
    "data": {"folders": ["a", "b"], "backgrounds": "b.npy", "batch_size": 64},
    "loop": {"n_steps": 10, "learning_rate": 1},
}


def changed(part: str, name: str, value: object) -> dict[str, object]:
    return {**WHOLE, part: {**WHOLE[part], name: value}}


def test_what_is_right_is_read_and_written_back():
    recipe = from_mapping(AlignmentRecipe, WHOLE)
    assert recipe.data.folders == ("a", "b")
    assert isinstance(recipe.loop.learning_rate, float)
    assert from_mapping(AlignmentRecipe, json.loads(to_json(recipe))) == recipe


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], r"config is \[\]; an object with options is needed"),
        ({**WHOLE, "loop": None}, "config.loop is None; an object with options is needed"),
        ({**WHOLE, "loop": []}, r"config.loop is \[\]; an object"),
        (changed("data", "folders", "ds"), "config.data.folders is 'ds'; a list is needed"),
        (changed("data", "folders", [1]), "config.data.folders is 1; a text is needed"),
        (changed("data", "batch_size", "64"), "config.data.batch_size is '64'; a whole number is needed"),
        (changed("data", "batch_size", 1.5), "batch_size is 1.5; a whole number"),
        (changed("data", "batch_size", True), "batch_size is True; a whole number"),
        (changed("loop", "learning_rate", float("nan")), "learning_rate is nan; a number is needed"),
        (changed("loop", "bf16", 1), "config.loop.bf16 is 1; true or false is needed"),
    ],
)
def test_another_kind_of_value_is_named(values, line):
    with pytest.raises(InputError, match=line):
        from_mapping(AlignmentRecipe, values)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (changed("loop", "n_steps", 0), "config.loop.n_steps is 0; a whole number of at least 1 is needed"),
        (changed("loop", "log_every", 0), "config.loop.log_every is 0; a whole number of at least 1"),
        (changed("loop", "save_every", -1), "config.loop.save_every is -1; a whole number of at least 1"),
        (changed("loop", "workers", -1), "config.loop.workers is -1; a whole number of at least 0"),
        (changed("loop", "average_decay", 2), r"average_decay is 2\.0; a number from 0 to 1 is needed"),
        (changed("data", "batch_size", 0), "config.data.batch_size is 0; a whole number of at least 1"),
        (changed("data", "seed", -1), "config.data.seed is -1; a whole number of at least 0"),
        (changed("data", "negatives", 1.5), r"negatives is 1\.5; a number from 0 to 1"),
        (changed("data", "video_share", 2), r"video_share is 2\.0; a number from 0 to 1"),
        (changed("data", "yaw_shares", [1, 1]), r"yaw_shares is \[1, 1\]; a list of 3 is needed"),
    ],
)
def test_a_number_that_cannot_be_meant_is_named(values, line):
    with pytest.raises(InputError, match=line):
        from_mapping(AlignmentRecipe, values)


@pytest.mark.parametrize("kind", [PersonConfig, PlacementConfig])
def test_numbers_of_the_fits_of_a_last_layer_are_checked_as_well(kind):
    with pytest.raises(InputError, match=r"config\.crops is 0; a whole number of at least 1 is needed"):
        from_mapping(kind, {"crops": 0})


def test_an_option_that_is_needed_is_named():
    without = {name: value for name, value in WHOLE.items() if name != "trunk"}
    with pytest.raises(InputError, match=r"^config lacks the option 'trunk'$"):
        from_mapping(AlignmentRecipe, without)
    with pytest.raises(InputError, match=r"^config\.data lacks the option 'backgrounds'$"):
        from_mapping(AlignmentRecipe, {**WHOLE, "data": {"folders": ["a"]}})


def test_files_that_are_none(tmp_path):
    path = tmp_path / "c.json"
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="nested too deeply"):
        read_config(AlignmentRecipe, path)
    weights = tmp_path / "w.pt"
    for content in ("", "a text", "x" * 10_000):
        weights.write_text(content)
        with pytest.raises(
            InputError, match=r"cannot read the weights .*: .+\. Give a run.s last\.pt"
        ) as told:
            read_weights(weights)
        assert "weights_only" not in str(told.value)  # torch advises to run what a file of others holds
