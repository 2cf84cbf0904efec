"""Tables of faces: the same values in every format, under names that others know."""

from __future__ import annotations

import csv
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from scene import MODEL, Person, face_of
from tddfa.errors import ExportFileError, InputError, MissingExtraError
from tddfa.geometry.camera import camera_rotation
from tddfa.streams import TableSink, TrackedFrame
from tddfa.streams.sinks.table import FORMATS, columns, row
from tddfa.tracking import TrackedFace

NAMES = columns(MODEL.expression_names)


def faces() -> list[list[TrackedFace]]:
    """Two frames; the second person is lost in the second."""
    a = Person(lambda t: (300 + t, 180, 120, 1), lambda t: (30, -20, 10), lambda t: 0.25)
    b = Person(lambda t: (500, 180, 90, 1))
    first = [TrackedFace(i, face_of(p.params(0)), 0.75, 0, "new") for i, p in enumerate((a, b))]
    second = [TrackedFace(0, face_of(a.params(1)), 1.0, 1, "tracked")]
    return [first, [*second, replace(first[1], state="lost", confidence=0.0)]]


def write(path: Path) -> Path:
    with TableSink(path, MODEL.expression_names) as table:
        for frame, tracked in enumerate(faces()):
            table.write(TrackedFrame(10 + frame, 10 / 30 + frame / 30, None, tuple(tracked)))
    return path


def read(path: Path) -> dict[str, list]:
    """Columns of a file, read by others."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        values = [{k: v if k == "state" else float(v or "nan") for k, v in r.items()} for r in rows]
    elif path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        values = [{k: math.nan if v is None else v for k, v in r.items()} for r in rows]
    elif path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name].tolist() for name in archive["columns"].tolist()}
    else:
        parquet = pytest.importorskip("pyarrow.parquet", reason="needs the parquet extra")
        return parquet.read_table(path).to_pydict()
    return {name: [v[name] for v in values] for name in values[0]}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_holds_the_same_rows(tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="needs the parquet extra")
    table = read(write(tmp_path / f"a.{kind}"))
    assert tuple(table) == NAMES
    expected = [row(f, 10 + t, 10 / 30 + t / 30) for t, tracked in enumerate(faces()) for f in tracked]
    for name in NAMES:
        want = [r[name] for r in expected]
        assert table[name] == want if name == "state" else np.allclose(table[name], want, equal_nan=True)


def test_the_columns_are_these():
    assert NAMES[:11] == (
        *("frame", "face_id", "timestamp", "confidence", "success", "state"),
        *("gaze_angle_x", "gaze_angle_y"),
        *("pose_Rx", "pose_Ry", "pose_Rz"),
    )
    assert NAMES[11 : 11 + 204] == tuple(f"{axis}_{i}" for axis in "xyz" for i in range(68))
    assert NAMES[215:223] == (
        *("box_x0", "box_y0", "box_x1", "box_y1", "yaw_deg", "pitch_deg", "roll_deg", "scale"),
    )
    assert NAMES[223:] == MODEL.expression_names


def test_a_row_says_what_the_face_says():
    tracked = faces()[1][0]
    values = row(tracked, 11, 0.3666)
    assert (values["frame"], values["face_id"], values["timestamp"]) == (11, 0, 0.3666)
    assert (values["confidence"], values["success"], values["state"]) == (1.0, 1, "tracked")
    x, y, z = (np.array([values[f"{axis}_{i}"] for i in range(68)]) for axis in "xyz")
    assert np.allclose(np.stack([x, y, z], 1), tracked.face.landmarks, atol=1e-5)
    assert (values["box_x0"], values["box_y1"]) == pytest.approx((x.min(), y.max()), abs=1e-5)
    assert (values["yaw_deg"], values["pitch_deg"], values["roll_deg"]) == pytest.approx(
        (30, -20, 10), abs=1e-4
    )
    assert values["scale"] == pytest.approx(120 / 140, abs=1e-5)
    assert values["eyeBlinkLeft"] == pytest.approx(0.25)


def test_pose_columns_are_the_euler_angles_of_openface():
    """R = Rx Ry Rz turns a face that looks at the camera, in a frame with x right, y down, z away."""
    tracked = faces()[0][0]
    values = row(tracked, 0, 0.0)
    angles = [values[name] for name in ("pose_Rx", "pose_Ry", "pose_Rz")]
    R = Rotation.from_euler("XYZ", angles).as_matrix()
    frontal = np.diag([1.0, -1.0, -1.0])
    assert np.allclose(R @ frontal, camera_rotation(tracked.face.params.camera), atol=1e-5)


@pytest.mark.parametrize("angles", [(0, 0, 0), (35, 0, 0), (0, 20, 0), (-30, 12, 25)])
@pytest.mark.parametrize(
    ("names", "turn", "signs"),
    [
        ((), ("x", 0), (0, 0)),
        (("eyeLookOutLeft", "eyeLookInRight"), ("y", 30), (1, 0)),  # the subject's left, right in the image
        (("eyeLookInLeft", "eyeLookOutRight"), ("y", -30), (-1, 0)),
        (("eyeLookUpLeft", "eyeLookUpRight"), ("x", -25), (0, -1)),
        (("eyeLookDownLeft", "eyeLookDownRight"), ("x", 25), (0, 1)),
    ],
)
def test_gaze_columns_are_the_angles_of_openface(angles, names, turn, signs):
    """atan2(x, -z) and atan2(y, -z) of the line of sight: x right, y down, z away from the camera."""
    params = Person(lambda t: (300, 180, 120, 1), lambda t: angles).params(0)
    weights = np.zeros(52, np.float32)
    weights[[MODEL.expression_names.index(name) for name in names]] = 1
    tracked = TrackedFace(0, face_of(replace(params, expression=weights)), 1.0, 0, "new")
    values = row(tracked, 0, 0.0)
    gaze = values["gaze_angle_x"], values["gaze_angle_y"]
    axis, degrees = turn
    in_head = Rotation.from_euler(axis, degrees, degrees=True).apply([0, 0, 1])
    x, y, z = camera_rotation(params.camera) @ in_head
    assert gaze == pytest.approx((math.atan2(x, -z), math.atan2(y, -z)), abs=1e-4)
    if angles == (0, 0, 0):
        assert tuple(np.sign(np.round(gaze, 3))) == signs


def test_a_model_whose_eyes_do_not_turn_has_no_gaze():
    without_looks = [name for name in MODEL.expression_names if not name.startswith("eyeLook")]
    assert not any("gaze" in name for name in columns(without_looks))
    tracked = faces()[0][0]
    without = replace(tracked, face=replace(tracked.face, model=replace(MODEL, eyes=None)))
    values, others = row(without, 0, 0.0), row(tracked, 0, 0.0)
    gaze = ("gaze_angle_x", "gaze_angle_y")
    assert all(math.isnan(values.pop(name)) and math.isfinite(others.pop(name)) for name in gaze)
    assert values == others


def test_a_lost_face_has_no_numbers(tmp_path):
    lines = write(tmp_path / "a.csv").read_text().splitlines()
    assert lines[4].startswith("11,1,0.366667,0.0,0,lost,,,")
    assert json.loads(write(tmp_path / "a.jsonl").read_text().splitlines()[3])["x_0"] is None


def test_a_video_without_faces_is_a_table_without_rows(tmp_path):
    for kind in ("csv", "jsonl", "npz"):
        with TableSink(tmp_path / f"a.{kind}", MODEL.expression_names):
            pass
    assert (tmp_path / "a.csv").read_text().splitlines() == [",".join(NAMES)]
    assert np.load(tmp_path / "a.npz")["yaw_deg"].shape == (0,)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "npz", "parquet"])
def test_an_error_leaves_nothing_behind(tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="needs the parquet extra")

    def fail():
        with TableSink(tmp_path / f"a.{kind}", MODEL.expression_names) as table:
            table.write(TrackedFrame(0, 0.0, None, tuple(faces()[0])))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_full_disk_is_one_error_and_keeps_the_earlier_table(tmp_path, kind):
    resource = pytest.importorskip("resource", reason="needs limits of processes")
    path = write(tmp_path / f"a.{kind}")
    earlier = path.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))  # no file grows beyond 10 kB
    try:
        with pytest.raises(ExportFileError, match=rf"cannot write .*a\.{kind}: File too large"):
            write_often(path, 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == earlier
    assert list(tmp_path.iterdir()) == [path]


def write_often(path: Path, n: int) -> None:
    with TableSink(path, MODEL.expression_names) as table:
        for k in range(n):
            table.write(TrackedFrame(k, k / 30, None, tuple(faces()[0])))


def test_what_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="choose from csv, jsonl, npz, parquet"):
        TableSink(tmp_path / "a.xlsx", ())
    with pytest.raises(ExportFileError, match="cannot write"):
        write(tmp_path / "nowhere" / "a.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"tddfa\[parquet\]"):
        write(tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_the_names_of_expressions_come_from_the_first_face(tmp_path):
    for kind in ("csv", "jsonl", "npz"):
        with TableSink(tmp_path / f"a.{kind}") as table:
            table.write(TrackedFrame(0, 0.0, None, ()))
            for tracked in faces():
                table.write(TrackedFrame(1, 0.1, None, tuple(tracked)))
    assert tuple(read(tmp_path / "a.csv")) == tuple(read(tmp_path / "a.npz")) == NAMES
    with TableSink(tmp_path / "empty.csv"):
        pass
    assert (tmp_path / "empty.csv").read_text().strip() == ",".join(columns(()))


def test_the_former_name_writes_the_same_table_and_warns(tmp_path):
    from tddfa import tracking

    with pytest.warns(DeprecationWarning, match="TableSink"):
        table = tracking.TableWriter(tmp_path / "old.csv", MODEL.expression_names)
    with table:
        for frame, tracked in enumerate(faces()):
            table.write(tracked, 10 + frame, 10 / 30 + frame / 30)
    assert (tmp_path / "old.csv").read_text() == write(tmp_path / "new.csv").read_text()
