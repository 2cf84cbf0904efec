import json
import shutil

import pytest

from tddfa.cli.main import main


@pytest.fixture
def installed(toy_pack, packs_folder):
    shutil.copytree(toy_pack.folder, packs_folder / "3ddfa-v2-mb05")
    return packs_folder / "3ddfa-v2-mb05"


def test_install_shows_the_licence_first_and_then_where_it_is(toy_project, packs_folder, capsys):
    assert main(["packs", "install", "3ddfa-v2-mb05", "--from", str(toy_project)]) == 0
    out, err = capsys.readouterr()
    assert "Basel Face Model: academic, non-commercial" in err
    assert out == f"installed 3ddfa-v2-mb05 in {packs_folder / '3ddfa-v2-mb05'}\n"


def test_a_ready_pack_installs_from_its_folder(toy_pack, packs_folder, capsys):
    assert main(["packs", "install", "3ddfa-v2-mb05", "--from", str(toy_pack.folder)]) == 0
    assert (packs_folder / "3ddfa-v2-mb05" / "manifest.json").is_file()


def test_list_tells_installed_broken_and_available_packs_apart(installed, capsys):
    shutil.copytree(installed, installed.with_name("mine"))
    (installed.with_name("mine") / "manifest.json").write_text("{")
    assert main(["packs", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("3ddfa-v2-mb05" in line and "default" in line for line in lines)
    assert any("mine" in line and "broken" in line for line in lines)
    assert any("3ddfa-v2-mb1 " in line and "available" in line for line in lines)


def test_info_is_the_manifest(installed, capsys):
    assert main(["packs", "info", "3ddfa-v2-mb05"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["folder"] == str(installed)
    assert shown["files"]["model.npz"]["sha256"]
    assert "academic" in shown["licence"]["name"]


def test_verify_says_which_pack_is_whole_and_which_is_not(installed, capsys):
    assert main(["packs", "verify"]) == 0
    (installed / "model.npz").write_bytes(b"half")
    assert main(["packs", "verify"]) == 1
    assert "model.npz has 4 bytes" in capsys.readouterr().err


def test_remove_removes(installed, capsys):
    assert main(["packs", "remove", "3ddfa-v2-mb05"]) == 0
    assert not installed.exists()
    assert main(["packs", "remove", "3ddfa-v2-mb05"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["install", "mb2"], "no pack named 'mb2' can be installed; known are 3ddfa-v2-mb1"),
        (["install", "3ddfa-v2-mb05", "--from", "/nowhere"], "/nowhere is no folder"),
        (["install", "3ddfa-v2-mb1", "--from", "PROJECT"], "has no weights/mb1_120x120.pth"),
        (
            ["install", "mine", "--from", "PROJECT"],
            "it has no manifest.json; --from takes the folder of a ready",
        ),
        (["install", "mine", "--from", "/nowhere"], "cannot install 'mine' from /nowhere: it is no folder"),
        (["install", "mine", "--from", "https://here/mine"], "ready packs are not downloaded"),
        (["info", "/nowhere"], "/nowhere is not a model pack: there is no such folder"),
        (["remove", "nothing"], "no model pack named 'nothing'; installed: none; there is nothing to remove"),
        (["info", __file__], "is not a model pack"),
        (["info", "nothing"], "no model pack named 'nothing'"),
        (["verify", "nothing"], "no model pack named 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_code_1(packs_folder, toy_project, capsys, arguments, message):
    arguments = [str(toy_project) if a == "PROJECT" else a for a in arguments]
    assert main(["packs", *arguments]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tddfa: error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not packs_folder.exists() or list(packs_folder.iterdir()) == []


@pytest.mark.parametrize("file", ["manifest.json", "model.npz", "regressor.onnx"])
def test_a_broken_folder_is_named_with_its_file_and_with_what_mends_it(
    toy_pack, packs_folder, tmp_path, capsys, file
):
    folder = tmp_path / "mine"
    shutil.copytree(toy_pack.folder, folder)
    (folder / file).write_bytes((folder / file).read_bytes()[:100])
    for command in (["install", "3ddfa-v2-mb05", "--from"], ["verify"]):
        assert main(["packs", *command, f"{folder}"]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert str(folder) in error
        assert file in error
        assert "copy the whole folder again" in error
        assert "packs remove" not in error


def test_a_hostile_pickle_in_the_project_is_refused(toy_project, tmp_path, packs_folder, capsys):
    import os
    import pickle

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    project = tmp_path / "project"
    shutil.copytree(toy_project, project)
    (project / "configs/bfm_noneck_v3.pkl").write_bytes(pickle.dumps(Evil()))
    assert main(["packs", "install", "3ddfa-v2-mb05", "--from", str(project)]) == 1
    assert "is refused: it asks for posix.system" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
    assert list(packs_folder.iterdir()) == []
