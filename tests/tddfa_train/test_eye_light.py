"""Eyes in other light: what is painted, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tddfa_train.data")

from tddfa_train.data.eye_light import eyes_in_other_light

_PUPILS = np.array([[60.0, 80.0], [110.0, 82.0]])
_RADIUS = 7.0


def outlines(opening: float) -> np.ndarray:
    """68 landmarks of which only the eyes matter: two ellipses 36 px wide."""
    angle = np.radians([180, 240, 300, 0, 60, 120])
    points = np.zeros((68, 2))
    for eye, middle in zip((slice(36, 42), slice(42, 48)), _PUPILS, strict=True):
        points[eye] = middle + np.stack([18 * np.cos(angle), opening * np.sin(angle)], axis=1)
    return points


def test_only_what_lies_between_the_lids_changes():
    skin = np.full((160, 170, 3), 150, np.uint8)
    yy, xx = np.mgrid[:160, :170]
    near = np.zeros(skin.shape[:2], bool)
    for x, y in _PUPILS:
        near |= ((xx - x) / 20) ** 2 + ((yy - y) / 12) ** 2 < 1
    changed = np.zeros_like(near)
    for seed in range(40):
        out = eyes_in_other_light(skin, outlines(10), _PUPILS, _RADIUS, np.random.default_rng(seed))
        changed |= (out != skin).any(axis=2)
    assert changed[near].mean() > 0.6
    assert not changed[~near].any()
    assert (skin == 150).all()


def test_closed_eyes_stay_closed():
    skin = np.full((160, 170, 3), 150, np.uint8)
    for seed in range(20):
        out = eyes_in_other_light(skin, outlines(0.2), _PUPILS, _RADIUS, np.random.default_rng(seed))
        assert ((out != skin).any(axis=2)).sum() < 2 * 3 * 36  # a line along the lids


def test_the_iris_stays_where_it_is_and_both_are_alike():
    white = np.full((160, 170, 3), 230, np.uint8)
    yy, xx = np.mgrid[:160, :170]
    moved = []
    for seed in range(60):
        out = eyes_in_other_light(white, outlines(12), _PUPILS, _RADIUS, np.random.default_rng(seed))
        eyes = [out[int(y) - 14 : int(y) + 15, int(x) - 20 : int(x) + 21].astype(int) for x, y in _PUPILS]
        assert abs(eyes[0].mean() - eyes[1].mean()) < 2
        darker = 230.0 - out[66:95, 40:81].mean(axis=2)
        inside = np.hypot(xx[66:95, 40:81] - 60, yy[66:95, 40:81] - 80) < _RADIUS - 1
        if darker[inside].mean() > 60 + darker[~inside].mean():  # painted, and not by a shadow
            weight = np.clip(darker, 0, None) * (darker > 40)
            moved.append((weight * xx[66:95, 40:81]).sum() / weight.sum() - 60)
    assert len(moved) > 10
    assert np.abs(moved).max() < 3
    assert abs(np.mean(moved)) < 0.5
