"""Rendered scenes of people, and how they are counted."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest

from conftest import PHOTOS
from tddfa import FaceAligner
from tddfa.errors import DatasetError
from tddfa.evaluation import evaluate, tracking
from tddfa.evaluation.rendered_people import WIDTH, Head, Scene, Stand, plain_background, scenes
from tddfa.types import BoundingBox, HeadPose


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    for name in ("astronaut.jpg", "hopper.jpg"):
        shutil.copy(PHOTOS / name, folder)
    return folder


@pytest.fixture(scope="module")
def heads(people) -> list[Head]:
    return tracking._looks(people)[0]


def test_the_scenes_do_what_their_names_say():
    turning, crossing, leaving = scenes()
    yaws = [stand.pose.yaw_deg for stand in turning.paths[0]]
    assert (min(yaws), max(yaws)) == pytest.approx((-80, 80), abs=0.5)
    assert {stand.blink for stand in turning.paths[0]} == {0.0, 1.0}
    order = np.sign([a.x - b.x for a, b in zip(*crossing.paths, strict=True)])
    assert np.count_nonzero(np.diff(order)) == 2
    away = np.array([stand.x - stand.size / 2 > WIDTH for stand in leaving.paths[1]])
    assert not away[0]
    assert away.sum() > 20
    assert not away[-1]


def test_who_stands_behind_or_outside_is_seen_in_part(heads):
    path = [Stand(100, 180, 100)], [Stand(150, 180, 100)]
    (_, (behind, before)), *_ = Scene("", path).frames(heads, plain_background())
    assert 0.2 < behind.visible < 0.8
    assert before.visible == pytest.approx(1, abs=0.01)
    (_, (outside,)), *_ = Scene("", ([Stand(0, 180, 100)],)).frames(heads, plain_background())
    assert outside.visible == pytest.approx(0.5, abs=0.1)
    (_, (gone,)), *_ = Scene("", ([Stand(-300, 180, 100)],)).frames(heads, plain_background())
    assert gone.visible == 0


def test_people_are_counted_as_they_come_and_go():
    box = BoundingBox(0, 0, 1, 1)
    person = tracking._Person()
    story = [  # visible part, id that was found, ids that are present
        (1.0, None, set()),
        (1.0, 4, {4}),
        (0.4, None, set()),  # neither here nor there: does not count
        (0.0, None, {4}),
        (0.0, None, {4}),
        (0.0, None, set()),
        (0.9, None, set()),
        (0.9, 4, {4}),
        (1.0, 7, {7}),
    ]
    for visible, found, present in story:
        person.add(tracking.Seen(box, visible), found, present)
    assert (person.faces, person.followed, person.switches) == (5, 3, 1)
    assert (person.lost_after, person.found_after) == ([2], [1])


@pytest.mark.timeout(600)
def test_the_open_pack_follows_two_people_of_whom_one_leaves(people, monkeypatch):
    def leave(t: int) -> Stand:
        return Stand(430 + 330 * math.sin(math.pi * max(t - 4, 0) / 30), 180, 115, HeadPose(-10, 0, 0))

    paths = [[Stand(180, 180, 120)] * 40, [leave(min(t, 34)) for t in range(40)]]
    monkeypatch.setattr(tracking, "scenes", lambda: [Scene("leaving", paths)])
    report = evaluate("tracking", FaceAligner("open"), people)
    assert report.record["recall"] >= 95
    assert report.record["switches"] == 0
    assert report.record["lost_after"] <= 3
    assert report.record["found_after"] <= 5
    assert report.record["scenes"].keys() == {"leaving"}
    assert "recall" in report.text


def test_a_folder_without_people_is_one_clear_line(tmp_path):
    shutil.copy(PHOTOS / "hopper.jpg", tmp_path)
    with pytest.raises(DatasetError, match="shows 1 people in photos; the scenes need two"):
        evaluate("tracking", FaceAligner("open"), tmp_path)
