"""Packs cannot make the program read other files, wait, or fill the memory; one bad pack is one bad pack."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tddfa.cli.main import main
from tddfa.errors import PackError
from tddfa.onnx_files import check_self_contained
from tddfa.packs import ModelPack, find_pack, installed_packs
from tddfa.packs.manifest import PackedFile
from tddfa.packs.store import install_folder
from tddfa.runtime import OnnxNetwork

onnx = pytest.importorskip("onnx", reason="needs the convert extra")
helper, TensorProto = onnx.helper, onnx.TensorProto


def external(location: str) -> onnx.TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[6])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "24")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def network(nodes: list, weights: list, **parts: list) -> bytes:
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [6]) for n in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, **parts)
    return model.SerializeToString()


def add(*inputs: str) -> onnx.NodeProto:
    return helper.make_node("Add", list(inputs), ["y"])


def subgraph(tensor: onnx.TensorProto) -> onnx.GraphProto:
    out = helper.make_tensor_value_info("z", TensorProto.FLOAT, [6])
    return helper.make_graph([helper.make_node("Identity", ["w"], ["z"])], "inner", [], [out], [tensor])


def with_external(place: str, location: str = "weights.bin") -> bytes:
    tensor = external(location)
    if place == "a weight":
        return network([add("x", "w")], [tensor])
    if place == "a constant":
        return network([helper.make_node("Constant", [], ["w"], value=tensor), add("x", "w")], [])
    if place == "a branch":
        condition = helper.make_tensor("c", TensorProto.BOOL, [], [True])
        branch = subgraph(tensor)
        return network(
            [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)], [condition]
        )
    if place == "a function":
        body = [helper.make_node("Constant", [], ["w"], value=tensor), add("x", "w")]
        function = helper.make_function("mine", "F", ["x"], ["y"], body, [helper.make_opsetid("", 17)])
        return network([helper.make_node("F", ["x"], ["y"], domain="mine")], [], functions=[function])
    if place == "a sparse weight":
        values, indices = external(location), helper.make_tensor("i", TensorProto.INT64, [6], range(6))
        model = onnx.load_model_from_string(network([add("x", "w")], []))
        model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [6]))
        return model.SerializeToString()
    raise AssertionError(place)


PLACES = ["a weight", "a constant", "a branch", "a function", "a sparse weight"]


@pytest.mark.parametrize("place", PLACES)
def test_a_network_with_weights_in_other_files_is_refused_wherever_they_are_named(place):
    with pytest.raises(PackError, match="weights in other files"):
        check_self_contained(with_external(place))


def test_a_network_that_only_speaks_of_locations_is_not_refused():
    weight = helper.make_tensor("location", TensorProto.FLOAT, [6], range(6))
    model = onnx.load_model_from_string(network([add("x", "location")], [weight]))
    entry = model.metadata_props.add()
    entry.key, entry.value = "location", "/etc/passwd"
    data = model.SerializeToString()
    check_self_contained(data)
    OnnxNetwork(data, "it")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08\x08\x00\x00ORTM location", "in the format of ONNX Runtime"),
        (b"location", "messages are damaged"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff location", "messages are damaged"),
    ],
)
def test_what_is_no_onnx_file_is_one_line(data, message):
    with pytest.raises(PackError, match=message):
        check_self_contained(data)


def test_a_node_that_keeps_its_content_in_a_file_is_refused():
    node = helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft", ep_cache_context="/etc/passwd")
    with pytest.raises(PackError, match="in other files"):
        check_self_contained(network([node], []))


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "{folder}/weights.bin"])
def test_the_engine_reads_no_other_file_either(tmp_path, monkeypatch, location):
    np.arange(6, dtype=np.float32).tofile(tmp_path / "weights.bin")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path if location == "weights.bin" else tmp_path / "below")
    with pytest.raises(PackError, match=r"in other files|is not a network that ONNX Runtime can run"):
        OnnxNetwork(with_external("a weight", location.format(folder=tmp_path)), "it")


@pytest.fixture
def pack(toy_pack, tmp_path) -> Path:
    folder = tmp_path / "made" / "pack"
    shutil.copytree(toy_pack.folder, folder)
    return folder


def put(folder: Path, file: str, data: bytes) -> None:
    """Put a file into a pack whose manifest knows it."""
    (folder / file).write_bytes(data)
    fields = json.loads((folder / "manifest.json").read_text())
    fields["files"][file] = PackedFile.of(data).to_object()
    (folder / "manifest.json").write_text(json.dumps(fields))


def test_a_pack_with_weights_elsewhere_is_neither_loaded_nor_verified_nor_installed(
    pack, packs_folder, capsys
):
    put(pack, "regressor.onnx", with_external("a weight"))
    message = r"regressor\.onnx is refused: it keeps weights in other files"
    with pytest.raises(PackError, match=message):
        ModelPack.open(pack).read("regressor.onnx")
    with pytest.raises(PackError, match=message):
        install_folder("3ddfa-v2-mb05", str(pack))
    assert not packs_folder.exists()
    shutil.copytree(pack, packs_folder / "3ddfa-v2-mb05")
    assert main(["packs", "verify"]) == 1
    assert "keeps weights in other files" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes with a name and devices")
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "folder", "longer", "shorter"])
def test_a_file_that_is_no_regular_file_of_the_recorded_size_is_refused_at_once(pack, kind):
    file = pack / "statistics.npz"
    content = file.read_bytes()
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind in ("longer", "shorter"):
        file.write_bytes(content + bytes(10**7) if kind == "longer" else content[:-1])
    else:
        file.symlink_to(kind)
    with pytest.raises(PackError, match=r"is broken: statistics\.npz"):
        ModelPack.open(pack).verify()


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes with a name")
def test_a_manifest_that_is_a_pipe_does_not_make_anybody_wait(tmp_path):
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(PackError, match="cannot read"):
        ModelPack.open(tmp_path)


def test_links_to_regular_files_are_followed(pack, tmp_path):
    target = tmp_path / "elsewhere.npz"
    shutil.move(pack / "statistics.npz", target)
    (pack / "statistics.npz").symlink_to(target)
    ModelPack.open(pack).verify()


def test_one_bad_pack_is_listed_as_bad_and_the_others_as_they_are(toy_pack, packs_folder, capsys):
    shutil.copytree(toy_pack.folder, packs_folder / "good")
    for name, text in {
        "deep": "[" * 100_000,
        "empty": "",
        "nothing": None,
        "wrong": '{"schema": "tddfa-pack/2", "name": 7}',
        "infinite": '{"schema": "tddfa-pack/2", "measured": {"x": 1e999}}',
    }.items():
        (packs_folder / name).mkdir()
        if text is not None:
            (packs_folder / name / "manifest.json").write_text(text)
    (packs_folder / "a\x1b[2Jfile").mkdir()
    assert main(["packs", "list"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    lines = {line.split()[0]: line for line in shown.splitlines()[1:]}
    for name in ("deep", "empty", "nothing", "wrong", "infinite"):
        assert "broken: " in lines[name]
    assert "×0.5" in lines["good"]
    assert isinstance(installed_packs()["good"], ModelPack)


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("HOME", "TDDFA_PACKS", "TDDFA_PACK")}
    env = {k: v for k, v in env.items() if not k.startswith("XDG_")}
    return subprocess.run(
        [sys.executable, "-c", code], env={**env, **environment}, capture_output=True, text=True, check=False
    )


NO_USER = """
import os, pwd
def getpwuid(uid): raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = getpwuid
os.environ.pop("HOME", None)
"""
USE = """
from tddfa.packs import find_pack, installed_packs
assert find_pack("open").manifest.name == "open"
assert list(installed_packs()) == ["open"]
from tddfa.cli.main import main
assert main(["packs", "list"]) == 0
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs the users of POSIX")
def test_the_built_in_pack_works_without_a_home_folder_and_without_a_user():
    done = run(NO_USER + USE)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    done = run(NO_USER + "from tddfa.cli.main import main; exit(main(['packs', 'install', '3ddfa-v2-mb05']))")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("there is no home folder for packs; name a folder with TDDFA_PACKS")


@pytest.mark.parametrize("home", ["missing", "file", "/proc/1/root/x"])
def test_the_built_in_pack_works_where_the_home_folder_cannot_be_used(tmp_path, home):
    (tmp_path / "file").write_text("")
    done = run(USE, HOME=home if home.startswith("/") else str(tmp_path / home))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_a_folder_in_the_working_directory_does_not_take_the_place_of_a_pack(
    toy_pack, packs_folder, tmp_path, monkeypatch
):
    shutil.copytree(toy_pack.folder, packs_folder / "mine")
    shutil.copytree(toy_pack.folder, tmp_path / "here" / "mine")
    shutil.copytree(toy_pack.folder, tmp_path / "here" / "local")
    monkeypatch.chdir(tmp_path / "here")
    assert find_pack("mine").folder == packs_folder / "mine"
    assert find_pack("local").folder == Path("local")
