"""VMC: OSC bundles that python-osc reads, and an avatar that turns as the face does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from live_faces import face, hand_made, read_osc
from tddfa.errors import InputError
from tddfa.export import osc, vmc
from tddfa.export.capture import ARKIT_SHAPES, FaceCapture
from tddfa.export.vmc import VmcOptions
from tddfa.types import HeadPose


def read(capture: FaceCapture | None, **options) -> list[tuple[str, list]]:
    return [message for data in vmc.encode(capture, time=1.5, **options) for message in read_osc(data)]


def blends(messages: list[tuple[str, list]]) -> dict[str, float]:
    return {m[1][0]: m[1][1] for m in messages if m[0] == "/VMC/Ext/Blend/Val"}


def turn(messages: list[tuple[str, list]], bone: str) -> Rotation:
    (values,) = [m[1][1:] for m in messages if m[0].endswith("/Pos") and m[1][0] == bone]
    assert values[:3] == [0.0, 0.0, 0.0]
    return Rotation.from_quat(values[3:])


@pytest.mark.parametrize("seed", range(3))
def test_python_osc_reads_one_frame_in_the_order_of_the_protocol(seed):
    messages = read(FaceCapture.of(face(seed)))
    addresses = [address for address, _ in messages]
    assert addresses[:3] == ["/VMC/Ext/OK", "/VMC/Ext/T", "/VMC/Ext/Root/Pos"]
    assert addresses[3:7] == ["/VMC/Ext/Bone/Pos"] * 4
    assert set(addresses[7:-1]) == {"/VMC/Ext/Blend/Val"}
    assert addresses[-1] == "/VMC/Ext/Blend/Apply"
    assert messages[0][1] == [1, 3, 0, 1]
    assert messages[1][1] == [1.5]
    assert [m[1][0] for m in messages[2:7]] == ["root", "Neck", "Head", "LeftEye", "RightEye"]


@pytest.mark.parametrize("seed", range(3))
def test_every_expression_arrives_as_a_float32(seed):
    capture = FaceCapture.of(face(seed))
    values = blends(read(capture))
    for name in ARKIT_SHAPES:
        assert values[name] == np.float32(capture.shapes[name]), name


def test_every_bundle_passes_an_ethernet_in_one_piece():
    sizes = [len(data) for data in vmc.encode(hand_made(), time=0.0)]
    assert max(sizes) <= 1472
    assert len(sizes) >= 2


# The avatar looks along z in Unity's frame, with its right at +x and up at +y. +yaw of a face turns the nose
# to the left of the picture, which is the subject's right; +roll tilts the head to the subject's left.
@pytest.mark.parametrize(
    ("pose", "nose", "crown"),
    [
        ((30, 0, 0), (0.5, 0, 0.866), (0, 1, 0)),
        ((0, 30, 0), (0, 0.5, 0.866), (0, 0.866, -0.5)),
        ((0, 0, 30), (0, 0, 1), (-0.5, 0.866, 0)),
    ],
)
def test_the_avatars_head_turns_as_the_face_does(pose, nose, crown):
    head = turn(read(FaceCapture.of(face(0, pose))), "Head")
    assert head.apply([0, 0, 1]) == pytest.approx(nose, abs=1e-3)
    assert head.apply([0, 1, 0]) == pytest.approx(crown, abs=1e-3)


@given(st.floats(-89, 89), st.floats(-179, 179), st.floats(-179, 179), st.floats(0.0, 1.0))
def test_neck_and_head_together_turn_as_far_as_the_face(yaw, pitch, roll, neck):
    pose = HeadPose(yaw, pitch, roll)
    whole = Rotation.from_quat(vmc.head_quaternion(pose))
    parts = [Rotation.from_quat(vmc.head_quaternion(pose, part)) for part in (neck, 1 - neck)]
    assert (parts[0] * parts[1] * whole.inv()).magnitude() < 1e-6
    assert parts[0].magnitude() == pytest.approx(neck * whole.magnitude(), abs=1e-6)


@given(st.floats(-89, 89), st.floats(-179, 179), st.floats(-179, 179))
def test_the_angles_of_the_face_can_be_read_back_from_the_bone(yaw, pitch, roll):
    R = Rotation.from_quat(vmc.head_quaternion(HeadPose(yaw, pitch, roll))).as_matrix()
    # In Unity's frame pitch turns about −x, yaw about +y, roll about +z; R = Rx Ry Rz as in 300W-LP.
    again = Rotation.from_euler("XYZ", [-pitch, yaw, roll], degrees=True).as_matrix()
    assert pytest.approx(again, abs=1e-6) == R


def test_without_a_share_the_neck_rests_and_with_one_it_takes_its_part():
    capture = FaceCapture.of(face(0, (40.0, 0.0, 0.0)))
    assert turn(read(capture), "Neck").magnitude() == 0
    shared = read(capture, options=VmcOptions(neck=0.25))
    assert np.degrees(turn(shared, "Neck").magnitude()) == pytest.approx(10, abs=1e-4)
    assert np.degrees(turn(shared, "Head").magnitude()) == pytest.approx(30, abs=1e-4)


def test_the_eyes_look_where_the_face_looks():
    messages = read(hand_made())  # left eye: 4° to the subject's right, 8° up
    looks = turn(messages, "LeftEye").apply([0, 0, 1])
    assert looks[0] > 0
    assert looks[1] > 0
    assert np.degrees(turn(messages, "LeftEye").magnitude()) == pytest.approx(np.hypot(4, 8), abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_an_avatars_eyes_look_along_the_lines_of_sight_of_the_face(seed):
    some = face(seed)
    messages = read(FaceCapture.of(some))
    for bone, sight in zip(
        ("LeftEye", "RightEye"), some.model.eyes.gaze(some.params.expression).directions, strict=True
    ):
        # Unity's x is the avatar's right, the model frame's the subject's left.
        assert turn(messages, bone).apply([0, 0, 1]) == pytest.approx(sight * [-1, 1, 1], abs=1e-5)


def test_nothing_but_the_state_is_sent_without_a_face():
    messages = read(None)
    assert [m[0] for m in messages] == ["/VMC/Ext/OK", "/VMC/Ext/T"]
    assert messages[0][1][-1] == 0  # tracking status


SMILE = dict.fromkeys(ARKIT_SHAPES, 0.0) | {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.75}


def test_presets_of_both_versions_of_vrm_have_one_value():
    values = blends(read(hand_made()))
    for old, new in vmc.VRM1_NAMES.items():
        assert values[old] == values[new], old


def test_a_smile_is_joy_and_a_wink_closes_one_eye():
    presets = vmc.vrm_presets(SMILE | {"eyeBlinkLeft": 1.0})
    assert presets["Joy"] == 0.5
    assert (presets["Blink_L"], presets["Blink_R"]) == (1.0, 0.0)
    assert sum(presets.values()) == 1.5


@pytest.mark.parametrize(
    ("shapes", "vowel"),
    [
        ({"jawOpen": 0.8}, "A"),
        ({"jawOpen": 0.8, "mouthFunnel": 0.9}, "O"),
        ({"mouthPucker": 0.9}, "U"),
        ({"mouthStretchLeft": 0.9, "mouthStretchRight": 0.9}, "I"),
        ({"jawOpen": 0.6, "mouthStretchLeft": 0.9, "mouthStretchRight": 0.9}, "E"),
    ],
)
def test_the_mouth_shapes_its_vowel(shapes, vowel):
    presets = vmc.vrm_presets(dict.fromkeys(ARKIT_SHAPES, 0.0) | shapes)
    assert max("AIUEO", key=presets.__getitem__) == vowel


@settings(max_examples=30)
@given(st.lists(st.floats(-0.5, 1.5), min_size=52, max_size=52))
def test_presets_stay_between_0_and_1_and_vowels_share_the_mouth(values):
    presets = vmc.vrm_presets(dict(zip(ARKIT_SHAPES, values, strict=True)))
    assert all(0 <= value <= 1 for value in presets.values())
    assert sum(presets[vowel] for vowel in "AIUEO") <= 1 + 1e-9


def test_looking_to_the_subjects_right_is_looking_to_the_avatars_right():
    right = {"eyeLookInLeft": 1.0, "eyeLookOutRight": 0.5, "eyeLookUpLeft": 0.5, "eyeLookUpRight": 0.75}
    presets = vmc.vrm_presets(dict.fromkeys(ARKIT_SHAPES, 0.0) | right)
    assert (presets["LookRight"], presets["LookLeft"]) == (0.75, 0.0)
    assert (presets["LookUp"], presets["LookDown"]) == (0.5, 0.0)


def test_options_choose_what_is_sent_and_how_it_is_spelled():
    assert set(blends(read(hand_made(), options=VmcOptions("arkit")))) == set(ARKIT_SHAPES)
    vrm = set(vmc.VRM1_NAMES) | set(vmc.VRM1_NAMES.values())
    assert set(blends(read(hand_made(), options=VmcOptions("vrm")))) == vrm
    assert "JawOpen" in blends(read(hand_made(), options=VmcOptions("arkit", "unity")))


@pytest.mark.parametrize("options", [{"shapes": "vrm2"}, {"names": "upper"}, {"neck": 1.5}])
def test_unknown_options_are_refused_with_what_is_known(options):
    with pytest.raises(InputError, match=r"choose from|it takes 0 to 1"):
        VmcOptions(**options)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)
NUMBERS = st.integers(-(2**31), 2**31 - 1) | st.floats(width=32, allow_nan=False)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.just("/a"), st.lists(NUMBERS | TEXT, max_size=5)), min_size=1, max_size=9))
def test_any_messages_are_read_back_in_order(content):
    packets = list(osc.bundles([osc.message(address, *values) for address, values in content], 96))
    assert [m for packet in packets for m in read_osc(packet)] == content
    assert all(len(packet) <= 96 or len(read_osc(packet)) == 1 for packet in packets)
