"""Every public function of drawing checks what it is given, once, and says on one line what it needs."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

PREPARED = """
import sys, types
sys.path.insert(0, "tests")
import numpy as np
from solids import face_of, moved, sphere
from tddfa.errors import InputError
from tddfa.types import Mesh, Topology
import tddfa.render as render

ball = moved(sphere(8, 12), 12 * np.eye(3), np.array([20, 16, 0]))
uv = ((ball.vertices - ball.vertices.min(0)) / np.ptp(ball.vertices, axis=0))[:, :2].astype(np.float32)
face = face_of(Mesh(ball.vertices, Topology(ball.triangles, uv, ball.topology.colors)))
bare = face_of(Mesh(ball.vertices, Topology(ball.triangles, None, ball.topology.colors)))
image = np.zeros((32, 40, 3), np.uint8)
n = len(ball.vertices)
mask, heat = np.zeros(n, bool), np.zeros(n)
texture = render.face_textures(image, [face], size=8)[0]
DRAW = {
    "dense": render.draw_dense, "depth": render.draw_depth, "landmarks": render.draw_landmarks,
    "normals": render.draw_normals, "pncc": render.draw_pncc, "pose": render.draw_pose,
    "shaded": render.draw_shaded, "uv": render.draw_uv_texture, "wireframe": render.draw_wireframe,
    "heat": lambda image, faces, **o: render.draw_heat(image, faces, [heat], **o),
    "regions": lambda image, faces, **o: render.draw_regions(image, faces, {"all": mask}, **o),
    "textured": lambda image, faces, **o: render.draw_textured(image, faces, [texture], **o),
    "depth map": render.depth_map, "textures": render.face_textures,
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
    code = PREPARED + textwrap.dedent(program)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_images_that_are_not_rgb_in_eight_bits_are_refused_everywhere() -> None:
    run("""
    odd = {
        "grey": image[..., 0], "one channel": image[..., :1], "RGBA": np.zeros((32, 40, 4), np.uint8),
        "float": image.astype(np.float32), "16 bits": image.astype(np.uint16), "signed": image.astype(int),
        "bool": image.astype(bool), "empty": image[:0], "no columns": image[:, :0], "list": image.tolist(),
        "None": None, "path": "photo.jpg", "four axes": image[None],
    }
    for name, draw in DRAW.items():
        for given in odd.values():
            refused(lambda: draw(given, [face]), "the image", "RGB array (height, width, 3) of uint8")
            refused(lambda: draw(given, []), "the image")
    """)


def test_faces_may_be_any_iterable_of_faces_and_nothing_else() -> None:
    run("""
    for name, draw in DRAW.items():
        expected = draw(image, [face])
        for faces in ((face,), iter([face]), (f for f in [face]), {0: face}.values()):
            got = draw(image, faces)
            for a, b in zip(*((x if isinstance(x, tuple) else (x,)) for x in (expected, got))):
                if isinstance(a, np.ndarray):
                    np.testing.assert_array_equal(a, b)
        refused(lambda: draw(image, face), "one face", "[face]")
        refused(lambda: draw(image, None), "faces is a NoneType", "a list of faces is needed")
        refused(lambda: draw(image, [face.mesh]), "faces[0] is a Mesh, not a Face")
        refused(lambda: draw(image, [face, None]), "faces[1] is a NoneType, not a Face")
        refused(lambda: draw(image, [[face]]), "faces[0] is a list")
        refused(lambda: draw(image, "ab"), "faces[0] is a str")
    """)


def test_numbers_colours_and_names_are_checked_in_every_function_that_takes_them() -> None:
    run("""
    import inspect
    odd = {
        "alpha": (2, -0.1, float("nan"), float("inf"), "half", None, True + 1),
        "color": ((0, 0), (0, 0, 256), (0, 0, -1), (0, 0, float("nan")), "red", 7, (1, 2, "3")),
        "background": ("white", None, 3), "stride": (0, -1, 1.5, "2", True),
        "thickness": (0, -3, 1.5, None),
        "size": (0, -1, 10**9, 2.5, None), "style": ("bold", None), "colormap": ("rainbow", 3, ["turbo"]),
        "limits": ((0,), (0, float("nan")), "ab", 3), "light": ("sun", 3),
    }
    functions = {
        **DRAW, "heat": render.draw_heat, "regions": render.draw_regions, "textured": render.draw_textured,
    }
    taken = 0
    for name, draw in DRAW.items():
        for option in odd.keys() & inspect.signature(functions[name]).parameters.keys():
            for value in odd[option]:
                refused(lambda: draw(image, [face], **{option: value}), option)
                taken += 1
    assert taken > 150, taken
    for light in (dict(exponent=0), dict(exponent=10**9), dict(ambient=float("nan")), dict(position=(0, 1))):
        refused(lambda: render.draw_shaded(image, [face], light=render.Light(**light)), "of the light")
    """)


def test_values_masks_textures_and_meshes_are_checked() -> None:
    run("""
    heat_of = lambda *values, **o: lambda: render.draw_heat(image, [face], *values, **o)
    refused(heat_of([heat, heat]), "2 values for 1 faces")
    refused(heat_of([heat[:-1]]), f"({n},)")
    refused(heat_of([["a"] * n]), "numbers")
    refused(heat_of(heat), "one per face")
    refused(heat_of(3), "a list is needed")
    render.draw_heat(image, [face], [heat.astype(int)])
    render.draw_heat(image, [face], [np.full(n, np.nan)])
    regions_of = lambda *masks: lambda: render.draw_regions(image, [face], *masks)
    refused(regions_of({"nose": heat}), "mask of region 'nose'", "booleans")
    refused(regions_of({"nose": mask[:-1]}), "mask of region 'nose'", f"({n},)")
    refused(regions_of([mask]), "masks by name are needed")
    colored = lambda color: render.draw_regions(image, [face], {"a": mask}, colors={"a": color})
    refused(lambda: colored((1, 2)), "colour of region 'a'")
    for colors in ([(1, 2, 3)], 3, True, "red", image):
        refused(lambda: render.draw_regions(image, [face], {"a": mask}, colors=colors), "colours by name")
    textured = lambda *textures: lambda: render.draw_textured(image, [face], *textures)
    np.testing.assert_array_equal(textured([texture])(), textured([texture.image])())
    refused(textured([]), "0 textures for 1 faces")
    refused(textured([texture.image[..., 0]]), "textures[0]", "RGB")
    refused(textured([texture.image / 255]), "textures[0]", "float64")
    wide = np.zeros((1, 70000, 3), np.uint8)
    refused(textured([wide]), "textures[0]", "16384")
    refused(lambda: render.texture_colors(face, wide), "16384")
    refused(lambda: render.draw_textured(image, [bare], [texture]), "no texture layout")
    refused(lambda: render.face_textures(image, [bare]), "no texture layout")
    refused(lambda: render.merge_textures([]), "at least one")
    refused(lambda: render.merge_textures(texture), "one texture")
    refused(lambda: render.merge_textures([texture.image]), "textures[0] is a ndarray, not a Texture")
    render.merge_textures(t for t in [texture, texture])
    refused(lambda: render.rasterize([face], 9, 9), "meshes[0] is a Face, not a Mesh")
    refused(lambda: render.rasterize(face.mesh, 9, 9), "one mesh")
    refused(lambda: render.rasterize([face.mesh], -1, 9), "height=-1", "whole number")
    refused(lambda: render.rasterize([face.mesh], 9, 9.5), "width=9.5")
    refused(lambda: render.rasterize(None, 9, 9), "a list of meshes")
    refused(lambda: render.rasterize([face.mesh], 9, 9, cull_back="yes"), "cull_back")
    render.rasterize([face.mesh], 9, 9, cull_back=np.True_)
    """)


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.float32])
def test_colours_may_be_any_numbers_from_0_to_255(dtype) -> None:
    run(f"""
    color = np.array([10, 20, 30], np.{np.dtype(dtype).name})
    for draw in (render.draw_dense, render.draw_wireframe, render.draw_shaded, render.draw_landmarks):
        expected = draw(image, [face], color=(10, 20, 30))
        for same in (color, [10, 20, 30]):
            np.testing.assert_array_equal(draw(image, [face], color=same), expected)
    """)


def test_faces_with_extreme_cameras_are_drawn_or_refused_in_one_line() -> None:
    run("""
    from dataclasses import replace
    from tddfa.morphable import open_face_model
    from tddfa.types import BoundingBox, Detection, Face

    model = open_face_model()
    near = np.array([[0.1, 0, 0, 20], [0, -0.1, 0, 16], [0, 0, -0.1, 0]])
    usual = Face(Detection(BoundingBox(0, 0, 40, 32)), model.params(near), model)
    shown = lambda camera: replace(usual, params=replace(usual.params, camera=camera))
    MESHES = {
        **DRAW, "textures": lambda image, faces: render.face_textures(image, faces, size=16),
        "uv": lambda image, faces: render.draw_uv_texture(image, faces, size=16),
        "heat": lambda image, faces: render.draw_heat(image, faces, [np.zeros(model.n_vertices)]),
        "regions": lambda image, faces: render.draw_regions(image, faces, model.regions),
    }
    for name, draw in MESHES.items():
        for camera in (1e6 * near, 1e12 * near, np.where(near == 20, np.nan, near), near * np.inf, near[:2]):
            with np.errstate(all="ignore"):
                given = shown(camera)
                refused(lambda: draw(image, [given]), "")
        draw(image, [shown(near * [1e-9, 1e-9, 1e-9, 1])])
    render.draw_pose(image, [shown(near * [1e5, 1e5, 1e5, 1])])
    render.draw_uv_texture(image, [usual, shown(near * [1e5, 1e5, 1e5, 1])], size=16)
    """)


def test_colours_of_a_texture_need_a_face_and_a_texture() -> None:
    run("""
    for wrong in (None, face.mesh, [face], "face"):
        refused(lambda: render.texture_colors(wrong, texture), "face is a", "not a Face")
    for wrong in (None, "a.png", image / 255, [texture]):
        refused(lambda: render.texture_colors(face, wrong), "texture")
    """)
