"""Draw the pictures of docs/face-model.md.

python tools/draw_face_model.py [--output docs/face-model]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.geometry.triangles import vertex_normals
from tddfa.imaging import write_image
from tddfa.morphable import MorphableModel
from tddfa.render import rasterize
from tddfa.types import FaceParams, HeadPose, Mesh

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "face-model"
SKIN = np.array([0.84, 0.70, 0.62], np.float32)
EYE = np.array([0.93, 0.93, 0.91], np.float32)
IRIS = np.array([0.35, 0.25, 0.18], np.float32)
KEY, FILL = np.array([-0.45, -0.5, -0.75]), np.array([0.7, -0.1, -0.7])
SHARP = 2  # drawn larger and scaled down, for smooth edges
REGION_COLORS = (
    *("#e65a5a", "#5abe5a", "#5a78e6", "#e6be3c", "#be6ed7"),
    *("#50c8c8", "#f59646", "#96d778", "#f096be"),
)
COLORS = np.array([[int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)] for c in REGION_COLORS], np.float32)


@dataclass(frozen=True, slots=True)
class View:
    """What of the model frame a tile shows: its middle (mm), how many mm it is wide, and from where."""

    middle: tuple[float, float, float] = (0.0, -28.0, -10.0)
    width_mm: float = 190.0
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0


def main() -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the pictures")
    folder: Path = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "neutral": draw_neutral,
        "people": draw_people,
        "components": draw_components,
        "expressions": draw_expressions,
        "regions": draw_regions,
        "landmarks": draw_landmark_sets,
        "texture": draw_texture,
        "blink": draw_blink,
        "folds": draw_folds,
    }
    for name, draw in pictures.items():
        write_image(folder / f"{name}.jpg", draw())
        print(folder / f"{name}.jpg")


def draw_neutral() -> np.ndarray:
    """The mean head from three sides, and the three levels of the face crop as wires."""
    head = MorphableModel.open(level=2, crop="head")
    views = [View((0, -5, -50), 260, yaw) for yaw in (0, 40, 90)]
    heads = [tile(head, head.params(), view, 400) for view in views]
    wires = []
    closer = View((22, -20, 0), 90, 15)
    for level in (0, 1, 2):
        model = MorphableModel.open(level=level)
        picture = wire(tile(model, model.params(), closer, 400), model, closer)
        wires.append(label(picture, f"level {level}: {model.n_vertices} vertices"))
    return grid([*heads, *wires], 3)


def draw_people() -> np.ndarray:
    """Random identities."""
    model, random = MorphableModel.open(crop="head"), np.random.default_rng(1)
    views = (0, 30, -60)
    tiles = [
        tile(model, model.params(identity=random.normal(size=80)), View((0, -5, -30), 250, views[k % 3]), 260)
        for k in range(18)
    ]
    return grid(tiles, 6)


def draw_components() -> np.ndarray:
    """The first components at minus and plus three standard deviations."""
    model = MorphableModel.open(crop="head")
    tiles = []
    for k in range(12):
        for sign in (-3, 3):
            identity = np.zeros(80)
            identity[k] = sign
            picture = tile(model, model.params(identity=identity), View((0, -5, -30), 250, 20), 220)
            tiles.append(label(picture, f"{k} at {sign:+d}"))
    return grid(tiles, 8)


def draw_expressions() -> np.ndarray:
    """All 52 expressions at weight 1; mouthClose on an open jaw, which it is made for."""
    model = MorphableModel.open()
    tiles = []
    for name in model.expression_names:
        weights = {name: 1.0} if name != "mouthClose" else {"jawOpen": 1.0, "mouthClose": 1.0}
        picture = tile(model, model.params(expression=weights), View(yaw_deg=12), 220)
        tiles.append(label(picture, name if name != "mouthClose" else "jawOpen + mouthClose"))
    return grid(tiles, 8)


def draw_regions() -> np.ndarray:
    """The named regions, each in its colour."""
    model = MorphableModel.open(level=2, crop="head")
    colors = np.tile(SKIN, (model.n_vertices, 1))
    for color, mask in zip(COLORS, model.regions.values(), strict=True):
        colors[mask] = color
    views = [View((0, -5, -50), 260, yaw) for yaw in (0, 55)]
    picture = grid([tile(model, model.params(), view, 480, colors) for view in views], 2)
    for k, (name, color) in enumerate(zip(model.regions, COLORS, strict=True)):
        cv2.putText(picture, name, (8, 20 + 18 * k), 0, 0.5, (255 * color).tolist(), 1, cv2.LINE_AA)
    return picture


def draw_landmark_sets() -> np.ndarray:
    """The 68 landmarks with their numbers, and the points of MediaPipe that have a place."""
    model = MorphableModel.open(level=2, crop="head")
    tiles = []
    for name, view in (
        ("ibug68", View(width_mm=170)),
        ("ibug68", View((0, -28, -40), 190, 45)),
        ("mediapipe478", View(width_mm=170)),
    ):
        picture = tile(model, model.params(), view, 620)
        points = model.landmarks(model.params(camera=camera(view, 620)), name)
        numbers = model.landmark_sets[name].numbers
        for k, (x, y, _) in enumerate(points.tolist()):
            at = (round(x), round(y))
            cv2.circle(picture, at, 2, (200, 30, 30), -1, cv2.LINE_AA)
            if name == "ibug68":
                number = str(k if numbers is None else numbers[k])
                cv2.putText(picture, number, (at[0] + 3, at[1] - 3), 0, 0.32, (20, 40, 160), 1, cv2.LINE_AA)
        tiles.append(label(picture, name))
    return grid(tiles, 3)


def draw_texture() -> np.ndarray:
    """The texture layout, and a checkerboard laid on the head by it."""
    model = MorphableModel.open(level=1, crop="head")
    uv = model.topology.uv
    assert uv is not None
    size = 560
    layout = np.full((size, size, 3), 255, np.uint8)
    flat = np.round(np.column_stack([uv[:, 0], 1 - uv[:, 1]]) * (size - 1) * 16).astype(np.int32)
    corners = flat[model.topology.triangles]
    cv2.polylines(
        layout, list(corners), isClosed=True, color=(90, 90, 90), thickness=1, lineType=cv2.LINE_AA, shift=4
    )
    fine = MorphableModel.open(level=2, crop="head")
    fine_uv = fine.topology.uv
    assert fine_uv is not None
    return grid([layout, tile(fine, fine.params(), View((0, -5, -40), 250, 25), size, checker=fine_uv)], 2)


def draw_blink() -> np.ndarray:
    """One eye closing, on five people."""
    model, random = MorphableModel.open(level=2), np.random.default_rng(4)
    view = View((31, -2, 0), 60, 12)
    tiles = []
    for person in range(5):
        identity = random.normal(size=80) * (person > 0)
        for blink in (0, 0.25, 0.5, 0.75, 1):
            params = model.params(identity=identity, expression={"eyeBlinkLeft": blink})
            picture = tile(model, params, view, 260)
            tiles.append(label(picture, f"eyeBlinkLeft {blink}") if person == 0 else picture)
    return grid(tiles, 5)


def draw_folds() -> np.ndarray:
    """The expressions in which most triangles turn over, those triangles in red."""
    model = MorphableModel.open()
    triangles = model.topology.triangles
    neutral = model.shape(model.params())

    def normals(shape: np.ndarray) -> np.ndarray:
        a, b, c = (shape[triangles[:, k]] for k in range(3))
        return np.cross(b - a, c - a)

    turned = {
        name: (normals(neutral + delta) * normals(neutral)).sum(axis=1) < 0
        for name, delta in model.blendshapes().items()
    }
    worst = sorted(turned, key=lambda name: -int(turned[name].sum()))[:4]
    tiles = []
    for name in worst:
        colors = np.tile(SKIN, (model.n_vertices, 1))
        colors[np.unique(triangles[turned[name]])] = (0.9, 0.1, 0.1)
        points = neutral[np.unique(triangles[turned[name]])]
        x, y, z = points.mean(axis=0).tolist()
        view = View((x, y, z), 75, 0)
        params = model.params(expression={name: 1.0})
        tiles.append(
            label(tile(model, params, view, 330, colors), f"{name}: {int(turned[name].sum())} triangles")
        )
    return grid(tiles, 4)


def camera(view: View, size: int) -> np.ndarray:
    """The camera of a tile of `size` px."""
    R = head_rotation(HeadPose(-view.yaw_deg, view.pitch_deg, 0))
    scale = size / view.width_mm
    at = np.array([size / 2, size / 2]) - scale * (R @ np.array(view.middle))[:2]
    return scaled_camera(scale, R, at)


def tile(
    model: MorphableModel,
    params: FaceParams,
    view: View,
    size: int,
    colors: np.ndarray | None = None,
    checker: np.ndarray | None = None,
) -> np.ndarray:
    """A face under two lamps on white, in its colours or with the checkerboard of a texture layout."""
    large = size * SHARP
    mesh = model.mesh(FaceParams(camera(view, large), params.identity, params.expression))
    fragments = rasterize([mesh], large, large)
    lit = lighted(mesh, eye_colors(model) if colors is None else colors)
    picture = np.ones((large, large, 3), np.float32)
    inside = fragments.region
    shown = fragments.interpolate([lit])
    if checker is not None:
        squares = np.floor(fragments.interpolate([checker]) * 40).sum(axis=1, keepdims=True) % 2
        shown = shown.mean(axis=1, keepdims=True) * (0.5 + 0.6 * squares) * np.ones(3, np.float32)
    picture[inside][fragments.mask] = shown
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return np.round(np.clip(small, 0, 1) * 255).astype(np.uint8)


def eye_colors(model: MorphableModel) -> np.ndarray:
    """Skin, white eyes, and an iris in the middle of each."""
    colors = np.tile(SKIN, (model.n_vertices, 1))
    eyeballs = model.regions["eyeballs"]
    colors[eyeballs] = EYE
    shape = model.shape(model.params())
    for side in (-1, 1):
        ball = np.flatnonzero(eyeballs & (np.sign(shape[:, 0]) == side))
        across = shape[ball, :2] - shape[ball, :2].mean(axis=0)
        colors[ball[np.linalg.norm(across, axis=1) < 5.8]] = IRIS
    return colors


def lighted(mesh: Mesh, colors: np.ndarray) -> np.ndarray:
    """Colour of each vertex under a key and a fill lamp; the inside of the mesh is dark."""
    normals = vertex_normals(mesh.vertices, mesh.triangles)
    brightness = np.full(len(normals), 0.25, np.float32)
    for lamp, strength in ((KEY, 0.65), (FILL, 0.25)):
        brightness += strength * np.clip(normals @ (lamp / np.linalg.norm(lamp)).astype(np.float32), 0, 1)
    return (colors * brightness[:, None]).astype(np.float32)


def wire(picture: np.ndarray, model: MorphableModel, view: View) -> np.ndarray:
    """The picture with the edges of triangles that face the camera."""
    mesh = model.mesh(model.params(camera=camera(view, picture.shape[1])))
    corners = mesh.vertices[mesh.triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] < 0
    lines = np.round(corners[facing, :, :2] * 16).astype(np.int32)
    drawn = cv2.polylines(picture.copy(), list(lines), True, (40, 40, 40), 1, cv2.LINE_AA, 4)
    return cv2.addWeighted(picture, 0.5, drawn, 0.5, 0)


def label(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture with a line of text at its lower edge."""
    at = (6, picture.shape[0] - 7)
    return cv2.putText(picture.copy(), text, at, 0, 0.4, (30, 30, 30), 1, cv2.LINE_AA)


def grid(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Tiles of one size, row by row."""
    blank = np.full_like(tiles[0], 255)
    padded = [*tiles, *[blank] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(padded[k : k + columns]) for k in range(0, len(padded), columns)])


if __name__ == "__main__":
    main()
