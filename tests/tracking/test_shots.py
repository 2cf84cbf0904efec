"""Where a video cuts, and what becomes of its faces there: real faces, the built-in pack."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from conftest import PHOTOS
from tddfa import FaceAligner, read_image
from tddfa.tracking import FaceTracker, TrackedFace, make_smoother
from tddfa.tracking.shots import ShotDetector, Thumbnail
from tddfa.types import BoundingBox
from tddfa.video import VideoReader
from tddfa.video.reader import Moment

HEIGHT, WIDTH = 240, 320
N = 8  # frames of a shot


@pytest.fixture(scope="module")
def aligner() -> FaceAligner:
    return FaceAligner("open")


@pytest.fixture(scope="module")
def people(aligner) -> list[np.ndarray]:
    """Two people, the face in the middle of the image and a quarter of its width."""
    images = []
    for name in ("astronaut", "hopper"):
        photo = read_image(PHOTOS / f"{name}.jpg")
        face = max(aligner.align(photo), key=lambda f: f.box.area)
        images.append(framed(photo, BoundingBox.around(face.landmarks)))
    return images


def framed(photo: np.ndarray, box: BoundingBox, part: float = 0.25) -> np.ndarray:
    (x, y), scale = box.center, part * WIDTH / box.width
    move = np.array([[scale, 0, WIDTH / 2 - scale * x], [0, scale, HEIGHT / 2 - scale * y]])
    return cv2.warpAffine(photo, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT_101)


def shot(image: np.ndarray, n: int = N, *, zoom: float = 1.0, seed: int = 0) -> list[np.ndarray]:
    """Frames of a hand-held camera: an image that trembles, and noise."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        dx, dy = rng.normal(0, 0.8, 2)
        move = np.array(
            [
                [zoom, 0, (1 - zoom) * WIDTH / 2 + dx],
                [0, zoom, (1 - zoom) * HEIGHT / 2 + dy],
            ]
        )
        moved = cv2.warpAffine(image, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT_101)
        out.append((moved + rng.normal(0, 3, image.shape)).clip(0, 255).astype(np.uint8))
    return out


def dissolve(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> list[np.ndarray]:
    n = len(a)
    weights = (np.arange(n) + 1) / (n + 1)
    return [(x * (1 - w) + y * w).astype(np.uint8) for x, y, w in zip(a, b, weights, strict=True)]


def follow(aligner: FaceAligner, images: Sequence[np.ndarray]) -> list[list[TrackedFace]]:
    return [[t for t in faces if t.visible] for faces in FaceTracker(aligner).track(images)]


def one_id(frames: Sequence[Sequence[TrackedFace]]) -> int:
    """The id of the one face that every frame shows."""
    assert all(len(faces) == 1 for faces in frames), [[t.id for t in faces] for faces in frames]
    ids = {faces[0].id for faces in frames}
    assert len(ids) == 1
    return ids.pop()


def test_neighbouring_frames_are_alike_and_shots_are_not(people):
    for person in people:
        for a, b in itertools.pairwise(map(Thumbnail.of, shot(person))):
            assert a.dissimilarity(b) < 0.1
        flash = Thumbnail.of((person * 1.7 + 40.0).clip(0, 255).astype(np.uint8))
        assert Thumbnail.of(person).dissimilarity(flash) < 0.2, "a flash is no cut"
    for a, b in itertools.combinations(map(Thumbnail.of, people), 2):
        assert a.dissimilarity(b) > 0.3
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert Thumbnail.of(black).dissimilarity(Thumbnail.of(black)) == 0
    assert Thumbnail.of(black).dissimilarity(Thumbnail.of(people[0])) > 0.5


def test_cuts_are_noticed_where_they_are_and_nowhere_else(people):
    detector, cuts = ShotDetector(), []
    images = [*shot(people[0]), *shot(people[1]), *shot(people[0], zoom=2)]
    for k, image in enumerate(images):
        detector.update(image)
        cuts += [k] * detector.is_cut
    assert cuts == [N, 2 * N]
    large = [cv2.resize(image, (1280, 960)) for image in images[N - 2 : N + 2]]
    detector = ShotDetector()
    found = []
    for image in [*images[: N - 2], *large]:
        detector.update(image)
        found.append(detector.is_cut)
    assert found == [False] * N + [True, False], "sizes may change"


def test_a_camera_that_pans_makes_no_cut(people):
    wide = np.concatenate([people[0], people[0][:, ::-1], people[0]], axis=1)
    detector = ShotDetector()
    way = np.cumsum([*range(9), *[9] * 50, *range(8, -1, -1)])
    for x in way:
        detector.update(np.ascontiguousarray(wide[:, x : x + WIDTH]))
        assert not detector.is_cut


def test_people_of_different_shots_have_different_ids(aligner, people):
    frames = follow(aligner, [image for person in people for image in shot(person)])
    assert [one_id(frames[:N]), one_id(frames[N:])] == [0, 1]
    assert [frames[k * N][0].state for k in range(2)] == ["new", "new"]


def test_five_people_in_ten_shots_have_five_ids(aligner, shared):
    names = sorted((shared / "data" / "videos").glob("*.mp4"))
    clips = [[f.image for f in VideoReader(name, end=Moment(N))] for name in names]
    for clip in clips:
        for k, image in enumerate(clip):
            width = round(image.shape[1] * HEIGHT / image.shape[0])
            clip[k] = cv2.resize(image, (width, HEIGHT), interpolation=cv2.INTER_AREA)
    frames = follow(aligner, [image for clip in (*clips, *clips) for image in clip])
    ids = [one_id(frames[k * N : (k + 1) * N]) for k in range(10)]
    assert ids[:5] == [0, 1, 2, 3, 4]
    for before, after in zip(ids[:5], ids[5:], strict=True):
        assert after == before or after > 4, "somebody else got an id"
    assert sum(after == before for before, after in zip(ids[:5], ids[5:], strict=True)) >= 4


def test_who_comes_back_after_an_insert_gets_the_id_back_and_smoothing_begins_anew(aligner, people):
    first, other = people
    moved = np.roll(first, 9, axis=1)  # the camera was moved meanwhile
    images = [*shot(first), *shot(other), *shot(moved, seed=1)]
    frames = follow(aligner, images)
    a, b, c = (one_id(frames[k * N : (k + 1) * N]) for k in range(3))
    assert a == c != b
    assert frames[2 * N][0].state == "returned"
    for name in ("one-euro", "window", "zero-phase"):
        smoother = make_smoother(name)
        smoothed = [s for t, faces in enumerate(frames) for s in smoother.push(faces, t / 30)]
        smoothed += smoother.flush()
        for raw, out in zip(frames, smoothed, strict=True):
            off = np.abs(raw[0].face.landmarks[:, :2] - out[0].face.landmarks[:, :2]).mean()
            assert off < 1.5, name


def test_a_jump_cut_keeps_the_id_and_begins_a_new_run(aligner, people):
    images = [*shot(people[0]), *shot(np.roll(people[0], 60, axis=1))]
    frames = follow(aligner, images)
    assert one_id(frames) == 0
    assert [faces[0].state for faces in frames].count("returned") == 1


@pytest.mark.parametrize("jump", [(55, 0), (110, 40), (0, 120)])
def test_a_face_that_jumps_in_an_image_that_rests_leaves_no_ghost_where_the_jump_leads(aligner, people, jump):
    """A tile that moves, or frames that a camera dropped: the rest of the image does not change."""
    images = []
    for k, image in enumerate(shot(people[0], 2 * N)):
        canvas = np.full((480, 640, 3), 90, np.uint8)
        canvas[:, 400:] = np.linspace(0, 255, 480, dtype=np.uint8)[:, None, None]
        dx, dy = jump if k >= N else (0, 0)
        canvas[100 + dy : 280 + dy, 30 + dx : 270 + dx] = cv2.resize(image, (240, 180))
        images.append(canvas)
    frames = follow(aligner, images)
    assert one_id(frames) == 0
    for image, (tracked,) in zip(images, frames, strict=True):
        (truth,) = aligner.align(image)
        off = np.abs(tracked.face.landmarks[:, :2] - truth.landmarks[:, :2]).mean()
        assert off < 0.1 * truth.box.width


@pytest.mark.parametrize("name", ["none", "one-euro", "window", "zero-phase"])
def test_where_the_size_of_the_images_changes_faces_stay_where_they_are(aligner, people, name):
    """Streams that adapt to a network send the same picture larger or smaller."""
    images = shot(people[0], 4 * N)
    for k, side in ((1, 640), (2, 240), (3, 480)):
        height = side * HEIGHT // WIDTH
        images[k * N : (k + 1) * N] = [cv2.resize(x, (side, height)) for x in images[k * N : (k + 1) * N]]
    frames = follow(aligner, images)
    assert one_id(frames) == 0
    assert [k for k, (t,) in enumerate(frames) if t.state == "returned"] == [N, 2 * N, 3 * N]
    smoother = make_smoother(name)
    smoothed = [s for t, faces in enumerate(frames) for s in smoother.push(faces, t / 30)]
    for image, (tracked,) in zip(images, [*smoothed, *smoother.flush()], strict=True):
        (truth,) = aligner.align(image)
        off = np.abs(tracked.face.landmarks[:, :2] - truth.landmarks[:, :2]).mean()
        assert off < 0.1 * truth.box.width


def test_a_lost_face_is_expected_where_it_was_in_images_of_another_size(aligner, people):
    tracker = FaceTracker(aligner)
    for image in shot(people[0]):
        (before,) = tracker.update(image)
    nobody = np.ascontiguousarray(np.broadcast_to(shot(people[0], 1)[0][:1, :1], (480, 640, 3)))
    (lost,) = tracker.update(nobody)[:1]
    assert not lost.visible
    np.testing.assert_allclose(
        BoundingBox.around(lost.face.landmarks).width,
        2 * BoundingBox.around(before.face.landmarks).width,
        rtol=0.02,
    )


@pytest.mark.parametrize("zooms", [(1.0, 2.2), (1.0, 3.0), (2.6, 1.0)])
@pytest.mark.parametrize("who", [0, 1])
def test_a_jump_to_a_close_up_or_back_shows_no_ghost_and_the_same_person(aligner, people, zooms, who):
    person = people[who]
    images = [*shot(person, zoom=zooms[0]), *shot(person, zoom=zooms[1])]
    frames = follow(aligner, images)
    for image, faces in zip(images, frames, strict=True):
        truth = [BoundingBox.around(face.landmarks) for face in aligner.align(image)]
        for tracked in faces:
            box = BoundingBox.around(tracked.face.landmarks)
            assert any(box.iou(true) > 0.7 for true in truth)
    assert sum(len(faces) for faces in frames) >= 2 * N - 1
    assert {tracked.id for faces in frames for tracked in faces} == {0}, "the same person"


def test_a_dissolve_ends_in_another_id(aligner, people):
    a, b = people
    images = [*shot(a, 26), *dissolve(shot(a, 10, seed=1), shot(b, 10, seed=2)), *shot(b, 16, seed=3)]
    frames = follow(aligner, images)
    assert one_id(frames[:26]) == 0
    assert one_id(frames[-8:]) != 0


def test_a_dissolve_of_photos_between_bars_ends_in_another_id(aligner, people):
    """Photos of a slide show: they rest, and bars beside them are alike in all."""
    a, b = (cv2.copyMakeBorder(person, 0, 0, 320, 320, cv2.BORDER_CONSTANT) for person in people)
    images = [*[a] * 30, *dissolve([a] * 12, [b] * 12), *[b] * 30, *dissolve([b] * 12, [a] * 12), *[a] * 30]
    frames = follow(aligner, images)
    first, second, third = one_id(frames[:30]), one_id(frames[50:70]), one_id(frames[-12:])
    assert first == 0 != second
    assert third != second


def test_bars_count_neither_for_nor_against_a_cut(people):
    def framed_by(value: int, beside: int, *images: np.ndarray) -> list[Thumbnail]:
        bars = {"borderType": cv2.BORDER_CONSTANT, "value": (value,) * 3}
        return [Thumbnail.of(cv2.copyMakeBorder(image, 60, 60, beside, beside, **bars)) for image in images]

    a, b = people
    for value, beside in itertools.product((0, 255), (200, 0)):
        one, same, other = framed_by(value, beside, a, shot(a, 1)[0], b)
        assert one.dissimilarity(same) == one.dissimilarity(same) < 0.1
        assert one.dissimilarity(other) > 0.75 * Thumbnail.of(a).dissimilarity(Thumbnail.of(b)) > 0.3
        (flat, blank) = framed_by(value, beside, np.full_like(a, 128), np.full_like(a, value))
        assert not flat.has_structure
        assert one.dissimilarity(blank) == blank.dissimilarity(one) > 0.5
    (black,) = framed_by(0, 0, np.zeros_like(a))
    assert black.dissimilarity(black) == 0


def test_a_flash_and_a_black_frame_keep_the_id(aligner, people):
    images = shot(people[0], 16)
    images[5] = (images[5] * 1.8 + 50.0).clip(0, 255).astype(np.uint8)
    images[10] = np.zeros_like(images[10])
    frames = follow(aligner, images)
    assert {t.id for faces in frames for t in faces} == {0}
    assert all(faces for k, faces in enumerate(frames) if k not in (5, 10))


@pytest.mark.parametrize("level", [0, 255])
def test_blank_frames_in_a_shot_are_no_cuts_and_a_longer_pause_is_one(people, level):
    blank = np.full((HEIGHT, WIDTH, 3), level, np.uint8)

    def cuts(images: Sequence[np.ndarray]) -> list[int]:
        detector, found = ShotDetector(), []
        for k, image in enumerate(images):
            detector.update(image)
            found += [k] * detector.is_cut
        return found

    for n in (1, 5, 12):
        assert cuts([*shot(people[0]), *[blank] * n, *shot(people[0], seed=1)]) == []
        assert cuts([*shot(people[0]), *[blank] * n, *shot(people[1])]) == [N + n]
    assert cuts([*shot(people[0]), *[blank] * 20, *shot(people[0], seed=1)])[-1] == N + 20
    assert cuts([*[blank] * 5, *shot(people[0])]) == [5]


def in_a_room(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The images in the middle of larger ones: what changes in them changes little of the whole."""
    return [cv2.copyMakeBorder(image, 120, 120, 160, 160, cv2.BORDER_REPLICATE) for image in images]


def test_who_is_gone_from_one_frame_to_the_next_is_lost_at_once(aligner, people):
    path = [(0, 100)] * N
    images = in_a_room(passing(people, [*path, *[(None, 0)] * 3, *path]))
    frames = follow(aligner, images)
    assert [len(faces) for faces in frames] == [1] * N + [0] * 3 + [1] * N
    assert {t.id for faces in frames for t in faces} == {0}


def test_a_frame_that_is_blurred_does_not_lose_the_face(aligner, people):
    images = shot(people[0], 12)
    images[6] = cv2.blur(images[6], (61, 5))
    assert aligner.align(images[6]) == []
    assert [faces[0].state for faces in follow(aligner, images)] == ["new"] + ["tracked"] * 11


def test_a_face_that_fades_away_is_lost_with_the_last_of_it(aligner, people):
    """The network that follows faces looks where they were, whether or not there is one."""
    face, wall = in_a_room(passing(people, [(0, 100), (None, 0)]))
    weights = [*[0.0] * 20, *np.linspace(0, 1, 24), *[1.0] * 12]
    rng = np.random.default_rng(0)
    images = [
        ((1 - w) * face + w * wall + rng.normal(0, 2, face.shape)).clip(0, 255).astype(np.uint8)
        for w in weights
    ]
    frames = follow(aligner, images)
    assert all(frames[:30])
    assert not any(frames[43:])


def test_a_profile_is_found_again_where_it_was_though_no_detector_finds_it(aligner, people, monkeypatch):
    images = shot(people[0], 16)
    images[8] = np.zeros_like(images[8])
    tracker = FaceTracker(aligner)
    frames = [tracker.update(image) for image in images[:8]]
    monkeypatch.setattr(FaceAligner, "align_candidates", lambda self, image, *, select=None: [])
    monkeypatch.setattr(FaceAligner, "search_candidates", lambda self, image, *, select=None: [])
    frames += [tracker.update(image) for image in images[8:]]
    assert [faces[0].state for faces in frames[7:11]] == ["tracked", "lost", "returned", "tracked"]
    assert {t.id for faces in frames for t in faces} == {0}


def test_a_hand_before_half_of_a_face_keeps_the_id(aligner, people):
    box = aligner.align(people[0])[0].box
    middle = round(box.x0 + 0.75 * box.width), round(box.center[1])
    radii = round(0.3 * box.width), round(0.6 * box.height)
    images = shot(people[0], 20)
    for image in images[6:14]:
        cv2.ellipse(image, middle, radii, 0, 0, 360, (200, 60, 40), -1)
    assert one_id(follow(aligner, images)) == 0


def in_a_large_image(face: np.ndarray | None, n: int) -> list[np.ndarray]:
    """4K frames of a wall, and of a face before it that moves by a pixel a frame."""
    rng = np.random.default_rng(0)
    wall = cv2.resize(rng.integers(90, 140, (27, 48, 3), dtype=np.uint8), (3840, 2160))
    frames = []
    for t in range(n):
        image = wall.copy()
        if face is not None:
            image[900 : 900 + face.shape[0], 1700 + t : 1700 + t + face.shape[1]] = face
        frames.append(image)
    return frames


@pytest.mark.parametrize("scale", [0.7, 0.85, 1.1])
def test_a_small_face_in_a_large_image_is_followed(aligner, people, scale):
    """The usual copy of the image, a sixth of its size, shows the face faintly or not at all."""
    face = cv2.resize(people[0], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frames = in_a_large_image(face, 8)
    found = follow(aligner, frames)
    assert one_id(found[2:]) == 0  # after three frames at the latest


def test_a_small_face_that_comes_later_is_found_within_the_wait_and_searches_in_vain_become_rare(
    aligner, people, monkeypatch
):
    face = cv2.resize(people[0], None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    (empty,), (shown,) = in_a_large_image(None, 1), in_a_large_image(face, 1)
    searched: list[bool] = []
    search = FaceAligner.search_candidates

    def watched(self, image, *, select=None):
        searched[-1] = True
        return search(self, image, select=select)

    monkeypatch.setattr(FaceAligner, "search_candidates", watched)
    tracker, found = FaceTracker(aligner), []
    for image in [empty] * 64 + [shown] * 26:
        searched.append(False)
        found.append(tracker.update(image))
    assert np.flatnonzero(searched).tolist() == [0, 12, 36, 84]
    assert not any(found[:84])
    assert one_id(found[87:]) == 0


def passing(people: Sequence[np.ndarray], path: Sequence[tuple[int | None, int]]) -> list[np.ndarray]:
    """Frames of a room in which heads move sideways: person, or None, and place of the head, px."""
    rng = np.random.default_rng(0)
    room = cv2.resize(
        rng.integers(60, 190, (9, 12, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    side = 120
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    mask = np.clip((side / 2 - np.hypot(x, y)) / 6, 0, 1)[..., None]
    top, left = (HEIGHT - side) // 2, (WIDTH - side) // 2
    frames = []
    for person, place in path:
        wide = np.pad(room, ((0, 0), (side, side), (0, 0)), mode="edge").astype(float)
        if person is not None:
            head = people[person][top : top + side, left : left + side]
            part = wide[top : top + side, side + place : 2 * side + place]
            part[:] = mask * head + (1 - mask) * part
        frames.append(wide[:, side:-side].astype(np.uint8))
    return frames


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0), (0, 0), (1, 1)])
def test_who_walks_in_where_somebody_walked_out_is_known_by_the_look(aligner, people, first, second):
    out = [(first, 100)] * N + [(first, 100 - 10 * k) for k in range(1, 23)]
    back = [(second, -120 + 10 * k) for k in range(23)] + [(second, 100)] * N
    frames = follow(aligner, passing(people, [*out, *[(None, 0)] * 6, *back]))
    before, after = one_id(frames[:N]), one_id(frames[-N:])
    assert (before == after) == (first == second)
    # Half a face does not tell; of somebody else, a few frames may have the id of who was there before.
    named = [t.id for faces in frames[len(out) + 6 :] for t in faces]
    assert first == second or named.count(before) <= 8
