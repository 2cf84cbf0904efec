"""Renders of the open face model: random people, expressions, gaze, light and scenery, every label exact.

They teach what photos with teachers do not: winks, one-sided and rare expressions, gaze, nods, any pose.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8
from tqdm import tqdm

from tddfa.errors import InputError
from tddfa.evaluation.portraits.lamps import Lamp, ambient_visibility, lamp_visibility
from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.geometry.triangles import vertex_normals
from tddfa.morphable.model import MorphableModel
from tddfa.render.rasterizer import rasterize
from tddfa.types import FaceParams, HeadPose, Mesh, Topology
from tddfa_train.data.folder import open_backgrounds, write_face_folder
from tddfa_train.data.render_expressions import GAZE_DEG_PER_UNIT, ExpressionConfig, random_expression
from tddfa_train.data.shading import (
    Person,
    developed,
    eye_colors,
    lighted,
    random_light,
    random_person,
    skin_colors,
)

_MOUTH_DEPTH_MM = 14.0
_FIRST_IRIS = 468
_MOUTH = 3  # number of the mesh of the mouth's inside


@dataclass(frozen=True, slots=True)
class RenderConfig:
    """How many renders, and what is in them.

    Attributes:
        count: of renders.
        seed: of everything random.
        side: of the images, px.
        face_share: longer side of the landmark box, share of the image's side.
        identity_sigma: of the identity coefficients.
        yaw_sigma_deg: of the head's yaw; one face in eight has any yaw up to 90 degrees.
        pitch_sigma_deg: of the head's pitch.
        face_only: share of people whose renders show the face without the head around it.
        samples: a pixel is the mean of `samples` × `samples` places, so that irises and lids have soft edges.
        images_per_person: how many images each person has, in other light, pose, expression and scenery.
        expression: shares of the kinds of expressions.
    """

    count: int
    seed: int = 0
    side: int = 192
    face_share: float = 0.556
    identity_sigma: float = 1.0
    yaw_sigma_deg: float = 24.0
    pitch_sigma_deg: float = 15.0
    face_only: float = 0.12
    samples: int = 2
    images_per_person: int = 1
    expression: ExpressionConfig = field(default_factory=ExpressionConfig)


def boundary_loops(triangles: Int[np.ndarray, "m 3"]) -> list[Int[np.ndarray, " k"]]:
    """Find the closed borders of a surface, each as its vertices in order."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    low, high = edges.min(1).astype(np.int64), edges.max(1).astype(np.int64)
    key = low * (int(edges.max()) + 1) + high
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    following = {int(a): int(b) for a, b in edges[first[count == 1]]}
    loops: list[np.ndarray] = []
    while following:
        start, vertex = next(iter(following.items()))
        loop = [start]
        del following[start]
        while vertex != start and vertex in following:
            loop.append(vertex)
            vertex = following.pop(vertex)
        loops.append(np.array(loop))
    return loops


@dataclass(frozen=True, eq=False)
class Studio:
    """The meshes that renders show, and where things are on them.

    Attributes:
        model: the open face model whose labels are written.
        shown: the same model with eyeballs that stay where they are: the shader turns the irises.
    """

    model: MorphableModel
    shown: MorphableModel

    @classmethod
    def of(cls, model: MorphableModel, shown: MorphableModel) -> "Studio":
        """Set the studio up.

        Args:
            model: level 0, whole head.
            shown: a finer level of the same head.
        """
        basis = shown.expression_basis.copy()
        names = list(shown.expression_names)
        looks = [k for k, name in enumerate(names) if name.startswith("eyeLook")]
        assert shown.eyes is not None
        eyeballs = shown.eyes.base_vertices
        for look in looks:
            basis[eyeballs, :, look] = 0
        return cls(model, replace(shown, expression_basis=basis))

    @cached_property
    def movable(self) -> frozenset[str]:
        """Names of the expressions that move something."""
        moving = np.abs(self.model.expression_basis[self.model.mesh_vertices]).max((0, 1)) > 0
        return frozenset(
            name for name, moves in zip(self.model.expression_names, moving, strict=True) if moves
        )

    @cached_property
    def loops(self) -> dict[str, np.ndarray]:
        """Vertices around the mouth and the two eyes."""
        mesh = self.shown.shape(self.shown.params())
        triangles = self.shown.topology.triangles
        eyeballs = self.shown.regions["eyeballs"]
        # Vertices along texture seams stand twice: borders are those of the surface, not of the layout.
        _, first, same = np.unique(mesh.round(3), axis=0, return_index=True, return_inverse=True)
        triangles = first[same.reshape(-1)][triangles]
        loops = [loop for loop in boundary_loops(triangles) if not eyeballs[loop].any()]
        corners = self.model.landmarks(self.model.params())
        places = {
            "mouth": corners[60:68].mean(0),
            "right_eye": corners[36:42].mean(0),
            "left_eye": corners[42:48].mean(0),
        }
        target = {name: place * (1, -1, -1) for name, place in places.items()}  # image frame → model frame
        return {
            name: min(loops, key=lambda loop, p=place: float(np.linalg.norm(mesh[loop].mean(0) - p)))
            for name, place in target.items()
        }

    @cached_property
    def rest_gaze(self) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """Where the right and the left iris lie at rest, seen from the eyeball's centre, unit vectors.

        The irises of photos of people who look ahead lie in the middle of the lids, not of the eyeball.
        """
        points = self.model.landmark_sets["mediapipe478"]
        assert points.indices is not None
        centers = points.positions(self.model.mean)[np.searchsorted(points.indices, [468, 473])]
        mean = self.shown.shape(self.shown.params())
        directions: list[np.ndarray] = []
        for center, topology in zip(centers, self.eyes, strict=True):
            middle, _ = sphere_through(mean[np.unique(topology.triangles)].astype(np.float64))
            directions.append((center - middle) / np.linalg.norm(center - middle))
        return directions[0], directions[1]

    @cached_property
    def unit(self) -> float:
        """Distance of the outer eye corners of the mean face, mm."""
        corners = self.model.landmarks(self.model.params())[[36, 45]]
        return float(np.linalg.norm(corners[0] - corners[1]))

    @cached_property
    def masks(self) -> Float32[np.ndarray, "n 4"]:
        """Share of lips, brows, ears and rims of the lids at each vertex."""
        regions = self.shown.regions
        rims = np.zeros(len(regions["lips"]))
        rims[np.concatenate([self.loops["left_eye"], self.loops["right_eye"]])] = 1
        return np.stack([regions["lips"], regions["brows"], regions["ears"], rims], 1).astype(np.float32)

    @cached_property
    def skin(self) -> Topology:
        """The head without its eyeballs, all vertices kept."""
        eyeballs = self.shown.regions["eyeballs"]
        triangles = self.shown.topology.triangles
        return replace(self.shown.topology, triangles=triangles[~eyeballs[triangles].any(1)])

    @cached_property
    def face_skin(self) -> Topology:
        """The skin of the face alone: what an overlay shows."""
        mean = self.shown.shape(self.shown.params()) / self.unit
        inside = (mean[:, 1] < 0.26 + 0.42 * (mean[:, 2] + 0.93)) & (mean[:, 2] > -0.72) & (mean[:, 1] > -1.0)
        triangles = self.skin.triangles
        return replace(self.skin, triangles=triangles[inside[triangles].all(1)])

    @cached_property
    def eyes(self) -> tuple[Topology, Topology]:
        """The right and the left eyeball, all vertices kept."""
        eyeballs = self.shown.regions["eyeballs"]
        triangles = self.shown.topology.triangles
        x = self.shown.shape(self.shown.params())[:, 0]
        own = triangles[eyeballs[triangles].all(1)]
        left = x[own[:, 0]] > 0
        topology = self.shown.topology
        return replace(topology, triangles=own[~left]), replace(topology, triangles=own[left])


def gaze_direction(
    names: tuple[str, ...], expression: np.ndarray, side: str, rest: Float[np.ndarray, "3"]
) -> Float32[np.ndarray, "3"]:
    """Return where an eye looks, unit vector in the model frame.

    Args:
        names: of the expressions.
        expression: their weights.
        side: "Left" or "Right", the subject's.
        rest: where it looks at rest, seen from the eyeball's centre, unit vector.
    """
    weight = dict(zip(names, expression, strict=True))
    outward = weight[f"eyeLookOut{side}"] - weight[f"eyeLookIn{side}"]
    to_left = np.deg2rad(GAZE_DEG_PER_UNIT[0]) * (outward if side == "Left" else -outward)
    up = np.deg2rad(GAZE_DEG_PER_UNIT[1]) * (weight[f"eyeLookUp{side}"] - weight[f"eyeLookDown{side}"])
    to_left += np.arctan2(rest[0], rest[2])
    up += np.arcsin(rest[1])
    direction = [np.sin(to_left) * np.cos(up), np.sin(up), np.cos(to_left) * np.cos(up)]
    return np.array(direction, np.float32)


def sphere_through(points: Float[np.ndarray, "n 3"]) -> tuple[Float[np.ndarray, "3"], float]:
    """Fit a sphere to points by least squares; its centre and radius."""
    rows = np.concatenate([2 * points, np.ones((len(points), 1))], 1)
    solution = np.linalg.lstsq(rows, (points**2).sum(1), rcond=None)[0]
    center = solution[:3]
    return center, float(np.sqrt(solution[3] + center @ center))


@dataclass(frozen=True, slots=True, eq=False)
class RenderedPerson:
    """What all images of a rendered person have in common.

    Attributes:
        identity: coefficients.
        colors: of skin, hair and eyes.
        face_only: shown without the head around the face.
    """

    identity: Float32[np.ndarray, " i"]
    colors: Person
    face_only: bool

    @classmethod
    def random(cls, studio: Studio, config: RenderConfig, rng: np.random.Generator) -> "RenderedPerson":
        """Draw a person."""
        identity = _random_identity(studio.model, config, rng)
        return cls(identity, random_person(rng), bool(rng.random() < config.face_only))


def _random_identity(
    model: MorphableModel, config: RenderConfig, rng: np.random.Generator
) -> Float32[np.ndarray, " i"]:
    sigma = config.identity_sigma * rng.uniform(0.5, 1.15)
    return rng.normal(0, sigma, model.n_identity).astype(np.float32)


def random_face(
    studio: Studio,
    config: RenderConfig,
    scenery: UInt8[np.ndarray, "s s 3"],
    rng: np.random.Generator,
    person: RenderedPerson | None = None,
) -> tuple[UInt8[np.ndarray, "s s 3"], FaceParams]:
    """Render a person who does not exist; the image and its exact parameters.

    Args:
        studio: the meshes.
        config: ranges of what is random.
        scenery: the image behind the person.
        rng: source of randomness.
        person: whom to render; by default somebody who is drawn together with the image.
    """
    model = studio.model
    yaw = rng.uniform(-90, 90) if rng.random() < 0.125 else rng.normal(0, config.yaw_sigma_deg)
    pose = HeadPose(float(np.clip(yaw, -90, 90)), float(rng.normal(0, config.pitch_sigma_deg)), 0.0)
    identity = _random_identity(model, config, rng) if person is None else person.identity
    expression = random_expression(studio.movable, model.expression_names, config.expression, rng)
    params = FaceParams(scaled_camera(1.0, head_rotation(pose), np.zeros(2)), identity, expression)
    points = model.landmarks(params)[:, :2].astype(np.float64)
    scale = config.side * config.face_share / np.ptp(points, axis=0).max()
    center = (config.side - 1) / 2 - scale * (points.min(0) + points.max(0)) / 2
    params = FaceParams(scaled_camera(scale, head_rotation(pose), center), identity, expression)
    image = scenery.copy()
    if rng.random() < 0.15:
        image[:] = rng.integers(0, 256, 3)
    k = config.samples
    fine = cv2.resize(image, None, fx=k, fy=k, interpolation=cv2.INTER_LINEAR) if k > 1 else image
    # Pixel centres are integers: (0, 0) lies at (k - 1) / 2 of the finer image.
    finer = scaled_camera(k * scale, head_rotation(pose), k * center + (k - 1) / 2)
    large = FaceParams(finer, identity, expression)
    face_only = bool(rng.random() < config.face_only) if person is None else person.face_only
    colors = random_person(rng) if person is None else person.colors
    _paint(fine, studio, large, colors, rng, face_only=face_only)
    if k > 1:
        image = cv2.resize(fine, (config.side, config.side), interpolation=cv2.INTER_AREA)
    return developed(image, rng), params


def _paint(
    image: np.ndarray,
    studio: Studio,
    params: FaceParams,
    person: Person,
    rng: np.random.Generator,
    *,
    face_only: bool,
) -> None:
    shown = studio.shown
    light = random_light(rng)
    vertices = shown.reconstruct(params).vertices
    neutral = shown.shape(shown.params(identity=params.identity))
    skin = Mesh(vertices, studio.face_skin if face_only else studio.skin)
    eyes = [Mesh(vertices, topology) for topology in studio.eyes]
    mouth = _mouth(studio, vertices, params)
    normals = vertex_normals(vertices, shown.topology.triangles)
    meshes = [skin, *eyes, mouth]
    fragments = rasterize(meshes, *image.shape[:2])
    head = Mesh(vertices, shown.topology)
    sky = ambient_visibility(head)[:, None] if rng.random() < 0.7 else np.ones((len(vertices), 1), np.float32)
    own = [np.concatenate([neutral, normals, studio.masks, sky, vertices], 1)] * 3
    across = np.zeros((len(mouth.vertices), own[0].shape[1]), np.float32)
    across[:, 0] = np.linspace(0, 1, len(mouth.vertices))
    across[:, :3] = _mouth_coordinates(len(mouth.vertices))
    values = fragments.interpolate([*own, across])
    which = fragments.mesh_index
    colors = np.zeros((len(values), 3), np.float32)
    unit_normals = values[:, 3:6] / np.maximum(np.linalg.norm(values[:, 3:6], axis=1, keepdims=True), 1e-6)
    occlusion = np.where(which != _MOUTH, values[:, 10], 1.0)
    gloss = np.ones(len(values))
    at = which == 0
    place = values[at, :3]
    y, z = place[:, 1] / studio.unit, place[:, 2] / studio.unit
    chin = np.clip((-0.38 - y) * 8, 0, 1) * np.clip((z + 0.75) * 5, 0, 1) * (1 - values[at, 6])
    masks = {"lips": values[at, 6], "brows": values[at, 7], "ears": values[at, 8], "lashes": values[at, 9]}
    colors[at] = skin_colors(person, place, masks | {"beard": chin.astype(np.float32)}, studio.unit, rng)
    for number, side in ((1, "Right"), (2, "Left")):
        at = which == number
        used = np.unique(studio.eyes[number - 1].triangles)
        middle, radius = sphere_through(neutral[used].astype(np.float64))
        direction = values[at, :3] - middle.astype(np.float32)
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
        rest = studio.rest_gaze[number - 1]
        gaze = gaze_direction(shown.expression_names, params.expression, side, rest)
        colors[at] = eye_colors(person, direction, gaze, radius)
        # The upper lid shades the eyeball, and the corners of the eye lie deep.
        above, aside = np.clip(direction[:, 1] * 1.6, 0, 1), np.abs(direction[:, 0])
        occlusion[at] = np.clip(person.sockets - 0.6 * above - 0.5 * aside**2, 0.25, 1)
        gloss[at] = 3.0
    at = which == _MOUTH
    colors[at] = _mouth_colors(values[at, :3], person.plain, rng)
    unit_normals[at] = (0, 0, -1)
    occlusion[at], gloss[at] = 0.8, 0.3
    region = image[fragments.region]
    flat = region.reshape(-1, 3)
    reached = [np.ones(len(values), np.float32) for _ in light.lamps]
    if rng.random() < 0.7:
        soft = float(rng.uniform(0.006, 0.03))
        for lamp, share in zip(light.lamps, reached, strict=True):
            shadow = Lamp(lamp.direction.astype(np.float64), np.ones(3), soft)
            share[which != _MOUTH] = lamp_visibility(head, shadow, values[which != _MOUTH, 11:14])
    shown_colors = lighted(colors, unit_normals, occlusion, light, gloss, reached)
    flat[fragments.covered] = np.rint(255 * shown_colors).astype(np.uint8)
    image[fragments.region] = flat.reshape(region.shape)


def _mouth(studio: Studio, vertices: Float32[np.ndarray, "n 3"], params: FaceParams) -> Mesh:
    """The inside of the mouth: rings from the lips back to a point."""
    ring = vertices[studio.loops["mouth"]]
    back = -params.camera[:, 2].astype(np.float32)  # into the head, px a mm
    middle = ring.mean(0)
    rings = [
        ring + back * 1.5,
        middle + 0.85 * (ring - middle) + back * 6,
        middle[None] + back * _MOUTH_DEPTH_MM,
    ]
    k = len(ring)
    a, b = np.arange(k), (np.arange(k) + 1) % k
    sides = np.concatenate([np.stack([a, b, k + b], 1), np.stack([a, k + b, k + a], 1)])
    cap = np.stack([k + a, k + b, np.full(k, 2 * k)], 1)
    triangles = np.concatenate([sides, cap]).astype(np.int32)
    joined = np.concatenate(rings).astype(np.float32)
    return Mesh(joined, Topology(triangles, None, np.zeros_like(joined)))


def _mouth_coordinates(count: int) -> Float32[np.ndarray, "n 3"]:
    """Where each vertex of the mouth's inside is: right to left, down to up, and how deep."""
    k = (count - 1) // 2
    turn = np.linspace(0, 2 * np.pi, k, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn), np.zeros(k)], 1)
    inner = ring * 0.85 + (0, 0, 0.4)
    return np.concatenate([ring, inner, [[0, 0, 1]]]).astype(np.float32)


def _mouth_colors(
    place: Float32[np.ndarray, "p 3"], plain: bool, rng: np.random.Generator
) -> Float32[np.ndarray, "p 3"]:
    """Colour the pixels of the mouth's inside: dark, with teeth near the outer ring and a tongue."""
    dark = np.array([0.22, 0.07, 0.07], np.float32) * rng.uniform(0.3, 1.4)
    colors = np.tile(dark, (len(place), 1))
    if plain:
        return colors * (0.2 if rng.random() < 0.5 else 1.0)
    shade = 1 - 0.7 * place[:, 2:3]
    teeth = np.array([0.86, 0.82, 0.74], np.float32) * rng.uniform(0.7, 1.05)
    if rng.random() < 0.7:
        upper = (place[:, 2] < rng.uniform(0.25, 0.5)) & (np.abs(place[:, 1]) > 0.2)
        colors[upper] = teeth
    return (colors * shade).astype(np.float32)


def make_renders(target: Path, studio: Studio, config: RenderConfig, backgrounds: Path) -> None:
    """Write a dataset folder of renders, with landmarks and parameters.

    Args:
        target: folder to write.
        studio: the open face model with the whole head.
        config: how many, of what.
        backgrounds: array of images (n, side, side, 3).

    Raises:
        InputError: people have no images.
    """
    if config.images_per_person < 1:
        raise InputError(f"{config.images_per_person} images of each person: at least 1 is needed")
    rng = np.random.default_rng(config.seed)
    scenery = open_backgrounds(backgrounds, side=config.side, in_memory=False)
    scenery = scenery[:, : config.side, : config.side]
    images = np.zeros((config.count, config.side, config.side, 3), np.uint8)
    params: list[FaceParams] = []
    several = config.images_per_person > 1
    person: RenderedPerson | None = None
    for index in tqdm(range(config.count), desc="renders", unit="face", disable=None):
        background = np.array(scenery[rng.integers(len(scenery))])
        if several and index % config.images_per_person == 0:
            person = RenderedPerson.random(studio, config, rng)
        images[index], face = random_face(studio, config, background, rng, person)
        params.append(face)
    labels = render_labels(studio.model, params)
    if several:
        labels["person"] = np.arange(config.count) // config.images_per_person
    write_face_folder(target, images, labels)


def render_labels(model: MorphableModel, params: list[FaceParams]) -> dict[str, np.ndarray]:
    """Return the labels of renders: points, coefficients, and that all of them are exact."""
    points = model.landmark_sets["mediapipe478"]
    assert points.indices is not None
    landmarks = np.stack([model.landmarks(face) for face in params])
    marks = np.stack([model.landmarks(face, "mediapipe478")[:, :2] for face in params])
    marks[:, points.indices >= _FIRST_IRIS] = np.nan  # the shader turns the irises, not the model
    expression = np.stack([face.expression for face in params])
    shown = np.abs(model.expression_basis[model.mesh_vertices]).max((0, 1)) > 0
    weight = np.tile(shown, (len(params), 1)).astype(np.float32)
    for column, name in enumerate(model.expression_names):
        if name.startswith("eyeLook"):
            side = "Left" if name.endswith("Left") else "Right"
            closed = expression[:, model.expression_index(f"eyeBlink{side}")]
            weight[:, column] *= np.clip(1 - 1.2 * closed, 0, 1)  # closed lids hide the gaze
    sure = np.ones(len(params), np.float32)
    return {
        "landmarks68": landmarks,
        "landmarks68_std": np.full(len(params), 0.6, np.float32),
        "yaw_deg": np.array([np.rad2deg(np.arcsin(-_unit(f.camera)[0, 2])) for f in params], np.float32),
        "mediapipe": marks.astype(np.float32),
        "mediapipe_trust": sure,
        "eye_aspect": eye_aspect(landmarks),
        "camera": np.stack([face.camera for face in params]).astype(np.float32),
        "identity": np.stack([face.identity for face in params]),
        "expression": expression,
        "expression_weight": weight,
        "fit_weight": 0.6 * sure,  # a crop does not tell all that an identity is
        "rotation_weight": sure,
        "fit_error": np.zeros(len(params), np.float32),
    }


def eye_aspect(landmarks: Float[np.ndarray, "n 68 d"]) -> Float32[np.ndarray, " n"]:
    """Return height over width of the eyes, mean of both.

    Source: Soukupová and Čech, "Real-time eye blink detection using facial landmarks", 2016, eq. 1.
    """
    points = landmarks[..., :2]
    ratios: list[np.ndarray] = []
    for first in (36, 42):
        eye = points[:, first : first + 6]
        height = np.linalg.norm(eye[:, 1] - eye[:, 5], axis=1) + np.linalg.norm(eye[:, 2] - eye[:, 4], axis=1)
        ratios.append(height / np.maximum(2 * np.linalg.norm(eye[:, 0] - eye[:, 3], axis=1), 1e-6))
    return np.mean(ratios, axis=0).astype(np.float32)


def _unit(camera: Float[np.ndarray, "3 4"]) -> Float[np.ndarray, "3 3"]:
    return camera[:, :3] / np.linalg.norm(camera[0, :3])
