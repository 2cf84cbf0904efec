"""Fit the directions in which faces of different people differ, and measure how well they tell people apart.

    python tools/fit_appearance.py faces.csv src/tddfa/tracking/appearance.npz

The table has a line for each photo of a face: `file,person,clip,use`. Photos of one `clip` are frames of one
video, or faces of one photo. `use` is "fit" or "judge"; nobody may be in both. Where several people share a
clip, as in photos of groups, they are told apart under the same light: the hardest case, and the one that
tracking meets.

A linear discriminant analysis (Fisher, 1936): B v = λ W v, with the covariance W of the differences between
frames of one person in one clip, at different sizes, and B of those between different people.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.linalg import eigh

from tddfa import FaceAligner, read_image
from tddfa.tracking.appearance import _TINT_WEIGHT, Appearance, color_patterns, sampled_colors

N_DESCRIPTOR = 48  # directions
SHRINKAGE = 0.2  # of the covariance of the same people towards one that is alike in all directions
SMALL_PX = (28.0, 45.0)  # size of the face in the smaller copy of each photo
FRAMES = 8  # of one clip
MAX_TURN_DEG = 30.0  # difference in yaw up to which two photos are compared


@dataclass(slots=True, eq=False)
class Sample:
    """A face: the colours along its rays in the photo and in a small, noisy copy, and which were seen."""

    person: str
    clip: str
    fit: bool
    yaw_deg: float
    full: tuple[np.ndarray, np.ndarray | None]
    small: tuple[np.ndarray, np.ndarray | None]


def main() -> None:
    """Fit, write and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    samples = read_samples(given.table, rng)
    fitted, judged = [s for s in samples if s.fit], [s for s in samples if not s.fit]
    assert not {s.person for s in fitted} & {s.person for s in judged}
    mean, projection = fit(fitted, rng)
    np.savez_compressed(given.out, mean=mean.astype(np.float16), projection=projection.astype(np.float16))
    judge(judged, mean.astype(np.float16), projection.astype(np.float16), rng)


def read_samples(table: Path, rng: np.random.Generator) -> list[Sample]:
    """Return the faces of the photos of a table."""
    aligner, samples = FaceAligner(), []
    for row in csv.DictReader(table.open()):
        image = read_image(table.parent / row["file"])
        for k, face in enumerate(aligner.align(image)):
            points = face.landmarks[:, :2]
            size = math.sqrt(float(np.prod(np.ptp(points, axis=0))))
            if (face.params.confidence or 0.0) < 0.9 or size < 24:
                continue
            scale = min(rng.uniform(*SMALL_PX) / size, 1.0)
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            small = (small + rng.normal(0, 3, small.shape)).clip(0, 255).astype(np.uint8)
            moved = (points + 0.5) * scale - 0.5 + rng.normal(0, 0.012 * scale * size, (1, 2))
            samples.append(
                Sample(
                    f"{row['person']}#{k}" if row["use"] == "judge group" else row["person"],
                    row["clip"],
                    row["use"] == "fit",
                    face.pose.yaw_deg,
                    sampled_colors(image, points),
                    sampled_colors(small, moved.astype(np.float32)),
                )
            )
            if row["use"] != "judge group":
                break
    return samples


def fit(samples: list[Sample], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of the patterns, and the directions in which people differ most."""
    patterns = {id(s): [color_patterns(*c)[0].ravel() for c in (s.full, s.small)] for s in samples}
    same = []
    for clip in by(samples, "clip"):
        for s in clip[:FRAMES]:
            same.append(patterns[id(s)][0] - patterns[id(s)][1])
        for a, b in itertools.combinations(clip[:FRAMES], 2):
            if abs(a.yaw_deg - b.yaw_deg) < MAX_TURN_DEG:
                same.append(patterns[id(a)][0] - patterns[id(b)][1])
    pairs = rng.integers(0, len(samples), (30_000, 2))
    other = [
        patterns[id(samples[i])][0] - patterns[id(samples[j])][0]
        for i, j in pairs
        if samples[i].person != samples[j].person
    ]
    within, between = (np.stack(d).T @ np.stack(d) / len(d) for d in (same, other))
    within += SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
    projection = eigh(between, within)[1][:, ::-1][:, :N_DESCRIPTOR]
    mean = np.mean([patterns[id(s)][0] for s in samples], axis=0)
    return mean.reshape(-1, 3), projection


def judge(samples: list[Sample], mean: np.ndarray, projection: np.ndarray, rng: np.random.Generator) -> None:
    """Print which part of the pairs of faces lies below each distance."""
    from tddfa.tracking import appearance

    appearance._projection = lambda: (mean.astype(np.float32), projection.astype(np.float32))

    def look(colors: np.ndarray, seen: np.ndarray | None) -> Appearance:
        return Appearance(colors, seen, *appearance._descriptor(colors, seen))

    def cut_off(colors: np.ndarray, seen: np.ndarray | None) -> Appearance:
        """A close-up: the forehead and the chin are outside of the image."""
        hidden = np.zeros(len(colors), bool)
        hidden[3:68:4], hidden[72::6], hidden[73::6] = True, True, True
        return look(colors, ~hidden if seen is None else seen & ~hidden)

    def distances(pairs: list[tuple[Sample, Sample]], kind: str) -> np.ndarray:
        second = {
            "full": lambda s: look(*s.full),
            "small": lambda s: look(*s.small),
            "cut": lambda s: cut_off(*s.small),
        }
        found = [look(*a.full).distance(second[kind](b)) for a, b in pairs]
        return np.array([d for d in found if d is not None])

    def comparable(a: Sample, b: Sample) -> bool:
        return abs(a.yaw_deg - b.yaw_deg) < MAX_TURN_DEG

    same, group = [], []
    for clip in by(samples, "clip"):
        for a, b in itertools.combinations(clip, 2):
            if comparable(a, b):
                (same if a.person == b.person else group).append((a, b))
    same = [same[i] for i in rng.permutation(len(same))[:6000]]
    picks = rng.integers(0, len(samples), (20_000, 2))
    other = [
        (samples[i], samples[j])
        for i, j in picks
        if samples[i].person != samples[j].person and samples[i].clip != samples[j].clip
    ]
    other = [pair for pair in other if comparable(*pair)]
    print(
        f"{len(same)} pairs of one clip, {len(group)} of one photo, {len(other)} of two; "
        f"weight of the tint {_TINT_WEIGHT}"
    )
    for kind in ("full", "small", "cut"):
        d = [distances(pairs, kind) for pairs in (same, group, other)]
        for limit in (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7):
            print(kind, f"below {limit:.2f}:", *(f"{100 * (x < limit).mean():6.2f} %" for x in d))


def by(samples: list[Sample], key: str) -> list[list[Sample]]:
    """Return the samples that share an attribute, together."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(getattr(sample, key), []).append(sample)
    return list(groups.values())


if __name__ == "__main__":
    main()
