import errno
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tddfa.files import atomic_path, atomic_write, is_device, make_folder, remove_leftovers


def test_a_written_file_holds_the_data_and_nothing_else_is_there(tmp_path):
    atomic_write(tmp_path / "a.bin", b"new")
    atomic_write(tmp_path / "a.bin", b"newer")
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == b"newer"


def test_a_written_file_has_the_permissions_of_an_ordinary_one(tmp_path):
    atomic_write(tmp_path / "ours", b"")
    (tmp_path / "plain").write_bytes(b"")
    ours, plain = (stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("ours", "plain"))
    assert ours == plain


@pytest.mark.skipif(os.name == "nt", reason="needs pipes with names")
def test_nothing_takes_the_place_of_a_pipe_or_a_device(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in "pipe", "link":
        with pytest.raises(OSError, match="it is a device or a pipe, and no file"):
            atomic_write(tmp_path / name, b"data")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert {p.name for p in tmp_path.iterdir()} == {"pipe", "link"}
    assert is_device("/dev/null")
    assert is_device("/dev/stdout")
    assert not any(map(is_device, ("/dev/shm", tmp_path, tmp_path / "new", __file__, "a\0b")))


@pytest.mark.skipif(os.name == "nt", reason="needs the permissions of POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_of_other_threads_keep_their_permissions_while_one_is_written(tmp_path, monkeypatch, mask):
    before = os.umask(mask)
    try:
        # The umask belongs to the process: who sets it, for a moment too, changes the files of all threads.
        monkeypatch.setattr(os, "umask", lambda _: pytest.fail("the umask of all threads was changed"))
        with atomic_path(tmp_path / "ours") as temporary:
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o666 & ~mask
        assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == 0o666 & ~mask
    finally:
        monkeypatch.undo()
        os.umask(before)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
def test_a_full_disk_or_an_interrupt_leaves_the_old_file_and_no_other(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail():
        with atomic_path(target) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "old"


KILLED = """
import os, signal, sys
from tddfa.files import atomic_path, make_folder
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_leftovers_of_killed_processes_are_removed_and_files_being_written_stay(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a.txt")], check=False)
    (leftover,) = tmp_path.iterdir()
    (tmp_path / ".tddfa-notes.txt").write_text("of a user")
    with atomic_path(tmp_path / "b.txt") as being_written:
        assert remove_leftovers(tmp_path) == 1
        assert not leftover.exists()
        assert being_written.exists()
        elsewhere = tmp_path / ".tddfa-00000000-1-0123abcd.png"  # of a machine of which nothing is known
        elsewhere.touch()
        assert remove_leftovers(tmp_path) == 0
        two_days_ago = time.time() - 2 * 24 * 3600
        os.utime(elsewhere, (two_days_ago, two_days_ago))
        assert remove_leftovers(tmp_path) == 1
    assert {p.name for p in tmp_path.iterdir()} == {".tddfa-notes.txt", "b.txt"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs a umask")
def test_files_have_their_permissions_from_the_start_whatever_other_threads_do(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "a") as temporary:
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o640
            assert os.umask(0o027) == 0o027, "the umask of the process is not touched"
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_folders_of_any_depth_are_made_and_a_removed_current_folder_is_an_error(tmp_path, monkeypatch):
    deep = tmp_path.joinpath(*["d"] * 1200)
    make_folder(deep)
    make_folder(deep)
    assert deep.is_dir()
    while deep != tmp_path:  # shutil.rmtree calls itself for each level
        deep.rmdir()
        deep = deep.parent
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="file"):
        make_folder(tmp_path / "file" / "below")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(OSError, match="out"):
        make_folder(Path("out"))
