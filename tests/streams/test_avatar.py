"""What is done to a face's numbers before they are sent, and what is sent while it is lost."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import live_faces
from tddfa.errors import InputError
from tddfa.export.capture import ARKIT_SHAPES, FaceCapture
from tddfa.geometry.camera import camera_pose
from tddfa.geometry.rotation import geodesic_deg, head_rotation
from tddfa.streams import Avatar, AvatarSettings, Calibration, TrackedFrame
from tddfa.streams.avatar import CALIBRATION_S, mirror_capture
from tddfa.streams.avatar_calibration import calibration_path
from tddfa.streams.avatar_settings import parse_shape_numbers
from tddfa.tracking import TrackedFace
from tddfa.types import HeadPose

FACE = live_faces.face(0)
RAW = FaceCapture.of(FACE)
REST = dict.fromkeys(ARKIT_SHAPES, 0.0)


def adapted(shapes: dict[str, float] | None = None, calibration: Calibration | None = None, **options):
    capture = RAW if shapes is None else replace(RAW, shapes=REST | shapes)
    return Avatar(AvatarSettings(**options), calibration=calibration).adapted(capture)


def moved(face, x: float, scale: float = 1.0):
    """A face elsewhere in the image, of another size."""
    camera = face.params.camera.copy()
    camera[:, :3] *= scale
    camera[0, 3] += x
    from scene import face_of

    return face_of(replace(face.params, camera=camera))


def frame(time: float, *faces: tuple[int, object, str]) -> TrackedFrame:
    """A frame with faces: id, face, state."""
    tracked = tuple(TrackedFace(i, f, 0.9, 1, state) for i, f, state in faces)
    return TrackedFrame(round(30 * time), time, None, tracked)


def numbers(capture: FaceCapture) -> list[float]:
    head, left, right = capture.head, capture.left_eye, capture.right_eye
    return [*capture.shapes.values(), head.yaw_deg, head.pitch_deg, head.roll_deg, left.yaw_deg,
            left.pitch_deg, right.yaw_deg, right.pitch_deg]  # fmt: skip


# Numbers


def test_the_defaults_change_no_number():
    (capture,) = Avatar().captures(frame(0.0, (0, FACE, "tracked")))
    assert numbers(capture) == numbers(RAW)
    assert capture.shapes == pytest.approx(FACE.expression, abs=0)
    assert capture.head == FACE.pose
    assert (capture.confidence, capture.held) == (0.9, False)


@given(st.floats(0, 1), st.floats(0, 0.95), st.floats(0, 10))
def test_a_shape_rests_in_its_dead_zone_grows_from_there_and_stays_within_0_and_1(value, zone, gain):
    shape = adapted({"jawOpen": value}, dead_zones={"jawOpen": zone}, gains={"jawOpen": gain}).shapes
    expected = min(max(value - zone, 0) / (1 - zone) * gain, 1)
    assert shape["jawOpen"] == pytest.approx(expected, abs=1e-12)
    assert shape["jawLeft"] == 0


@given(st.floats(0, 1), st.floats(0, 1))
def test_linked_blinks_keep_their_mean_and_a_full_wink_stays_one(left, right):
    shape = adapted({"eyeBlinkLeft": left, "eyeBlinkRight": right}, link_blinks=True).shapes
    a, b = shape["eyeBlinkLeft"], shape["eyeBlinkRight"]
    if abs(left - right) <= 0.5:
        assert a == b == pytest.approx((left + right) / 2)
    assert 0 <= a <= 1
    assert 0 <= b <= 1
    assert (a - b) * (left - right) >= 0
    wink = adapted({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 0.0}, link_blinks=True).shapes
    assert (wink["eyeBlinkLeft"], wink["eyeBlinkRight"]) == (1.0, 0.0)


def test_the_eyes_follow_their_shapes_in_the_chosen_range():
    capture = adapted(
        {"eyeLookInLeft": 0.5, "eyeLookUpLeft": 1.0, "eyeLookInRight": 0.25}, eye_range_deg=20.0
    )
    assert (capture.left_eye.yaw_deg, capture.left_eye.pitch_deg) == (10, 20)
    assert capture.right_eye.yaw_deg == -5


def test_the_eyes_are_those_of_the_model_and_rest_when_their_rest_is_taken_off():
    gaze = FACE.gaze
    assert (RAW.left_eye.yaw_deg, RAW.left_eye.pitch_deg) == (gaze.left_yaw_deg, gaze.left_pitch_deg)
    assert (RAW.right_eye.yaw_deg, RAW.right_eye.pitch_deg) == (gaze.right_yaw_deg, gaze.right_pitch_deg)
    assert RAW.eye_range_deg == pytest.approx((30, 25), abs=1e-4)
    raised = Calibration(REST | {"eyeLookUpLeft": 0.25}, HeadPose(0.0, 0.0, 0.0))
    rest = adapted({"eyeLookUpLeft": 0.25}, raised)
    assert (rest.left_eye.yaw_deg, rest.left_eye.pitch_deg) == (0, 0)
    assert adapted({"eyeLookUpLeft": 1.0}, raised).left_eye.pitch_deg == pytest.approx(25, abs=1e-4)


def test_the_head_turns_by_its_gain_up_to_its_limit():
    capture = replace(RAW, head=HeadPose(10.0, -20.0, 30.0))
    head = Avatar(AvatarSettings(head_gain=1.5, head_range_deg=25)).adapted(capture).head
    assert head == HeadPose(15.0, -25.0, 25.0)


# Mirror


@pytest.mark.parametrize("width", [640, None])
def test_the_mirror_image_of_a_capture_is_that_of_the_mirrored_face(width):
    mirrored = mirror_capture(RAW, width)
    assert mirrored.shapes["eyeBlinkLeft"] == RAW.shapes["eyeBlinkRight"]
    assert mirrored.shapes["jawLeft"] == RAW.shapes["jawRight"]
    assert mirrored.shapes["jawOpen"] == RAW.shapes["jawOpen"]
    assert sorted(mirrored.shapes) == list(ARKIT_SHAPES)
    # The camera of the mirror image sees a head with the mirrored angles, and its points where they lie.
    seen = camera_pose(mirrored.camera)
    for angle in ("yaw_deg", "pitch_deg", "roll_deg"):
        assert getattr(seen, angle) == pytest.approx(getattr(mirrored.head, angle), abs=1e-6)
    edge = 639 if width else 2 * RAW.landmarks[:, 0].mean()
    assert np.sort(mirrored.landmarks[:, 0]) == pytest.approx(np.sort(edge - RAW.landmarks[:, 0]), abs=1e-3)
    assert mirrored.landmarks[8] == pytest.approx(
        [edge - RAW.landmarks[8, 0], *RAW.landmarks[8, 1:]], rel=1e-5
    )
    assert mirrored.landmarks[36] == pytest.approx(
        [edge - RAW.landmarks[45, 0], *RAW.landmarks[45, 1:]], rel=1e-5
    )


@pytest.mark.parametrize("width", [640, None])
def test_a_mirror_image_mirrored_is_the_face(width):
    again = mirror_capture(mirror_capture(RAW, width), width)
    assert numbers(again) == pytest.approx(numbers(RAW), abs=1e-12)
    assert again.landmarks == pytest.approx(RAW.landmarks, abs=1e-3)
    assert again.camera == pytest.approx(RAW.camera, abs=1e-3)


def test_a_mirrored_avatar_blinks_with_the_other_eye():
    capture = adapted({"eyeBlinkLeft": 1.0, "eyeLookInLeft": 1.0}, mirrored=True, eye_range_deg=35.0)
    assert (capture.shapes["eyeBlinkLeft"], capture.shapes["eyeBlinkRight"]) == (0, 1)
    assert capture.right_eye.yaw_deg == -35
    assert capture.head.yaw_deg == -RAW.head.yaw_deg


# Calibration


def test_a_calibrated_face_at_rest_is_neutral_and_a_full_expression_stays_full():
    rest = Calibration(REST | {"jawOpen": 0.2, "mouthClose": 0.1}, HeadPose(5.0, -12.0, 3.0))
    neutral = Avatar(calibration=rest).adapted(
        replace(RAW, shapes=REST | {"jawOpen": 0.2, "mouthClose": 0.05}, head=rest.head)
    )
    assert set(neutral.shapes.values()) == {0.0}
    assert [neutral.head.yaw_deg, neutral.head.pitch_deg, neutral.head.roll_deg] == pytest.approx(
        [0, 0, 0], abs=1e-9
    )
    assert adapted({"jawOpen": 1.0}, rest).shapes["jawOpen"] == 1
    assert adapted({"jawOpen": 0.6}, rest).shapes["jawOpen"] == pytest.approx(0.5)


angles = st.floats(-80, 80)


@settings(max_examples=30)
@given(st.tuples(angles, angles, angles), st.tuples(angles, angles, angles))
def test_a_calibrated_head_turns_as_far_as_it_turned_from_rest(rest, now):
    calibration = Calibration(REST, HeadPose(*rest))
    head = Avatar(calibration=calibration).adapted(replace(RAW, head=HeadPose(*now))).head
    turned = geodesic_deg(head_rotation(HeadPose(*rest)), head_rotation(HeadPose(*now)))
    frontal = head_rotation(HeadPose(0.0, 0.0, 0.0))
    assert geodesic_deg(frontal, head_rotation(head)) == pytest.approx(turned, abs=1e-5)


def test_left_of_a_camera_that_stands_low_is_left():
    calibration = Calibration(REST, HeadPose(0.0, 25.0, 0.0))  # rest looks 25° up
    low = (
        head_rotation(HeadPose(0.0, 25.0, 0.0))
        @ np.diag([1.0, -1, -1])
        @ head_rotation(HeadPose(30.0, 0.0, 0.0))
    )
    from tddfa.geometry.rotation import head_pose

    head = Avatar(calibration=calibration).adapted(replace(RAW, head=head_pose(low))).head
    assert [head.yaw_deg, head.pitch_deg, head.roll_deg] == pytest.approx([30, 0, 0], abs=1e-6)


def test_calibrating_takes_the_median_of_two_seconds_of_one_visible_face():
    told: list[Calibration] = []
    avatar = Avatar(calibrate=True, on_calibrated=told.append)
    blinking = replace(FACE.params, expression=FACE.params.expression * 0)
    from scene import face_of

    for k in range(200):
        time = k / 30
        state = "lost" if 20 <= k < 100 else "tracked"  # what is not seen does not count
        face = face_of(blinking) if k % 10 == 0 else FACE
        (capture, *_) = avatar.captures(frame(time, (0, face, state))) or (None,)
        if avatar.calibrating and capture is not None and not capture.held and face is FACE:
            assert numbers(capture) == numbers(RAW)
    assert not avatar.calibrating
    (calibration,) = told
    expected = {name: min(value, 0.9) for name, value in RAW.shapes.items()}
    assert calibration.shapes == pytest.approx(expected)
    assert calibration.head == RAW.head
    assert CALIBRATION_S == 2.0


def test_calibrations_are_saved_and_loaded_per_person(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    calibration = Calibration.of([RAW])
    path = calibration_path("Ann-2")
    calibration.save(path)
    assert path.name == "Ann-2.json"
    assert Calibration.load(path) == calibration
    with pytest.raises(InputError, match="letters, digits"):
        calibration_path("../ann")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, r"cannot read the calibration .*--calibrate"),
        ("", r"no calibration"),
        ("[1]", r"no calibration"),
        ('{"schema": "tddfa.calibration/9"}', r"its schema is 'tddfa.calibration/9'"),
        ('{"schema": "tddfa.calibration/1"}', r"'shapes' is missing"),
        ('{"schema": "tddfa.calibration/1", "shapes": []}', r"a part of it is of another kind"),
        ("null", r"a part of it is of another kind"),
        ("[" * 200_000, r"no calibration"),
    ],
)
def test_a_file_that_is_no_calibration_is_one_line(tmp_path, text, told):
    path = tmp_path / "a.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=told) as error:
        Calibration.load(path)
    assert "\n" not in str(error.value)


def test_a_calibration_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.json"
    Calibration.of([RAW]).save(path)
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert Calibration.load(path) == Calibration.of([RAW])


def test_a_calibration_whose_numbers_are_out_of_range_is_refused(tmp_path):
    path = tmp_path / "a.json"
    Calibration.of([RAW]).save(path)
    whole = path.read_text()
    for number in ("7", "NaN, ", "1e999, "):
        path.write_text(whole.replace('"jawOpen": ', f'"jawOpen": {number}'))
        with pytest.raises(InputError, match=r"out of range|no calibration"):
            Calibration.load(path)
    record = json.loads(whole)
    record["head"]["yaw_deg"] = 10**400
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="is no calibration"):
        Calibration.load(path)


# Whose face


SMALL, LARGE = moved(FACE, -150, 0.6), moved(FACE, 150, 1.0)


def test_the_largest_face_is_sent_and_keeps_its_place_against_others_of_its_size():
    avatar = Avatar()
    both = [(0, SMALL, "tracked"), (1, LARGE, "tracked")]
    (capture,) = avatar.captures(frame(0.0, *both))
    assert (capture.face_id, capture.slot) == (1, 0)
    (capture,) = avatar.captures(frame(0.1, (0, moved(FACE, 0, 1.1), "tracked"), (1, LARGE, "tracked")))
    assert capture.face_id == 1
    (capture,) = avatar.captures(frame(0.2, (0, moved(FACE, 0, 1.4), "tracked"), (1, LARGE, "tracked")))
    assert (capture.face_id, capture.slot) == (0, 0)


def test_somebody_else_takes_over_when_a_lost_face_has_been_held():
    avatar = Avatar()
    avatar.captures(frame(0.0, (0, SMALL, "tracked"), (1, LARGE, "tracked")))
    (capture,) = avatar.captures(frame(0.4, (0, SMALL, "tracked"), (1, LARGE, "lost")))
    assert (capture.face_id, capture.held) == (1, True)
    (capture,) = avatar.captures(frame(0.6, (0, SMALL, "tracked"), (1, LARGE, "lost")))
    assert (capture.face_id, capture.held, capture.slot) == (0, False, 0)


def test_a_chosen_face_is_sent_alone_and_only_while_it_is_there():
    avatar = Avatar(AvatarSettings(face=1, hold_s=0.0, ease_s=0.0))
    assert avatar.captures(frame(0.0, (0, LARGE, "tracked"))) == ()
    (capture,) = avatar.captures(frame(0.1, (0, LARGE, "tracked"), (1, SMALL, "tracked")))
    assert (capture.face_id, capture.slot) == (1, 0)
    assert avatar.captures(frame(0.2, (0, LARGE, "tracked"))) == ()


def test_all_faces_keep_their_slots_and_free_them_when_they_are_gone():
    avatar = Avatar(AvatarSettings(face="all"))
    first = avatar.captures(frame(0.0, (3, SMALL, "tracked"), (5, LARGE, "tracked")))
    assert [(c.face_id, c.slot) for c in first] == [(3, 0), (5, 1)]
    second = avatar.captures(frame(0.1, (5, LARGE, "tracked"), (6, SMALL, "tracked")))
    assert [(c.face_id, c.slot, c.held) for c in second] == [(3, 0, True), (5, 1, False), (6, 2, False)]
    third = avatar.captures(frame(5.0, (5, LARGE, "tracked"), (7, SMALL, "tracked")))
    assert [(c.face_id, c.slot) for c in third] == [(7, 0), (5, 1)]


def test_a_frame_is_worked_on_once_however_many_sinks_ask():
    avatar = Avatar()
    one = frame(0.0, (0, FACE, "tracked"))
    assert avatar.captures(one) is avatar.captures(one)


# While a face is lost


def lost_at(avatar: Avatar, time: float) -> tuple[FaceCapture, ...]:
    return avatar.captures(frame(time, (0, FACE, "lost")))


def test_a_lost_face_is_held_then_eases_to_rest_and_is_gone():
    avatar = Avatar(AvatarSettings(hold_s=0.5, ease_s=1.0))
    avatar.captures(frame(1.0, (0, FACE, "tracked")))
    (held,) = lost_at(avatar, 1.5)
    assert numbers(held) == numbers(RAW)
    assert (held.held, held.confidence) == (True, 0)
    (half,) = lost_at(avatar, 2.0)
    assert numbers(half) == pytest.approx([v / 2 for v in numbers(RAW)])
    steps = [numbers(lost_at(avatar, 2.0 + k / 50)[0]) for k in range(1, 25)]
    sizes = [np.abs(step).sum() for step in steps]
    assert sizes == sorted(sizes, reverse=True)
    assert np.abs(steps[-1]).max() < 0.01 * np.abs(numbers(RAW)).max()
    assert lost_at(avatar, 2.51) == ()


def test_a_face_that_the_tracker_forgets_is_eased_as_well():
    avatar = Avatar()
    avatar.captures(frame(0.0, (0, FACE, "tracked")))
    (held,) = avatar.captures(frame(0.3))
    assert numbers(held) == numbers(RAW)


def test_a_face_that_comes_back_is_itself_at_once():
    avatar = Avatar()
    avatar.captures(frame(0.0, (0, FACE, "tracked")))
    lost_at(avatar, 1.2)
    (back,) = avatar.captures(frame(1.3, (0, FACE, "returned")))
    assert numbers(back) == numbers(RAW)
    assert not back.held


# Texts of the command line


def test_numbers_are_given_by_name_by_pattern_and_for_all():
    assert parse_shape_numbers("jawOpen=1.5") == {"jawOpen": 1.5}
    assert parse_shape_numbers("1.2") == dict.fromkeys(ARKIT_SHAPES, 1.2)
    some = parse_shape_numbers("0.9, brow*=2, BROWDOWNLEFT=3")
    assert (some["browInnerUp"], some["browDownLeft"], some["jawOpen"]) == (2, 3, 0.9)
    assert len(some) == 52


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("jawopen2=1", "nearest: jawOpen"),
        ("jawOpen=x", "not NAME=NUMBER"),
        ("jawOpen=nan", "not NAME=NUMBER"),
        ("jawOpen", "not NAME=NUMBER"),
        (" , ", "names no expression"),
    ],
)
def test_texts_that_mean_nothing_are_told_with_what_is_possible(text, told):
    with pytest.raises(InputError, match=told):
        parse_shape_numbers(text)


@pytest.mark.parametrize(
    "options",
    [
        {"gains": {"jawOpen": -1.0}},
        {"gains": {"jaw": 1.0}},
        {"dead_zones": {"jawOpen": 1.0}},
        {"head_gain": float("nan")},
        {"head_range_deg": 200.0},
        {"eye_range_deg": -1.0},
        {"hold_s": -0.1},
        {"face": -1},
        {"gains": {"jawOpen": True}},
        {"head_gain": True},
    ],
)
def test_settings_out_of_range_are_refused_in_one_line(options):
    with pytest.raises(InputError, match=r"it takes 0 to|nearest:|begin at 0") as error:
        AvatarSettings(**options)
    assert "\n" not in str(error.value)


def test_settings_take_the_patterns_of_the_command_line():
    patterned = AvatarSettings(gains={"brow*": 1.5, "browInnerUp": 2, "JawOpen": 0.5}, dead_zones={"*": 0.1})
    brows = dict.fromkeys([name for name in ARKIT_SHAPES if name.startswith("brow")], 1.5)
    assert patterned.gains == brows | {"browInnerUp": 2, "jawOpen": 0.5}
    assert patterned.dead_zones == dict.fromkeys(ARKIT_SHAPES, 0.1)
    assert replace(patterned, head_gain=2.0).gains == patterned.gains
    (capture,) = Avatar(patterned).captures(frame(0.0, (0, FACE, "tracked")))
    assert set(capture.shapes) == set(ARKIT_SHAPES)
