"""Manifests are read at the door: what is wrong is named, what is old is understood."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tddfa.errors import PackError
from tddfa.packs import ModelPack, store
from tddfa.packs.manifest import LARGEST, SCHEMA, Manifest, PackedFile, manifest_schema
from tddfa.packs.specs import (
    AffineCameraSpec,
    AnchorFreeSpec,
    CropSpec,
    FaceBoxesSpec,
    Licence,
    LinearModelSpec,
    OpenModelSpec,
    PixelSpec,
    SquarePixelSpec,
    V2Parameters,
    V2RegressorSpec,
    Variant,
)

VALIDATOR = jsonschema.Draft202012Validator(manifest_schema())
SHA = "0" * 64
OPEN = Manifest(
    name="mine",
    title="A pack",
    licence=Licence(name="MIT", terms="any use"),
    provenance={"made by": "a test"},
    files={name: PackedFile(bytes=3, sha256=SHA) for name in ("d.onnx", "r.onnx", "s.onnx", "v.onnx")},
    detector=AnchorFreeSpec(file="d.onnx", max_side=640, min_score=0.15, max_overlap=0.4, trusted_score=0.9),
    regressor=AffineCameraSpec(
        file="r.onnx",
        size=120,
        crop=CropSpec(box_scale=1.33, box_down=0.12, points_scale=1.4),
        refinements=2,
        min_confidence=0.993,
        verifier="v.onnx",
    ),
    model=OpenModelSpec(),
    variants={
        "small": Variant(
            title="Small",
            regressor=AffineCameraSpec(
                file="s.onnx", size=120, crop=CropSpec(box_scale=1.33, box_down=0.12, points_scale=1.4)
            ),
        )
    },
)
V2 = Manifest(
    name="v2",
    title="A published network",
    licence=Licence(name="academic"),
    provenance={},
    files={name: PackedFile(bytes=3, sha256=SHA) for name in ("d.onnx", "r.onnx", "s.npz", "m.npz")},
    detector=FaceBoxesSpec(
        file="d.onnx",
        input=PixelSpec(channels="bgr", mean=(104, 117, 123), scale=1),
        max_height=720,
        max_width=1080,
    ),
    regressor=V2RegressorSpec(
        file="r.onnx",
        input=SquarePixelSpec(size=120, channels="bgr", mean=(127.5, 127.5, 127.5), scale=1 / 128),
        statistics="s.npz",
        parameters=V2Parameters(identity=40, expression=10, mm_per_model_unit=0.001),
    ),
    model=LinearModelSpec(file="m.npz"),
)
# As tddfa 0.1 wrote them.
OLD_REGRESSOR = {
    "kind": "tddfa",
    "architecture": "dense, mirrored",
    "file": "r.onnx",
    "size": 120,
    "crop": {"box_scale": 1.33, "box_down": 0.12, "points_scale": 1.4},
    "passes": 3,
    "min_confidence": 0.993,
    "first_look": "v.onnx",
}
OLD_DETECTOR = {
    "kind": "tddfa",
    "file": "d.onnx",
    "max_side": 640,
    "min_score": 0.15,
    "max_overlap": 0.4,
    "sure_score": 0.9,
}


def fields_of(manifest: Manifest) -> dict:
    return json.loads(manifest.to_json())


def read(fields: object) -> Manifest:
    return Manifest.from_json(json.dumps(fields), "the manifest")


@pytest.mark.parametrize("manifest", [OPEN, V2], ids=["open", "v2"])
def test_a_manifest_comes_back_from_its_text_and_from_a_pickle(manifest):
    assert Manifest.from_json(manifest.to_json(), "it") == manifest
    assert pickle.loads(pickle.dumps(manifest)) == manifest
    assert copy.deepcopy(manifest) == manifest


def test_manifests_of_the_first_schema_are_read_and_written_in_the_words_of_today():
    old = fields_of(OPEN) | {"schema": "tddfa-pack/1", "regressor": OLD_REGRESSOR, "detector": OLD_DETECTOR}
    manifest = read(old)
    assert manifest == replace(OPEN, regressor=OPEN.regressor.replaced(architecture="dense, mirrored"))
    written = json.loads(manifest.to_json())
    assert written["schema"] == SCHEMA
    assert written["regressor"]["kind"] == "affine-camera"
    assert not {"passes", "first_look"} & written["regressor"].keys()
    assert written["detector"]["kind"] == "anchor-free"
    assert "sure_score" not in written["detector"]


@pytest.mark.parametrize(
    ("passes", "first_look", "refinements"), [(1, None, 0), (3, None, 2), (1, "v.onnx", 1), (3, "v.onnx", 2)]
)
def test_passes_of_the_first_schema_count_the_first_one(passes, first_look, refinements):
    old = OLD_REGRESSOR | {"passes": passes, "first_look": first_look}
    assert read(fields_of(OPEN) | {"regressor": old}).regressor.refinements == refinements
    del old["passes"]
    assert read(fields_of(OPEN) | {"regressor": old}).regressor.refinements == (1 if first_look else 0)


def test_parts_are_mappings_with_the_names_of_the_first_schema():
    assert dict(OPEN.regressor) == {**OLD_REGRESSOR, "architecture": ""}
    assert dict(OPEN.detector) == OLD_DETECTOR
    assert V2.regressor["input"]["size"] == 120
    assert V2.regressor["parameters"]["identity"] == 40
    assert V2.regressor.get("min_confidence") == 0
    assert "first_look" not in V2.regressor
    changed = replace(OPEN, regressor={**OPEN.regressor, "passes": 2})
    assert changed.regressor == OPEN.regressor.replaced(refinements=1)


def test_a_spec_is_an_immutable_value_checked_when_it_is_made():
    crop = CropSpec(box_scale=1, box_down=0, points_scale=1)
    assert crop == CropSpec(box_scale=1, box_down=0, points_scale=1) != crop.replaced(box_down=1)
    with pytest.raises(AttributeError, match="use replaced"):
        crop.box_scale = 2  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(PackError, match="box_scale is -1; a number above 0 to 100 is needed"):
        CropSpec(box_scale=-1, box_down=0, points_scale=1)
    with pytest.raises(PackError, match="CropSpec has no field 'box_sacle'"):
        crop.replaced(box_sacle=1)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("regressor", None, "regressor is null; an object is needed"),
        ("regressor.kind", "magic", r"regressor\.kind is 'magic'; one of 3ddfa-v2, affine-camera is needed"),
        ("regressor.kind", ["x"], r"regressor\.kind is a list of 1"),
        ("regressor.size", "large", r"regressor\.size is 'large'; a whole number from 1 to 65536 is needed"),
        ("regressor.size", True, r"regressor\.size is true"),
        ("regressor.size", 120.5, r"regressor\.size is 120\.5"),
        ("regressor.crop", [], r"regressor\.crop is a list of 0; an object is needed"),
        ("regressor.crop.box_scale", 0, r"regressor\.crop\.box_scale is 0; a number above 0 to 100"),
        ("regressor.crop.box_scale", 10**400, r"regressor\.crop\.box_scale is 1000000.*\.\.\.; a number"),
        ("regressor.min_confidence", 2, r"regressor\.min_confidence is 2; a number from 0 to 1 is needed"),
        ("regressor.file", "x.onnx", r"regressor\.file is 'x\.onnx', which is not one of the files"),
        ("regressor.verifier", "../v", r"regressor\.verifier is the file name '\.\./v', which may not stand"),
        ("regressor.refinements", -1, r"regressor\.refinements is -1; a whole number from 0"),
        ("detector.min_score", 1.0, r"detector\.min_score is 1\.0; a number above 0 to 0\.999"),
        ("detector", "d.onnx", "detector is 'd.onnx'; an object is needed"),
        ("model.level", 7, r"model\.level is 7; a whole number from 0 to 2"),
        ("model.crop", "ear", r"model\.crop is 'ear'; one of face, head is needed"),
        ("name", "../up", r"name is '\.\./up'; a name of letters, digits and dashes is needed"),
        ("name", "a:b", "name is 'a:b'"),
        ("title", "\x1b[2J", r"title is '\\x1b\[2J'; text without control characters is needed"),
        ("title", "x" * 2000, r"title is 'xxx.*\.\.\.; text of up to 1000 characters is needed"),
        ("licence", "MIT", "licence is 'MIT'; an object is needed"),
        ("licence.name", 1, r"licence\.name is 1; text is needed"),
        ("files", [], "files is a list of 0"),
        ("files.d.onnx.bytes", -1, r"files\.d\.onnx\.bytes is -1; a whole number"),
        ("files.d.onnx.sha256", "F" * 64, r"files\.d\.onnx\.sha256 is .*; 64 hexadecimal digits are needed"),
        ("variants.small.regressor.crop.box_down", "low", r"variants\.small\.regressor\.crop\.box_down is"),
        ("variants.small.title", None, r"variants\.small\.title is null; text is needed"),
        ("provenance", 1, "provenance is 1; an object is needed"),
        ("schema", 3, "schema is 3; this version of tddfa reads 'tddfa-pack/2'"),
    ],
)
def test_what_is_wrong_in_a_manifest_is_named(path, value, message):
    fields = fields_of(OPEN)
    *way, last = [p.replace("|", ".") for p in path.replace("d.onnx", "d|onnx").split(".")]
    place = fields
    for name in way:
        place = place[name]
    place[last] = value
    with pytest.raises(PackError, match=f"the manifest is not a pack manifest: {message}") as error:
        read(fields)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250


def paths(value: object, path: tuple = ()) -> list[tuple]:
    if not isinstance(value, dict):
        return []
    return [p for name, item in value.items() for p in ((*path, name), *paths(item, (*path, name)))]


@pytest.mark.parametrize("manifest", [OPEN, V2], ids=["open", "v2"])
def test_a_field_that_is_missing_is_named_unless_it_has_a_default(manifest):
    n_named = 0
    for *way, last in paths(fields_of(manifest)):
        fields = fields_of(manifest)
        place = fields
        for name in way:
            place = place[name]
        del place[last]
        if not VALIDATOR.is_valid(fields):
            with pytest.raises(PackError, match=rf"{'.'.join([*way, last])}.* is (missing|null)"):
                read(fields)
            n_named += 1
        else:
            try:
                read(fields)
            except PackError as error:
                assert "which is not one of the files" in str(error)  # noqa: PT017
    assert n_named > 20


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".x",
        "a/b",
        "a\\b",
        "C:x",
        "manifest.json",
        "MANIFEST.JSON",
        "a\0b",
        "a\nb",
        "x.",
        "é" * 129,
    ],
)
def test_names_of_files_that_could_reach_outside_are_refused(name):
    fields = fields_of(OPEN)
    fields["files"][name] = {"bytes": 0, "sha256": SHA}
    with pytest.raises(PackError, match="may not stand in a pack"):
        read(fields)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "too many levels"),
        ('{"a":' * 100_000, "too many levels"),
        ('{"provenance": ' + "[" * 60 + "]" * 60 + "}", "too many levels"),
        ('{"schema": 1e999}', "a number that is not finite"),
        ('{"schema": NaN}', "the number NaN, which is not finite"),
        ('{"schema": -Infinity}', "the number -Infinity"),
        ('{"schema": ' + "9" * 5000 + "}", "is no JSON"),
        ('{"schema": 1, "schema": 2}', "the field 'schema' is there twice"),
        ('{"x": "\\ud800"}', "half of a character"),
        ('{"\\udfff": 1}', "half of a character"),
        ("7", "it is 7, not an object"),
        ('"text"', "it is 'text', not an object"),
        ("", "is no JSON"),
    ],
)
def test_what_is_no_manifest_is_one_line(text, message):
    with pytest.raises(PackError, match=message) as error:
        Manifest.from_json(text, "the manifest")
    assert "\n" not in str(error.value)


def test_an_unknown_field_has_no_effect_and_is_named_in_the_log(caplog):
    fields = fields_of(OPEN)
    fields["regressor"]["min_confidnce"] = 0.5
    fields["comment"] = "mine"
    with caplog.at_level(logging.WARNING):
        assert read(fields) == OPEN
    assert "regressor.'min_confidnce' is not known and has no effect" in caplog.text
    assert "the field 'comment' is not known" in caplog.text


texts = st.text("aé/\n\0", max_size=5)  # a small alphabet: all of Unicode takes long to prepare
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150)
@given(st.data())
def test_the_json_schema_and_the_reader_agree_and_nothing_but_a_pack_error_comes_out(data):
    fields = fields_of(data.draw(st.sampled_from([OPEN, V2])))
    *way, last = data.draw(st.sampled_from(paths(fields)))
    place = fields
    for name in way:
        place = place[name]
    place[last] = data.draw(json_values)
    try:
        read(fields)
        is_read = True
    except PackError:
        is_read = False
    # The schema cannot say that files are listed, that text is printable, or that numbers are finite.
    assert VALIDATOR.is_valid(fields) or not is_read


def test_the_shipped_json_schema_is_that_of_the_reader_and_describes_every_field():
    shipped = json.loads(files("tddfa.packs").joinpath("manifest.schema.json").read_text(encoding="utf-8"))
    assert shipped == manifest_schema(), "write it again with 'python tools/write_manifest_schema.py'"
    jsonschema.Draft202012Validator.check_schema(shipped)

    def check(schema: dict) -> None:
        for name, inner in schema.get("properties", {}).items():
            assert "description" in inner or "const" in inner, name
            check(inner)
        for inner in [*schema.get("oneOf", ()), *schema.get("anyOf", ())]:
            check(inner)

    check(shipped)


def test_the_built_in_manifest_is_of_the_schema_of_today():
    text = (store.BUILT_IN / "open" / "manifest.json").read_text(encoding="utf-8")
    VALIDATOR.validate(json.loads(text))
    assert ModelPack.open(store.BUILT_IN / "open").manifest.to_json() == text


def test_a_manifest_that_is_no_regular_text_file_of_modest_size_is_one_line(tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(b"\xff\xfe")
    with pytest.raises(PackError, match="not UTF-8"):
        ModelPack.open(tmp_path)
    manifest.write_bytes(b" " * (LARGEST + 1))
    with pytest.raises(PackError, match="more than 1048576 bytes"):
        ModelPack.open(tmp_path)
    manifest.unlink()
    manifest.mkdir()
    with pytest.raises(PackError, match="cannot read"):
        ModelPack.open(tmp_path)


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/stdin", "/proc/self/mem"])
def test_a_manifest_that_is_a_device_is_one_line(tmp_path, target):
    if not Path(target).exists():
        pytest.skip("needs the devices of Linux")
    (tmp_path / "manifest.json").symlink_to(target)
    with pytest.raises(PackError, match=r"cannot read|is not a pack manifest"):
        ModelPack.open(tmp_path)


def test_a_manifest_saved_with_a_byte_order_mark_is_read(toy_pack, tmp_path):
    shutil.copytree(toy_pack.folder, tmp_path / "pack")
    manifest = tmp_path / "pack" / "manifest.json"
    manifest.write_bytes(b"\xef\xbb\xbf" + manifest.read_bytes())
    assert ModelPack.open(tmp_path / "pack").manifest == toy_pack.manifest
