"""Arrays of packs are read without trust and checked when they are loaded."""

from __future__ import annotations

import functools
import io
import json
import shutil
import struct
import zipfile

import numpy as np
import pytest

from tddfa.errors import PackError
from tddfa.packs import ModelPack
from tddfa.packs.arrays import fitted_arrays, read_arrays
from tddfa.packs.layouts import linear_model
from tddfa.packs.manifest import PackedFile

N = 70


def model_arrays(**changes: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {
        "mean": rng.normal(0, 50, (N, 3)),
        "identity_basis": rng.normal(0, 1, (N, 3, 40)).astype(np.float32),
        "expression_basis": rng.normal(0, 1, (N, 3, 10)).astype(np.float32),
        "expression_names": np.array([f"e{k}" for k in range(10)]),
        "triangles": rng.integers(0, N, (20, 3)),
        "uv": rng.random((N, 2)),
        "landmark_vertices": np.arange(68),
    }
    return arrays | changes


def npz(arrays: dict[str, np.ndarray], *, compressed: bool = False) -> bytes:
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **arrays)
    return out.getvalue()


def npy(header: str, data: bytes = b"") -> bytes:
    """An .npz with one array that has this header."""
    text = header.encode("latin1").ljust(118) + b"\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data)
    return out.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_come_back_as_numpy_reads_them(compressed):
    given = model_arrays(fortran=np.asfortranarray(np.arange(6.0).reshape(2, 3)), flag=np.array(True))
    data = npz(given, compressed=compressed)
    read = read_arrays(data)
    with np.load(io.BytesIO(data)) as expected:
        assert read.keys() == set(expected.files)
        for name in expected.files:
            np.testing.assert_array_equal(read[name], expected[name], strict=True)
            assert read[name].flags.writeable


@functools.cache
def damaged() -> dict[str, tuple[bytes, str]]:
    whole = npz(model_arrays(), compressed=True)
    stored = npz(model_arrays())
    wrong_crc = bytearray(stored)
    wrong_crc[300] ^= 1
    encrypted = bytearray(stored)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := encrypted.find(signature, at + 1)) >= 0:
            encrypted[at + offset] |= 1
    unknown_method = bytearray(stored)
    at = unknown_method.find(b"PK\x01\x02")
    unknown_method[at + 10] = 99
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(5):
            archive.writestr(f"a{k}.npy", bytes(1 << 20))
    (one_name, one) = ("a.npy", zipfile.ZipFile(io.BytesIO(npz({"a": np.zeros(2)}))).read("a.npy"))
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr(one_name, one)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(one_name, one)
    return {
        "empty": (b"", "is damaged"),
        "text": (b"no archive", "is damaged"),
        "cut": (whole[: len(whole) // 2], "is damaged"),
        "cut at its end": (whole[:-30], "is damaged"),
        "another CRC": (bytes(wrong_crc), "is damaged"),
        "encrypted": (bytes(encrypted), "is damaged"),
        "unknown compression": (bytes(unknown_method), "is damaged"),
        "pickled": (npz({"a": np.array([{"x": 1}], dtype=object)}), "has the type"),
        "records": (npz({"a": np.zeros(3, [("x", "<f4")])}), "has the type"),
        "dates": (npz({"a": np.zeros(3, "datetime64[s]")}), "has the type"),
        "claims a shape": (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (10**6,)}"), "is damaged"),
        "huge shape": (
            npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1000)}", b"1234"),
            "does not fit",
        ),
        "negative shape": (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", b"1234"), "fit"),
        "deep header": (npy("[" * 100), "is damaged"),
        "long header": (npy(" " * 10_003), "is damaged"),
        "bomb": (bomb.getvalue(), "more than 4194304 bytes"),
        "twice": (twice.getvalue(), "there twice"),
    }


@pytest.mark.parametrize("name", damaged().keys())
def test_a_damaged_or_hostile_archive_is_one_line(name, monkeypatch):
    monkeypatch.setattr("tddfa.packs.arrays.LARGEST", 1 << 22)
    data, message = damaged()[name]
    with pytest.raises(PackError, match=message) as error:
        read_arrays(data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"triangles": np.full((20, 3), N)}, "'triangles' has values that are not between 0 and 69"),
        ({"triangles": np.full((20, 3), -1)}, "'triangles' has values that are not between 0 and 69"),
        ({"triangles": np.zeros((20, 3))}, "'triangles' has the type <f8; indices are needed"),
        ({"triangles": np.zeros((20, 4), int)}, r"'triangles' has the shape \(20, 4\); \(20, 3\) is needed"),
        ({"triangles": np.full((20, 3), 2**40)}, "'triangles' has values that are not between"),
        ({"mean": np.full((N, 3), np.nan)}, "'mean' has values that are not between"),
        ({"mean": np.full((N, 3), np.inf)}, "'mean' has values that are not between"),
        ({"mean": np.full((N, 3), 1e30)}, "'mean' has values that are not between"),
        ({"mean": np.zeros(N)}, r"'mean' has the shape \(70,\); \(n, 3\) is needed"),
        ({"mean": np.array([["a"] * 3] * N)}, "'mean' has the type <U1; numbers are needed"),
        (
            {"identity_basis": np.zeros((N, 3, 39))},
            r"'identity_basis' has the shape .* \(70, 3, 40\) is needed",
        ),
        ({"expression_basis": np.zeros((N - 1, 3, 10))}, r"\(70, 3, 10\) is needed"),
        ({"expression_names": np.array(["a"] * 9)}, r"'expression_names' has the shape \(9,\); \(10\) is"),
        ({"expression_names": np.array(["a\n"] * 10)}, "control characters"),
        ({"landmark_vertices": np.arange(67)}, r"'landmark_vertices' has the shape \(67,\); \(68\)"),
        ({"landmark_vertices": np.arange(3, 71)}, "'landmark_vertices' has values"),
        ({"uv": np.zeros((N - 1, 2))}, r"'uv' has the shape"),
    ],
)
def test_an_array_that_does_not_fit_the_others_is_named(changes, message):
    with pytest.raises(PackError, match=message) as error:
        fitted_arrays(model_arrays(**changes), linear_model(40, 10))
    assert "\n" not in str(error.value)


def test_a_missing_array_is_named_and_uv_may_be_missing():
    arrays = model_arrays()
    del arrays["uv"]
    fitted = fitted_arrays(arrays, linear_model())
    assert fitted["mean"].dtype == np.float32
    assert fitted["triangles"].dtype == np.int32
    del arrays["triangles"]
    with pytest.raises(PackError, match="has no array 'triangles'"):
        fitted_arrays(arrays, linear_model())


def test_a_pack_whose_arrays_do_not_fit_is_broken_when_they_are_loaded_and_when_it_is_verified(
    toy_pack, tmp_path
):
    folder = tmp_path / "pack"
    shutil.copytree(toy_pack.folder, folder)
    arrays = toy_pack.arrays("model.npz")
    data = npz(arrays | {"triangles": arrays["triangles"] + 1000})
    (folder / "model.npz").write_bytes(data)
    fields = json.loads((folder / "manifest.json").read_text())
    fields["files"]["model.npz"] = PackedFile.of(data).to_object()
    (folder / "manifest.json").write_text(json.dumps(fields))
    pack = ModelPack.open(folder)
    for check in (pack.verify, lambda: pack.arrays("model.npz")):
        with pytest.raises(PackError, match=r"is broken: model\.npz .* 'triangles' has values"):
            check()
