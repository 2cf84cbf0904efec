"""Expressions on portraits with exact truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.evaluation.bootstrap import mean_interval, rounded
from tddfa.evaluation.classification import area_under_curve
from tddfa.evaluation.expressions.coefficients import Line, line, responses, slope
from tddfa.evaluation.expressions.gaze import gaze_directions, gaze_errors_deg
from tddfa.evaluation.expressions.movement import movement_followed
from tddfa.evaluation.expressions.portrait_set import MIXTURES, NODS, PortraitSet
from tddfa.evaluation.expressions.predictions import Predictions, common_points
from tddfa.evaluation.expressions.units import BASES, GAZE_UNITS, has_twin, unit_parts
from tddfa.evaluation.identity import identity_spread
from tddfa.evaluation.metrics import box_sizes, eye_aspect_ratios
from tddfa.evaluation.report import Report, View
from tddfa.evaluation.tables import headline, number
from tddfa.shapes import Bool, Float32, Float64

NAME = "expressions/portraits/1"

GOOD = 0.6
"""Correlation with the truth from which a coefficient counts as followed."""

_VISIBLE_PERCENT = 1.5  # of the size of the face: expressions that move no landmark as far are not averaged
_ONE_SIDED, _TWO_SIDED = 0.5, 0.1  # difference of the two blinks of a wink, and of no wink
_RESAMPLES = 1000


def report_portraits(data: PortraitSet, predicted: Predictions) -> Report:
    """Return what predictions are worth on portraits.

    Args:
        data: the portraits.
        predicted: one row per portrait.
    """
    followed, rows = _followed(data, predicted)
    record: dict[str, Any] = {
        "protocol": NAME,
        "pack": predicted.source,
        "data": data.folder.name,
        "count": len(data),
        "unit_of_count": "portraits",
        "people": len(np.unique(data.person)),
        "found": int(predicted.found.sum()),
        "followed": followed,
        "coefficients": _coefficients(data, predicted),
        "rest": _rest(data, predicted),
        "winks": _winks(data, predicted),
        "gaze": _gaze(data, predicted),
        "pose": _pose(data, predicted),
        "identity": _identity(data, predicted),
        "cross_talk": _cross_talk(data, predicted),
    }

    def view(row: int) -> View:
        points = predicted.points68 if predicted.points68 is not None else np.zeros((len(data), 0, 2))
        shown = data.points68[row] if predicted.points68 is not None else np.zeros((0, 2))
        image = data.portraits.read(data.names[row])
        return View(image, shown.astype(np.float64), points[row, :, :2].astype(np.float64))

    return Report(record, _text(record), rows, view if predicted.points68 is not None else None)


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Portraits that show one expression, each beside the same person without it.

    Attributes:
        moved: rows of the portraits.
        base: rows of the same person without the expression.
    """

    moved: list[int]
    base: list[int]


def _pairs(data: PortraitSet, found: Bool[np.ndarray, " n"]) -> _Pairs:
    neutral = {int(data.person[k]): int(k) for k in np.flatnonzero(data.kind == "neutral")}
    bases = {(int(data.person[k]), str(data.unit[k])): int(k) for k in np.flatnonzero(data.kind == "base")}
    pairs = _Pairs([], [])
    for k in np.flatnonzero(data.kind == "single").tolist():
        person, unit = int(data.person[k]), str(data.unit[k])
        base = bases[person, BASES[unit]] if unit in BASES else neutral[person]
        if found[k] and found[base]:
            pairs.moved.append(k)
            pairs.base.append(base)
    return pairs


def _followed(data: PortraitSet, predicted: Predictions) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    pairs = _pairs(data, predicted.found)
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "person": int(data.person[k]),
            "kind": str(data.kind[k]),
            "unit": str(data.unit[k]),
            "weight": float(data.weight[k]),
            "yaw_deg": float(data.pose_deg[k, 0]),
        }
        for k, name in enumerate(data.names)
    ]
    record: dict[str, Any] = {}
    shared = common_points(predicted, data.indices478)
    sets: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    if predicted.points68 is not None:
        sets["ibug68"] = (predicted.points68[..., :2], data.points68)
    if shared is not None:
        sets["mediapipe478"] = (shared[0][..., :2], data.points478[:, shared[1]])
    for name, (points, truth) in sets.items():
        numbers = [
            movement_followed(points[b], points[m], truth[b], truth[m])
            for m, b in zip(pairs.moved, pairs.base, strict=True)
        ]
        record[name] = _followed_record(data, pairs, np.array(numbers).reshape(-1, 2), truth)
        for k, (part, otherwise) in zip(pairs.moved, numbers, strict=True):
            if math.isnan(part):  # the expression moves none of these points
                continue
            rows[k][f"followed_{name}"] = part
            if data.weight[k] == 1:
                rows[k]["error"] = otherwise
    return record, rows


def _followed_record(
    data: PortraitSet, pairs: _Pairs, numbers: Float64[np.ndarray, "m 2"], truth: Float32[np.ndarray, "n p 2"]
) -> dict[str, Any]:
    moved, base = np.array(pairs.moved, np.int64), np.array(pairs.base, np.int64)
    reach = np.linalg.norm(truth[moved] - truth[base], axis=2).max(axis=1) if len(moved) else np.zeros(0)
    reach = 100 * reach / box_sizes(data.points68[base])
    whole = data.weight[moved] == 1
    units = list(dict.fromkeys(data.unit[moved].tolist()))
    people = np.unique(data.person[moved][whole])
    table = np.full((len(people), len(units), 2), np.nan)
    far = np.zeros(len(units))
    for u, unit in enumerate(units):
        mine = whole & (data.unit[moved] == unit)
        far[u] = np.median(reach[mine]) if mine.any() else 0
        table[np.searchsorted(people, data.person[moved][mine]), u] = numbers[mine]
    visible = far >= _VISIBLE_PERCENT
    one_sided = np.array([has_twin(unit) and unit not in GAZE_UNITS for unit in units], bool)
    part, otherwise = np.full((2, len(units)), np.nan)
    for u in np.flatnonzero(np.isfinite(table[..., 0]).any(axis=0)):
        part[u], otherwise[u] = np.nanmean(table[:, u], axis=0)
    half = data.weight[moved] == 0.5
    halves = {
        unit: float(numbers[half & (data.unit[moved] == unit), 0].mean())
        for unit in units
        if (half & (data.unit[moved] == unit)).any()
    }
    mean = float(part[visible].mean()) if visible.any() else None
    return {
        "mean": rounded(mean),
        "interval": _people_interval(len(people), lambda who: float(np.nanmean(table[who][:, visible, 0]))),
        "otherwise": rounded(float(otherwise[visible].mean())) if visible.any() else None,
        "two_sided": rounded(_mean(part[visible & ~one_sided])),
        "one_sided": rounded(_mean(part[visible & one_sided])),
        "units_counted": int(visible.sum()),
        "mean_at_half_weight": rounded(
            float(np.mean([halves[u] for k, u in enumerate(units) if visible[k] and u in halves]))
            if halves
            else None
        ),
        "units": {
            unit: {
                "followed": rounded(float(part[u])),
                "otherwise": rounded(float(otherwise[u])),
                "at_half_weight": rounded(halves.get(unit)),
                "moves_percent": rounded(float(far[u])),
                "counted": bool(visible[u]),
            }
            for u, unit in enumerate(units)
        },
    }


def _mean(values: Float64[np.ndarray, " n"]) -> float | None:
    return float(values.mean()) if len(values) else None


def _people_interval(n_people: int, of: Callable[[np.ndarray], float]) -> list[float | None]:
    """Return the 95 % bootstrap interval of a number, with people drawn again."""
    if n_people < 2:
        return [None, None]
    rng = np.random.default_rng(0)
    values = [of(rng.integers(0, n_people, n_people)) for _ in range(_RESAMPLES)]
    return [rounded(float(v)) for v in np.nanpercentile(values, (2.5, 97.5))]


def _mixed(data: PortraitSet, predicted: Predictions) -> Bool[np.ndarray, " n"]:
    return (data.person >= MIXTURES) & (data.person < NODS) & predicted.found


def _coefficients(data: PortraitSet, predicted: Predictions) -> dict[str, Any] | None:
    if not predicted.names:
        return None
    mixed = _mixed(data, predicted)
    rest = predicted.coefficients[(data.kind == "neutral") & predicted.found]
    by_name: dict[str, Any] = {}
    lines: dict[str, Line] = {}
    for k, name in enumerate(data.expression_names):
        column = predicted.column(name)
        if column is None:
            continue
        truth = data.expression[:, k]
        lines[name] = line(column[mixed], truth[mixed])
        by_name[name] = {
            "correlation": rounded(lines[name].correlation),
            "slope": rounded(lines[name].slope),
            "active": lines[name].active,
            "rest": rounded(float(np.median(rest[:, predicted.names.index(name)]))) if len(rest) else None,
        }
    measured = {name: one.correlation for name, one in lines.items() if one.correlation is not None}
    people = np.unique(data.person[mixed])
    return {
        "mean_correlation": rounded(float(np.mean(list(measured.values())))) if measured else None,
        "interval": _people_interval(
            len(people) if measured else 0,
            lambda who: _mean_correlation(data, predicted, people[who], list(measured)),
        ),
        "good": sum(value >= GOOD for value in measured.values()),
        "good_from": GOOD,
        "measured": len(measured),
        "faces": int(mixed.sum()),
        "by_name": by_name,
    }


def _mean_correlation(
    data: PortraitSet, predicted: Predictions, people: np.ndarray, names: Sequence[str]
) -> float:
    rows = np.concatenate([np.flatnonzero((data.person == who) & predicted.found) for who in people])
    p = predicted.coefficients[rows][:, [predicted.names.index(n) for n in names]].astype(np.float64)
    q = data.expression[rows][:, [data.expression_names.index(n) for n in names]].astype(np.float64)
    p, q = p - p.mean(axis=0), q - q.mean(axis=0)
    norm = np.sqrt(np.square(p).sum(axis=0) * np.square(q).sum(axis=0))
    return float(np.divide((p * q).sum(axis=0), norm, out=np.zeros(len(names)), where=norm > 1e-9).mean())


def _rest(data: PortraitSet, predicted: Predictions) -> dict[str, Any] | None:
    if not predicted.names:
        return None
    values = predicted.coefficients[(data.kind == "neutral") & predicted.found]
    medians = {
        name: float(np.median(values[:, k]))
        for k, name in enumerate(predicted.names)
        if name in data.expression_names
    }
    if not medians or not len(values):
        return None
    worst = sorted(medians, key=lambda name: -abs(medians[name]))
    return {
        "faces": len(values),
        "largest": rounded(abs(medians[worst[0]])),
        "mean": rounded(float(np.mean(np.abs(list(medians.values()))))),
        "worst": {name: rounded(medians[name]) for name in worst[:8]},
    }


def _winks(data: PortraitSet, predicted: Predictions) -> dict[str, Any]:
    left, right = (data.expression_names.index(f"eyeBlink{side}") for side in ("Left", "Right"))
    truth = np.abs(data.expression[:, left] - data.expression[:, right])
    used = predicted.found & ((truth >= _ONE_SIDED) | (truth <= _TWO_SIDED)) & (data.person < NODS)
    one_sided = truth[used] >= _ONE_SIDED
    record: dict[str, Any] = {"faces": int(used.sum()), "winks": int(one_sided.sum()), "auc": None}
    if not one_sided.any() or one_sided.all():
        return record
    columns = [predicted.column(f"eyeBlink{side}") for side in ("Left", "Right")]
    if columns[0] is not None and columns[1] is not None:
        difference = np.abs(columns[0] - columns[1]).astype(np.float64)
        record["auc"] = rounded(area_under_curve(-difference[used], one_sided))
    if predicted.points68 is not None:
        ratios = eye_aspect_ratios(predicted.points68[used])
        record["auc_of_aspect_ratios"] = rounded(
            area_under_curve(-np.abs(ratios[:, 0] - ratios[:, 1]), one_sided)
        )
    return record


def _gaze(data: PortraitSet, predicted: Predictions) -> dict[str, Any] | None:
    if not any(name.startswith("eyeLook") for name in predicted.names):
        return None
    gazing = ((data.kind == "gaze") | np.isin(data.unit, list(GAZE_UNITS))) & predicted.found
    if not gazing.any():
        return None
    truth = data.gaze[gazing]
    looks = [k for k, name in enumerate(predicted.names) if name.startswith("eyeLook")]
    names = [predicted.names[k] for k in looks]
    mine = gaze_directions(names, predicted.coefficients[gazing][:, looks])
    errors = gaze_errors_deg(mine, truth)
    ahead = np.zeros_like(truth)
    ahead[..., 2] = 1
    return {
        "faces": int(gazing.sum()),
        "error_deg": rounded(float(errors.mean())),
        "interval": [rounded(end) for end in mean_interval(errors)],
        "error_deg_of_straight_ahead": rounded(float(gaze_errors_deg(ahead, truth).mean())),
    }


def _pose(data: PortraitSet, predicted: Predictions) -> dict[str, Any] | None:
    if predicted.pose_deg is None:
        return None
    known = np.isfinite(predicted.pose_deg).all(axis=1) & predicted.found
    nodding = known & (data.kind == "nod")
    if nodding.sum() < 3:
        return None
    wrong = predicted.pose_deg[known] - data.pose_deg[known]
    yaw, pitch_error, roll = np.abs(wrong).mean(axis=0).tolist()
    return {
        "pitch_slope": rounded(slope(predicted.pose_deg[nodding, 1], data.pose_deg[nodding, 1])),
        "pitch_bias_deg": rounded(float(wrong[:, 1].mean())),
        "nods": int(nodding.sum()),
        "mae_deg": {"yaw": rounded(yaw), "pitch": rounded(pitch_error), "roll": rounded(roll)},
    }


def _identity(data: PortraitSet, predicted: Predictions) -> dict[str, Any] | None:
    if predicted.identity is None:
        return None
    mixed = _mixed(data, predicted)
    spread = identity_spread(predicted.identity[mixed], data.person[mixed])
    if spread is None:
        return None
    record = spread.record()
    if predicted.identity.shape[1] == data.identity.shape[1]:
        first = [np.flatnonzero(mixed & (data.person == who)) for who in np.unique(data.person[mixed])]
        mine = np.stack([predicted.identity[rows].mean(axis=0) for rows in first]).astype(np.float64)
        true = np.stack([data.identity[rows[0]] for rows in first]).astype(np.float64)
        columns = [line(mine[:, k], true[:, k]) for k in range(mine.shape[1])]
        known = [(c.correlation, c.slope) for c in columns if c.correlation is not None]
        if known:
            record["correlation"] = rounded(float(np.mean([c for c, _ in known])))
            record["slope"] = rounded(float(np.mean([s for _, s in known if s is not None])))
    return record


def _cross_talk(data: PortraitSet, predicted: Predictions) -> dict[str, Any] | None:
    pairs = _pairs(data, predicted.found)
    kept = [k for k, row in enumerate(pairs.moved) if data.weight[row] == 1]
    if not predicted.names or not kept:
        return None
    moved, base = np.array(pairs.moved)[kept], np.array(pairs.base)[kept]
    units = list(dict.fromkeys(data.unit[moved].tolist()))
    names = [name for name in predicted.names if name in data.expression_names]
    columns = [predicted.names.index(name) for name in names]
    matrix = responses(
        predicted.coefficients[moved][:, columns],
        predicted.coefficients[base][:, columns],
        units,
        data.unit[moved].tolist(),
    )
    own: dict[str, float | None] = {}
    foreign: list[tuple[float, str, str]] = []
    for u, unit in enumerate(units):
        parts = set(unit_parts(unit, data.expression_names))
        mine = [float(matrix[u, c]) for c, name in enumerate(names) if name in parts]
        own[unit] = rounded(float(np.mean(mine))) if mine else None
        foreign += [(float(matrix[u, c]), unit, name) for c, name in enumerate(names) if name not in parts]
    foreign.sort(key=lambda one: -abs(one[0]))
    others = np.array([value for value, _, _ in foreign])
    return {
        "own_mean": rounded(float(np.mean([v for v in own.values() if v is not None]))),
        "others_rms": rounded(float(np.sqrt(np.square(others).mean()))),
        "largest": [{"shown": unit, "moves": name, "by": rounded(v)} for v, unit, name in foreign[:12]],
        "own": own,
        "units": units,
        "names": names,
        "matrix": [[rounded(float(v)) for v in row] for row in matrix],
    }


def _text(record: Mapping[str, Any]) -> str:
    lines = [*headline(record)]
    lines.append(f"people     {record['people']}; {record['found']} of {record['count']} faces found")
    for points, one in record["followed"].items():
        low, high = one["interval"]
        lines.append(
            f"followed   {number(one['mean'], 3)} [{number(low, 3)}, {number(high, 3)}] of the movement "
            f"of {points}, mean of {one['units_counted']} expressions at weight 1"
        )
        lines.append(
            f"           two-sided and central {number(one['two_sided'], 3)}, one-sided "
            f"{number(one['one_sided'], 3)}; at weight 0.5 {number(one['mean_at_half_weight'], 3)}; moved "
            f"otherwise {number(one['otherwise'], 3)}"
        )
    coefficients = record["coefficients"]
    if coefficients is not None:
        low, high = coefficients["interval"]
        lines.append(
            f"mixtures   mean correlation {number(coefficients['mean_correlation'], 3)} "
            f"[{number(low, 3)}, {number(high, 3)}]; {coefficients['good']} of "
            f"{coefficients['measured']} coefficients at {GOOD} or more; {coefficients['faces']} faces"
        )
    rest = record["rest"]
    if rest is not None:
        worst = ", ".join(f"{name} {value:.2f}" for name, value in list(rest["worst"].items())[:5])
        lines.append(
            f"rest       largest median {rest['largest']:.3f}, mean {rest['mean']:.3f} on {rest['faces']} "
            f"neutral faces ({worst})"
        )
    winks = record["winks"]
    lines.append(
        f"winks      AUC {number(winks['auc'], 3)}, of the eyes' aspect ratios "
        f"{number(winks.get('auc_of_aspect_ratios'), 3)}; {winks['winks']} winks of {winks['faces']} faces"
    )
    gaze = record["gaze"]
    if gaze is not None:
        low, high = gaze["interval"]
        lines.append(
            f"gaze       error {gaze['error_deg']:.1f}° [{low:.1f}, {high:.1f}]; straight ahead would have "
            f"{gaze['error_deg_of_straight_ahead']:.1f}°; {gaze['faces']} faces"
        )
    pose = record["pose"]
    if pose is not None:
        lines.append(
            f"pose       pitch slope {number(pose['pitch_slope'], 3)}, bias {pose['pitch_bias_deg']:+.1f}°; "
            f"MAE yaw {pose['mae_deg']['yaw']:.1f}°, pitch {pose['mae_deg']['pitch']:.1f}°, roll "
            f"{pose['mae_deg']['roll']:.1f}°"
        )
    identity = record["identity"]
    if identity is not None:
        lines.append(
            f"identity   within / between people {identity['within']:.3f} / {identity['between']:.3f} = "
            f"{identity['ratio']:.2f}"
            + (
                f"; correlation with the truth {identity['correlation']:.2f}, slope {identity['slope']:.2f}"
                if "correlation" in identity
                else ""
            )
        )
    talk = record["cross_talk"]
    if talk is not None:
        largest = ", ".join(
            f"{one['shown']} → {one['moves']} {one['by']:+.2f}" for one in talk["largest"][:6]
        )
        lines.append(
            f"cross-talk own {talk['own_mean']:.2f}, others {talk['others_rms']:.3f} (root mean square); "
            f"largest: {largest}"
        )
    return "\n".join([*lines, *_table(record)])


def _table(record: Mapping[str, Any]) -> list[str]:
    """Return a line per expression."""
    followed: Mapping[str, Any] = record["followed"]
    by_name: Mapping[str, Any] = (record["coefficients"] or {"by_name": {}})["by_name"]
    own: Mapping[str, Any] = (record["cross_talk"] or {"own": {}})["own"]
    names = list(dict.fromkeys([*(u for one in followed.values() for u in one["units"]), *by_name]))
    columns = [*(f"followed {name.removeprefix('mediapipe')}" for name in followed)]
    columns = [c.replace("ibug", "") for c in columns]
    lines = [
        f"{'expression':<20}"
        + "".join(f"{c:>13}" for c in columns)
        + f"{'moves %':>9}{'correlation':>13}{'slope':>8}{'rest':>8}{'own':>7}{'faces':>7}"
    ]
    for name in names:
        units = [one["units"].get(name) for one in followed.values()]
        shown = [
            number(u["followed"], 2) + ("" if u["counted"] else "*") if u is not None else "–" for u in units
        ]
        moves = next((number(u["moves_percent"], 1) for u in reversed(units) if u is not None), "–")
        one: Mapping[str, Any] = by_name.get(name, {})
        lines.append(
            f"{name:<20}"
            + "".join(f"{s:>13}" for s in shown)
            + f"{moves:>9}{number(one.get('correlation'), 2):>13}{number(one.get('slope'), 2):>8}"
            + f"{number(one.get('rest'), 3):>8}{number(own.get(name), 2):>7}{one.get('active', '–'):>7}"
        )
    lines.append(f"* moves no landmark by {_VISIBLE_PERCENT} % of the face: not in the mean")
    return lines
