import io
import os
import pickle
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
