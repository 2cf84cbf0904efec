"""A window without a screen: a stand-in that remembers, or pygame's dummy driver."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

import toys
from scene import Person, face_of
from tddfa import read_image
from tddfa.errors import InputError
from tddfa.streams import TrackedFrame, WindowSink
from tddfa.streams.sinks.window import KINDS, PygameScreen
from tddfa.tracking import TrackedFace

FACE = face_of(Person(lambda t: (60, 60, 60, 1)).params(0))


class FakeScreen:
    """Remembers what it was shown; presses keys by a plan."""

    def __init__(self, keys: dict[int, list[str]]) -> None:
        self.keys, self.images, self.texts = keys, [], []
        self.open = True

    def show(self, image: np.ndarray, text: str) -> None:
        self.images.append(np.array(image))
        self.texts.append(text)

    def pressed(self) -> list[str]:
        return self.keys.get(len(self.images) - 1, [])

    def close(self) -> None:
        self.open = False


def show(screen: FakeScreen, n: int, **options) -> WindowSink:
    with WindowSink(screen=screen, **options) as window:
        for k in range(n):
            faces = (TrackedFace(0, FACE, 1.0, k, "tracked"),)
            window.write(TrackedFrame(k, k / 30, toys.image(), faces, time.perf_counter() - 0.005))
            if window.closed:
                break
    return window


def test_it_shows_every_frame_until_q_and_says_how_fast():
    screen = FakeScreen({4: ["q"]})
    window = show(screen, 9)
    assert window.closed
    assert not screen.open
    assert len(screen.images) == 5
    for text in ("faces: 1", "fps", "ms"):
        assert text in screen.texts[-1]
    assert window.latency_ms >= 5


def test_keys_switch_the_overlay_and_the_mirror():
    screen = FakeScreen({0: ["space"], 1: ["3"], 2: ["m"], 3: ["x", "9"], 4: ["escape"]})
    show(screen, 9)
    assert [text.split()[0] for text in screen.texts] == ["2d_sparse", "2d_dense", "3d", "3d", "3d"]
    assert np.array_equal(screen.images[2], screen.images[3][:, ::-1])


@pytest.mark.parametrize("kind", KINDS)
def test_every_overlay_can_be_shown(kind):
    screen = FakeScreen({})
    show(screen, 1, draw=kind)
    assert screen.images[0].shape == toys.image().shape


def test_a_snapshot_is_the_image_that_was_shown(tmp_path):
    written: list[Path] = []
    screen = FakeScreen({1: ["s"], 2: ["q"]})
    show(screen, 9, mirrored=True, folder=tmp_path / "shots", on_snapshot=written.append)
    assert [*(tmp_path / "shots").iterdir()] == written
    assert np.array_equal(read_image(written[0]), screen.images[1])


def test_a_snapshot_that_cannot_be_written_is_reported_and_the_show_goes_on(tmp_path):
    (tmp_path / "file").write_text("in the way")
    outcomes: list[object] = []
    screen = FakeScreen({1: ["s"], 3: ["q"]})
    show(screen, 9, folder=tmp_path / "file", on_snapshot=outcomes.append)
    assert len(screen.images) == 4
    assert isinstance(outcomes[0], OSError)


def test_an_overlay_that_does_not_exist_is_one_line():
    with pytest.raises(InputError, match="choose from 2d_sparse"):
        WindowSink(draw="uv_tex")


def test_a_computer_without_a_screen_is_one_line(monkeypatch):
    """SDL draws where nobody can see it then, and says nothing."""
    pygame = pytest.importorskip("pygame", reason="needs the webcam extra")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    with pytest.raises(InputError, match="has no screen"), WindowSink():
        pass


def test_closing_the_window_is_the_key_q(monkeypatch):
    pygame = pytest.importorskip("pygame", reason="needs the webcam extra")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    screen = PygameScreen("test")
    try:
        screen.show(toys.image(), "text")
        for event in (
            pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE),
            pygame.event.Event(pygame.KEYDOWN, key=pygame.K_3),
            pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE),
            pygame.event.Event(pygame.QUIT),
        ):
            pygame.event.post(event)
        assert [k for k in screen.pressed() if k] == ["space", "3", "escape", "q"]
    finally:
        screen.close()
