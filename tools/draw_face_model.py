"""Draw the images of docs/face-model.md.

python tools/draw_face_model.py [people blink …] [--output docs/face-model]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tddfa.geometry.camera import camera_scale, scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.geometry.triangles import vertex_normals
from tddfa.imaging import write_image
from tddfa.morphable import MorphableModel, open_face_model
from tddfa.render import rasterize
from tddfa.types import FaceParams, HeadPose, Mesh

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "face-model"
SKIN = np.array([0.84, 0.70, 0.62], np.float32)
EYE = np.array([0.93, 0.93, 0.91], np.float32)
IRIS = np.array([0.35, 0.25, 0.18], np.float32)
LIPS = np.array([0.74, 0.50, 0.46], np.float32)
BROWS = np.array([0.62, 0.50, 0.43], np.float32)
INSIDE = np.array([0.22, 0.13, 0.12], np.float32)  # behind parted lips, where the model has nothing
KEY, FILL = np.array([-0.45, -0.5, -0.75]), np.array([0.7, -0.1, -0.7])
SHARP = 2  # drawn larger and scaled down, for smooth edges
REGION_COLORS = (
    *("#e65a5a", "#5abe5a", "#5a78e6", "#e6be3c", "#be6ed7"),
    *("#50c8c8", "#f59646", "#96d778", "#f096be"),
)
COLORS = np.array([[int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)] for c in REGION_COLORS], np.float32)


@dataclass(frozen=True, slots=True)
class View:
    """What of the model frame a tile shows: its middle (mm), how many mm it is wide, and from where.

    Without a middle the neutral face is centred, moved up by `up_mm`.
    """

    middle: tuple[float, float, float] | None = None
    width_mm: float = 190.0
    yaw_deg: float = 0.0
    up_mm: float = 0.0


def main() -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the images")
    parser.add_argument("names", nargs="*", help="which images (default: all)")
    arguments = parser.parse_args()
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    images = {
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
    unknown = set(arguments.names) - set(images)
    if unknown:
        parser.error(f"no image named {', '.join(sorted(unknown))}; there are {', '.join(images)}")
    for name in arguments.names or images:
        write_image(folder / f"{name}.jpg", images[name]())
        print(folder / f"{name}.jpg")


def draw_neutral() -> np.ndarray:
    """The mean head from three sides, and the three levels of the face crop as wires."""
    head = open_face_model(level=2, crop="head")
    heads = [tile(head, head.params(), View(None, 270, yaw), 400) for yaw in (0, 40, 90)]
    wires = []
    closer = View((25, -12, 0), 60, 15)
    for level in (0, 1, 2):
        model = open_face_model(level=level)
        image = wire(tile(model, model.params(), closer, 400), model, closer)
        wires.append(label(image, f"level {level}: {model.n_vertices} vertices"))
    return grid([*heads, *wires], 3)


def draw_people() -> np.ndarray:
    """Random identities."""
    model, random = open_face_model(crop="head"), np.random.default_rng(1)
    views = (0, 30, -60)
    tiles = [
        tile(model, model.params(identity=random.normal(size=80)), View(None, 285, views[k % 3]), 260)
        for k in range(18)
    ]
    return grid(tiles, 6)


def draw_components() -> np.ndarray:
    """The first components at minus and plus three standard deviations."""
    model = open_face_model(crop="head")
    tiles = []
    for k in range(12):
        for sign in (-3, 3):
            identity = np.zeros(80)
            identity[k] = sign
            image = tile(model, model.params(identity=identity), View(None, 290, 20, 8), 220)
            tiles.append(label(image, f"{k} at {sign:+d}"))
    return grid(tiles, 8)


def draw_expressions() -> np.ndarray:
    """All 52 expressions at weight 1; mouthClose on an open jaw, which it is made for."""
    model = open_face_model()
    tiles = []
    for name in model.expression_names:
        weights = {name: 1.0} if name != "mouthClose" else {"jawOpen": 1.0, "mouthClose": 1.0}
        image = tile(model, model.params(expression=weights), View(None, 215, 12, 20), 220)
        tiles.append(label(image, name if name != "mouthClose" else "jawOpen + mouthClose"))
    return grid(tiles, 8)


def draw_regions() -> np.ndarray:
    """The named regions, each in its colour."""
    model = open_face_model(level=2, crop="head")
    colors = np.tile(SKIN, (model.n_vertices, 1))
    for color, mask in zip(COLORS, model.regions.values(), strict=True):
        colors[mask] = color
    views = [View(None, 260, yaw) for yaw in (0, 55)]
    image = grid([tile(model, model.params(), view, 480, colors) for view in views], 2)
    for k, (name, color) in enumerate(zip(model.regions, COLORS, strict=True)):
        cv2.putText(image, name, (8, 20 + 18 * k), 0, 0.5, (200 * color).tolist(), 1, cv2.LINE_AA)
    return image


def draw_landmark_sets() -> np.ndarray:
    """The 68 landmarks with their numbers, and the points of MediaPipe that have a place."""
    model = open_face_model(level=1, crop="head")
    tiles = []
    size = 720
    for name, view in (
        ("ibug68", View((0, -28, -10), 165)),
        ("ibug68", View((-8, -28, -25), 180, 40)),
        ("mediapipe478", View((0, -20, -10), 175)),
    ):
        params = model.params(camera=camera(view, size))
        image = tile(model, model.params(), view, size)
        for k, (x, y) in enumerate(shown_points(model, params, name)):
            if not np.isfinite(x):
                continue
            at = (round(x * 16), round(y * 16))
            cv2.circle(image, at, 40, (200, 30, 30), -1, cv2.LINE_AA, 4)
            if name == "ibug68":
                corner = (at[0] // 16 + 4, at[1] // 16 - 4)
                cv2.putText(image, str(k), corner, 0, 0.38, (20, 40, 160), 1, cv2.LINE_AA)
        tiles.append(label(image, name))
    return grid(tiles, 3)


def shown_points(model: MorphableModel, params: FaceParams, name: str) -> list[list[float]]:
    """Landmarks in x and y, px; not a number where the head hides them."""
    points, mesh = model.landmarks(params, name), model.reconstruct(params)
    width, height = np.ceil(points[:, :2].max(axis=0)).astype(int) + 3
    fragments = rasterize([mesh], int(height), int(width))
    depth = np.full((height, width), np.inf, np.float32)
    depth[fragments.region][fragments.mask] = fragments.interpolate([mesh.vertices[:, 2:]])[:, 0]
    at = np.round(points[:, :2]).astype(int)
    # Points at the lids' rim lie a little behind what is drawn beside them.
    hidden = points[:, 2] > depth[at[:, 1], at[:, 0]] + 4 * camera_scale(params.camera)
    return np.where(hidden[:, None], np.nan, points[:, :2]).tolist()


def draw_texture() -> np.ndarray:
    """The texture layouts of head and face, each with a checkerboard laid on the face by it."""
    size, tiles = 560, list[np.ndarray]()
    for crop, level, width, squares in (("head", 1, 270, 40), ("face", 0, 190, 16)):
        model = open_face_model(level=level, crop=crop)
        uv = model.topology.uv
        assert uv is not None
        layout = np.full((size * SHARP, size * SHARP, 3), 255, np.uint8)
        flat = np.round(np.column_stack([uv[:, 0], 1 - uv[:, 1]]) * (size * SHARP - 1) * 16).astype(np.int32)
        corners = list(flat[model.topology.triangles])
        cv2.polylines(layout, corners, True, (60, 60, 60), 1, cv2.LINE_AA, 4)
        tiles.append(label(cv2.resize(layout, (size, size), interpolation=cv2.INTER_AREA), f"crop {crop}"))
        fine = open_face_model(level=2, crop=crop)
        plain = np.tile(SKIN, (fine.n_vertices, 1))
        tiles.append(tile(fine, fine.params(), View(None, width, 25), size, plain, squares))
    return grid(tiles, 4)


def draw_blink() -> np.ndarray:
    """One eye closing, on five people."""
    model, random = open_face_model(level=2), np.random.default_rng(4)
    view = View((31, -2, 0), 60, 12)
    tiles = []
    for person in range(5):
        identity = random.normal(size=80) * (person > 0)
        for blink in (0, 0.25, 0.5, 0.75, 1):
            params = model.params(identity=identity, expression={"eyeBlinkLeft": blink})
            image = tile(model, params, view, 260)
            tiles.append(label(image, f"eyeBlinkLeft {blink}") if person == 0 else image)
    return grid(tiles, 5)


def draw_folds() -> np.ndarray:
    """The expressions in which most triangles turn over, those triangles in red."""
    model = open_face_model()
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


def camera(view: View, size: int, model: MorphableModel | None = None) -> np.ndarray:
    """The camera of a tile of `size` px; a view without a middle needs the model."""
    R = head_rotation(HeadPose(-view.yaw_deg, 0, 0))
    scale = size / view.width_mm
    if view.middle is None:
        assert model is not None
        seen = model.shape(model.params()) @ R.T
        middle = (seen.min(axis=0) + seen.max(axis=0)) / 2 + np.array([0, view.up_mm, 0])
    else:
        middle = R @ np.array(view.middle)
    return scaled_camera(scale, R, size / 2 - scale * middle[:2])


def tile(
    model: MorphableModel,
    params: FaceParams,
    view: View,
    size: int,
    colors: np.ndarray | None = None,
    squares: int = 0,
) -> np.ndarray:
    """A face under two lamps on white, in its colours or with a checkerboard of its texture layout."""
    large = size * SHARP
    mesh = model.reconstruct(FaceParams(camera(view, large, model), params.identity, params.expression))
    fragments = rasterize([mesh], large, large)
    lighted_colors = lighted(mesh, face_colors(model) if colors is None else colors)
    covered = np.zeros((large, large), bool)
    covered[fragments.region] = fragments.mask
    image = np.where(enclosed(covered)[:, :, None], INSIDE, np.float32(1))
    shown = fragments.interpolate([lighted_colors])
    if squares:
        assert mesh.topology.uv is not None
        field = np.floor(fragments.interpolate([mesh.topology.uv]) * squares).sum(axis=1, keepdims=True) % 2
        shown = shown.mean(axis=1, keepdims=True) * (0.5 + 0.6 * field) * np.ones(3, np.float32)
    image[fragments.region][fragments.mask] = shown
    small = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return np.round(np.clip(small, 0, 1) * 255).astype(np.uint8)


def enclosed(covered: np.ndarray) -> np.ndarray:
    """What of the background a face surrounds: the opening of the mouth."""
    _, parts = cv2.connectedComponents((~covered).astype(np.uint8))
    rim = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    return ~covered & ~np.isin(parts, rim)


def face_colors(model: MorphableModel) -> np.ndarray:
    """Skin, lips, brows, white eyes, and an iris in the middle of each."""
    colors = np.tile(SKIN, (model.n_vertices, 1))
    for name, color in (("lips", LIPS), ("brows", BROWS)):
        part = softened(model.regions[name], model)
        colors += part[:, None] * (color - SKIN)
    eyeballs = model.regions["eyeballs"]
    colors[eyeballs] = EYE
    shape = model.shape(model.params())
    for side in (-1, 1):
        ball = np.flatnonzero(eyeballs & (np.sign(shape[:, 0]) == side))
        across = shape[ball, :2] - shape[ball, :2].mean(axis=0)
        colors[ball[np.linalg.norm(across, axis=1) < 5.8]] = IRIS
    return colors


def softened(mask: np.ndarray, model: MorphableModel) -> np.ndarray:
    """A region with a border that fades over a few millimetres."""
    triangles, part = model.topology.triangles, mask.astype(np.float32)
    around = np.maximum(np.bincount(triangles.ravel(), minlength=len(part)), 1)
    for _ in range(2 * len(model.surface.levels) if model.surface else 0):
        mean = np.repeat(part[triangles].mean(axis=1), 3)
        part = (np.bincount(triangles.ravel(), mean, minlength=len(part)) / around).astype(np.float32)
    return part


def lighted(mesh: Mesh, colors: np.ndarray) -> np.ndarray:
    """Colour of each vertex under a key and a fill lamp; the inside of the mesh is dark."""
    normals = vertex_normals(mesh.vertices, mesh.triangles)
    brightness = np.full(len(normals), 0.25, np.float32)
    for lamp, strength in ((KEY, 0.65), (FILL, 0.25)):
        brightness += strength * np.clip(normals @ (lamp / np.linalg.norm(lamp)).astype(np.float32), 0, 1)
    return (colors * brightness[:, None]).astype(np.float32)


def wire(image: np.ndarray, model: MorphableModel, view: View) -> np.ndarray:
    """The image with the edges of triangles that face the camera."""
    large = image.shape[1] * 2 * SHARP
    mesh = model.reconstruct(model.params(camera=camera(view, large)))
    shown = np.unique(rasterize([mesh], large, large).triangle)
    lines = np.round(mesh.vertices[mesh.triangles[shown[shown >= 0]], :2] * 16).astype(np.int32)
    drawn = cv2.polylines(np.full((large, large), 255, np.uint8), list(lines), True, 60, 1, cv2.LINE_AA, 4)
    shade = cv2.resize(drawn, image.shape[1::-1], interpolation=cv2.INTER_AREA)
    return (image * (shade[:, :, None] / 255)).astype(np.uint8)


def label(image: np.ndarray, text: str) -> np.ndarray:
    """The image with a line of text at its lower edge."""
    at, labelled = (6, image.shape[0] - 7), image.copy()
    for color, thickness in (((255, 255, 255), 3), ((30, 30, 30), 1)):  # readable on light and dark
        cv2.putText(labelled, text, at, 0, 0.4, color, thickness, cv2.LINE_AA)
    return labelled


def grid(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Tiles of one size, row by row."""
    blank = np.full_like(tiles[0], 255)
    padded = [*tiles, *[blank] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(padded[k : k + columns]) for k in range(0, len(padded), columns)])


if __name__ == "__main__":
    main()
