"""Who is who: against scenes whose truth is known in every frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from scene import HEIGHT, WIDTH, Person, SceneAligner, scene_image
from tddfa.errors import InputError
from tddfa.tracking import FaceTracker, TrackedFace
from tddfa.types import BoundingBox, Detection


def still(x: float = 320, y: float = 180, size: float = 90, near: float = 1) -> Person:
    return Person(lambda t: (x, y, size, near))


def at(x: float, y: float, score: float, side: float) -> Detection:
    return Detection(BoundingBox(x - side / 2, y - side / 2, x + side / 2, y + side / 2), score)


def follow(aligner: SceneAligner, n: int, **options) -> list[list[TrackedFace]]:
    return list(FaceTracker(aligner, **options).track(aligner.image(t) for t in range(n)))


def ids(faces: Iterable[TrackedFace]) -> list[int]:
    return [f.id for f in faces if f.visible]


def who(aligner: SceneAligner, frames: list[list[TrackedFace]]) -> list[dict[int, int]]:
    """Per frame: person → id of the visible face that lies on them."""
    out = []
    for t, faces in enumerate(frames):
        pairs = {}
        for person, truth in aligner.seen(t).items():
            for f in faces:
                box = BoundingBox.around(f.face.landmarks)
                if f.visible and box.iou(truth.detection.box) > 0.6:
                    pairs[person] = f.id
        out.append(pairs)
    return out


def recall(aligner: SceneAligner, frames: list[list[TrackedFace]]) -> float:
    found = sum(len(pairs) for pairs in who(aligner, frames))
    return found / sum(len(aligner.seen(t)) for t in range(len(frames)))


def switches(aligner: SceneAligner, frames: list[list[TrackedFace]]) -> int:
    """How often a person has another id than when last seen."""
    last: dict[int, int] = {}
    count = 0
    for pairs in who(aligner, frames):
        count += sum(last.get(person, i) != i for person, i in pairs.items())
        last |= pairs
    return count


def ghosts(aligner: SceneAligner, frames: list[list[TrackedFace]]) -> int:
    """How many visible faces lie on nobody."""
    return sum(len(ids(f)) - len(pairs) for f, pairs in zip(frames, who(aligner, frames), strict=True))


@pytest.fixture(params=[False, True], ids=["geometric check", "stated confidence"])
def states_confidence(request) -> bool:
    return request.param


def test_a_face_is_new_then_tracked_under_one_id():
    frames = follow(SceneAligner([still()]), 30)
    assert [f[0].state for f in frames] == ["new"] + ["tracked"] * 29
    assert [f[0].age for f in frames] == list(range(30))
    assert all(ids(f) == [0] for f in frames)


def test_a_head_that_turns_to_profile_and_back_is_not_lost(states_confidence):
    person = Person(
        lambda t: (320 + 150 * math.sin(t / 20), 180, 100, 1),
        pose=lambda t: (80 * math.sin(t / 12), 10 * math.sin(t / 9), 5),
        blink=lambda t: float(t % 40 < 4),
    )
    aligner = SceneAligner([person], states_confidence=states_confidence)
    frames = follow(aligner, 120)
    assert recall(aligner, frames) == 1.0
    assert switches(aligner, frames) == ghosts(aligner, frames) == 0


@pytest.mark.parametrize("speed", [3.0, 8.0])
def test_people_who_cross_keep_their_ids(speed, states_confidence):
    def way(t: int) -> float:
        return min(speed * max(t - 15, 0), 400)

    front = Person(lambda t: (120 + way(t), 180, 110, 1))
    behind = Person(lambda t: (520 - way(t), 170, 80, 2))
    aligner = SceneAligner([front, behind], states_confidence=states_confidence)
    frames = follow(aligner, 30 + int(400 / speed))
    assert switches(aligner, frames) == 0
    assert recall(aligner, frames) >= 0.98
    assert who(aligner, frames)[-1] == who(aligner, frames)[0]


def test_who_leaves_is_lost_within_three_frames_and_found_within_five_of_returning(states_confidence):
    away = range(40, 70)
    person = Person(lambda t: None if t in away else (200, 150, 90, 1))
    aligner = SceneAligner([person, still(450)], states_confidence=states_confidence)
    frames = follow(aligner, 110)
    lost = next(t for t, f in enumerate(frames) if len(ids(f)) == 1)
    found = next(t for t, f in enumerate(frames) if t > lost and len(ids(f)) == 2)
    assert 40 <= lost < 43
    assert 70 <= found < 75
    assert frames[lost][0].state == "lost"
    assert frames[lost][0].confidence == 0
    assert frames[found][0].state == "returned"
    assert frames[found + 1][0].state == "tracked"
    assert switches(aligner, frames) == 0


def test_who_walks_out_and_comes_back_in_keeps_the_id(states_confidence):
    person = Person(lambda t: (320 + 400 * math.sin(t / 25), 180, 90, 1))
    aligner = SceneAligner([person], states_confidence=states_confidence)
    frames = follow(aligner, 160)
    assert any(not aligner.seen(t) for t in range(160))
    assert switches(aligner, frames) == 0
    assert recall(aligner, frames) >= 0.95
    assert {f.id for faces in frames for f in faces} == {0}


@pytest.mark.parametrize(("recall", "after"), [(0, 1), (30, 1), (1800, 0)])
def test_who_stays_away_longer_than_the_grace_time_is_known_by_the_look_for_as_long_as_asked(recall, after):
    person = Person(lambda t: None if 20 <= t < 60 else (200, 150, 90, 1))
    frames = follow(SceneAligner([person]), 72, grace=20, recall=recall)
    assert ids(frames[10]) == [0]
    assert frames[50] == [], "nobody is waited for"
    assert ids(frames[71]) == [after]
    assert [f.state for faces in frames for f in faces].count("returned") == (after == 0)


def test_of_many_who_left_the_last_ones_are_remembered_and_nobody_gets_the_id_of_another():
    """Eighteen people come and go; then the first and the last but one come back."""
    back = {0: 190, 16: 200}

    def place(k: int, t: int) -> tuple[float, float, float, float] | None:
        there = 10 * k <= t < 10 * k + 5 or back.get(k, t + 1) <= t < back.get(k, t) + 8
        return (200, 150, 90, 1) if there else None

    people = [Person(lambda t, k=k: place(k, t)) for k in range(18)]
    frames = follow(SceneAligner(people), 208, grace=3)
    assert [ids(frames[10 * k + 4]) for k in range(18)] == [[k] for k in range(18)]
    assert ids(frames[197]) == [18], "sixteen people have left since"
    assert ids(frames[207]) == [16]


def test_somebody_else_elsewhere_is_not_taken_for_who_left():
    first = Person(lambda t: (120, 100, 60, 1) if t < 30 else None)
    second = Person(lambda t: (520, 260, 150, 1) if t >= 36 else None)
    aligner = SceneAligner([first, second])
    frames = follow(aligner, 60)
    assert ids(frames[20]) == [0]
    assert ids(frames[50]) == [1]


def test_somebody_else_in_the_place_of_who_left_is_new(states_confidence):
    first = Person(lambda t: (200, 150, 90, 1) if t < 30 else None, look=0)
    second = Person(lambda t: (210, 150, 95, 1) if t >= 36 else None, look=1)
    frames = follow(SceneAligner([first, second], states_confidence=states_confidence), 60)
    assert ids(frames[20]) == [0]
    assert ids(frames[50]) == [1]
    same = Person(second.place, look=0)
    frames = follow(SceneAligner([first, same], states_confidence=states_confidence), 60)
    assert ids(frames[20]) == ids(frames[50]) == [0]


def test_who_comes_back_elsewhere_is_known_by_the_look():
    first = Person(lambda t: (120, 100, 60, 1) if t < 30 else None, look=0)
    elsewhere = Person(lambda t: (500, 230, 150, 1) if t >= 36 else None, look=0)
    frames = follow(SceneAligner([first, elsewhere]), 60)
    assert ids(frames[20]) == ids(frames[50]) == [0]


def test_a_face_that_turns_into_another_from_one_frame_to_the_next_is_somebody_else(states_confidence):
    """As in a video conference, where nothing but one tile changes."""
    first = Person(lambda t: (200, 150, 90, 1) if t < 30 else None, look=0)
    second = Person(lambda t: (205, 150, 95, 1) if t >= 30 else None, look=1)
    aligner = SceneAligner([first, second, still(500)], states_confidence=states_confidence)
    frames = follow(aligner, 50)
    assert sorted(ids(frames[29])) == [0, 1]
    assert {f.id for faces in frames[:30] for f in faces} == {0, 1}
    there = who(aligner, frames)
    assert {pairs[0] for pairs in there[:30]}.isdisjoint(pairs[1] for pairs in there[36:])
    assert all(len(pairs) == 2 for pairs in there[36:])
    assert {pairs[2] for pairs in there} == {there[0][2]}


def test_two_who_vanish_together_come_back_as_themselves():
    def place(t: int, x: float, back: float) -> tuple[float, float, float, float] | None:
        return None if 20 <= t < 26 else (x if t < 20 else back, 180, 90, 1)

    a, b = Person(lambda t: place(t, 250, 390)), Person(lambda t: place(t, 390, 250))
    aligner = SceneAligner([a, b])
    frames = follow(aligner, 40)
    assert who(aligner, frames)[-1] == who(aligner, frames)[0]


def test_a_newcomer_is_found_at_the_next_search():
    aligner = SceneAligner([still(150), Person(lambda t: (450, 180, 90, 1) if t >= 20 else None)])
    frames = follow(aligner, 50, detect_every=10)
    assert next(t for t, f in enumerate(frames) if len(ids(f)) == 2) == 20


def test_a_deferred_search_finds_the_same_newcomer_and_tells_of_it_one_frame_later(states_confidence):
    people = [still(150), Person(lambda t: (450 + 2 * t, 180, 90, 1) if t >= 20 else None)]
    at_once, deferred, unasked = (
        FaceTracker(SceneAligner(people, states_confidence=states_confidence), detect_every=10)
        for _ in range(3)
    )
    images = [SceneAligner(people).image(t) for t in range(40)]
    for t, image in enumerate(images):
        expected = at_once.update(image)
        faces = deferred.update(image, defer_search=True)
        deferred.search()
        assert ids(faces) == ([0] if t == 20 else ids(expected))
        assert [repr(f) for f in unasked.update(image, defer_search=True)] == [repr(f) for f in faces]
        if t == 21:
            assert [(f.id, f.state, f.age) for f in faces] == [(0, "tracked", 21), (1, "new", 0)]


def test_what_is_drawn_on_a_live_frame_is_not_searched():
    newcomer = Person(lambda t: None if t < 20 else (450, 150, 80, 1))
    aligner = SceneAligner([still(150), newcomer])
    tracker = FaceTracker(aligner)
    frames = []
    for t in range(40):
        image = aligner.image(t)
        frames.append(ids(tracker.update(image, defer_search=True)))
        image[:] = 0
        tracker.search()
    assert frames[30] == [0]
    assert frames[31] == [0, 1]


def test_a_search_that_somebody_waits_for_is_not_deferred():
    away = range(12, 16)
    aligner = SceneAligner([Person(lambda t: None if t in away else (200, 150, 90, 1)), still(450)])
    tracker = FaceTracker(aligner, detect_every=10)
    plain = follow(aligner, 30, detect_every=10)
    for t, expected in enumerate(plain):
        assert ids(tracker.update(aligner.image(t), defer_search=True)) == ids(expected)


def test_the_largest_faces_are_followed_when_there_may_be_only_so_many():
    aligner = SceneAligner([still(100, size=50), still(300, size=120), still(500, size=80)])
    frames = follow(aligner, 10, max_faces=2)
    sizes = sorted(f.face.detection.box.width for f in frames[-1])
    assert len(sizes) == 2
    assert sizes[0] > 70


def test_the_whole_image_is_searched_only_now_and_then():
    aligner = SceneAligner([still()])
    follow(aligner, 91, detect_every=15)
    assert aligner.searches == 7


def test_one_face_alone_needs_one_search_when_there_may_be_one():
    aligner = SceneAligner([still()])
    follow(aligner, 91, max_faces=1)
    assert aligner.searches == 1


def test_nobody_there_is_an_empty_list():
    assert follow(SceneAligner([]), 20) == [[]] * 20


def test_a_frame_without_a_pixel_loses_everybody_and_raises_nothing():
    tracker = FaceTracker(SceneAligner([still()]))
    tracker.update(scene_image(0))
    states = [tracker.update(np.zeros((0, 0, 3), np.uint8))[0].state for _ in range(3)]
    assert states[-1] == "lost"
    assert tracker.update(scene_image(4))[0].state == "returned"


def test_a_frame_of_another_size_is_searched_where_it_can_be():
    class Small(SceneAligner):
        def align(self, image, **how):
            assert all(box_in(image, p) for p in how.get("landmarks") or ())
            return super().align(image, **how)

    def box_in(image, points) -> bool:
        box = BoundingBox.around(points)
        return box.x0 < image.shape[1] and box.y0 < image.shape[0]

    tracker = FaceTracker(Small([still(600, 300)]))
    tracker.update(scene_image(0))
    for _ in range(4):
        faces = tracker.update(scene_image(0)[:40, :40])
    assert faces[0].state == "lost"


def test_the_same_frames_give_the_same_faces():
    def run():
        a = Person(lambda t: (120 + 4 * t, 180, 110, 1))
        b = Person(lambda t: (520 - 4 * t, 170, 80, 2))
        return follow(SceneAligner([a, b]), 80)

    for one, two in zip(run(), run(), strict=True):
        assert [(f.id, f.state, f.confidence) for f in one] == [(f.id, f.state, f.confidence) for f in two]
        assert all(np.array_equal(p.face.landmarks, q.face.landmarks) for p, q in zip(one, two, strict=True))


def test_faces_fast_as_a_fifth_of_their_size_a_frame_are_followed():
    person = Person(lambda t: (320 + 250 * math.sin(t / 13), 180, 90, 1))
    aligner = SceneAligner([person])
    frames = follow(aligner, 120)
    assert recall(aligner, frames) == 1.0
    assert switches(aligner, frames) == 0


def test_a_search_leaves_out_who_is_followed_already_and_what_is_too_faint():
    class Watched(SceneAligner):
        looks = 0

        def align(self, image, *, boxes=None, landmarks=None):
            if boxes is not None:
                self.looks += len(boxes)
            return super().align(image, boxes=boxes, landmarks=landmarks)

    aligner = Watched([still(150), still(450)], states_confidence=True)
    follow(aligner, 60, detect_every=10)
    assert aligner.searches == 6
    assert aligner.looks == 2
    assert follow(Watched([still()]), 5, min_score=0.95) == [[]] * 5


def test_faint_detections_beside_clear_faces_are_looked_at_where_somebody_is_missing_or_they_stand_out():
    class Offered(SceneAligner):
        """Faint detections beside the people: on a head, very faint, and fit to be looked at."""

        extra = (at(330, 140, 0.3, 20), at(560, 100, 0.16, 40), at(560, 300, 0.3, 40))
        chosen: list[list[Detection]]

        def align_candidates(self, image, *, select=None):
            people = [replace(d, score=0.9) for d in self.detect(image)]
            assert select is not None
            self.chosen.append([d for d in select([*people, *self.extra]) if d in self.extra])
            return super().align_candidates(image, select=select)

    aligner = Offered([still()], states_confidence=True)
    aligner.chosen = []
    follow(aligner, 9, detect_every=4)
    assert aligner.chosen == [list(aligner.extra), [], list(aligner.extra[2:])]

    leaves = Person(lambda t: None if t >= 8 else (575, 110, 50, 1))
    aligner = Offered([still(), leaves], states_confidence=True)
    aligner.chosen = []
    follow(aligner, 12, detect_every=100)
    looked_at = [d for chosen in aligner.chosen[1:] for d in chosen]
    assert aligner.extra[1] in looked_at, "who is missing may be there"
    assert aligner.extra[0] not in looked_at


class Faint(SceneAligner):
    """The detector doubts everybody from frame 30 on."""

    def align_candidates(self, image, *, select=None):
        score = 0.9 if int(image[0, 0, 2]) - 1 < 30 else 0.3
        faces = super().align_candidates(image, select=select)
        return [replace(f, detection=replace(f.detection, score=score)) for f in faces]


def test_a_faint_detection_of_who_comes_back_is_taken_at_once():
    person = Person(lambda t: None if 20 <= t < 40 else (200, 150, 90, 1))
    frames = follow(Faint([person], states_confidence=True), 60, detect_every=1)
    assert ids(frames[10]) == ids(frames[42]) == [0]


def test_a_new_face_that_the_detector_doubts_is_reported_when_the_network_has_seen_it_in_three_frames():
    newcomer = Person(lambda t: None if t < 40 else (200, 150, 90, 1))
    frames = follow(Faint([newcomer], states_confidence=True), 60, detect_every=1)
    assert [ids(f) for f in frames[:42]] == [[]] * 42
    assert [ids(f) for f in frames[42:]] == [[0]] * 18
    assert (frames[42][0].state, frames[42][0].age) == ("new", 0)
    assert (frames[43][0].state, frames[43][0].age) == ("tracked", 1)
    at_once = follow(Faint([newcomer], states_confidence=True), 60, detect_every=1, new_score=0.25)
    assert ids(at_once[40]) == [0]


def test_a_doubtful_face_that_is_there_in_two_frames_alone_is_never_reported():
    flash = Person(lambda t: (200, 150, 90, 1) if 40 <= t < 42 else None)
    frames = follow(Faint([flash, still(500)], states_confidence=True), 60, detect_every=1)
    assert all(ids(f) == [0] for f in frames)
    later = Person(lambda t: (200, 250, 90, 1) if t >= 50 else None)
    frames = follow(Faint([flash, still(500), later], states_confidence=True), 60, detect_every=1)
    assert ids(frames[-1]) == [0, 1], "numbers are not used up by what is not reported"


def test_networks_without_a_confidence_need_the_detector():
    newcomer = Person(lambda t: None if t < 40 else (200, 150, 90, 1))
    assert follow(Faint([newcomer], states_confidence=False), 60, detect_every=1)[-1] == []


@pytest.mark.parametrize(
    "option",
    [
        {"max_faces": 0},
        {"detect_every": 0},
        {"check_every": 0},
        {"grace": -1},
        {"min_score": 1.5},
        {"new_score": -0.1},
    ],
)
def test_options_out_of_range_are_one_line(option):
    with pytest.raises(InputError, match="it takes"):
        FaceTracker(SceneAligner([]), **option)


def test_the_scene_is_what_it_says():
    aligner = SceneAligner([still(200, 100, 80)], noise=0)
    truth = aligner.seen(0)[0].detection.box
    assert scene_image(0).shape == (HEIGHT, WIDTH, 3)
    assert aligner.detect(scene_image(0))[0].box.iou(truth) > 0.9
    part = scene_image(0)[50:170, 130:290]
    box = aligner.detect(part)[0].box
    assert box.shifted(130, 50).iou(truth) > 0.85
