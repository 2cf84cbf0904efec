import csv
import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from evaluation_sets import toy_set, write_archive
from tddfa import FaceAligner, read_image
from tddfa.cli.evaluate import PROTOCOLS
from tddfa.cli.main import main
from tddfa.evaluation import PROTOCOLS as MEASURED


@pytest.fixture
def call(toy_pack, packs_folder, tmp_path, monkeypatch):
    shutil.copytree(toy_pack.folder, packs_folder / "3ddfa-v2-mb05")
    data = toy_set(FaceAligner(toy_pack))
    write_archive(tmp_path / "set", data)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return main(["eval", *arguments])

    run.data = data
    return run


def test_the_help_lists_every_protocol():
    assert PROTOCOLS.keys() == MEASURED.keys()


def test_it_prints_protocol_pack_set_bins_and_interval(call, capsys):
    assert call("aflw2000", "--data", "set") == 0
    out, err = capsys.readouterr()
    assert err == ""
    for text in (
        "aflw2000-3d-68/ground-truth/1",
        "3ddfa-v2-mb05",
        "set: 12 faces",
        "0-30 (4)",
        "[95 %]",
        "geodesic",
    ):
        assert text in out
    for truth in ("original", "reannotated"):
        assert any(line.startswith(truth) for line in out.splitlines())


def test_json_is_all_that_stands_on_standard_output(call, capsys):
    assert call("aflw2000", "--data", "set", "--json", "--worst", "2") == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["mean"] == pytest.approx(call.data.errors.mean(), abs=1e-4)
    assert {"mean_of_bins", "bins", "counts", "mean", "interval", "truths", "pose"} <= record.keys()
    assert err == "wrote worst_aflw2000_3ddfa-v2-mb05.jpg\n"
    assert read_image("worst_aflw2000_3ddfa-v2-mb05.jpg").shape[1] == 512


def test_per_image_is_a_table_with_a_row_per_image(call):
    assert call("aflw2000", "--data", "set", "--per-image", "rows.csv") == 0
    with Path("rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == call.data.names
    np.testing.assert_allclose([float(row["error"]) for row in rows], call.data.errors, rtol=1e-5)


@pytest.mark.parametrize("sheet", ["x.gif", "x", "x.abc"])
def test_a_sheet_that_cannot_be_written_is_refused_before_anything_is_measured(
    call, capsys, monkeypatch, sheet
):
    monkeypatch.setattr("tddfa.evaluation.evaluate", lambda *_, **__: pytest.fail("measured"))
    assert call("aflw2000", "--data", "set", "--worst", "2", "--sheet", sheet) == 1
    assert "use jpg, png, webp, tiff or bmp" in capsys.readouterr().err


def test_what_was_measured_is_printed_though_a_file_cannot_be_written(call, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tddfa.evaluation.report.atomic_write", full)
    assert call("aflw2000", "--data", "set", "--per-image", "rows.csv", "--json") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["mean"] == pytest.approx(call.data.errors.mean(), abs=1e-4)
    assert err == "tddfa: error: cannot write rows.csv: No space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["aflw2000", "--data", "nowhere"], "the data folder nowhere does not exist"),
        (["aflw", "--data", "set"], "set holds no AFLW"),
        (["aflw2000", "--data", "set", "--crops", "detector"], "the detector needs the 450 px images"),
        (["aflw2000", "--data", "set", "--pack", "mine"], "no model pack named 'mine'"),
        (["aflw2000", "--data", "set", "--per-image", "no/rows.csv"], "cannot write no/rows.csv"),
        (["stability", "--data", "set", "--smoothing", "magic"], "no smoothing 'magic'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_1(call, capsys, arguments, message):
    assert call(*arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tddfa: error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("content", "message"), [(None, "no such file: theirs.npz"), (b"x", "is damaged")])
def test_predictions_are_read_before_portraits_are_rendered(call, capsys, content, message):
    if content is not None:
        Path("theirs.npz").write_bytes(content)
    assert call("expressions", "--predictions", "theirs.npz", "--data", "portraits") == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("portraits").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["aflw2000"],
        ["wflw", "--data", "set"],
        ["aflw", "--data", "set", "--crops", "detector"],
        ["aflw2000", "--data", "set", "--normaliser", "crop"],
        ["aflw2000", "--data", "set", "--predictions", "theirs.npz"],
        ["aflw2000", "--data", "set", "--smoothing", "none"],
        ["aflw2000", "--data", "set", "--sheet", "x.jpg"],
        ["aflw2000", "--data", "set", "--worst", "0"],
        ["aflw2000", "--data", "set", "--per-image", "rows.xlsx"],
    ],
)
def test_wrong_usage_is_exit_code_2(call, arguments):
    with pytest.raises(SystemExit) as stop:
        call(*arguments)
    assert stop.value.code == 2
