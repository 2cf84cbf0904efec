import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from tddfa.errors import PackError, UnsafePickleError
from tddfa.packs.convert.pickles import load_arrays


class Hostile:
    """A pickle that runs a command when loaded."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_arrays_numbers_and_containers_come_back(tmp_path, protocol):
    content = {
        "a": np.arange(12.0).reshape(3, 4),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        "big-endian": np.arange(3, dtype=">i2"),
        "flags": np.array([True, False]),
        "scalar": np.float64(2.5),
        "nested": [1, "text", (2.0, None), OrderedDict(x=np.zeros((0, 3), np.uint8))],
    }
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    loaded = load_arrays(path)
    for key in ("a", "fortran", "big-endian", "flags"):
        np.testing.assert_array_equal(loaded[key], content[key])
    assert loaded["scalar"] == 2.5
    assert loaded["nested"][:3] == [1, "text", (2.0, None)]
    assert loaded["nested"][3]["x"].shape == (0, 3)


@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_is_refused_before_it_runs(tmp_path, protocol):
    marker = tmp_path / "was here"
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"u": Hostile(marker)}, protocol))
    with pytest.raises(UnsafePickleError, match="only arrays, numbers, text") as error:
        load_arrays(path)
    assert "\n" not in str(error.value)
    assert not marker.exists()


def test_a_hostile_checkpoint_of_torch_is_refused_before_it_runs(tmp_path):
    marker = tmp_path / "was here"
    path = tmp_path / "evil.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Hostile(marker), 2))
    with pytest.raises(UnsafePickleError):
        load_arrays(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"c__builtin__\neval\n.",
        b"cnumpy\nload\n.",
        b"cnumpy.testing\nrunstring\n.",
        b"ctorch\nload\n.",
        b"ctorch.hub\nload\n.",
        # Attributes of an allowed name, reached by a dotted path.
        b"\x80\x04\x8c\x0bcollections\x94\x8c\x18OrderedDict.__init_sub__\x94\x93\x94.",
        # BUILD on an allowed callable: an attempt to change the reader itself.
        b"c_codecs\nencode\n}\x8c\x08__code__\x8c\x01xsb.",
        b"cnumpy\nndarray\n}\x8c\x08__call__\x8c\x01xsb.",
        # An array of objects.
        b"cnumpy\ndtype\n(\x8c\x01OI00\nI01\ntR.",
        # A persistent id that is no storage.
        b"(\x8c\x07storagecos\nsystem\n\x8c\x010\x8c\x03cpuK\x01tQ.",
    ],
)
def test_every_other_word_is_refused(tmp_path, program):
    path = tmp_path / "evil.pkl"
    path.write_bytes(program)
    with pytest.raises(UnsafePickleError):
        load_arrays(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"not a pickle at all", b"\x80\x04", pickle.dumps(np.zeros(100))[:-50], b"PK\x03\x04 broken"],
)
def test_a_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / "broken.pkl"
    path.write_bytes(content)
    with pytest.raises(PackError, match="damaged") as error:
        load_arrays(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(PackError, match="cannot read"):
        load_arrays(tmp_path / "gone.pkl")


def doubled(n: int, pair: bytes) -> bytes:
    """A pickle of n containers, each of which holds the one before twice."""
    return b"\x80\x04" + b")\x94" + b"".join(pair % (bytes([k]), bytes([k])) for k in range(n))


BOMBS = {
    # Tuples of 2^240 paths: nothing may walk each of them.
    "shared tuples": doubled(240, b"h%sh%s\x86\x94") + b".",
    "shared lists": b"\x80\x04]\x94"
    + b"".join(b"](" + b"h%c" % k * 10 + b"e\x94" for k in range(200))
    + b".",
    # Their hash would take as long.
    "a key of shared tuples": b"\x80\x04}" + doubled(240, b"h%sh%s\x86\x94")[2:] + b"K\x01s.",
    "a list in itself": b"\x80\x04]\x94h\x00a.",
    "deep lists": b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "deep tuples": b"\x80\x04)" + b"\x85" * 100_000 + b".",
    # A memo with a place for a number.
    "a distant memo": b"]p268435456\n.",
    "a distant memo in binary": b"\x80\x02]r\xff\xff\xff\x7f.",
    "long text that is not there": b"\x80\x04\x8d" + (1 << 40).to_bytes(8, "little") + b"abc.",
    "long bytes that are not there": b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"abc.",
    "a long frame": b"\x80\x04\x95" + (1 << 60).to_bytes(8, "little") + b"N.",
    # Each call makes a copy of a text.
    "copies of a text": (
        b"\x80\x02X\x00\x00\x10\x00"
        + bytes(1 << 20)
        + b"q\x00X\x06\x00\x00\x00latin1q\x01c_codecs\nencode\nq\x02"
        + b"h\x02h\x00h\x01\x86R0" * 500
        + b"N."
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_pickle_takes_no_more_time_and_memory_than_its_size_explains(tmp_path, name):
    path = tmp_path / "bomb.pkl"
    path.write_bytes(BOMBS[name])
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from tddfa.errors import PackError\n"
        "from tddfa.packs.convert.pickles import load_arrays\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    load_arrays(Path(sys.argv[1]))\n"
        "except PackError as error:\n"
        "    assert '\\n' not in str(error) and len(str(error)) < 400\n"
        "assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, 'kB'\n"
        "assert sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) < 20, 's'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def torch_zip(folder, storages: dict[str, bytes], *tensors: tuple[int, tuple, tuple], count: int):
    """A file as `torch.save` writes it: tensors (offset, size, stride) of one storage of floats."""
    word = b"ctorch._utils\n_rebuild_tensor_v2\n"
    reference = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ%btQ"
    numbers = lambda values: b"(" + b"".join(b"\x8a\x08" + v.to_bytes(8, "little") for v in values) + b"t"  # noqa: E731
    program = b"\x80\x02]("
    for offset, size, stride in tensors:
        made = (
            word + b"(" + reference % count.to_bytes(4, "little") + b"\x8a\x08" + offset.to_bytes(8, "little")
        )
        program += made + numbers(size) + numbers(stride) + b"\x89ccollections\nOrderedDict\n)RtR"
    path = folder / "made.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", program + b"e.")
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)
    return path


def test_tensors_are_read_within_their_storage_alone(tmp_path):
    floats = np.arange(6, dtype=np.float32)
    path = torch_zip(
        tmp_path, {"0": floats.tobytes()}, (0, (2, 3), (3, 1)), (1, (2,), (4,)), (6, (0,), (1,)), count=6
    )
    whole, part, empty = load_arrays(path)
    np.testing.assert_array_equal(whole, floats.reshape(2, 3))
    np.testing.assert_array_equal(part, floats[1::4])
    assert empty.shape == (0,)
    for offset, size, stride in [
        (0, (7,), (1,)),
        (6, (1,), (1,)),
        (0, (2, 3), (4, 1)),
        (0, (1,), (1, 1)),
        (5, (), ()),
        (1 << 62, (2,), (1,)),
        (0, (2,), (1 << 62,)),
    ]:
        path = torch_zip(tmp_path, {"0": floats.tobytes()}, (offset, size, stride), count=6)
        if (offset, size) == (5, ()):
            assert load_arrays(path)[0] == 5
            continue
        with pytest.raises(PackError, match="outside its storage"):
            load_arrays(path)


def test_nothing_is_read_behind_an_empty_storage(tmp_path):
    for size, stride in [((1,), (1,)), ((), ()), ((1, 1), (0, 0))]:
        with pytest.raises(PackError, match="outside its storage"):
            load_arrays(torch_zip(tmp_path, {"0": b""}, (0, size, stride), count=0))


def test_a_tensor_that_repeats_one_number_for_ever_is_refused(tmp_path):
    path = torch_zip(tmp_path, {"0": bytes(4)}, (0, (1 << 20, 1 << 20), (0, 0)), count=1)
    with pytest.raises(PackError, match="claims more memory than a file of its size needs"):
        load_arrays(path)


def test_a_storage_that_is_packed_too_well_is_refused(tmp_path):
    path = torch_zip(tmp_path, {"0": bytes(1 << 26)}, (0, (1,), (1,)), count=1 << 24)
    assert path.stat().st_size < 1 << 17
    with pytest.raises(PackError, match="claims more memory than a file of its size needs"):
        load_arrays(path)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="needs the train extra")


@pytest.mark.parametrize("zipped", [True, False])
def test_both_formats_of_torch_save_are_read_as_torch_reads_them(tmp_path, torch, zipped):
    base = torch.arange(60.0).reshape(3, 4, 5)
    state = {
        "plain": base,
        "transposed": base.permute(2, 0, 1),
        "view": base[1:, ::2],
        "half": base.half(),
        "counter": torch.tensor(7),
        "parameter": torch.nn.Parameter(torch.randn(4)),
    }
    path = tmp_path / "a.pth"
    torch.save({"epoch": 3, "state_dict": state}, path, _use_new_zipfile_serialization=zipped)
    loaded = load_arrays(path)
    assert loaded["epoch"] == 3
    for name, tensor in state.items():
        np.testing.assert_array_equal(loaded["state_dict"][name], tensor.detach().numpy())


@pytest.mark.parametrize("zipped", [True, False])
def test_half_a_checkpoint_is_damaged(tmp_path, torch, zipped):
    buffer = io.BytesIO()
    torch.save({"w": torch.randn(1000)}, buffer, _use_new_zipfile_serialization=zipped)
    path = tmp_path / "half.pth"
    path.write_bytes(buffer.getvalue()[:2500])
    with pytest.raises(PackError, match="damaged"):
        load_arrays(path)
