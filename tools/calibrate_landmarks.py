"""Find where landmarks lie on the open face model, from photographs and the points other systems put on them.

    python tools/calibrate_landmarks.py ibug68 --data ../shared/data
    python tools/calibrate_landmarks.py mediapipe478 --data ../shared/data

Fits the model to the points of many photos, moves each landmark on the surface by what the fits miss on
average, and repeats. Points of lids and lips stay on their rings of vertices, but in the last rounds only
those that would otherwise change lips do. Prints the table of tools/face_model/landmarks.py and what fits
to as many other photos miss on average. The photos are for research only; of them nothing but these places
is kept. Evaluation photos are never used.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from face_model.base_mesh import BaseMesh, rings_around
from face_model.landmarks import IBUG68, IBUG68_MIRROR, MEDIAPIPE, mediapipe_numbers, mediapipe_partners

from tddfa.morphable import Fit, Fitter, LandmarkSet, MorphableModel, open_face_model
from tddfa.morphable.calibration import mean_errors
from tddfa.morphable.closest_points import LEAST_FACING, closest_on_triangles, facing
from tddfa.morphable.open_model import FILE
from tddfa.morphable.subdivision import catmull_clark

ROUNDS = ((8.0, 3, True), (2.0, 3, True), (1.0, 3, True), (1.0, 6, False))
"""Stiffness of the identity, number of rounds, whether points keep to their rings and known ones count.

Places first, so that they are not taken for traits; in the end the fits are those that users make.
"""
STEP = 0.9
LONGEST_STEP_MM = 5.0
IDENTITY = np.eye(3)

LID_RING, LIP_BORDER_RING, LIP_CORNER_RING, LIP_INNER_RING = 3, 6, 4, 1
INNER = ("upper_inner", "lower_inner", "inner_corner")
"""Rings that points never leave: the other lip is as near as their own."""
IBUG_RINGS = {
    "right_eye": range(36, 42),
    "left_eye": range(42, 48),
    "lip_corner": (48, 54),
    "upper_border": range(49, 54),
    "lower_border": range(55, 60),
    "inner_corner": (60, 64),
    "upper_inner": (61, 62, 63),
    "lower_inner": (65, 66, 67),
}
MEDIAPIPE_RINGS = {
    "right_eye": (7, 163, 144, 145, 153, 154, 155, 246, 161, 160, 159, 158, 157, 173),
    "left_eye": (382, 381, 380, 374, 373, 390, 249, 466, 388, 387, 386, 385, 384, 398),
    "lip_corner": (61, 291),
    "upper_border": (409, 270, 269, 267, 0, 37, 39, 40, 185),
    "lower_border": (146, 91, 181, 84, 17, 314, 405, 321, 375),
    "inner_corner": (78, 308),
    "upper_inner": (415, 310, 311, 312, 13, 82, 81, 80, 191),
    "lower_inner": (95, 88, 178, 87, 14, 317, 402, 318, 324),
}


@dataclass
class Places:
    """Triangles of the head refined once, and barycentric weights on them."""

    triangle: np.ndarray
    weights: np.ndarray


@dataclass
class Surface:
    """The mean head refined once, and the lines that some landmarks keep to."""

    model: MorphableModel
    vertices: np.ndarray
    triangles: np.ndarray
    rows: np.ndarray
    skin: np.ndarray
    eyeballs: np.ndarray
    lines: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Surface:
        """The shipped model."""
        model = open_face_model(level=1, crop="head")
        with np.load(FILE) as archive:
            data = dict(archive)
        n = len(data["mean"])
        masks = np.unpackbits(data["regions"], axis=1, count=n).astype(bool)
        eyeball = masks[data["region_names"].tolist().index("eyeballs")]
        quads = data["quads"].astype(np.int32)
        mesh = BaseMesh(np.arange(n), quads, data["uv"], quads, np.arange(n), data["mirror"], eyeball)
        refine = catmull_clark(quads, n)
        triangles = np.concatenate([refine.quads[:, [0, 1, 2]], refine.quads[:, [0, 2, 3]]])
        on_eyeball = refine(eyeball.astype(np.float32)) > 0
        surface = cls(
            model,
            refine(model.mean),
            triangles,
            refine(np.eye(n, dtype=np.float32)),
            ~on_eyeball[triangles].any(axis=1) & (facing(refine(model.mean)[triangles]) > LEAST_FACING),
            on_eyeball[triangles].any(axis=1),
        )
        jaw = model.expression_basis[:, 1, model.expression_index("jawOpen")]
        rim = {v for v in mesh.rim() if not eyeball[v]}
        for side, sign in (("left", 1), ("right", -1)):
            eye = {v for v in rim if 10 < sign * model.mean[v, 0] < 50 and abs(model.mean[v, 1]) < 15}
            surface.lines[f"{side}_eye"] = surface._line(mesh, eye, LID_RING, refine)
        mouth = mesh.mouth_rim(model.mean)
        for part, ring in (("border", LIP_BORDER_RING), ("inner", LIP_INNER_RING)):
            line = surface._line(mesh, mouth, ring, refine)
            fine_jaw = refine(jaw)
            x = surface.vertices[line].mean(axis=1)[:, 0]
            drop = fine_jaw[line].mean(axis=1)
            middle = fine_jaw[line[np.abs(x).argmax()]].mean()
            surface.lines[f"upper_{part}"], surface.lines[f"lower_{part}"] = (
                line[drop >= middle],
                line[drop < middle],
            )
        surface.lines["lip_corner"] = surface._line(mesh, mouth, LIP_CORNER_RING, refine)
        surface.lines["inner_corner"] = surface._line(mesh, mouth, LIP_INNER_RING, refine)
        return surface

    def _line(self, mesh: BaseMesh, rim: set[int], ring: int, refine: object) -> np.ndarray:
        """Edges of the refined mesh along a ring of the base mesh."""
        on_ring = set(rings_around(mesh, rim, ring + 1)[ring])
        edges = np.concatenate([refine.inner_edges[:, :2], refine.boundary_edges])  # type: ignore[attr-defined]
        inside = np.isin(edges, list(on_ring)).all(axis=1)
        middle = len(mesh.mirror) + np.flatnonzero(inside)
        return np.concatenate([np.stack([edges[inside, k], middle], axis=1) for k in (0, 1)])

    def positions(self, places: Places) -> np.ndarray:
        """Where places are on the mean head."""
        return np.einsum("pk,pkc->pc", places.weights, self.vertices[self.triangles[places.triangle]])

    def landmarks(self, places: Places) -> LandmarkSet:
        """The same places as weights of base vertices."""
        rows = np.einsum(
            "pk,pkn->pn", places.weights.astype(np.float32), self.rows[self.triangles[places.triangle]]
        )
        k = int((rows != 0).sum(axis=1).max())
        columns = np.argsort(rows == 0, axis=1, kind="stable")[:, :k]
        return LandmarkSet(columns.astype(np.int32), np.take_along_axis(rows, columns, axis=1))

    def nearest(self, points: np.ndarray, of_skin: np.ndarray, metric: np.ndarray = IDENTITY) -> Places:
        """The nearest places, on the skin or on the eyeballs, where distances are those after `metric`."""
        places = Places(np.zeros(len(points), int), np.zeros((len(points), 3)))
        for mask, among in ((of_skin, self.skin), (~of_skin, self.eyeballs)):
            if mask.any():
                chosen, weights = closest_on_triangles(
                    points[mask] @ metric, (self.vertices @ metric)[self.triangles[among]]
                )
                places.triangle[mask], places.weights[mask] = np.flatnonzero(among)[chosen], weights
        return places

    def nearest_on_line(self, point: np.ndarray, line: np.ndarray) -> tuple[int, np.ndarray]:
        """The nearest place on a line."""
        a, b = self.vertices[line[:, 0]], self.vertices[line[:, 1]]
        share = np.clip(((point - a) * (b - a)).sum(axis=1) / ((b - a) ** 2).sum(axis=1), 0, 1)
        k = int(np.linalg.norm(a + share[:, None] * (b - a) - point, axis=1).argmin())
        triangle = int(np.flatnonzero(np.isin(self.triangles, line[k]).sum(axis=1) == 2)[0])
        corners = self.triangles[triangle]
        return triangle, (corners == line[k, 0]) * (1 - share[k]) + (corners == line[k, 1]) * share[k]


def main() -> None:
    """Calibrate and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("landmarks", choices=("ibug68", "mediapipe478"))
    parser.add_argument("--data", type=Path, required=True, help="folder of the training photos' labels")
    parser.add_argument(
        "--photos", type=int, default=500, help="how many, and as many to check (default: %(default)s)"
    )
    arguments = parser.parse_args()
    surface = Surface.load()
    labels = np.load(arguments.data / "faces" / "teacher_mb05.npz")
    with (arguments.data / "faces" / "index.csv").open() as file:
        rows = list(csv.DictReader(file))
    yaw = np.abs([float(row["yaw_deg"]) for row in rows])
    usable = (labels["lm68_std"] < 0.9) & ~np.array(["mask-" in row["name"] for row in rows])
    random = np.random.default_rng(2)
    teacher = labels["lm68"][:, :, :2].astype(np.float64)
    if arguments.landmarks == "ibug68":
        bins = [np.flatnonzero(usable & (yaw >= a) & (yaw < b)) for a, b in pairwise((0, 15, 30, 90))]
        shares = [random.permutation(b)[: 2 * (arguments.photos // 3)] for b in bins]
        photos = np.concatenate([share[half::2] for half in (0, 1) for share in shares])
        observed, anchors = teacher[photos], np.zeros((len(photos), 0, 2))
        numbers, partners, rings, table = list(range(68)), IBUG68_MIRROR, IBUG_RINGS, IBUG68
    else:
        mediapipe = np.load(arguments.data / "faces" / "mediapipe.npz")
        photos = random.permutation(np.flatnonzero(usable & (mediapipe["found"] > 0) & (yaw < 35)))[
            : 2 * arguments.photos
        ]
        observed = mediapipe["xy"][photos] / 64.0
        anchors = teacher[photos][:, :36]  # eyes and mouth are MediaPipe's
        numbers, partners, rings, table = (
            mediapipe_numbers(),
            mediapipe_partners(),
            MEDIAPIPE_RINGS,
            MEDIAPIPE,
        )
    size = np.sqrt(np.prod(np.ptp(teacher[photos], axis=1), axis=1))[:, None, None] / 100
    observed, anchors, half = observed / size, anchors / size, len(photos) // 2
    places = calibrate(surface, observed[:half], anchors[:half], numbers, partners, rings)
    fitter = Fitter(surface.model, surface.landmarks(places))
    report("other photos", [fitter.fit(t) for t in observed[half:]], observed[half:], numbers)
    for k, number in enumerate(numbers):
        if number in table:
            a, b, _ = places.weights[k]
            print(f"    {number}: ({places.triangle[k]}, {a:.3f}, {b:.3f}),")


def calibrate(
    surface: Surface,
    observed: np.ndarray,
    anchors: np.ndarray,
    numbers: list[int],
    partners: tuple[int, ...],
    rings: dict[str, Iterable[int]],
) -> Places:
    """Places whose fits miss the observed points by nothing on average; faces are 100 px large."""
    name = "ibug68" if len(numbers) == 68 else "mediapipe478"
    start = surface.model.landmark_sets[name].positions(surface.model.mean)
    on_eyeball = np.array(numbers) >= 468
    partner = np.array([numbers.index(partners[number]) for number in numbers])
    known = surface.model.landmark_sets["ibug68"]
    places = surface.nearest(start, ~on_eyeball)
    for stiffness, rounds, held in ROUNDS:
        line_of = {numbers.index(n): line for line, of in rings.items() for n in of if held or line in INNER}
        n_known = anchors.shape[1] if held else 0
        targets = np.concatenate([observed, anchors[:, :n_known]], axis=1)
        weights = np.r_[np.where(on_eyeball & held, 0.0, 1.0), np.full(n_known, 0.5)]
        for _ in range(rounds):
            fitter = Fitter(surface.model, _joined(surface.landmarks(places), known, n_known))
            fits = [fitter.fit(t, weights, identity_stiffness=stiffness) for t in targets]
            report(f"stiffness {stiffness}", fits, observed, numbers)
            move, metric = mean_errors(fits, observed)
            move = (move + move[partner] * [-1, 1, 1]) / 2
            move *= np.minimum(
                1, LONGEST_STEP_MM / np.maximum(np.linalg.norm(move, axis=1, keepdims=True), 1e-9)
            )
            wanted = surface.positions(places) + STEP * move
            wanted[partner == np.arange(len(numbers)), 0] = 0
            places = surface.nearest(wanted, ~on_eyeball, metric)
            for k, line in line_of.items():
                places.triangle[k], places.weights[k] = surface.nearest_on_line(
                    wanted[k], surface.lines[line]
                )
    return places


def report(name: str, fits: list[Fit], observed: np.ndarray, numbers: list[int]) -> None:
    """Say how far fits are from the points of skin, each time and on average."""
    skin = np.flatnonzero(np.array(numbers) < 468)
    missed = np.array([f.points[: len(numbers), :2] - t for f, t in zip(fits, observed, strict=True)])[
        :, skin
    ]
    bias = np.linalg.norm(missed.mean(axis=0), axis=1)
    worst = ", ".join(f"{numbers[k]} {bias[k]:.2f}" for k in np.argsort(-bias)[:5])
    print(
        f"# {name}: error {np.linalg.norm(missed, axis=2).mean():.3f} %, bias mean {bias.mean():.3f} %, "
        f"{(bias > 0.5).sum()} of {len(bias)} above 0.5 %, greatest: {worst}",
        flush=True,
    )


def _joined(points: LandmarkSet, known: LandmarkSet, n_known: int) -> LandmarkSet:
    """Both sets as one; of the known one its first points."""
    width = max(points.vertices.shape[1], known.vertices.shape[1])

    def padded(table: np.ndarray) -> np.ndarray:
        return np.pad(table, ((0, 0), (0, width - table.shape[1])))

    return LandmarkSet(
        np.vstack([padded(points.vertices), padded(known.vertices[:n_known])]),
        np.vstack([padded(points.weights), padded(known.weights[:n_known])]),
    )


if __name__ == "__main__":
    main()
