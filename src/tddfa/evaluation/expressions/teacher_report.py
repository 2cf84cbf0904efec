"""Expressions of real people beside a teacher: on clips and on photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tddfa.evaluation.bootstrap import mean_interval, rounded
from tddfa.evaluation.expressions.coefficients import correlation
from tddfa.evaluation.expressions.movement import held_still, still_in
from tddfa.evaluation.expressions.predictions import Predictions, common_points
from tddfa.evaluation.expressions.teacher_set import IBUG68, LARGEST_YAW_DEG, TeacherSet
from tddfa.evaluation.identity import identity_spread
from tddfa.evaluation.report import Report, View
from tddfa.evaluation.tables import headline, number
from tddfa.shapes import Bool, Float64, Int

MOVES = 0.2
"""Range of a teacher's coefficient, 5th to 95th percentile, from which it moves in a clip."""

_FEWEST_FACES = 8  # of one person; people with fewer are taken together
_FEWEST_FRAMES = 30  # of a clip whose correlations count: in a few tenths of a second, little moves
_OTHERS = "others"
_DISPUTED_DEG = 25.0  # between two readings of a head's yaw, of which one is wrong
_LARGEST_TURN_DEG = 15.0  # of the head, between two faces of a person whose points are compared
_LEAST_MOVEMENT = 0.04  # of the size of the face: smaller ones are the teacher's noise

_LIDS = (
    *(33, 246, 161, 160, 159, 158, 157, 173, 133, 7, 163, 144, 145, 153, 154, 155),
    *(263, 466, 388, 387, 386, 385, 384, 398, 362, 249, 390, 373, 374, 380, 381, 382),
)
_BROWS = (*(70, 63, 105, 66, 107, 46, 53, 52, 65, 55), *(300, 293, 334, 296, 336, 276, 283, 282, 295, 285))
_LIPS = (
    *(61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146),
    *(78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95),
)
_IRISES = tuple(range(468, 478))
_REGIONS: Mapping[str, tuple[int, ...]] = {"lids": _LIDS, "brows": _BROWS, "lips": _LIPS, "irises": _IRISES}


def report_teacher(data: TeacherSet, predicted: Predictions) -> Report:
    """Return what predictions are worth beside a teacher.

    Args:
        data: the faces, with the teacher's outputs.
        predicted: one row per face.
    """
    found = predicted.found
    disputed = found & _disputed(data, predicted)
    agreed = found & ~disputed
    record: dict[str, Any] = {
        "protocol": f"expressions/{'clips' if data.clips else 'photos'}/2",
        "pack": predicted.source,
        "data": data.folder.name,
        "count": len(data),
        "unit_of_count": "frames" if data.clips else "faces",
        "teacher": data.teacher,
        "largest_yaw_deg": LARGEST_YAW_DEG,
        "people": len(np.unique(data.person)),
        "found": int(found.sum()),
        "disputed": int(disputed.sum()),
        "coefficients": _coefficients(data, predicted, agreed),
        "followed": _followed(data, predicted, agreed),
        "identity": None,
    }
    if predicted.identity is not None:
        spread = identity_spread(predicted.identity, _groups(data.person, found, alone=False))
        record["identity"] = None if spread is None else spread.record()
    rows = [
        {"name": name, "person": str(person), "yaw_deg": float(yaw), "error": _error(data, predicted, k)}
        for k, (name, person, yaw) in enumerate(zip(data.names, data.person, data.yaw_deg, strict=True))
    ]

    def view(row: int) -> View:
        image = next(_one(data, row).images())
        mine = predicted.points68[row] if predicted.points68 is not None else np.zeros((0, 2))
        truth = data.points68[row] if predicted.points68 is not None else np.zeros((0, 2))
        return View(image, truth[:, :2].astype(np.float64), mine[:, :2].astype(np.float64))

    return Report(record, _text(record), rows, view if predicted.points68 is not None else None)


def _disputed(data: TeacherSet, predicted: Predictions) -> Bool[np.ndarray, " n"]:
    """Return the faces whose heads the teacher sees turned otherwise: it takes some profiles for fronts."""
    if predicted.pose_deg is None:
        return np.zeros(len(data), bool)
    yaw = np.abs(predicted.pose_deg[:, 0]).astype(np.float64)
    return np.abs(yaw - np.abs(data.yaw_deg)) > _DISPUTED_DEG


def _one(data: TeacherSet, row: int) -> TeacherSet:
    part = slice(row, row + 1)
    return TeacherSet(
        data.folder,
        data.teacher,
        data.names[part],
        data.person[part],
        data.points478[part],
        data.coefficients[part],
        data.coefficient_names,
        data.yaw_deg[part],
        data.clips,
    )


def _error(data: TeacherSet, predicted: Predictions, k: int) -> float | None:
    """Return the mean distance of the landmarks inside the face from the teacher's, percent of its size."""
    if predicted.points68 is None or not np.isfinite(predicted.points68[k]).all():
        return None
    truth, mine = data.points68[k, 17:, :2], predicted.points68[k, 17:, :2]
    size = float(np.sqrt(np.prod(np.ptp(data.points68[k, :, :2], axis=0))))
    return 100 * float(np.linalg.norm(truth - mine, axis=1).mean()) / size


def _groups(person: np.ndarray, found: Bool[np.ndarray, " n"], *, alone: bool) -> np.ndarray:
    """Return a group for each face: its person, or all people with few faces together.

    Args:
        person: who each face is.
        found: faces that count.
        alone: whether those with few faces make a group; otherwise each face is a person.
    """
    groups = person.astype(object)
    for who in np.unique(person):
        mine = person == who
        if (mine & found).sum() < _FEWEST_FACES:
            groups[mine] = _OTHERS if alone else [f"{who}:{k}" for k in range(int(mine.sum()))]
    return groups.astype(str)


def _coefficients(
    data: TeacherSet, predicted: Predictions, found: Bool[np.ndarray, " n"]
) -> dict[str, Any] | None:
    names = [name for name in data.coefficient_names if name in predicted.names]
    if not names:
        return None
    groups = _groups(data.person, found, alone=True)
    by_name: dict[str, list[float]] = {}
    by_group: dict[str, list[float]] = {}
    for group in np.unique(groups):
        mine = found & (groups == group)
        if mine.sum() < (_FEWEST_FRAMES if data.clips else _FEWEST_FACES):
            continue
        for name in names:
            theirs = data.coefficients[mine, data.coefficient_names.index(name)]
            low, high = np.percentile(theirs, (5, 95))
            if high - low < MOVES:
                continue
            column = predicted.coefficients[mine, predicted.names.index(name)]
            value = correlation(column, theirs) or 0.0
            by_name.setdefault(name, []).append(value)
            by_group.setdefault(str(group), []).append(value)
    means = {name: float(np.mean(values)) for name, values in by_name.items()}
    every = np.array([value for values in by_name.values() for value in values])
    return {
        "mean_correlation": rounded(float(np.mean(list(means.values())))) if means else None,
        "interval": [rounded(end) for end in mean_interval(every)] if len(every) else [None, None],
        "moves_from": MOVES,
        "measured": len(means),
        "by_name": {
            name: {"correlation": rounded(means[name]), "groups": len(by_name[name])}
            for name in sorted(means)
        },
        "by_group": {name: rounded(float(np.mean(values))) for name, values in by_group.items()},
    }


def _followed(data: TeacherSet, predicted: Predictions, found: Bool[np.ndarray, " n"]) -> dict[str, Any]:
    """Return the part of the movement away from each person's calmest face that is followed, by region."""
    record: dict[str, Any] = {}
    indices = np.arange(478, dtype=np.int32)
    shared = common_points(predicted, indices)
    if shared is not None:
        points, theirs = shared[0], data.points478[:, shared[1]]
        record["mediapipe478"] = _movement(data, found, points, theirs, indices[shared[1]])
    if predicted.points68 is not None:
        # Without the contour, which two conventions place differently.
        inner = predicted.points68[:, 17:]
        record["ibug51"] = _movement(data, found, inner, data.points68[:, 17:], np.array(IBUG68[17:]))
    return {name: one for name, one in record.items() if one is not None}


def _movement(
    data: TeacherSet,
    found: Bool[np.ndarray, " n"],
    points: np.ndarray,
    theirs: np.ndarray,
    numbers: Int[np.ndarray, " p"],
) -> dict[str, Any] | None:
    depth = points.shape[2] == 3
    d = 3 if depth else 2
    regions = {"all": np.ones(len(numbers), bool)} | {
        name: np.isin(numbers, part) for name, part in _REGIONS.items() if np.isin(numbers, part).any()
    }
    along: dict[str, list[float]] = {name: [] for name in regions}
    square: dict[str, list[float]] = {name: [] for name in regions}
    people: list[str] = []
    for who in np.unique(data.person):
        mine = np.flatnonzero(found & (data.person == who))
        if len(mine) < 2:
            continue
        base = mine[int(np.argmin(_effort(data)[mine]))]
        true_base = theirs[base, :, :d]
        size = float(np.sqrt(np.prod(np.ptp(data.points68[base, :, :2], axis=0))))
        sums = {name: np.zeros(2) for name in regions}
        n = 0
        for k in mine:
            if k == base or _turn_deg(data, int(base), int(k)) > _LARGEST_TURN_DEG:
                continue
            still = still_in(theirs[k, :, :d], true_base)
            moved = (held_still(theirs[k, :, :d], true_base, still) - true_base)[:, :2]
            if np.linalg.norm(moved, axis=1).max() < _LEAST_MOVEMENT * size:
                continue
            own = points[base, :, :d]
            made = (held_still(points[k, :, :d], own, still) - own)[:, :2]
            for name, part in regions.items():
                sums[name] += ((made * moved)[part].sum(), np.square(moved)[part].sum())
            n += 1
        if n == 0:
            continue
        people.append(str(who))
        for name in regions:
            along[name].append(sums[name][0])
            square[name].append(sums[name][1])
    if not people:
        return None
    total = {name: sum(along[name]) / sum(square[name]) for name in regions if sum(square[name]) > 0}
    return {
        "followed": rounded(total["all"]),
        "interval": _ratio_interval(np.array(along["all"]), np.array(square["all"])),
        "people": len(people),
        "regions": {name: rounded(value) for name, value in total.items() if name != "all"},
        "by_person": {
            who: rounded(a / s) for who, a, s in zip(people, along["all"], square["all"], strict=True)
        }
        if data.clips
        else {},
    }


def _ratio_interval(a: Float64[np.ndarray, " n"], b: Float64[np.ndarray, " n"]) -> list[float | None]:
    if len(a) < 2:
        return [None, None]
    drawn = np.random.default_rng(0).integers(0, len(a), (1000, len(a)))
    return [
        rounded(float(v)) for v in np.percentile(a[drawn].sum(axis=1) / b[drawn].sum(axis=1), (2.5, 97.5))
    ]


def _effort(data: TeacherSet) -> Float64[np.ndarray, " n"]:
    """Return how much expression the teacher sees on each face; the least is the person's neutral face."""
    counted = [k for k, name in enumerate(data.coefficient_names) if not name.startswith(("_", "eyeLook"))]
    # A turned head costs too: the neutral face is to be seen well.
    return data.coefficients[:, counted].astype(np.float64).sum(axis=1) + np.abs(data.yaw_deg) / 30


def _turn_deg(data: TeacherSet, a: int, b: int) -> float:
    """Return the angle between the teacher's heads, from points that no expression moves much."""
    rigid = [33, 133, 362, 263, 168, 6, 197, 195, 10, 127, 356, 234, 454]
    p, q = data.points478[a, rigid].astype(np.float64), data.points478[b, rigid].astype(np.float64)
    U, _, Vt = np.linalg.svd((q - q.mean(axis=0)).T @ (p - p.mean(axis=0)))
    R = (U * [1, 1, np.sign(np.linalg.det(U @ Vt))]) @ Vt
    return float(np.degrees(np.arccos(np.clip((np.trace(R) - 1) / 2, -1, 1))))


def _text(record: Mapping[str, Any]) -> str:
    lines: list[str] = [
        *headline(record),
        f"teacher    {record['teacher']}, faces within {record['largest_yaw_deg']:.0f}° of yaw; "
        f"{record['found']} of {record['count']} found, {record['disputed']} of them left out as the heads "
        f"are seen turned otherwise; {record['people']} people",
    ]
    for points, one in record["followed"].items():
        low, high = one["interval"]
        regions = ", ".join(f"{name} {number(value, 2)}" for name, value in one["regions"].items())
        lines.append(
            f"followed   {number(one['followed'], 3)} [{number(low, 3)}, {number(high, 3)}] of the movement "
            f"of {points} from the calmest face of {one['people']} people ({regions})"
        )
    identity = record["identity"]
    if identity is not None:
        lines.append(
            f"identity   within / between {identity['people']} people {identity['within']:.3f} / "
            f"{identity['between']:.3f} = {identity['ratio']:.2f}"
        )
    coefficients = record["coefficients"]
    if coefficients is None:
        return "\n".join(lines)
    low, high = coefficients["interval"]
    lines.append(
        f"follows    mean correlation {number(coefficients['mean_correlation'], 3)} [{number(low, 3)}, "
        f"{number(high, 3)}] of {coefficients['measured']} coefficients that move by {MOVES}"
    )
    by_group: Sequence[tuple[str, float]] = list(coefficients["by_group"].items())
    if len(by_group) <= 12:
        lines += [f"           {group}: {value:.3f}" for group, value in by_group]
    lines.append(f"{'coefficient':<24}{'correlation':>12}{'groups':>8}")
    lines += [
        f"{name:<24}{number(one['correlation'], 3):>12}{one['groups']:>8}"
        for name, one in coefficients["by_name"].items()
    ]
    return "\n".join(lines)
