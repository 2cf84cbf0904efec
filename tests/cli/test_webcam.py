"""`tddfa webcam` without a camera: a file as source, a stand-in or pygame's dummy screen as window."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import toys
from clips import write_clip
from tddfa import FaceAligner, read_image
from tddfa.cli.main import main
from tddfa.cli.webcam import in_real_time, show_live
from tddfa.tracking import FaceTracker
from tddfa.tracking.smoothing import NoSmoothing
from tddfa.video import Frame


@pytest.fixture(autouse=True)
def with_toy_pack(toy_pack, packs_folder):
    shutil.copytree(toy_pack.folder, packs_folder / "3ddfa-v2-mb05")


class FakeWindow:
    """Remembers what it was shown; presses keys by a plan."""

    def __init__(self, keys: dict[int, list[str]]) -> None:
        self.keys, self.pictures, self.texts = keys, [], []

    def show(self, picture: np.ndarray, text: str) -> None:
        self.pictures.append(np.array(picture))
        self.texts.append(text)

    def pressed(self) -> list[str]:
        return self.keys.get(len(self.pictures) - 1, [])


def frames(n: int | None = None) -> Iterator[Frame]:
    for i in itertools.count() if n is None else range(n):
        yield Frame(i, i / 30, toys.picture())


def show(window: FakeWindow, folder: Path, *, mirrored: bool = False, n: int | None = None) -> None:
    tracker = FaceTracker(FaceAligner())
    show_live(frames(n), tracker, NoSmoothing(), window, kind="2d_sparse", mirrored=mirrored, folder=folder)


def test_it_shows_every_frame_until_q(tmp_path):
    window = FakeWindow({4: ["q"]})
    show(window, tmp_path)
    assert len(window.pictures) == 5
    assert "faces: 1" in window.texts[-1]
    assert "fps" in window.texts[-1]
    assert "ms" in window.texts[-1]


def test_it_ends_with_its_frames(tmp_path):
    window = FakeWindow({})
    show(window, tmp_path, n=3)
    assert len(window.pictures) == 3


def test_keys_switch_the_overlay_and_the_mirror(tmp_path):
    window = FakeWindow({0: ["space"], 1: ["3"], 2: ["m"], 3: ["x", "9"], 4: ["escape"]})
    show(window, tmp_path)
    assert [text.split()[0] for text in window.texts] == ["2d_sparse", "2d_dense", "3d", "3d", "3d"]
    before, after = window.pictures[2].astype(int), window.pictures[3].astype(int)
    assert np.abs(before - after[:, ::-1]).mean() < 0.5 * np.abs(before - after).mean()


def test_a_snapshot_is_the_picture_that_was_shown(tmp_path, capsys):
    window = FakeWindow({1: ["s"], 2: ["q"]})
    show(window, tmp_path / "shots", mirrored=True)
    (path,) = (tmp_path / "shots").iterdir()
    assert str(path) in capsys.readouterr().out
    assert np.array_equal(read_image(path), window.pictures[1])


def test_a_snapshot_that_cannot_be_written_is_one_line_and_the_show_goes_on(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    window = FakeWindow({1: ["s"], 3: ["q"]})
    show(window, tmp_path / "file")
    assert len(window.pictures) == 4
    assert capsys.readouterr().err.count("tddfa: error") == 1


def test_a_file_plays_at_its_own_speed(monkeypatch):
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("tddfa.cli.webcam.time.perf_counter", lambda: now[0])
    monkeypatch.setattr("tddfa.cli.webcam.time.sleep", sleep)
    assert len(list(in_real_time(frames(31)))) == 31
    assert sum(slept) == pytest.approx(1.0)


def test_the_command_plays_a_file_in_a_window(tmp_path, monkeypatch):
    pytest.importorskip("pygame", reason="needs the webcam extra")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    clip = write_clip(tmp_path / "a.mp4", [toys.picture()] * 4)
    assert main(["webcam", "--source", str(clip)]) == 0


def test_closing_the_window_ends_the_command(tmp_path, monkeypatch):
    pygame = pytest.importorskip("pygame", reason="needs the webcam extra")
    from tddfa.cli.window import PygameWindow

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with PygameWindow("test") as window:
        window.show(toys.picture(), "text")
        for event in (
            pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE),
            pygame.event.Event(pygame.KEYDOWN, key=pygame.K_3),
            pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE),
            pygame.event.Event(pygame.QUIT),
        ):
            pygame.event.post(event)
        assert [k for k in window.pressed() if k] == ["space", "3", "escape", "q"]


def test_a_camera_that_is_not_there_is_one_line(capfd):
    assert main(["webcam", "--camera", "97"]) == 1
    assert capfd.readouterr().err.startswith("tddfa: error: cannot open camera 97")


def test_without_pygame_it_says_what_to_install(tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "pygame", None)
    clip = write_clip(tmp_path / "a.mp4", [toys.picture()] * 2)
    assert main(["webcam", "--source", str(clip)]) == 1
    assert "pip install 'tddfa[webcam]'" in capfd.readouterr().err
