"""Turns, photos in memory, temporary files."""

import os
import threading

import numpy as np
import pytest

pytest.importorskip("starlette")
from tddfa.outputs import Scene
from tddfa.studio import Limits
from tddfa.studio.camera import NewestMessage
from tddfa.studio.engine import Turns
from tddfa.studio.gallery import Gallery
from tddfa.studio.scratch import Scratch
from waiting import PATIENCE_S, wait_until


def test_turns_come_in_the_order_of_waiting_however_greedy_one_is():
    turns = Turns(1)
    taken: list[int] = []
    start = threading.Barrier(4)

    def work(who):
        start.wait()
        for _ in range(25):
            with turns.take():
                taken.append(who)
                # The others of this round are back before it ends, also where one of them is held up.
                wait_until(lambda: len(turns._waiting) == 3 or len(taken) > 4 * 24)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Round robin: whoever was served is served again after all others.
    assert set(taken[:4]) == {0, 1, 2, 3}
    assert taken == taken[:4] * 25


def test_as_many_turns_are_taken_at_a_time_as_there_are():
    turns = Turns(2)
    now, most = 0, 0
    lock = threading.Lock()
    pairs = threading.Barrier(2, timeout=PATIENCE_S)

    def work():
        nonlocal now, most
        with turns.take():
            with lock:
                now += 1
                most = max(most, now)
            pairs.wait()  # nobody waits alone
            with lock:
                now -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, now) == (2, 0)


def test_an_error_gives_its_turn_back():
    turns = Turns(1)
    with pytest.raises(ValueError, match="x"), turns.take():
        raise ValueError("x")
    with turns.take():
        pass


def test_the_newest_frame_wins_and_no_command_is_lost():
    messages = NewestMessage()
    for k in range(5):
        messages.put_frame(bytes([k]))
        messages.put_command({"k": k})
    commands, frame = messages.take()
    assert [c["k"] for c in commands] == [0, 1, 2, 3, 4]
    assert (frame[0], frame[2], messages.n_dropped) == (4, b"\x04", 4)
    messages.end()
    assert messages.take() is None


def test_photos_are_forgotten_by_age_number_and_bytes():
    now = [0.0]
    image = np.zeros((10, 10, 3), np.uint8)
    gallery = Gallery(Limits(photos=3, photo_bytes=900, photo_s=100), clock=lambda: now[0])
    first, second = gallery.add(Scene(image, [])), gallery.add(Scene(image, []))
    now[0] = 90
    assert gallery.get(first) is not None  # used, so younger than the second
    now[0] = 150
    assert gallery.get(second) is None
    assert gallery.get(first) is not None
    names = [gallery.add(Scene(image, [])) for _ in range(4)]
    assert [gallery.get(name) is not None for name in [first, *names]] == [False, False, True, True, True]
    large = gallery.add(Scene(np.zeros((20, 20, 3), np.uint8), []))
    assert len(gallery) == 1
    assert gallery.get(large) is not None  # one that is larger than all room is still kept


def test_files_go_with_the_process_and_those_of_killed_ones_are_swept(tmp_path):
    dead = tmp_path / "tddfa-studio-999999999-0123abcd"
    alive = tmp_path / f"tddfa-studio-{os.getppid()}-0123abcd"
    other = tmp_path / "tddfa-studio-mine"
    for folder in (dead, alive, other):
        (folder / "inner").mkdir(parents=True)
    scratch = Scratch(tmp_path)
    assert not dead.exists()
    assert alive.exists()
    assert other.exists()
    (scratch.new_folder() / "file").write_bytes(b"x")
    assert scratch.folder.stat().st_mode & 0o077 == 0
    scratch.close()
    assert not scratch.folder.exists()
