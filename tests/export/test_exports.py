from __future__ import annotations

import errno
import gzip
import inspect
import io
import json
import os
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from golden_faces import GOLDEN, golden_faces, needs_golden
from solids import cube, face_of, moved, sphere
from tddfa.errors import ExportFileError, InputError
from tddfa.export import (
    EXPORTS,
    SCHEMA,
    depth_png_bytes,
    face_record,
    glb_bytes,
    image_record,
    json_bytes,
    npz_bytes,
    obj_bytes,
    obj_files,
    ply_bytes,
    table_bytes,
    write_glb,
    write_obj,
    write_ply,
)
from tddfa.export.text import decimal_lines, decimals, integers, lines
from tddfa.morphable import open_face_model
from tddfa.types import BoundingBox, Detection, Face, Mesh, Topology

PHOTO = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)


def two_faces() -> list[Face]:
    faces = []
    for shape, place in ((cube(), (40, 30, 5)), (sphere(8, 12), (90, 80, -3))):
        mesh = moved(shape, np.diag([12.3, 9.1, 20.7]), np.array(place))
        uv = (mesh.topology.colors[:, :2]).copy()
        faces.append(face_of(Mesh(mesh.vertices, Topology(mesh.triangles, uv, mesh.topology.colors))))
    return faces


def y_up(face: Face) -> np.ndarray:
    v = face.mesh.vertices.astype(float)
    return np.stack([v[:, 0], 100 - v[:, 1], v[:, 2].max() - v[:, 2]], axis=1)


def stacked(faces: list[Face]) -> tuple[np.ndarray, np.ndarray]:
    n = len(faces[0].mesh.vertices)
    return (
        np.concatenate([y_up(f) for f in faces]),
        np.concatenate([faces[0].mesh.triangles, faces[1].mesh.triangles + n]),
    )


@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("colors", [False, True])
def test_trimesh_reads_the_ply_back(ascii: bool, colors: bool) -> None:
    faces = two_faces()
    data = ply_bytes(PHOTO, faces, ascii=ascii, colors=colors)
    read = trimesh.load(io.BytesIO(data), file_type="ply", process=False)
    vertices, triangles = stacked(faces)
    np.testing.assert_allclose(read.vertices, vertices, atol=0.0051 if ascii else 1e-5)
    np.testing.assert_array_equal(read.faces, triangles)
    assert read.is_winding_consistent
    assert read.volume > 0  # triangles face outward in this frame too
    if colors:
        x, y = np.rint(faces[0].mesh.vertices[0, :2]).astype(int)
        np.testing.assert_array_equal(read.visual.vertex_colors[0, :3], PHOTO[y, x])


def test_trimesh_reads_the_obj_back() -> None:
    faces = two_faces()
    read = trimesh.load(io.BytesIO(obj_bytes(PHOTO, faces)), file_type="obj", process=False)
    vertices, triangles = stacked(faces)
    np.testing.assert_allclose(read.vertices, vertices, atol=0.0051)
    np.testing.assert_array_equal(read.faces, triangles)


def test_trimesh_reads_the_textured_obj_back_with_its_texture(tmp_path: Path) -> None:
    faces = two_faces()
    textures = [np.full((8, 8, 3), c, np.uint8) for c in ((250, 10, 20), (30, 240, 50))]
    write_obj(tmp_path / "two.obj", PHOTO, faces, textures=textures)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["two.mtl", "two.obj", "two_1.png", "two_2.png"]
    scene = trimesh.load(tmp_path / "two.obj", process=False)
    for i, face in enumerate(faces):
        (read,) = [g for name, g in scene.geometry.items() if g.visual.material.name == f"face_{i + 1}"]
        np.testing.assert_array_equal(np.asarray(read.visual.material.image)[0, 0, :3], textures[i][0, 0])
        # trimesh reorders: compare the corners of the triangles.
        np.testing.assert_allclose(read.vertices[read.faces], y_up(face)[face.mesh.triangles], atol=0.0051)
        np.testing.assert_allclose(
            read.visual.uv[read.faces], face.mesh.topology.uv[face.mesh.triangles], atol=1e-6
        )


def test_a_space_in_the_name_of_an_obj_does_not_part_it_from_its_texture(tmp_path: Path) -> None:
    texture = np.full((8, 8, 3), (250, 10, 20), np.uint8)
    write_obj(tmp_path / "my  photo.obj", PHOTO, two_faces()[:1], textures=[texture])
    assert len(list(tmp_path.glob("my_photo-*.mtl"))) == len(list(tmp_path.glob("my_photo-*_1.png"))) == 1
    read = trimesh.load(tmp_path / "my  photo.obj", process=False)
    np.testing.assert_array_equal(np.asarray(read.visual.material.image)[0, 0, :3], texture[0, 0])


def test_textures_have_to_fit_the_faces(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 textures for 2 faces"):
        write_obj(tmp_path / "a.obj", PHOTO, two_faces(), textures=[PHOTO])
    assert list(tmp_path.iterdir()) == []


def test_the_json_record_holds_every_number_of_the_face(tmp_path: Path) -> None:
    faces = two_faces()
    EXPORTS["json"](tmp_path / "a.json", PHOTO, faces)
    record = json.loads((tmp_path / "a.json").read_text())
    assert record == image_record(PHOTO, faces)
    assert (record["schema"], record["width"], record["height"]) == (SCHEMA, 120, 100)
    for face, read in zip(faces, record["faces"], strict=True):
        np.testing.assert_allclose(read["box"], tuple(face.detection.box), rtol=1e-6)
        np.testing.assert_array_equal(np.float32(read["landmarks"]), face.landmarks)
        np.testing.assert_array_equal(np.array(read["camera"]), face.params.camera)
        np.testing.assert_array_equal(np.float32(read["identity"]), face.params.identity)
        np.testing.assert_array_equal(np.float32(read["shape"]), face.params.shape)
        assert read["expression"] == {"smile": 0.25, "blink": 1.0}
        assert read["score"] == 0.75
        assert set(read["pose"]) == {"yaw_deg", "pitch_deg", "roll_deg"}
        assert read["gaze"] is None  # this model has no eyes


def test_the_npz_holds_every_array_without_pickles(tmp_path: Path) -> None:
    face = two_faces()[1]
    EXPORTS["npz"](tmp_path / "a.npz", PHOTO, [face, face])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
        np.testing.assert_array_equal(read["vertices"], np.stack([face.mesh.vertices] * 2))
        np.testing.assert_array_equal(read["triangles"], face.mesh.triangles)
        np.testing.assert_array_equal(read["landmarks"][1], face.landmarks)
        assert read["expression_names"].tolist() == ["smile", "blink"]
        assert str(read["schema"]) == SCHEMA
        assert np.isnan(read["confidence"]).all()  # nobody said how sure it is
        assert "gaze_deg" not in read  # this model has no eyes


def test_the_npz_has_the_confidence_and_gaze_of_the_json() -> None:
    model = open_face_model()
    looks_left = np.zeros(model.n_expression, np.float32)
    looks_left[[model.expression_names.index(n) for n in ("eyeLookOutLeft", "eyeLookInRight")]] = 0.6
    camera = np.array([[0.5, 0, 0, 60], [0, 0.5, 0, 50], [0, 0, 0.5, 0]])
    params = replace(model.params(expression=looks_left), camera=camera, confidence=0.875)
    face = Face(Detection(BoundingBox(0, 0, 120, 100), 0.75), params, model)
    with np.load(io.BytesIO(npz_bytes(PHOTO, [face]))) as read:
        record = face_record(face)
        assert read["confidence"].tolist() == [record["confidence"]] == [0.875]
        np.testing.assert_allclose(read["gaze_deg"][0], list(record["gaze"].values()), atol=1e-3)
    assert record["gaze"]["yaw_deg"] < -5  # to the right of the image


def test_faces_of_two_models_do_not_fit_one_npz(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one model"):
        EXPORTS["npz"](tmp_path / "a.npz", PHOTO, two_faces())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", EXPORTS)
def test_an_image_without_faces_gives_a_file_without_faces(kind: str, tmp_path: Path) -> None:
    EXPORTS[kind](tmp_path / f"none.{kind}", PHOTO, [])
    assert (tmp_path / f"none.{kind}").exists()


@pytest.mark.parametrize("kind", EXPORTS)
def test_a_missing_folder_is_one_clear_error(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ExportFileError, match=r"cannot write .*gone"):
        EXPORTS[kind](tmp_path / "gone" / "a.x", PHOTO, two_faces()[:1])


@pytest.mark.parametrize("kind", EXPORTS)
def test_a_full_disk_is_one_clear_error_and_leaves_the_old_file(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / f"a.{kind}"
    target.write_text("old")

    def half(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(ExportFileError, match=r"cannot write .*No space left"):
        EXPORTS[kind](target, PHOTO, two_faces()[:1])
    assert [p.name for p in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "old"


@given(
    arrays(np.float32, (5, 7), elements=st.floats(-5000, 5000, width=32)),
    arrays(bool, (5, 7)),
    st.sampled_from([0.0, 1e-3, 1.0]),
)
def test_a_16_bit_depth_image_gives_the_depth_back(
    depth: np.ndarray, known: np.ndarray, spread: float
) -> None:
    depth = np.where(known, depth * np.float32(spread), np.float32(np.nan))
    with Image.open(io.BytesIO(depth_png_bytes(depth))) as png:
        scale, offset = float(png.info["depth_scale"]), float(png.info["depth_offset"])
        assert png.info["depth_unit"] == "px"
        values = np.asarray(png).astype(np.float64)
    np.testing.assert_array_equal(values > 0, known)
    np.testing.assert_allclose((offset + scale * values)[known], depth[known], rtol=0, atol=scale / 2 + 1e-9)
    if known.any():
        # The whole range of 16 bits is used.
        assert scale == pytest.approx(np.ptp(depth[known].astype(float)) / 65534 or 1.0)


def test_the_former_name_of_image_record_warns() -> None:
    with pytest.warns(DeprecationWarning, match="image_record"):
        from tddfa.export import picture_record
    assert picture_record is image_record


@pytest.mark.parametrize("n_faces", [0, 1, 2])
def test_the_json_record_satisfies_the_schema_that_ships(n_faces: int) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    schema = json.loads((files("tddfa.export") / "record.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    record = json.loads(json_bytes(PHOTO, two_faces()[:n_faces]))
    jsonschema.Draft202012Validator(schema).validate(record)
    assert schema["properties"].keys() - {"file"} == record.keys()
    for face in record["faces"]:
        assert schema["$defs"]["face"]["properties"].keys() == face.keys()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**record, "width": "100"})


def test_files_beside_an_obj_are_as_distinct_as_their_stems() -> None:
    faces, textures = two_faces()[:1], [np.zeros((8, 8, 3), np.uint8)]
    stems = ["a b", "a_b", "a  b", "a\tb", "a\u3000b", "a#b", 'a"b', "a\\b", "a_b_obj", "é ", "a b "]
    names = [[name for name, _ in obj_files(stem, PHOTO, faces, textures=textures)] for stem in stems]
    assert len({name for each in names for name in each}) == 3 * len(stems)
    for stem, (picture, material, mesh) in zip(stems, names, strict=True):
        assert mesh == f"{stem}.obj"
        assert not any(c.isspace() or c in "#\\\"'" for c in picture + material)


def test_tables_are_read_back_by_others() -> None:
    import csv

    import pyarrow.parquet

    names = ("frame", "face_id", "state", "x", "y")
    rows = [
        {"frame": 0, "face_id": 0, "state": "new", "x": 1.5, "y": float("nan")},
        {"frame": 0, "face_id": 1, "state": "lost", "x": -2.25, "y": 3.0},
    ]
    text = table_bytes("csv", names, rows).decode()
    assert next(iter(csv.DictReader(io.StringIO(text)))) == {
        **{"frame": "0", "face_id": "0", "state": "new"},
        **{"x": "1.5", "y": ""},
    }
    lines = [json.loads(line) for line in table_bytes("jsonl", names, rows).splitlines()]
    assert lines == [{**rows[0], "y": None}, rows[1]]
    parquet = pyarrow.parquet.read_table(io.BytesIO(table_bytes("parquet", names, rows))).to_pylist()
    assert parquet[1] == rows[1]
    arrays = np.load(io.BytesIO(table_bytes("npz", names, rows)))
    assert arrays["columns"].tolist() == list(names)
    np.testing.assert_array_equal(arrays["x"], [1.5, -2.25])
    with pytest.raises(InputError, match="no table format 'xls'; choose from csv, jsonl, npz, parquet"):
        table_bytes("xls", names, rows)


def test_writing_takes_the_options_of_the_bytes() -> None:
    for writer, to_bytes in ((write_ply, ply_bytes), (write_glb, glb_bytes)):
        ours, theirs = inspect.signature(writer), inspect.signature(to_bytes)
        assert list(ours.parameters) == ["path", *theirs.parameters]
        assert writer.__name__.replace("write_", "") == to_bytes.__name__.replace("_bytes", "")


@given(arrays(np.float32, 20, elements=st.floats(-9999, 9999, width=32)), st.sampled_from([1, 2, 3]))
def test_numbers_are_written_as_python_writes_them(values: np.ndarray, places: int) -> None:
    expected = "".join(f"x {v:.{places}f} {i}\n" for i, v in enumerate(values.tolist()))
    assert lines("x ", [decimals(values, places), integers(np.arange(20))]).decode() == expected


@given(arrays(np.float32, (7, 3), elements=st.floats(-1e9, 1e9, width=32)), st.sampled_from([1, 2, 6]))
def test_tables_of_numbers_are_written_as_python_writes_them(values: np.ndarray, places: int) -> None:
    expected = "".join("v " + " ".join(f"{v:.{places}f}" for v in row) + "\n" for row in values.tolist())
    assert decimal_lines("v ", [*values.T], places).decode() == expected
    assert decimal_lines("v ", [*values[:0].T], places) == b""


def test_tables_of_numbers_with_too_many_digits_for_the_kernel_are_still_written() -> None:
    columns = [np.array([0.5, 3e16]), np.array([-0.0, 1.0])]
    assert decimal_lines("", columns, 2) == b"0.50 -0.00\n30000000000000000.00 1.00\n"


@pytest.mark.parametrize("value", [0.125, -0.125, 0.375, -0.001, -0.0, 0.0, 99.995, 123456.78, 9.999])
def test_rounding_half_way_and_signed_zero_are_pythons(value: float) -> None:
    values = np.array([value], np.float32)
    assert lines("", [decimals(values, 2)]).decode() == f"{float(values[0]):.2f}\n"


@needs_golden
@pytest.mark.parametrize("name", ["JianzhuGuo", "trump_hillary", "emma"])
def test_text_files_are_those_of_the_published_program_byte_for_byte(name: str) -> None:
    import hashlib

    image, faces = golden_faces(name)
    published = json.loads((GOLDEN / "meta.json").read_text())
    obj, ply = obj_bytes(image, faces), ply_bytes(image, faces, ascii=True, colors=False)
    assert hashlib.sha256(obj).hexdigest() == published[f"{name}_torch.obj.sha256"]
    # Theirs has an empty line after the header, which is no part of the format.
    ply = ply.replace(b"end_header\n", b"end_header\n\n")
    assert hashlib.sha256(ply).hexdigest() == published[f"{name}_torch.ply.sha256"]
    if name == "JianzhuGuo":
        assert gzip.decompress((GOLDEN / "JianzhuGuo_torch.obj.gz").read_bytes()) == obj
