"""A timeline as an image: a lane per person, and curves of head and face below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from tddfa.imaging.draw import line_coverage, text_coverage
from tddfa.imaging.warp import resize
from tddfa.render.compose import blend_color
from tddfa.shapes import Float32, Float64
from tddfa.streams.timeline import Person, Timeline
from tddfa.types import Image

Color: TypeAlias = tuple[int, int, int]

_WIDTH, _LEFT, _RIGHT = 1600, 196, 28  # px
_LANE, _CURVES, _TOP, _AXIS = 76, 190, 64, 40  # heights, px
_THUMBNAIL = 60
_PAPER, _INK, _GREY, _GRID = (255, 255, 255), (24, 26, 34), (120, 126, 140), (228, 231, 238)
# Colours that people with any colour vision tell apart.
# Source: M. Okabe, K. Ito, "Color Universal Design", 2008.
_COLORS: tuple[Color, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
)
_PANELS: tuple[tuple[str, tuple[str, ...], tuple[float, float]], ...] = (
    ("head, degrees", ("yaw_deg", "pitch_deg", "roll_deg"), (-60.0, 60.0)),
    ("eyes", ("eyeBlinkLeft", "eyeBlinkRight"), (0.0, 1.0)),
    ("mouth", ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthPucker"), (0.0, 1.0)),
)
_TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


def plot_image(timeline: Timeline) -> Image:
    """Return an image of a timeline, 1600 px wide: for each person a lane and three panels of curves."""
    rows = [[panel for panel in _PANELS if panel[1][0] in person.values] for person in timeline.people]
    height = _TOP + _AXIS + sum(_LANE + _CURVES * len(panels) for panels in rows) + (0 if rows else _LANE)
    page = np.full((height, _WIDTH, 3), 255, np.uint8)
    _text(page, timeline.title, 22, 14, 24, _INK)
    n = len(timeline.people)
    people = "nobody was seen" if not n else f"{n} {'person' if n == 1 else 'people'}"
    shown = timeline.duration_s - timeline.start_s
    _text(page, f"{people}, {len(timeline.times)} frames, {shown:.1f} s", 22, 40, 15, _GREY)
    ticks = _ticks(timeline)
    y = _TOP
    for person, panels in zip(timeline.people, rows, strict=True):
        _lane(page, timeline, person, y)
        y += _LANE
        for title, names, limits in panels:
            _panel(page, timeline, person, y, title, [n for n in names if n in person.values], limits)
            y += _CURVES
    for time, label in ticks:
        _text(page, label, round(_x(timeline, time)) - 4 - 4 * len(label), height - 30, 14, _GREY)
    return page


def _lane(page: Image, timeline: Timeline, person: Person, y: int) -> None:
    """Draw image, presence, cuts and blinks of a person."""
    color = _COLORS[person.id % len(_COLORS)]
    page[y + 8 : y + 8 + _THUMBNAIL, 22 : 22 + _THUMBNAIL] = resize(person.thumbnail, _THUMBNAIL, _THUMBNAIL)
    _text(page, f"face {person.id}", 88, y + 20, 16, _INK)
    _text(page, f"{100 * float(person.visible.mean()):.0f} %", 88, y + 44, 14, _GREY)
    top, bottom = y + 26, y + 52
    page[top:bottom, _LEFT : _WIDTH - _RIGHT] = _GRID
    for begin, end in timeline.spans(person.visible):
        x0, x1 = round(_x(timeline, begin)), max(round(_x(timeline, end)), round(_x(timeline, begin)) + 1)
        page[top:bottom, x0:x1] = color
    for k in person.blinks:
        x = round(_x(timeline, float(timeline.times[k])))
        page[top - 9 : top - 2, x - 1 : x + 2] = color
    for k in timeline.cuts:
        x = round(_x(timeline, float(timeline.times[k])))
        page[top - 6 : bottom + 6, x : x + 2] = _INK


def _panel(
    page: Image,
    timeline: Timeline,
    person: Person,
    y: int,
    title: str,
    names: Sequence[str],
    limits: tuple[float, float],
) -> None:
    """Draw curves over time, with a grid and their names."""
    low, high = limits
    largest = max((float(np.nanmax(np.abs(person.values[n]), initial=0)) for n in names), default=0.0)
    if largest > high:  # only angles go beyond
        high = float(np.ceil(largest / 30) * 30)
        low = -high
    top, bottom = y + 30, y + _CURVES - 18
    x = _LEFT
    _text(page, title, 22, y + 30, 15, _INK)
    for k, name in enumerate(names):
        _text(page, name.removesuffix("_deg"), 22, y + 54 + 22 * k, 14, _COLORS[k])
    for value in (low, (low + high) / 2, high):
        row = round(bottom + (top - bottom) * (value - low) / (high - low))
        page[row, x : _WIDTH - _RIGHT] = _GRID
        _text(page, f"{value:g}", x - 8 - 9 * len(f"{value:g}"), row - 12, 13, _GREY)
    for time, _ in _ticks(timeline):
        page[top:bottom, round(_x(timeline, time))] = _GRID
    for k, name in enumerate(names):
        columns = np.array([_x(timeline, t) for t in timeline.times.tolist()])
        rows = bottom + (top - bottom) * (person.values[name] - low) / (high - low)
        paths = _runs(columns, rows)
        blend_color(page, line_coverage(paths, 2, *page.shape[:2]), _COLORS[k])


def _runs(
    columns: Float64[np.ndarray, " n"], rows: Float32[np.ndarray, " n"]
) -> list[Float32[np.ndarray, "_ 2"]]:
    """Return the parts of a curve without gaps."""
    seen = np.concatenate([[False], ~np.isnan(rows), [False]])
    edges = np.flatnonzero(np.diff(seen.astype(int))).reshape(-1, 2)
    points = np.stack([columns, rows], axis=1).astype(np.float32)
    return [points[a:b] for a, b in edges.tolist()]


def _x(timeline: Timeline, time: float) -> float:
    start, end = timeline.start_s, timeline.duration_s
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (time - start) / max(end - start, 1e-9)


def _ticks(timeline: Timeline) -> list[tuple[float, str]]:
    """Return up to ten round times with their labels."""
    start, end = timeline.start_s, timeline.duration_s
    step = next((s for s in _TICKS_S if (end - start) / s <= 10), _TICKS_S[-1])
    first, last = math.ceil(start / step), math.floor(end / step)
    times = [k * step for k in range(first, last + 1)] if end > start else []
    return [(t, f"{t:g} s" if step < 60 else f"{t / 60:g} min") for t in times]


def _text(page: Image, text: str, x: int, y: int, size: float, color: Color) -> None:
    """Write a line whose upper left corner is at (x, y); as far as there is room."""
    shown = text.encode("ascii", "replace").decode()
    width = min(_WIDTH - x, 16 + round(0.8 * size * len(shown)))
    if width > 0:
        blend_color(page, text_coverage(shown, size, round(1.2 * size), width), color, x0=x, y0=y)
