"""The one table of outputs, and what follows from it."""

from __future__ import annotations

import dataclasses

import pytest

from tddfa.cli.main import build_parser, main
from tddfa.export import EXPORTS
from tddfa.kinds import KINDS, OPTIONS, TABLES, OutputOptions, load, names
from tddfa.render import OVERLAYS


def test_every_kind_has_its_functions_and_known_options() -> None:
    for kind in KINDS + TABLES:
        assert all(callable(load(path)) for path in (kind.files, kind.draw, kind.write) if path)
        assert set(kind.options) | set(kind.parts) <= set(OPTIONS)
        assert kind.per_face == ("per_face" in kind.options)


def test_overlays_and_exports_are_the_kinds_of_the_table() -> None:
    assert list(OVERLAYS) == [kind.name for kind in KINDS if kind.draw]
    assert list(EXPORTS) == [kind.name for kind in KINDS if kind.write]
    assert set(OPTIONS) == {f.name for f in dataclasses.fields(OutputOptions)}


def test_every_option_of_the_table_is_one_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["image", "--help"])
    text = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')}" in text for name in OPTIONS)
    assert all(name in text for name in names(KINDS))


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_option_that_does_not_apply_is_a_usage_error(kind, option, tmp_path, capsys) -> None:
    value = [OPTIONS[option].choices[1]] if OPTIONS[option].choices else []
    command = ["image", str(tmp_path / "none.png"), "-d", str(tmp_path), "-o", kind.name]
    command += [f"--{option.replace('_', '-')}", *value]
    if option in kind.options:
        assert main(command) == 1  # there is no such image
        assert "no such file" in capsys.readouterr().err
        return
    with pytest.raises(SystemExit) as exit_:
        main(command)
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    takers = ", ".join(k.name for k in KINDS if option in k.options)
    assert f"--{option.replace('_', '-')} applies to {takers}; asked for are {kind.name}" in error


def test_options_without_any_kind_are_a_usage_error(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["image", "a.png", "--json", "-", "--neutral"])
    assert "none is asked for" in capsys.readouterr().err
