"""Painted eyes: what is painted, what is left alone, and that the labels say where they look."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tddfa_train.data")

from tddfa.morphable import open_face_model
from tddfa.types import FaceParams
from tddfa_train.data.eye_openings import EyeOpenings
from tddfa_train.data.eye_paint import Eye, with_painted_eyes

_SIDE = 192
_SKIN = np.full((_SIDE, _SIDE, 3), 150, np.uint8)


@pytest.fixture(scope="module")
def openings():
    return EyeOpenings.of(open_face_model(level=0, crop="head"))


def face(openings, **weights):
    model = openings.model
    expression = np.zeros(model.n_expression, np.float32)
    for name, weight in weights.items():
        expression[model.expression_names.index(name)] = weight
    camera = np.array([[1.2, 0, 0, 96], [0, -1.2, 0, 100], [0, 0, -1.2, 0]])
    return FaceParams(camera, np.zeros(model.n_identity, np.float32), expression)


def eyes_of(openings, params):
    shown, balls = openings.shown(params, _SIDE, _SIDE)
    irises = openings.model.landmarks(params, "irises")[:, :2].astype(float)
    eyes = [
        Eye(ball, iris[0], (iris[1:3] - iris[3:5]) / 2)
        for ball, iris in zip(balls, (irises[:5], irises[5:]), strict=True)
    ]
    return shown, (eyes[0], eyes[1])


def test_open_eyes_show_eyeballs_between_their_lids_and_closed_ones_hardly(openings):
    shown, eyes = eyes_of(openings, face(openings))
    assert [shown[int(y), int(x)] for x, y in (eye.iris for eye in eyes)] == [1, 1]
    lids = openings.model.landmarks(face(openings), "ibug68")[36:48, :2]
    away = np.argwhere(shown > 0.5)[:, None, ::-1] - lids[None]
    assert np.hypot(*away.transpose(2, 0, 1)).min(axis=1).max() < 9
    closed, _ = eyes_of(openings, face(openings, eyeBlinkLeft=1, eyeBlinkRight=1))
    assert closed.sum() < 0.1 * shown.sum()


def test_only_eyeballs_are_painted_and_both_have_one_look(openings):
    shown, eyes = eyes_of(openings, face(openings))
    changed = np.zeros((_SIDE, _SIDE), bool)
    for seed in range(20):
        out = with_painted_eyes(_SKIN, shown, eyes, np.random.default_rng(seed))
        changed |= (out != _SKIN).any(axis=2)
        right, left = (out[int(e.iris[1]), int(e.iris[0])].astype(int) for e in eyes)
        assert np.abs(right - left).mean() < 90  # one look, at other places between pixels
    assert not changed[shown == 0].any()
    assert changed[shown == 1].mean() > 0.9
    assert (_SKIN == 150).all()


def test_painted_irises_are_where_the_gaze_is(openings):
    shown, straight = eyes_of(openings, face(openings))
    _, aside = eyes_of(openings, face(openings, eyeLookOutLeft=0.6, eyeLookInRight=0.6))
    yy, xx = np.mgrid[:_SIDE, :_SIDE]
    n = 0
    for seed in range(60):
        ahead, moved = (
            with_painted_eyes(_SKIN, shown, eyes, np.random.default_rng(seed)).astype(float).mean(axis=2)
            for eyes in (straight, aside)
        )
        for a, b in zip(straight, aside, strict=True):
            assert b.iris[0] > a.iris[0] + 3  # to the subject's left, the right of the image
            near = (shown == 1) & (np.abs(xx - a.iris[0]) < 20) & (np.abs(yy - a.iris[1]) < 3)
            dark = [
                np.clip(np.percentile(image[near], 70) - image, 0, None) * near for image in (ahead, moved)
            ]
            if min(weight.sum() for weight in dark) < 500 or np.median(ahead[near]) < 100:
                continue
            middles = [(weight * xx).sum() / weight.sum() for weight in dark]
            n += middles[1] > middles[0] + 1
            n -= middles[1] < middles[0] - 1
    assert n > 10
