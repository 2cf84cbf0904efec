"""Exports refuse what they cannot write, in one line that says what is possible."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

TESTS = Path(__file__).parents[1]
PREPARED = """
from pathlib import Path
import numpy as np
from solids import face_of, moved, sphere
from tddfa.errors import InputError
from tddfa.types import Mesh, Topology
import tddfa.export as export
import tddfa.render as render

ball = moved(sphere(8, 12), 12 * np.eye(3), np.array([20, 16, 0]))
uv = ((ball.vertices - ball.vertices.min(0)) / np.ptp(ball.vertices, axis=0))[:, :2].astype(np.float32)
face = face_of(Mesh(ball.vertices, Topology(ball.triangles, uv, ball.topology.colors)))
bare = face_of(Mesh(ball.vertices, Topology(ball.triangles, None, ball.topology.colors)))
image = np.zeros((32, 40, 3), np.uint8)
texture = render.face_textures(image, [face], size=8)[0]
WRITE = {
    "glb": export.glb_bytes, "obj": export.obj_bytes, "ply": export.ply_bytes, "npz": export.npz_bytes,
    "json": export.json_bytes, "record": export.image_record,
    "obj files": lambda image, faces: export.obj_files("a", image, faces),
    "textured": lambda image, faces: export.glb_bytes(image, faces, textures=[texture]),
}
def refused(call, *words):
    try:
        call()
    except InputError as error:
        text = str(error)
        assert "\\n" not in text and len(text) < 400, text
        assert all(word in text for word in words), (words, text)
        return
    raise AssertionError(f"not refused: {words}")
"""


def run(program: str) -> None:
    # In a process of its own, as the shape checks of the tests would speak up first.
    code = f"import sys; sys.path.insert(0, {str(TESTS)!r})\n" + PREPARED + textwrap.dedent(program)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_exports_take_any_iterable_of_faces_of_an_rgb_image_and_nothing_else() -> None:
    run("""
    odd = (
        image[..., 0], np.zeros((32, 40, 4), np.uint8), image.astype(np.float32), image.astype(np.uint16),
        image[:0], image.tolist(), None, "photo.jpg", image[None], np.array([None]),
        np.ma.masked_array(image),
    )
    for write in WRITE.values():
        for given in odd:
            refused(lambda: write(given, [face]), "the image", "RGB array (height, width, 3) of uint8")
        expected = write(image, [face])
        for faces in ((face,), iter([face]), (f for f in [face]), {0: face}.values()):
            assert write(image, faces) == expected
        refused(lambda: write(image, face), "one face", "[face]")
        refused(lambda: write(image, None), "a list of faces is needed")
        refused(lambda: write(image, [face.mesh]), "faces[0] is a Mesh, not a Face")
        refused(lambda: write(image, [face, None]), "faces[1] is a NoneType, not a Face")
    """)


def test_textures_units_flags_and_times_are_checked() -> None:
    run("""
    glb = lambda **o: lambda: export.glb_bytes(image, [face], **o)
    assert glb(textures=[texture])() == glb(textures=iter([texture.image]))()
    refused(glb(textures=[]), "0 textures for 1 faces")
    refused(glb(textures=texture), "textures is a Texture")
    refused(glb(textures=[texture.image / 255]), "textures[0]", "float64")
    refused(lambda: export.glb_bytes(image, [bare], textures=[texture]), "no texture layout")
    refused(lambda: export.obj_files("a", image, [face], textures=[texture.image[..., 0]]), "textures[0]")
    assert len(export.obj_files("a", image, [face], textures=[texture])) == 3
    from tddfa.kinds import KINDS, OutputOptions
    from tddfa.outputs import Scene, encode_output
    ply, scene, usual = next(k for k in KINDS if k.name == "ply"), Scene(image, [face]), OutputOptions()
    encode = lambda *given: lambda: list(encode_output(*given))
    assert len(encode(ply, "a", scene, usual)()) == 1
    refused(encode("ply", "a", scene, usual), "kind is a str", "KINDS")
    refused(encode(ply, None, scene, usual), "stem=None")
    refused(encode(ply, "a", [face], usual), "scene is a list")
    refused(encode(ply, "a", scene, None), "options is a NoneType")
    for stem in (None, 3, b"a", Path("a"), "a" + chr(0)):
        refused(lambda: export.obj_files(stem, image, [face], textures=[texture]), "stem=")
    for unit in ("cm", "mm", "M", "", None, 1, image, ["m"]):
        refused(glb(unit=unit), "unit", "m, px")
    for name in ("neutral", "frontal", "blendshapes"):
        for value in ("yes", None, 2, image):
            refused(glb(**{name: value}), name, "True or False")
    for folder in ("", ".", Path("/")):
        try:
            export.write_ply(folder, image, [face])
            raise AssertionError(folder)
        except export.files.ExportFileError as error:
            assert str(error).endswith(": it is a folder"), error
    clip = lambda times, faces, **o: lambda: export.clip_glb_bytes(image, times, faces, **o)
    assert clip([0, 1], [face, face], texture=texture)() == clip(iter((0, 1)), iter((face, face)),
        texture=texture.image)()
    refused(clip([0, float("nan")], [face, face]), "times")
    refused(clip(None, [face]), "times is a NoneType")
    refused(clip([1, 0], [face, face]), "grow")
    for times in ([0, 1e300], [0, 1e5, 1e5 + 1e-4]):
        refused(clip(times, [face] * len(times)), "grow", "single precision")
    from tddfa.morphable import open_face_model
    from tddfa.types import Face
    model = open_face_model(level=0)
    refused(clip([0, 1], [face, Face(face.detection, model.params(), model)]), "faces[1] is of another model")
    refused(clip([0], face), "one face")
    refused(clip([0], [face], unit="cm"), "unit")
    refused(clip([0], [face], visible=["no"]), "visible[0]")
    refused(clip([0], [face], visible=3), "visible is a int")
    refused(lambda: export.clip_glb_bytes(image[..., 0], [0], [face]), "the image")
    for depth in (None, image, image[..., 0] > 0, "x", np.zeros((0, 4)), np.zeros(3)):
        refused(lambda: export.depth_png_bytes(depth), "a depth map")
    for array in (None, [1.0], np.array([None]), np.array(["a"])):
        refused(lambda: export.npy_bytes(array), "an array of numbers")
    refused(lambda: export.face_record(face.mesh), "face is a Mesh")
    for path in (None, 3, b"a.ply", image, "a" + chr(0) + ".ply"):
        refused(lambda: export.write_ply(path, image, [face]), "path is")
        refused(lambda: export.write_obj(path, image, [face]), "path is")
    """)


def test_faces_with_extreme_cameras_are_written_or_refused_in_one_line() -> None:
    run("""
    from dataclasses import replace

    shown = lambda camera: replace(face, params=replace(face.params, camera=camera))
    usual = face.params.camera
    for write in (*WRITE.values(), lambda image, faces: export.to_rows(faces)):
        for camera in (usual * np.nan, usual * np.inf, usual * 1e12, usual.tolist(), None, "camera"):
            with np.errstate(all="ignore"):
                refused(lambda: write(image, [shown(camera)]), "camera of faces[0]")
    refused(lambda: export.glb_bytes(image, [shown(usual * 0)]), "scale 0")
    import warnings
    warnings.simplefilter("error")
    half = replace(face.params, identity=face.params.identity.astype(np.float16),
                   expression=face.params.expression.astype(np.float16), camera=usual.astype(np.int16))
    for write in WRITE.values():  # squares of these types are infinite or wrap around
        write(image, [replace(face, params=half)])
    """)


def test_columns_rows_and_tables_are_checked() -> None:
    run("""
    for names in (None, 3, "jawOpen", [1], [None], image):
        refused(lambda: export.columns(names), "expression_names", "a list of names")
        refused(lambda: export.table_bytes("csv", names, []), "names", "a list of names")
    for format in ([], None, "xls", 3, image):
        refused(lambda: export.table_bytes(format, ["a"], []), "no table format", "csv")
    for rows in (None, 3, "ab", [3], [None], [["a"]], [{}], [{"b": 1}], [{"a": 1, "b": 2}]):
        refused(lambda: export.table_bytes("csv", ["a"], rows), "row")
    assert export.table_bytes("csv", ["a", "b"], [{"b": 2, "a": 1}]) == b"a,b\\n1,2\\n"
    refused(lambda: export.table_bytes("npz", ["a"], [{"a": "x"}]), "cannot be written as npz")
    refused(lambda: export.table_bytes("jsonl", ["a"], [{"a": {1}}]), "cannot be written as jsonl")
    good = dict(frame=0, face_id=0, timestamp=0.0, confidence=1.0, state="new")
    assert tuple(export.face_row(face, **good)) == export.columns(face.model.expression_names)
    for wrong in (None, face.mesh, [face]):
        refused(lambda: export.face_row(wrong, **good), "face is a")
    numbers = dict(frame=np.int64(3), face_id=np.uint8(1), timestamp=np.float16(2.5))
    row = export.face_row(face, **(good | numbers))
    assert row["timestamp"] == 2.5
    assert b'"frame": 3, "face_id": 1, "timestamp": 2.5' in export.table_bytes("jsonl", list(row), [row])
    odd = dict(frame=(-1, "0", None, 1.5), face_id=(-1, "a"), timestamp=("1s", None, float("nan")),
        confidence=("high", None, float("inf")), state=("here", None, 3), visible=("yes", None, 1))
    for name, values in odd.items():
        for value in values:
            refused(lambda: export.face_row(face, **(good | {name: value})), name)
    """)
