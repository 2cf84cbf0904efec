from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

import judges
from tddfa.errors import InputError
from tddfa.export import clip_glb_bytes, glb_bytes, write_glb
from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.morphable import MorphableModel, open_face_model
from tddfa.types import BoundingBox, Detection, Face, HeadPose

PHOTO = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
SHAPES = {1: ("SCALAR", 1), 3: ("VEC3", 3)}


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return open_face_model()


def face_at(
    model: MorphableModel, x: float, y: float, scale: float, pose: HeadPose, **expression: float
) -> Face:
    identity = np.random.default_rng(int(x)).normal(size=model.n_identity).astype(np.float32)
    camera = scaled_camera(scale, head_rotation(pose), np.array([x, y], np.float64))
    params = model.params(camera, identity, expression)
    landmarks = model.landmarks(params)
    return Face(Detection(BoundingBox.around(landmarks)), params, model)


@pytest.fixture(scope="module")
def faces(model: MorphableModel) -> list[Face]:
    return [
        face_at(model, 120, 140, 1.2, HeadPose(-35, 10, 20), jawOpen=0.6, eyeBlinkLeft=1.0),
        face_at(model, 300, 150, 1.2, HeadPose(60, -20, 170)),
    ]


def textures(n: int = 2) -> list[np.ndarray]:
    return [np.full((16, 16, 3), color, np.uint8) for color in ((200, 90, 40), (30, 60, 220))[:n]]


class Reader:
    """Reads accessors by the letter of the specification, without the code that wrote them."""

    def __init__(self, data: bytes) -> None:
        magic, version, length, size, kind = struct.unpack_from("<4sIII4s", data)
        assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
        self.json = json.loads(data[20 : 20 + size])
        self.binary = data[20 + size + 8 :]

    def view(self, number: int, dtype: str, columns: int) -> np.ndarray:
        view = self.json["bufferViews"][number]
        start = view["byteOffset"]
        return np.frombuffer(self.binary[start : start + view["byteLength"]], dtype).reshape(-1, columns)

    def accessor(self, number: int) -> np.ndarray:
        item = self.json["accessors"][number]
        dtype = {5126: "<f4", 5121: "u1", 5123: "<u2", 5125: "<u4"}
        columns = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[item["type"]]
        out = np.zeros((item["count"], columns), dtype[item["componentType"]])
        if "bufferView" in item:
            out[:] = self.view(item["bufferView"], dtype[item["componentType"]], columns)
        if "sparse" in item:
            where, what = item["sparse"]["indices"], item["sparse"]["values"]
            index = self.view(where["bufferView"], dtype[where["componentType"]], 1)[:, 0]
            out[index] = self.view(what["bufferView"], dtype[item["componentType"]], columns)
        return out

    def posed(self, name: str, weights: np.ndarray | None = None) -> np.ndarray:
        """Vertices of a mesh with its blendshapes at their weights."""
        (mesh,) = [m for m in self.json["meshes"] if m["name"] == name]
        primitive = mesh["primitives"][0]
        out = self.accessor(primitive["attributes"]["POSITION"]).astype(float)
        for weight, target in zip(
            mesh.get("weights", []) if weights is None else weights, primitive.get("targets", []), strict=True
        ):
            out += weight * self.accessor(target["POSITION"])
        return out


def in_scene(reader: Reader, name: str) -> np.ndarray:
    (node,) = [n for n in reader.json["nodes"] if n["name"] == name]
    x, y, z, w = node["rotation"]
    turn = trimesh.transformations.quaternion_matrix([w, x, y, z])[:3, :3]
    return reader.posed(name) * node["scale"] @ turn.T + node["translation"]


def test_the_faces_stand_in_the_scene_as_in_the_photo(model: MorphableModel, faces: list[Face]) -> None:
    reader = Reader(glb_bytes(PHOTO, faces, unit="px", full_mesh=True))
    for i, face in enumerate(faces):
        x, y, z = face.mesh.vertices.astype(float).T
        expected = np.stack([x, 300 - y, -z], axis=1)
        found = in_scene(reader, f"face_{i + 1}")
        # Blendshapes add up; the lids of the model close a little differently when several weights meet.
        distance = np.linalg.norm(found - expected, axis=1)
        assert np.quantile(distance, 0.97) < 0.02
        assert distance.max() < 1.5


def test_in_metres_faces_have_the_size_of_faces(faces: list[Face]) -> None:
    scene = trimesh.load(io.BytesIO(glb_bytes(PHOTO, faces, full_mesh=True)), file_type="glb", process=False)
    for mesh in scene.geometry.values():
        assert 0.1 < np.ptp(mesh.vertices[:, 0]) < 0.2
    one, other = (scene.graph[f"face_{i}"][0][:3, 3] for i in (1, 2))
    assert other[0] - one[0] == pytest.approx((300 - 120) / 1.2 / 1000)
    assert one[1] - other[1] == pytest.approx((150 - 140) / 1.2 / 1000)


def test_trimesh_reads_geometry_uv_normals_and_texture_back(model: MorphableModel, faces: list[Face]) -> None:
    data = glb_bytes(PHOTO, faces, textures=textures(), full_mesh=True)
    scene = trimesh.load(io.BytesIO(data), file_type="glb", process=False)
    assert set(scene.geometry) == {"face_1", "face_2"}
    for i, face in enumerate(faces):
        read = scene.geometry[f"face_{i + 1}"]
        rest = model.shape(model.neutral(face.params)) / 1000
        np.testing.assert_allclose(read.vertices, rest, atol=1e-6)
        np.testing.assert_array_equal(read.faces, face.mesh.triangles)
        np.testing.assert_allclose(read.visual.uv, face.mesh.topology.uv, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(read.vertex_normals, axis=1), 1, atol=1e-4)
        picture = np.asarray(read.visual.material.baseColorTexture.convert("RGB")).astype(int)
        assert np.abs(picture - textures()[i]).max() <= 4


def test_blendshapes_are_the_expressions_of_the_model(model: MorphableModel, faces: list[Face]) -> None:
    reader = Reader(glb_bytes(PHOTO, faces, full_mesh=True))
    mesh = reader.json["meshes"][0]
    assert mesh["extras"]["targetNames"] == list(model.expression_names)
    np.testing.assert_allclose(mesh["weights"], faces[0].params.expression)
    for name in ("jawOpen", "mouthSmileRight", "eyeBlinkLeft"):
        weights = np.zeros(model.n_expression)
        weights[model.expression_index(name)] = 1
        moved = model.shape(model.params(identity=faces[0].params.identity, expression={name: 1.0}))
        np.testing.assert_allclose(reader.posed("face_1", weights) * 1000, moved, atol=2e-3)


def test_a_neutral_frontal_face_looks_at_the_viewer_without_expression(
    model: MorphableModel, faces: list[Face]
) -> None:
    reader = Reader(glb_bytes(PHOTO, faces[:1], neutral=True, frontal=True, full_mesh=True))
    assert not {"rotation", "translation", "scale"} & set(reader.json["nodes"][0])
    assert not any(reader.json["meshes"][0]["weights"])
    vertices = reader.posed("face_1")
    np.testing.assert_allclose(vertices * 1000, model.shape(model.neutral(faces[0].params)), atol=1e-3)
    nose = vertices[np.argmax(vertices[:, 2])]
    assert abs(nose[0]) < 0.01


def test_without_blendshapes_the_expression_is_in_the_mesh(model: MorphableModel, faces: list[Face]) -> None:
    reader = Reader(glb_bytes(PHOTO, faces[:1], blendshapes=False, full_mesh=True))
    assert "targets" not in reader.json["meshes"][0]["primitives"][0]
    np.testing.assert_allclose(reader.posed("face_1") * 1000, model.shape(faces[0].params), atol=1e-3)


def test_colours_without_a_texture_are_those_of_the_photo_in_linear_light(faces: list[Face]) -> None:
    grey = np.full_like(PHOTO, 188)  # sRGB 188 is half the light of white
    reader = Reader(glb_bytes(grey, faces[:1], full_mesh=True))
    colors = reader.accessor(reader.json["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"])
    np.testing.assert_allclose(colors[:, :3] / 65535, 0.5, atol=0.005)


def test_a_clip_turns_moves_and_talks_as_the_face_did(model: MorphableModel) -> None:
    frames = [
        replace(face_at(model, 200, 150, 1 + k / 10, HeadPose(yaw, 0, 150 + 20 * k), jawOpen=k / 4))
        for k, yaw in enumerate((-60, -10, 30, 80))
    ]
    identity = frames[0].params.identity
    frames = [replace(f, params=replace(f.params, identity=identity)) for f in frames]
    reader = Reader(clip_glb_bytes(PHOTO, [2.0, 2.1, 2.3, 2.4], frames, unit="px", full_mesh=True))
    (animation,) = reader.json["animations"]
    tracks = {c["target"]["path"]: animation["samplers"][c["sampler"]] for c in animation["channels"]}
    np.testing.assert_allclose(
        reader.accessor(tracks["rotation"]["input"])[:, 0], [0, 0.1, 0.3, 0.4], atol=1e-6
    )
    rotation = reader.accessor(tracks["rotation"]["output"])
    assert ((rotation[1:] * rotation[:-1]).sum(axis=1) > 0).all()
    weights = reader.accessor(tracks["weights"]["output"]).reshape(4, -1)
    np.testing.assert_allclose(weights[:, model.expression_index("jawOpen")], [0, 0.25, 0.5, 0.75])
    for k in (0, 3):
        x, y, z, w = rotation[k]
        turn = trimesh.transformations.quaternion_matrix([w, x, y, z])[:3, :3]
        place = reader.accessor(tracks["translation"]["output"])[k]
        scale = reader.accessor(tracks["scale"]["output"])[k]
        found = reader.posed("face_1", weights[k]) * scale @ turn.T + place
        x, y, z = frames[k].mesh.vertices.astype(float).T
        np.testing.assert_allclose(found, np.stack([x, 300 - y, -z], axis=1), atol=0.05)


def test_a_face_that_is_not_seen_is_shrunk_to_nothing_and_does_not_count(faces: list[Face]) -> None:
    seen, other = faces
    reader = Reader(
        clip_glb_bytes(PHOTO, [0, 1, 2], [other, seen, seen], visible=[False, True, False], full_mesh=True)
    )
    (animation,) = reader.json["animations"]
    tracks = {c["target"]["path"]: animation["samplers"][c["sampler"]] for c in animation["channels"]}
    np.testing.assert_array_equal(reader.accessor(tracks["scale"]["output"])[:, 0] > 0, [False, True, False])
    assert tracks["scale"]["interpolation"] == "STEP"
    assert tracks["rotation"]["interpolation"] == "LINEAR"
    always = Reader(clip_glb_bytes(PHOTO, [0], [seen], full_mesh=True))
    shape, expected = (
        r.accessor(r.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"]) for r in (reader, always)
    )
    np.testing.assert_array_equal(shape, expected)


def test_frames_and_times_have_to_fit(faces: list[Face]) -> None:
    with pytest.raises(InputError, match="2 faces at 1 times"):
        clip_glb_bytes(PHOTO, [0.0], faces)
    with pytest.raises(InputError, match="grow"):
        clip_glb_bytes(PHOTO, [0.1, 0.1], faces)
    with pytest.raises(InputError, match="2 values for 1 faces"):
        clip_glb_bytes(PHOTO, [0.0], faces[:1], visible=[True, False])
    with pytest.raises(InputError, match="1 textures for 2 faces"):
        glb_bytes(PHOTO, faces, textures=textures(1))


def test_colours_are_those_under_the_face_of_the_image_whatever_the_file_shows(model: MorphableModel) -> None:
    face = face_at(model, 200, 150, 1.5, HeadPose(20, 5, 10), jawOpen=0.9, mouthSmileLeft=0.7)
    x, y, _ = np.rint(face.mesh.vertices).astype(int).T
    expected = PHOTO[y.clip(0, 299), x.clip(0, 399)]
    other = replace(face, params=replace(face.params, identity=-face.params.identity))
    files = {
        "still": glb_bytes(PHOTO, [face], full_mesh=True),
        "neutral": glb_bytes(PHOTO, [face], neutral=True, frontal=True, full_mesh=True),
        "clip": clip_glb_bytes(PHOTO, [0, 1], [face, other], full_mesh=True),  # its shape is the mean of both
        "later": clip_glb_bytes(PHOTO, [0, 1], [other, face], visible=[False, True], full_mesh=True),
    }
    for name, data in files.items():
        reader = Reader(data)
        colors = reader.accessor(reader.json["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"])
        srgb = colors[:, :3] / 65535
        srgb = np.where(srgb <= 0.0031308, 12.92 * srgb, 1.055 * srgb ** (1 / 2.4) - 0.055)
        np.testing.assert_array_equal(np.rint(255 * srgb), expected, err_msg=name)


def test_every_accessor_has_data() -> None:
    # An accessor of zeros without bufferView and sparse is allowed, and many readers refuse the file.
    model = open_face_model(mouth=False)  # without a tongue, tongueOut moves nothing
    faces = [face_at(model, 120, 140, 1.2, HeadPose(0, 0, 0))]
    still = np.flatnonzero([not shape.any() for shape in model.blendshapes().values()])
    assert len(still), "the model has no expression without motion: this test needs one"
    for data in (glb_bytes(PHOTO, faces), clip_glb_bytes(PHOTO, [0.0], faces[:1])):
        reader = Reader(data)
        assert all("bufferView" in item or "sparse" in item for item in reader.json["accessors"])
        targets = reader.json["meshes"][0]["primitives"][0]["targets"]
        assert len(targets) == model.n_expression
        assert not reader.accessor(targets[still[0]]["POSITION"]).any()


def test_faces_share_the_blendshapes_that_are_the_same_for_everybody(
    model: MorphableModel, faces: list[Face]
) -> None:
    one, two = (len(glb_bytes(PHOTO, faces[:n])) for n in (1, 2))
    assert two - one < one / 4
    reader = Reader(glb_bytes(PHOTO, faces))
    targets = [[t["POSITION"] for t in mesh["primitives"][0]["targets"]] for mesh in reader.json["meshes"]]
    own = [name for name, a, b in zip(model.expression_names, *targets, strict=True) if a != b]
    assert own == ["eyeBlinkLeft", "eyeBlinkRight"]  # lids travel as far as the eye is open


class TestAssimp:
    """assimp, which Open3D and others build on, reads our files, writes them again, and nothing changes."""

    pytestmark = pytest.mark.skipif(
        shutil.which("assimp") is None, reason="needs the command assimp (Debian: assimp-utils)"
    )

    def through_assimp(self, data: bytes, folder: Path) -> Reader:
        (folder / "in.glb").write_bytes(data)
        command = ["assimp", "export", str(folder / "in.glb"), str(folder / "out.glb"), "-fglb2"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (folder / "out.glb").exists(), done.stdout
        return Reader((folder / "out.glb").read_bytes())

    @pytest.mark.parametrize("kind", ["still", "textured", "clip", "without blendshapes"])
    def test_geometry_colours_blendshapes_and_animations_are_read(
        self, kind: str, faces: list[Face], tmp_path: Path
    ) -> None:
        data = {
            "still": lambda: glb_bytes(PHOTO, faces),
            "textured": lambda: glb_bytes(PHOTO, faces, textures=textures()),
            "clip": lambda: clip_glb_bytes(PHOTO, [0.0, 0.5], [faces[0]] * 2, texture=textures()[0]),
            "without blendshapes": lambda: glb_bytes(PHOTO, faces, blendshapes=False),
        }[kind]()
        ours, theirs = Reader(data), self.through_assimp(data, tmp_path)
        assert len(theirs.json["meshes"]) == len(ours.json["meshes"])
        assert len(theirs.json.get("animations", [])) == len(ours.json.get("animations", []))
        assert len(theirs.json.get("images", [])) == len(ours.json.get("images", []))
        for mesh, read in zip(ours.json["meshes"], theirs.json["meshes"], strict=True):
            (one,), (other,) = mesh["primitives"], read["primitives"]
            # It joins vertices that are alike in everything, so corners are compared.
            corners, read_corners = (
                ours.accessor(one["indices"]).ravel(),
                theirs.accessor(other["indices"]).ravel(),
            )
            for name in one["attributes"]:
                values, read_back = (
                    reader.accessor(primitive["attributes"][name]).astype(float)
                    for reader, primitive in ((ours, one), (theirs, other))
                )
                unit = 65535 if name == "COLOR_0" else 1
                np.testing.assert_allclose(
                    read_back[read_corners], values[corners] / unit, atol=1e-6, err_msg=name
                )
            moves = [t["POSITION"] for t in one.get("targets", [])]
            moves_read = [t["POSITION"] for t in other.get("targets", [])]
            for a, b in zip(moves, moves_read, strict=True):
                np.testing.assert_allclose(
                    theirs.accessor(b)[read_corners], ours.accessor(a)[corners], atol=1e-7
                )


def test_normals_are_the_same_on_both_sides_of_a_seam_of_the_texture(faces: list[Face]) -> None:
    reader = Reader(glb_bytes(PHOTO, [faces[0].cropped("head")], textures=textures(1)))
    attributes = reader.json["meshes"][0]["primitives"][0]["attributes"]
    points, normals = reader.accessor(attributes["POSITION"]), reader.accessor(attributes["NORMAL"])
    _, first, point = np.unique(points, axis=0, return_index=True, return_inverse=True)
    assert (first[point.ravel()] != np.arange(len(points))).sum() > 200
    np.testing.assert_allclose(normals, normals[first[point.ravel()]], atol=1e-6)


@pytest.mark.skipif(
    judges.gltf_validator() is None, reason="needs Node with the package gltf-validator on NODE_PATH"
)
def test_the_khronos_validator_has_nothing_to_say(faces: list[Face], tmp_path: Path) -> None:
    kinds = {
        "textured": glb_bytes(PHOTO, faces[:1], textures=textures(1)),
        "several": glb_bytes(PHOTO, faces),
        "still": glb_bytes(PHOTO, faces, blendshapes=False, frontal=True),
        "clip": clip_glb_bytes(PHOTO, [0.0, 0.5], [faces[0], faces[0]]),
        "nobody": glb_bytes(PHOTO, []),
    }
    for name, data in kinds.items():
        (tmp_path / f"{name}.glb").write_bytes(data)
    found = judges.validate_gltf([tmp_path / f"{name}.glb" for name in kinds])
    assert dict(zip(kinds, found, strict=True)) == {name: [] for name in kinds}


def test_the_file_is_written_whole(faces: list[Face], tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", PHOTO, faces[:1], frontal=True)
    assert (tmp_path / "a.glb").read_bytes() == glb_bytes(PHOTO, faces[:1], frontal=True)


def test_a_file_has_a_third_of_the_bytes_of_one_with_all_vertices_and_shows_the_same(
    model: MorphableModel, faces: list[Face]
) -> None:
    slim, full = (Reader(glb_bytes(PHOTO, faces[:1], full_mesh=whole)) for whole in (False, True))
    assert len(glb_bytes(PHOTO, faces[:1])) < len(glb_bytes(PHOTO, faces[:1], full_mesh=True)) / 3
    part = model.coarse_mesh(model.blendshapes().values())
    assert part is not None

    def primitive(reader: Reader) -> dict:
        return reader.json["meshes"][0]["primitives"][0]

    for name in ("POSITION", "NORMAL", "COLOR_0"):
        theirs, ours = (r.accessor(primitive(r)["attributes"][name]) for r in (full, slim))
        np.testing.assert_array_equal(ours, theirs[part.vertices])
    np.testing.assert_array_equal(slim.accessor(primitive(slim)["indices"]).ravel(), part.triangles.ravel())
    for ours, theirs in zip(primitive(slim)["targets"], primitive(full)["targets"], strict=True):
        kept = full.accessor(theirs["POSITION"])[part.vertices]
        np.testing.assert_allclose(slim.accessor(ours["POSITION"]), kept, atol=1.01e-4)  # 0.1 mm
