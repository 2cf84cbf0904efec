import errno
import os
import stat

import pytest

from tddfa.files import atomic_path, atomic_write


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
