import csv

import numpy as np
import pytest

from scene import Person, face_of
from tddfa import to_rows
from tddfa.errors import InputError
from tddfa.export.rows import _rounded
from tddfa.streams.sinks.table import TableSink, row
from tddfa.tracking import TrackedFace


def faces():
    people = (
        Person(lambda t: (200, 150, 90, 1), lambda t: (20, -5, 3)),
        Person(lambda t: (420, 150, 110, 1), lambda t: (-30, 8, 0)),
    )
    return [face_of(person.params(0)) for person in people]


def test_a_row_has_the_columns_and_values_of_the_video_table(tmp_path):
    found = faces()
    rows = to_rows(found)
    for index, (values, face) in enumerate(zip(rows, found, strict=True)):
        assert values == row(TrackedFace(index, face, 1.0, 0, "new"), 0, 0.0)
    with TableSink(tmp_path / "table.csv", found[0].model.expression_names):
        pass
    header = next(csv.reader((tmp_path / "table.csv").open()))
    assert list(rows[0]) == header


def test_values_are_flat_and_plain():
    for values in to_rows(faces()):
        assert all(type(v) in (int, float, str) for v in values.values())
        assert values["success"] == 1
    np.testing.assert_allclose(to_rows(faces())[1]["yaw_deg"], -30, atol=1e-4)


def test_frame_and_time_are_those_given():
    values = to_rows(faces()[:1], frame=7, timestamp=0.25)[0]
    assert (values["frame"], values["timestamp"], values["face_id"]) == (7, 0.25, 0)


def test_no_faces_are_no_rows_and_one_face_is_one():
    assert to_rows([]) == []
    assert to_rows(iter(faces())) == to_rows(faces())
    assert to_rows(faces()[0]) == to_rows(faces()[:1])


def test_what_is_no_face_is_one_line():
    with pytest.raises(InputError, match=r"faces\[1\] is a str, not a Face"):
        to_rows(iter([faces()[0], "face"]))


@pytest.mark.parametrize("scale", [1e-4, 1.0, 700.0, 1e6, 1e12])
def test_numbers_are_rounded_as_python_rounds_them(scale):
    rng = np.random.default_rng(7)
    values = rng.normal(0, scale, 5000).astype(np.float32)
    values[:500] = np.round(values[:500] * 64) / 64  # ties
    for given in (values, values.astype(np.float64) / 3):
        assert _rounded(given) == [round(v, 6) for v in given.tolist()]
