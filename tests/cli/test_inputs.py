"""Arguments → inputs, each once, under names that no other has."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import toys
from tddfa.cli.inputs import Inputs
from tddfa.cli.main import main
from tddfa.imaging.files import encode_image
from tddfa.provenance import marked


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(*arguments: str) -> dict[str, str]:
    inputs = Inputs(arguments)
    jobs = list(inputs)
    assert len(jobs) == len(inputs)
    assert jobs == list(inputs), "they can be gone through again"
    assert len({job.target for job in jobs}) == len(jobs)
    return {str(job.path): str(job.target) for job in jobs}


def test_a_folder_means_its_images_and_keeps_its_folders(folder: Path) -> None:
    make(folder, "in/b.png", "in/A.JPG", "in/c/d.png", "in/notes.txt", "in/.hidden.png", "in/.thumbs/a.png")
    make(folder, "in/._b.png", "in/c/.tddfa-01234567-12-89abcdef.png")
    assert found("in") == {"in/A.JPG": "A", "in/b.png": "b", "in/c/d.png": "c/d"}


def test_names_that_would_meet_get_their_suffix(folder: Path) -> None:
    make(folder, "in/a.jpg", "in/a.png", "in/a.b.png", "in/a-1.png", "in/a_jpg.png", "in/a_jpg_2.png")
    one = found("in")
    assert one["in/a.b.png"] == "a.b"
    assert one["in/a.png"] == "a_png"
    assert one["in/a.jpg"] == "a_jpg_3", "a_jpg and a_jpg_2 are images of their own"
    several = found("in/a.jpg", "in/a.png", "in/a-1.png")
    assert several == {"in/a.jpg": "a_jpg", "in/a.png": "a_png", "in/a-1.png": "a-1"}


def test_images_of_one_name_in_two_folders_do_not_meet(folder: Path) -> None:
    make(folder, "x/a.png", "y/a.png", "y/b.png")
    assert found("x/a.png", "y/a.png") == {"x/a.png": "a_png", "y/a.png": "a_png_2"}
    assert found("x", "y") == {"x/a.png": "a_png", "y/a.png": "a_png_2", "y/b.png": "b"}


def test_every_input_is_there_once(folder: Path) -> None:
    make(folder, "in/a.png", "in/b/c.png")
    assert set(found("in/a.png", "in", "in/b", "in/*.png", str(folder / "in"), "./in/a.png")) == {
        "in/a.png",
        "in/b/c.png",
    }


def test_a_folder_whose_images_are_all_named_before_is_no_problem(folder: Path) -> None:
    make(folder, "in/a.png", "in/b/c.png")
    for arguments in (["in/a.png", "in/b/c.png", "in"], ["in", "in/", "in/b"], ["in/**/*.png", "in/b", "in"]):
        inputs = Inputs(arguments)
        assert (inputs.problems, len(inputs)) == ([], 2)
    (folder / "empty").mkdir()
    assert Inputs(["in", "empty"]).problems == ["no images in the folder empty"]


def test_globs_match_and_names_with_brackets_are_names(folder: Path) -> None:
    make(folder, "a1.png", "a2.png", "[x].png", "deep/er/b.png")
    assert set(found("a?.png")) == {"a1.png", "a2.png"}
    assert set(found("**/*.png")) == {"a1.png", "a2.png", "[x].png", "deep/er/b.png"}
    assert set(found("[x].png")) == {"[x].png"}


def test_an_argument_that_means_nothing_is_named(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert Inputs(["empty", "*.gif", "gone.png"]).problems == [
        "no images in the folder empty",
        "no file matches *.gif",
    ]


def test_an_empty_name_is_said_to_be_empty_and_means_no_folder(folder: Path) -> None:
    make(folder, "a.png")
    inputs = Inputs(["", "a.png"])
    assert inputs.problems == ["the name of an input is empty; name images, folders or globs"]
    assert [str(job.path) for job in inputs] == ["a.png"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other limits")
@pytest.mark.parametrize("name", ["x" * 300 + ".png", "in/" + "x" * 300, "d/" * 3000])
def test_a_name_that_is_too_long_is_one_line_and_the_others_are_found(folder: Path, name: str) -> None:
    make(folder, "a.png", "in/b.png", "d/c.png")
    inputs = Inputs([name, "a.png"])
    (problem,) = inputs.problems
    assert problem.startswith(f"cannot read {name[:50]}")
    assert problem.endswith("…: File name too long")
    assert [str(job.path) for job in inputs] == ["a.png"]


@pytest.fixture
def locked(folder: Path) -> Iterator[Path]:
    """A folder `in` with an image and two folders: `closed` may not be read, `listed` not be entered."""
    make(folder, "in/a.png", "in/closed/b.png", "in/listed/c.png")
    modes = {folder / "in/closed": 0o000, folder / "in/listed": 0o400}
    for path, mode in modes.items():
        path.chmod(mode)
    yield folder
    for path in modes:
        path.chmod(0o700)


def found_without_privileges(*arguments: str) -> tuple[list[str], list[str]]:
    """Return the inputs and the problems that a process finds for which permissions count."""
    code = (
        "import json, sys; from tddfa.cli.inputs import Inputs; found = Inputs(sys.argv[1:]);"
        "print(json.dumps([[str(job.path) for job in found], found.problems]))"
    )
    command = [sys.executable, "-c", code, *arguments]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may read everything")
        privileges = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={privileges}", f"--inh-caps={privileges}", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    paths, problems = json.loads(done.stdout)
    return paths, problems


@pytest.mark.skipif(os.name == "nt", reason="needs permissions of POSIX")
@pytest.mark.usefixtures("locked")
class TestFoldersThatMayNotBeRead:
    CLOSED = "cannot read the folder in/closed: Permission denied"

    def test_each_is_one_line_and_the_rest_is_found(self) -> None:
        paths, problems = found_without_privileges("in")
        assert paths == ["in/a.png", "in/listed/c.png"], "the reader says that c.png cannot be opened"
        assert problems == [self.CLOSED]

    @pytest.mark.parametrize("name", ["in/closed", "in/closed/*.png"])
    def test_one_that_is_named_is_not_called_empty(self, name: str) -> None:
        assert found_without_privileges(name, "in/a.png") == (["in/a.png"], [self.CLOSED])

    def test_one_that_two_arguments_mean_is_named_once(self) -> None:
        assert found_without_privileges("in", "in/closed")[1] == [self.CLOSED]

    @pytest.mark.parametrize("name", ["in/closed/b.png", "in/listed/c.png", "in/listed/*.png"])
    def test_a_file_in_one_is_an_input_of_which_the_reader_says_why_not(self, name: str) -> None:
        paths, problems = found_without_privileges(name, "in/a.png")
        assert paths == [name.replace("*", "c"), "in/a.png"]
        assert problems == []


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_link_to_itself_costs_no_other_file_of_its_folder(folder: Path) -> None:
    make(folder, "in/a.png", "in/z.png")
    (folder / "in" / "loop.png").symlink_to("loop.png")
    assert set(found("in")) == {"in/a.png", "in/loop.png", "in/z.png"}


def test_what_tddfa_made_is_left_out_and_what_only_has_such_a_name_is_not(folder: Path) -> None:
    make(folder, "a.png", "a_depth.png", "my_3d.jpg")
    for name in ("a_3d.jpg", "a_depth_mask.png", "a_obj_1.png", "a_obj_face_2_1.png", "b/a_2d_sparse.jpg"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(marked(encode_image(toys.image(20), path.suffix), path.suffix))
    for arguments in (["."], sorted(str(p.relative_to(folder)) for p in folder.rglob("*.*"))):
        inputs = Inputs(arguments)
        assert {str(job.path) for job in inputs} == {"a.png", "a_depth.png", "my_3d.jpg"}
        assert inputs.left_out_text() == "left out 5 files made by tddfa"


def test_images_that_cannot_be_read_are_named_with_their_number(folder: Path) -> None:
    make(folder, "in/a.png", "in/b.HEIC", "in/c.PSD", "in/d.psd", "in/e.jxl", "in/f.txt", "in/sub/g.nef")
    inputs = Inputs(["in"])
    assert {str(job.path) for job in inputs} == {"in/a.png", "in/b.HEIC"}
    assert inputs.left_out_text() == (
        "left out 4 files of formats that are not read here (1 .jxl, 1 .nef, 2 .psd)"
    )
    assert [str(job.path) for job in Inputs(["in/c.PSD"])] == ["in/c.PSD"], "the reader says what it is"


def test_inputs_are_known_under_any_name(folder: Path) -> None:
    make(folder, "in/a.png", "other.png", "text.txt")
    os.link("in/a.png", "twin.png")
    (folder / "link.png").symlink_to(folder / "in" / "a.png")
    (folder / "way").symlink_to("in")
    named, whole = Inputs(["in/a.png"]), Inputs(["in"])
    for name in ("in/a.png", "way/a.png", "link.png"):
        assert named.holds(Path(name))
        assert whole.holds(Path(name))
    assert named.holds(Path("twin.png"))
    assert not any(
        inputs.holds(Path(name)) for inputs in (named, whole) for name in ("other.png", "text.txt")
    )


@pytest.mark.skipif(os.name == "nt", reason="needs names that are not text")
def test_a_name_that_is_not_utf_8_is_a_name(folder: Path) -> None:
    Path(os.fsdecode(b"caf\xe9.png")).touch()
    assert [os.fsencode(job.path) for job in Inputs(["."])] == [b"caf\xe9.png"]


class Name(str):
    """A name that is counted while it is in memory."""

    alive = most = 0

    def __init__(self, _: str) -> None:
        Name.alive += 1
        Name.most = max(Name.most, Name.alive)

    def __del__(self) -> None:
        Name.alive -= 1


@dataclass
class Entry:
    """An entry of a folder that is not on the disk."""

    name: str

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return not self.name.endswith(".jpg")

    def is_file(self) -> bool:
        return not self.is_dir()


def test_of_a_tree_of_images_the_names_of_one_folder_are_in_memory(folder: Path, monkeypatch) -> None:
    def scandir(path: str):
        above = str(path).rstrip("/").endswith("in")
        names = (f"{k:03}" for k in range(30)) if above else (Name(f"{k:06}.jpg") for k in range(50))
        return contextlib.nullcontext(Entry(name) for name in names)

    (folder / "in").mkdir()
    monkeypatch.setattr(os, "scandir", scandir)
    inputs = Inputs(["in"])
    assert len(inputs) == sum(1 for _ in inputs) == 30 * 50
    assert Name.most <= 2 * 50


@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no folder that a program is in")
@pytest.mark.parametrize("command", ["image", "video"])
def test_a_current_folder_that_was_deleted_is_one_line(tmp_path, monkeypatch, capsys, command) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main([command, "a.jpg", "-o", "3d"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("tddfa: error: the current folder was deleted; change to another one")
    assert error.count("\n") == 1
