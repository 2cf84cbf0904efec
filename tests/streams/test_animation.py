"""Animated GLB files of the people of a video."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tddfa.errors import ExportFileError
from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.morphable import MorphableModel, open_face_model
from tddfa.streams import AnimationSink, TrackedFrame
from tddfa.tracking import State, TrackedFace
from tddfa.types import BoundingBox, Detection, Face, HeadPose

SIZE = 160


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return open_face_model(level=0)


def tracked(
    model: MorphableModel,
    id: int = 0,
    yaw: float = 0,
    x: float = 80,
    state: State = "tracked",
    **expression: float,
) -> TrackedFace:
    camera = scaled_camera(0.5, head_rotation(HeadPose(yaw, 0, 0)), np.array([x, 80.0]))
    params = model.params(camera, None, expression)
    landmarks = model.landmarks(params)
    face = Face(Detection(BoundingBox.around(landmarks)), params, model)
    return TrackedFace(id, face, 0.0 if state == "lost" else 1.0, 0, state)


def frame(value: int, faces: list[TrackedFace], time: float) -> TrackedFrame:
    return TrackedFrame(0, time, picture(value), tuple(faces))


def picture(value: int) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), value, np.uint8)


def document(path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    size = int.from_bytes(data[12:16], "little")
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def track(path, name: str) -> np.ndarray:
    gltf, binary = document(path)
    (animation,) = gltf["animations"]
    (sampler,) = (
        animation["samplers"][c["sampler"]] for c in animation["channels"] if c["target"]["path"] == name
    )
    clock, values = (gltf["accessors"][sampler[key]] for key in ("input", "output"))
    view = gltf["bufferViews"][values["bufferView"]]
    raw = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    return np.frombuffer(raw, np.float32).reshape(clock["count"], -1)


def texture_of(path) -> np.ndarray:
    import cv2

    gltf, binary = document(path)
    view = gltf["bufferViews"][gltf["images"][0]["bufferView"]]
    raw = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    return cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)


def test_people_have_a_file_each_on_one_clock_and_are_there_when_they_were(model, tmp_path):
    with AnimationSink(tmp_path, "talk") as out:
        out.write(frame(90, [tracked(model)], 1.0))
        out.write(frame(90, [tracked(model), tracked(model, 1, x=130)], 1.5))
        out.write(frame(90, [tracked(model), tracked(model, 1, x=130, state="lost")], 2.0))
        out.write(frame(90, [tracked(model), tracked(model, 1, x=120, state="returned")], 2.5))
    assert {p.name for p in tmp_path.iterdir()} == {"talk_face_0.glb", "talk_face_1.glb"}
    assert (track(tmp_path / "talk_face_0.glb", "scale") > 0).all()
    assert (track(tmp_path / "talk_face_1.glb", "scale")[:, 0] > 0).tolist() == [False, True, False, True]
    gltf, _ = document(tmp_path / "talk_face_1.glb")
    clock = gltf["accessors"][gltf["animations"][0]["samplers"][0]["input"]]
    assert (clock["min"], clock["max"]) == ([0.0], [1.5])


def test_the_texture_shows_the_face_where_it_was_seen_best(model, tmp_path):
    """From the front, with closed mouth and open eyes, alone."""
    with AnimationSink(tmp_path, "talk") as out:
        out.write(frame(20, [tracked(model, yaw=60)], 0.0))
        out.write(frame(40, [tracked(model, jawOpen=1.0)], 0.1))
        out.write(frame(60, [tracked(model, eyeBlinkLeft=1.0)], 0.2))
        out.write(frame(150, [tracked(model)], 0.3))
        out.write(frame(80, [tracked(model), tracked(model, 1, x=85)], 0.4))
        out.write(frame(100, [tracked(model, yaw=20)], 0.5))
    texture = texture_of(tmp_path / "talk_face_0.glb")
    face = tracked(model).face
    for landmark in (30, 51):  # tip of the nose, upper lip
        vertex = np.linalg.norm(face.mesh.vertices - face.landmarks[landmark], axis=1).argmin()
        u, v = face.mesh.topology.uv[vertex]
        at = texture[int((1 - v) * len(texture)), int(u * len(texture))]
        assert np.abs(at.astype(int) - 150).max() <= 12


def test_a_sink_that_is_used_again_begins_anew(model, tmp_path):
    sink = AnimationSink(tmp_path, "talk")
    for n in (4, 2):
        with sink:
            for k in range(n):
                sink.write(frame(90, [tracked(model)], k / 25))
        assert len(track(tmp_path / "talk_face_0.glb", "scale")) == n


def test_frames_at_one_time_count_once(model, tmp_path):
    with AnimationSink(tmp_path, "talk") as out:
        for time in (5.0, 5.0, 5.1, 1e5, 1e5 + 1e-4):  # the last two are one in single precision
            out.write(frame(90, [tracked(model)], time))
    assert len(track(tmp_path / "talk_face_0.glb", "scale")) == 3


def test_an_error_leaves_nothing(model, tmp_path):
    def interrupted() -> None:
        with AnimationSink(tmp_path, "talk") as out:
            out.write(frame(90, [tracked(model)], 0.0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with (
        pytest.raises(ExportFileError, match="No such file"),
        AnimationSink(tmp_path / "none", "talk"),
    ):
        pass


def test_meshes_are_not_kept(model, tmp_path):
    people = [tracked(model, yaw=k) for k in range(3)]
    with AnimationSink(tmp_path, "talk") as out:
        for k, person in enumerate(people):
            assert person.face.mesh is not None
            out.write(frame(90, [person], float(k)))
        kept = out._tracks[0].faces  # what no file can tell
        assert all("mesh" not in vars(face) for face in kept)


def test_the_former_name_writes_the_same_file_and_warns(model, tmp_path):
    from tddfa import tracking

    with AnimationSink(tmp_path, "new") as out:
        out.write(frame(90, [tracked(model)], 0.0))
    assert out.paths == [tmp_path / "new_face_0.glb"]
    with pytest.warns(DeprecationWarning, match="AnimationSink"):
        old = tracking.AnimationWriter(tmp_path, "old")
    with old:
        old.write(picture(90), [tracked(model)], 0.0)
    assert (tmp_path / "old_face_0.glb").read_bytes() == (tmp_path / "new_face_0.glb").read_bytes()
