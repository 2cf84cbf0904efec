"""Configs with mistakes are refused in one line that names the option."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

from tddfa.errors import InputError
from tddfa_train.alignment.recipe import AlignmentRecipe
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


def test_files_that_are_none(tmp_path):
    path = tmp_path / "c.json"
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="nested too deeply"):
        read_config(AlignmentRecipe, path)
    weights = tmp_path / "w.pt"
    for content in ("", "a text", "x" * 10_000):
        weights.write_text(content)
        with pytest.raises(InputError, match=r"cannot read the weights .*: .+\. Give a run.s last\.pt"):
            read_weights(weights)
