"""The examples and the tutorial run as they stand."""

import os
import re
import runpy
import shutil
import sys

import pytest

from conftest import REPOSITORY
from tddfa.tracking import SMOOTHERS
from waiting import PATIENCE_S

EXAMPLES = REPOSITORY / "examples"


@pytest.fixture
def with_pack(tmp_path, monkeypatch):
    """As after `pip install`: the built-in pack and no other."""
    monkeypatch.setenv("TDDFA_PACKS", str(tmp_path / "packs"))
    monkeypatch.delenv("TDDFA_PACK", raising=False)


def test_the_photo_example_draws_its_faces(with_pack, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["01_photo.py"])
    runpy.run_path(str(EXAMPLES / "01_photo.py"), run_name="__main__")
    assert capsys.readouterr().out.count("yaw") == 4
    assert {p.name for p in tmp_path.iterdir()} >= {"group_landmarks.jpg", "group_mesh.jpg"}


@pytest.mark.parametrize("smoother", SMOOTHERS)
def test_the_video_example_follows_two_people_who_cross_leave_and_return(
    with_pack, tmp_path, monkeypatch, capsys, smoother
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["02_video.py", str(EXAMPLES / "clip.mp4"), smoother])
    runpy.run_path(str(EXAMPLES / "02_video.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[3] for line in lines} == {"0", "1"}
    states = [line.split()[-1] for line in lines]
    assert states == ["new", "new", "lost", "returned", "lost", "returned"], "one line for each change"
    assert {p.name for p in tmp_path.iterdir()} >= {"clip_landmarks.mp4", "clip.csv"}


@pytest.mark.parametrize("smoother", SMOOTHERS)
def test_the_live_example_plays_a_video_too(with_pack, monkeypatch, capsys, smoother):
    monkeypatch.setattr(sys, "argv", ["03_live.py", str(EXAMPLES / "clip.mp4"), smoother])
    runpy.run_path(str(EXAMPLES / "03_live.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len({line[:8] for line in lines}) == 125  # every frame
    assert sum(not line.endswith("lost") for line in lines) <= 125  # and one visible face at most


def test_the_tutorial_runs_from_top_to_bottom(with_pack, tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="needs the dev extra")
    nbclient = pytest.importorskip("nbclient", reason="needs the dev extra")
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    notebook = nbformat.read(folder / "tutorial.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=int(PATIENCE_S),
        resources={"metadata": {"path": str(folder)}},
        kernel_name="python3",
    )
    client.execute(env={**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"})
    text = str(notebook)
    assert "4 faces" in text
    apart = re.search(r"landmarks within ([\d.]+) px", text)
    assert apart
    assert float(apart[1]) < 2
    assert "same mesh: True" in text
