"""Live Link Face: datagrams that PyLiveLinkFace reads, and the app's CSV files."""

from __future__ import annotations

import math
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from live_faces import face, hand_made
from tddfa.errors import InputError
from tddfa.export import livelink
from tddfa.export.capture import ARKIT_SHAPES, FaceCapture

DEVICE = "6f1a3a0e-0000-4000-8000-00000000002a"


def pylivelinkface():
    """The decoder of PyLiveLinkFace, which does not name all that it imports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("pylivelinkface", reason="needs PyLiveLinkFace")


def datagram(capture: FaceCapture | None, **options) -> bytes:
    given = {"subject": "tddfa", "device_id": DEVICE, "time": 3600.5}
    return livelink.encode(capture, **(given | options))


@pytest.mark.parametrize("seed", range(5))
def test_pylivelinkface_reads_every_number_of_a_face_under_its_name(seed):
    module = pylivelinkface()
    capture = FaceCapture.of(face(seed))
    found, read = module.PyLiveLinkFace.decode(datagram(capture))
    assert found
    assert (read.name, read.uuid, read.fps) == ("tddfa", "$" + DEVICE, 60)
    for name in ARKIT_SHAPES:
        curve = module.FaceBlendShape[name[0].upper() + name[1:]]
        assert read.get_blendshape(curve) == np.float32(capture.shapes[name]), name
    head = [read.get_blendshape(module.FaceBlendShape[f"Head{axis}"]) for axis in ("Yaw", "Pitch", "Roll")]
    expected = (-capture.head.yaw_deg, capture.head.pitch_deg, -capture.head.roll_deg)
    assert head == pytest.approx([math.radians(angle) for angle in expected], abs=1e-7)


def test_pylivelinkface_sees_that_there_is_no_face():
    found, _ = pylivelinkface().PyLiveLinkFace.decode(datagram(None))
    assert not found


def test_no_face_is_the_header_alone():
    assert datagram(hand_made()).startswith(datagram(None))
    assert len(datagram(None)) == 1 + 4 + 36 + 4 + len("tddfa")


def test_a_datagram_is_laid_out_as_unreal_reads_it():
    data = datagram(hand_made(), subject="Ä", rate=(30000, 1001), time=10.0)
    assert data[:1] == b"\x06"
    assert data[1:5] == (36).to_bytes(4, "big")
    assert data[5:41] == DEVICE.encode()
    assert data[41:47] == (2).to_bytes(4, "big") + "Ä".encode()
    frame, subframe, numerator, denominator, count = struct.unpack(">ifiiB", data[47:64])
    assert (frame, numerator, denominator, count) == (299, 30000, 1001, 61)
    assert frame + subframe == pytest.approx(10 * 30000 / 1001, abs=1e-5)
    assert len(data) == 64 + 61 * 4
    values = struct.unpack(">61f", data[64:])
    # The first, the mirrored pairs, and the last expression; shape k of the alphabet is k / 64.
    by_name = dict(zip(livelink.SHAPES, values, strict=False))
    assert values[0] == by_name["eyeBlinkLeft"] == ARKIT_SHAPES.index("eyeBlinkLeft") / 64
    assert values[14:18] == tuple(
        ARKIT_SHAPES.index(name) / 64 for name in ("jawForward", "jawLeft", "jawRight", "jawOpen")
    )
    assert values[51] == ARKIT_SHAPES.index("tongueOut") / 64
    assert sorted(livelink.SHAPES) == list(ARKIT_SHAPES)


def test_the_head_turns_to_the_subjects_left_up_and_to_the_right_shoulder_and_the_eyes_the_other_way():
    values = livelink.curve_values(hand_made())  # yaw 10: to the subject's right; pitch −20: down
    assert values[52:] == pytest.approx(
        [math.radians(a) for a in (-10, -20, -30, 4, -8, 0, -4, 8, 0)], abs=1e-12
    )


def test_angles_beyond_one_radian_stay_at_one():
    capture = FaceCapture.of(face(0, pose=(-80.0, 0.0, 75.0)))
    assert livelink.curve_values(capture)[52] == 1.0
    assert livelink.curve_values(capture)[54] == -1.0


@given(st.floats(0, 10 * 86400), st.sampled_from([(60, 1), (30, 1), (30000, 1001), (25, 1)]))
def test_the_subframe_is_below_one_at_any_time(time, rate):
    data = datagram(hand_made(), time=time, rate=rate)
    frame, subframe = struct.unpack(">if", data[50:58])
    assert 0 <= subframe < 1
    assert frame + subframe == pytest.approx(time * rate[0] / rate[1], abs=1e-4)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"subject": ""}, "0 bytes"),
        ({"subject": "ü" * 128}, "256 bytes"),
        ({"device_id": "me"}, "no UUID"),
    ],
)
def test_what_unreal_could_not_read_is_refused(options, told):
    with pytest.raises(InputError, match=told):
        datagram(hand_made(), **options)


def test_csv_columns_are_those_of_the_app():
    columns = livelink.CSV_COLUMNS
    assert columns[:3] == ("Timecode", "BlendShapeCount", "EyeBlinkLeft")
    assert columns[16:20] == ("JawForward", "JawRight", "JawLeft", "JawOpen")
    assert columns[23:25] == ("MouthRight", "MouthLeft")
    assert columns[-9:] == livelink.ROTATIONS
    assert len(columns) == 63


def test_a_csv_row_holds_the_numbers_of_the_datagram_under_their_names():
    capture = FaceCapture.of(face(3))
    row = dict(zip(livelink.CSV_COLUMNS, livelink.csv_row(capture, 3661.25), strict=True))
    assert row["Timecode"] == "01:01:01:15.000"
    assert row["BlendShapeCount"] == "61"
    for name, value in capture.shapes.items():
        assert float(row[name[0].upper() + name[1:]]) == pytest.approx(value, abs=1e-9)
    assert float(row["HeadYaw"]) == pytest.approx(math.radians(-capture.head.yaw_deg), abs=1e-9)


def test_a_csv_row_without_a_face_has_all_columns_and_says_so():
    row = livelink.csv_row(None, 0.0)
    assert row[:2] == ["00:00:00:00.000", "0"]
    assert {float(cell) for cell in row[2:]} == {0.0}
    assert len(row) == len(livelink.CSV_COLUMNS)


@given(st.integers(0, 86400 * 60 * 1000 - 1))
def test_timecodes_count_on_without_a_gap(thousandths):
    hours, minutes, seconds, frames = livelink.timecode(thousandths / 60000).split(":")
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    assert round((whole * 60 + float(frames)) * 1000) == thousandths
    assert float(frames) < 60


def test_midnight_follows_the_last_frame_of_the_day():
    assert livelink.timecode(86400.0) == "00:00:00:00.000"
    assert livelink.timecode(86399.9999999) == "00:00:00:00.000"
