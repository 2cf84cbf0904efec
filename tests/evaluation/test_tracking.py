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
from tddfa.evaluation.person_track import PersonTrack, ids_per_person, people_per_id
from tddfa.evaluation.scenes import (
    WIDTH,
    Head,
    Placement,
    Scene,
    Shot,
    continuous_scenes,
    cut_scenes,
    plain_background,
)
from tddfa.types import HeadPose

CUT = {scene.name for scene in cut_scenes()}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    for name in ("astronaut.jpg", "hopper.jpg"):
        shutil.copy(PHOTOS / name, folder)
    return folder


@pytest.fixture(scope="module")
def heads(people) -> list[Head]:
    return tracking._heads(people)[0]


def test_the_scenes_do_what_their_names_say():
    turning, crossing, leaving = (scene.shots[0].paths for scene in continuous_scenes())
    yaws = [placement.pose.yaw_deg for placement in turning[0]]
    assert (min(yaws), max(yaws)) == pytest.approx((-80, 80), abs=0.5)
    assert {placement.blink for placement in turning[0]} == {0.0, 1.0}
    order = np.sign([a.x - b.x for a, b in zip(crossing[0], crossing[1], strict=True)])
    assert np.count_nonzero(np.diff(order)) == 2
    away = np.array([placement.x - placement.size / 2 > WIDTH for placement in leaving[1]])
    assert not away[0]
    assert away.sum() > 20
    assert not away[-1]


def test_scenes_with_cuts_have_cuts_and_the_others_none():
    n_shots = {scene.name: len(scene.shots) for scene in (*continuous_scenes(), *cut_scenes())}
    assert all((n == 1) == ("no cut" in name) for name, n in n_shots.items() if name in CUT)
    assert all(n == 1 for name, n in n_shots.items() if name not in CUT)
    replaced = next(scene for scene in cut_scenes() if "somebody else" in scene.name)
    first, second, third = replaced.shots
    assert first.paths[0] == second.paths[1] == third.paths[0]
    close = next(scene for scene in cut_scenes() if "close-up" in scene.name)
    assert close.shots[1].paths[0][0].size > 2 * close.shots[0].paths[0][0].size


def test_frames_know_how_long_ago_the_cut_was(heads):
    scene = Scene("", [Shot({0: [Placement(100, 180, 90)] * 2}), Shot({}, 1, n_frames=2)])
    frames = list(scene.frames(heads, [plain_background(), plain_background() // 2]))
    assert [frame.since_cut for frame in frames] == [None, None, 0, 1]
    assert [set(frame.faces) for frame in frames] == [{0}, {0}, set(), set()]
    assert frames[2].image.mean() < 0.6 * frames[0].image.mean()


def test_who_stands_behind_or_outside_is_seen_in_part(heads):
    def first(paths):
        return next(iter(Scene("", [Shot(paths)]).frames(heads, [plain_background()]))).faces

    both = first({0: [Placement(100, 180, 100)], 1: [Placement(150, 180, 100)]})
    assert 0.2 < both[0].visible < 0.8
    assert both[1].visible == pytest.approx(1, abs=0.01)
    assert first({0: [Placement(0, 180, 100)]})[0].visible == pytest.approx(0.5, abs=0.1)
    assert first({0: [Placement(-300, 180, 100)]})[0].visible == 0


def test_the_landmarks_of_a_scene_lie_on_the_face_that_the_open_pack_finds(heads):
    frame = next(iter(Scene("", [Shot({0: [Placement(300, 180, 150)]})]).frames(heads, [plain_background()])))
    (found,) = FaceAligner("open").align(frame.image)
    distance = np.linalg.norm(found.landmarks[:, :2] - frame.faces[0].landmarks, axis=1).mean()
    assert distance < 0.05 * 150


def test_people_are_counted_as_they_come_and_go():
    track = PersonTrack()
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
        track.add(visible, found, present)
    assert (track.faces, track.followed, track.switches) == (5, 3, 1)
    assert (track.lost_after, track.found_after) == ([2], [1])
    assert track.ids == [4, 7]


def test_an_id_that_comes_up_again_while_its_person_is_gone_is_counted_for_that_absence():
    track = PersonTrack()
    for visible, found, present in [(1.0, 4, {4}), (0.0, None, set()), (0.0, None, {4}), (1.0, 4, {4})]:
        track.add(visible, found, present)
    assert (track.lost_after, track.found_after) == ([1], [0])


def test_errors_are_those_of_a_cut_for_three_frames_after_it():
    track = PersonTrack()
    for k, since in enumerate([None, None, 0, 1, 2, 3]):
        track.add(1.0, 0, {0}, error=float(k), since_cut=since)
    assert track.errors_at_cuts == [2, 3, 4]
    assert track.errors == [0, 1, 5]


def test_ids_and_people_are_counted_against_each_other():
    def with_ids(*ids):
        return PersonTrack(ids=list(ids))

    tracks = [with_ids(0, 2), with_ids(0), with_ids()]
    assert list(ids_per_person(tracks)) == [2, 1]
    assert people_per_id(tracks) == [2, 1]


def test_the_open_pack_follows_two_people_of_whom_one_leaves(people, monkeypatch):
    def leave(t: int) -> Placement:
        return Placement(430 + 330 * math.sin(math.pi * max(t - 4, 0) / 30), 180, 115, HeadPose(-10, 0, 0))

    paths = {0: [Placement(180, 180, 120)] * 40, 1: [leave(min(t, 34)) for t in range(40)]}
    monkeypatch.setattr(tracking, "continuous_scenes", lambda: [Scene("leaving", [Shot(paths)])])
    monkeypatch.setattr(tracking, "cut_scenes", list)
    report = evaluate("tracking", FaceAligner("open"), people)
    assert report.record["recall"] >= 95
    assert report.record["switches"] == 0
    assert report.record["lost_after"] <= 3
    assert report.record["found_after"] <= 5
    assert report.record["scenes"].keys() == {"leaving"}
    assert report.record["ids_per_person"] == report.record["people_per_id"] == 1
    assert report.record["error_elsewhere"] < 5
    assert "recall" in report.text


def test_a_folder_without_people_is_one_clear_line(tmp_path):
    shutil.copy(PHOTOS / "hopper.jpg", tmp_path)
    with pytest.raises(DatasetError, match="shows 1 people in photos; the scenes need two"):
        evaluate("tracking", FaceAligner("open"), tmp_path)
