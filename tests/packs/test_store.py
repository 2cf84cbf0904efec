import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tddfa.errors import InputError, PackError, PackNotFoundError
from tddfa.packs import ModelPack, find_pack, installed_packs, locations, remove_pack, store
from tddfa.packs.convert import sources, v2
from tddfa.packs.convert.v2 import install_v2
from tddfa.packs.locations import repair
from tddfa.packs.manifest import PackedFile
from tddfa.packs.store import install, install_folder
from waiting import PATIENCE_S


@pytest.fixture
def installed(toy_pack, packs_folder):
    shutil.copytree(toy_pack.folder, packs_folder / "3ddfa-v2-mb05")
    return find_pack("3ddfa-v2-mb05")


def test_an_installed_pack_is_whole_found_and_removed(installed, packs_folder):
    installed.verify()
    assert list(installed_packs()) == ["3ddfa-v2-mb05"]
    remove_pack("3ddfa-v2-mb05")
    assert list(packs_folder.iterdir()) == []


@pytest.fixture
def with_variant(installed):
    path = installed.folder / "manifest.json"
    fields = json.loads(path.read_text())
    small = {**fields["regressor"], "architecture": "smaller"}
    fields["variants"] = {"small": {"title": "Small", "regressor": small, "measured": {"x": 1}}}
    path.write_text(json.dumps(fields))


def test_another_network_of_a_pack_is_called_by_its_name(with_variant):
    pack = find_pack("3ddfa-v2-mb05:small")
    assert pack.manifest.name == "3ddfa-v2-mb05:small"
    assert pack.manifest.regressor.architecture == "smaller"
    assert pack.manifest.measured == {"x": 1}
    pack.verify()
    with pytest.raises(
        PackNotFoundError, match="has no network 'tiny'; besides its own it has: 3ddfa-v2-mb05:small"
    ):
        find_pack("3ddfa-v2-mb05:tiny")


def test_another_network_of_a_pack_in_a_folder_is_called_the_same_way(with_variant, tmp_path):
    folder = find_pack("3ddfa-v2-mb05").folder
    for place in (folder, str(folder), f"{folder}/"):
        assert find_pack(f"{place}:small").manifest.title == "Small"
    assert find_pack(Path(f"{folder}:small")).manifest.title == "Small"
    with pytest.raises(PackNotFoundError, match="has no network 'tiny'"):
        find_pack(f"{folder}:tiny")
    # Colons that are none of ours: of a drive, or in a folder's name.
    assert store._place_and_network(r"C:\packs\mine") == (r"C:\packs\mine", None)
    assert store._place_and_network(r"C:\packs\mine:small") == (r"C:\packs\mine", "small")
    shutil.copytree(folder, tmp_path / "odd:name")
    assert find_pack(tmp_path / "odd:name").manifest.name == "3ddfa-v2-mb05"
    assert find_pack(f"{tmp_path / 'odd:name'}:small").manifest.title == "Small"


@pytest.fixture
def built_in(toy_pack, packs_folder, tmp_path, monkeypatch):
    folder = tmp_path / "built-in"
    shutil.copytree(toy_pack.folder, folder / "open")
    monkeypatch.setattr(store, "BUILT_IN", folder)
    return folder / "open"


def test_a_built_in_pack_is_there_without_installation_and_cannot_be_removed(built_in, packs_folder):
    assert find_pack("open").folder == built_in
    assert list(installed_packs()) == ["open"]
    with pytest.raises(PackError, match="part of the package and cannot be removed"):
        remove_pack("open")
    shutil.copytree(built_in, packs_folder / "open")
    assert find_pack("open").folder == packs_folder / "open"
    remove_pack("open")
    assert find_pack("open").folder == built_in


@pytest.mark.parametrize("name", [None, 3, b"open", ["open"], "open\0"])
def test_what_is_no_name_of_a_pack_is_refused_in_a_line(name):
    for use in find_pack, ModelPack.open, remove_pack:
        with pytest.raises(InputError, match=r"^(pack is |folder is |name=)"):
            use(name)


def test_a_pack_is_opened_by_the_text_of_its_folder_too(toy_pack):
    assert ModelPack.open(str(toy_pack.folder)) == toy_pack


def test_a_pack_is_found_by_its_folder_too(toy_pack):
    assert find_pack(toy_pack.folder).manifest == toy_pack.manifest
    assert find_pack(str(toy_pack.folder)).manifest == toy_pack.manifest


@pytest.mark.parametrize("name", ["mb2", "", "..", ".hidden", "a\\b"])
def test_an_unknown_pack_is_a_line_that_says_what_to_do(packs_folder, name):
    with pytest.raises(PackNotFoundError, match=r"installed: none.*tddfa packs install") as error:
        find_pack(name)
    assert "\n" not in str(error.value)
    with pytest.raises(PackNotFoundError):
        remove_pack(name)


@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
@pytest.mark.parametrize("file", ["regressor.onnx", "model.npz"])
def test_a_damaged_file_is_a_line_that_names_it(installed, file, damage):
    path = installed.folder / file
    data = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "changed":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()
    with pytest.raises(PackError, match=rf"is broken: {file}.*install it again") as error:
        installed.verify()
    assert "\n" not in str(error.value)


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "changed": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("file", ["regressor.onnx", "model.npz"])
def test_a_broken_folder_of_the_user_is_named_with_its_file_and_nothing_is_to_be_removed(
    toy_pack, packs_folder, tmp_path, file, damage
):
    folder = tmp_path / "mine"
    shutil.copytree(toy_pack.folder, folder)
    damage(folder / file)
    pack = ModelPack.open(folder)
    for use in (pack.verify, lambda: install_folder("3ddfa-v2-mb05", str(folder)), lambda: pack.read(file)):
        with pytest.raises(PackError) as error:
            use()
        text = str(error.value)
        assert f"in {folder} is broken: {file} " in text
        assert "copy the whole folder again from where it came" in text
        assert "packs remove" not in text
        assert "\n" not in text
    assert not packs_folder.exists() or list(packs_folder.iterdir()) == []


def test_arrays_that_do_not_fit_are_told_of_the_folder_that_is_installed_not_of_its_copy(
    toy_pack, packs_folder, tmp_path
):
    folder = tmp_path / "mine"
    shutil.copytree(toy_pack.folder, folder)
    data = (folder / "model.npz").read_bytes()[:-30]
    (folder / "model.npz").write_bytes(data)
    fields = json.loads((folder / "manifest.json").read_text())
    fields["files"]["model.npz"] = PackedFile.of(data).to_object()
    (folder / "manifest.json").write_text(json.dumps(fields))
    with pytest.raises(PackError) as error:
        install_folder("3ddfa-v2-mb05", str(folder))
    assert f"in {folder} is broken: model.npz " in str(error.value)
    assert ".installing" not in str(error.value)


def test_what_mends_a_broken_pack_depends_on_where_it_lies(packs_folder, tmp_path, monkeypatch):
    assert "tddfa packs remove mine'" in repair(packs_folder / "mine")
    assert "copy the whole folder again" in repair(tmp_path / "mine")
    assert "pip install --force-reinstall" in repair(locations.BUILT_IN / "open")
    packs_folder.mkdir()
    monkeypatch.chdir(packs_folder)
    assert "tddfa packs remove mine'" in repair(Path("mine"))
    (tmp_path / "link").symlink_to(packs_folder)
    assert "tddfa packs remove mine'" in repair(tmp_path / "link" / "mine")
    monkeypatch.delenv("TDDFA_PACKS")
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: "~/packs")
    assert "copy the whole folder again" in repair(packs_folder / "mine")


@pytest.mark.parametrize("content", [b"", b'{"schema": "tddfa-pack/2", ', b"\xff\xfe\x00"])
def test_a_damaged_manifest_is_told_with_what_mends_it(toy_pack, packs_folder, tmp_path, content):
    for folder, advice in (
        (tmp_path / "mine", "copy the whole folder again"),
        (packs_folder / "mine", "tddfa packs remove mine"),
    ):
        shutil.copytree(toy_pack.folder, folder)
        (folder / "manifest.json").write_bytes(content)
        with pytest.raises(PackError, match=advice) as error:
            ModelPack.open(folder)
        assert str(folder / "manifest.json") in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a pack manifest"),
        ('{"schema": "tddfa-pack/1"', "is not a pack manifest"),
        ("[]", "is not a pack manifest"),
        ('{"schema": "tddfa-pack/99"}', "reads 'tddfa-pack/2'"),
        ('{"schema": "tddfa-pack/1", "files": {}}', "is not a pack manifest"),
    ],
)
def test_a_broken_manifest_is_a_line_and_is_listed_as_broken(installed, text, message):
    (installed.folder / "manifest.json").write_text(text)
    with pytest.raises(PackError, match=message) as error:
        find_pack("3ddfa-v2-mb05")
    assert "\n" not in str(error.value)
    assert isinstance(installed_packs()["3ddfa-v2-mb05"], PackError)
    remove_pack("3ddfa-v2-mb05")


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "..", "a\\b"])
def test_a_manifest_cannot_reach_outside_its_folder(installed, name):
    path = installed.folder / "manifest.json"
    fields = json.loads(path.read_text())
    fields["files"][name] = {"bytes": 0, "sha256": ""}
    path.write_text(json.dumps(fields))
    with pytest.raises(PackError, match="may not stand in a pack"):
        ModelPack.open(installed.folder)


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), OSError(28, "No space left")])
def test_an_install_that_fails_leaves_the_old_pack_and_nothing_else(installed, packs_folder, error):
    def fail(folder):
        (folder / "half").write_bytes(b"x")
        raise error

    with pytest.raises((type(error), PackError)):
        install("3ddfa-v2-mb05", fail)
    installed.verify()
    assert [p.name for p in packs_folder.iterdir()] == ["3ddfa-v2-mb05"]


def test_a_pack_that_is_none_is_not_installed(packs_folder):
    with pytest.raises(PackError, match="is not a model pack"):
        install("empty", lambda _: None)
    assert list(packs_folder.iterdir()) == []


def test_an_equal_pack_stays_and_a_broken_or_different_one_is_replaced(toy_pack, installed, tmp_path):
    before = installed.folder.stat().st_ino
    assert install_folder("3ddfa-v2-mb05", str(toy_pack.folder)) == installed
    assert installed.folder.stat().st_ino == before

    (installed.folder / "model.npz").write_bytes(b"broken")
    install_folder("3ddfa-v2-mb05", str(toy_pack.folder)).verify()

    other = tmp_path / "other"
    shutil.copytree(toy_pack.folder, other)
    fields = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps(fields | {"title": "Another"}))
    assert install_folder("3ddfa-v2-mb05", str(other)).manifest.title == "Another"
    assert find_pack("3ddfa-v2-mb05").manifest.title == "Another"


@pytest.mark.parametrize("titles", [["The same"] * 4, ["One", "Two", "Three", "Four"]])
def test_installs_at_the_same_time_all_succeed(toy_pack, packs_folder, tmp_path, titles):
    running = []
    for number, title in enumerate(titles):
        folder = tmp_path / str(number)
        shutil.copytree(toy_pack.folder, folder)
        fields = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(fields | {"title": title}))
        program = (
            "from tddfa.packs.store import install_folder\n"
            f"for _ in range(25): install_folder('3ddfa-v2-mb05', {str(folder)!r})"
        )
        running.append(subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True))
    assert [process.communicate(timeout=PATIENCE_S)[1] for process in running] == [""] * len(titles)
    pack = find_pack("3ddfa-v2-mb05")
    pack.verify()
    assert pack.manifest.title in titles
    assert [p.name for p in packs_folder.iterdir()] == ["3ddfa-v2-mb05"]


def test_a_folder_that_cannot_be_written_is_a_line(tmp_path, monkeypatch, toy_project):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TDDFA_PACKS", str(tmp_path / "file" / "packs"))
    with pytest.raises(PackError, match="choose another with TDDFA_PACKS"):
        install_v2("3ddfa-v2-mb05", str(toy_project))


def test_converting_twice_gives_the_same_bytes(toy_project, packs_folder):
    first = install_v2("3ddfa-v2-mb05", str(toy_project)).manifest
    assert install_v2("3ddfa-v2-mb05", str(toy_project)).manifest == first


def test_a_ready_pack_is_copied_under_its_own_name(toy_pack, packs_folder):
    copied = install_folder("3ddfa-v2-mb05", str(toy_pack.folder))
    assert copied.folder == packs_folder / "3ddfa-v2-mb05"
    assert copied.manifest == toy_pack.manifest
    with pytest.raises(PackError, match="is named '3ddfa-v2-mb05', not 'mine'"):
        install_folder("mine", str(toy_pack.folder))


def test_a_project_without_a_file_or_with_a_wrong_one_is_a_line(toy_project, packs_folder, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(toy_project, project)
    (project / "configs/tri.pkl").unlink()
    with pytest.raises(PackError, match=r"has no configs/tri\.pkl"):
        install_v2("3ddfa-v2-mb05", str(project))
    (project / "configs/tri.pkl").write_bytes(b"no pickle")
    with pytest.raises(PackError, match="damaged"):
        install_v2("3ddfa-v2-mb05", str(project))
    with pytest.raises(PackError, match="is no folder"):
        install_v2("3ddfa-v2-mb05", str(tmp_path / "nowhere"))
    assert list(packs_folder.iterdir()) == []


def test_weights_that_are_not_published_have_no_published_numbers(toy_project, packs_folder, caplog):
    pack = install_v2("3ddfa-v2-mb05", str(toy_project))
    assert "is not the published file" in caplog.text
    assert pack.manifest.measured == {}
    assert pack.manifest.provenance["files"]["weights/mb05_120x120.pth"]["published"] is False


class TestDownload:
    """A mirror on this machine in the place of the project's repository."""

    @pytest.fixture
    def mirror(self, toy_project, tmp_path, monkeypatch):
        import functools
        import http.server
        import threading

        folder = tmp_path / "mirror"
        shutil.copytree(toy_project, folder)
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
        handler.log_message = lambda *_: None
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        blobs = {
            name: sources.git_blob_id((folder / name).read_bytes())
            for name in sources.V2_BLOBS
            if (folder / name).is_file()
        }
        monkeypatch.setattr(sources, "V2_BLOBS", blobs)
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()

    def test_a_pack_installs_from_a_url_and_reports_progress(self, mirror, packs_folder):
        _, url = mirror
        seen = []
        pack = install_v2("3ddfa-v2-mb05", url, lambda *args: seen.append(args))
        pack.verify()
        assert seen[-1][1] == seen[-1][2]
        assert {name for name, _, _ in seen} == set(sources.V2_BLOBS)
        assert [p.name for p in packs_folder.iterdir()] == ["3ddfa-v2-mb05"]

    def test_a_file_changed_on_its_way_is_refused(self, mirror, packs_folder):
        folder, url = mirror
        (folder / "configs/tri.pkl").write_bytes(b"something else")
        with pytest.raises(PackError, match=r"configs/tri\.pkl is not the published file"):
            install_v2("3ddfa-v2-mb05", url)
        assert list(packs_folder.iterdir()) == []

    @pytest.mark.parametrize("url", ["http://127.0.0.1:9/none", "https://[broken"])
    def test_no_network_is_a_line_that_says_what_to_do(self, packs_folder, url):
        with pytest.raises(PackError, match="use --from DIR") as error:
            install_v2("3ddfa-v2-mb05", url)
        assert "\n" not in str(error.value)
        assert list(packs_folder.iterdir()) == []

    def test_a_missing_file_is_a_line(self, mirror, packs_folder):
        folder, url = mirror
        (folder / "configs/indices.npy").unlink()
        with pytest.raises(PackError, match=r"cannot download .*indices\.npy"):
            install_v2("3ddfa-v2-mb05", url)


def test_the_weights_of_resnet22_cannot_be_downloaded_and_the_line_says_so(packs_folder):
    with pytest.raises(PackError, match=r"download resnet22\.pth by the link"):
        install_v2("3ddfa-v2-resnet22")


def test_mb1_and_resnet22_install_from_checkpoints_of_their_layout(toy_project, packs_folder, tmp_path):
    import pickle

    import toys

    project = tmp_path / "project"
    shutil.copytree(toy_project, project)
    rng = np.random.default_rng(0)
    for file, state in (
        ("mb1_120x120.pth", toys.mobilenet_state(1.0, rng)),
        ("resnet22.pth", toys.resnet22_state(rng)),
    ):
        (project / "weights" / file).write_bytes(pickle.dumps({"state_dict": state}))
    for name in ("3ddfa-v2-mb1", "3ddfa-v2-resnet22"):
        pack = install_v2(name, str(project))
        assert pack.manifest.regressor.architecture == v2.V2_PACKS[name].architecture
        pack.verify()


class TestOpenPack:
    """The pack that ships: whole, ours, small enough, and what its manifest says."""

    @pytest.fixture
    def pack(self):
        return ModelPack.open(store.BUILT_IN / "open")

    def test_every_file_is_whole_and_nothing_else_lies_there(self, pack):
        pack.verify()
        assert {p.name for p in pack.folder.iterdir()} == {*pack.manifest.files, "manifest.json"}

    def test_with_the_face_model_it_is_below_12_mb(self, pack):
        from importlib.resources import files

        model = files("tddfa.morphable").joinpath("data/open_face_model.npz")
        assert sum(f.bytes for f in pack.manifest.files.values()) + len(model.read_bytes()) < 12e6

    def test_it_finds_the_faces_of_the_example_photos(self, pack):
        from conftest import PHOTOS
        from tddfa import FaceAligner, read_image

        aligner = FaceAligner(pack)
        for photo, count in (("astronaut", 1), ("hopper", 1), ("group", 4)):
            faces = aligner.align(read_image(PHOTOS / f"{photo}.jpg"))
            assert len(faces) == count
            for face in faces:
                assert abs(face.pose.yaw_deg) < 10
                assert face.params.confidence > 0.9
                assert all(0 <= weight <= 1 for weight in face.expression.values())
