"""What a face looks like, whatever its size and light: real faces, the built-in pack."""

from __future__ import annotations

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest

from conftest import PHOTOS
from tddfa import FaceAligner, read_image
from tddfa.tracking.appearance import Appearance, AppearanceMemory


@pytest.fixture(scope="module")
def faces() -> list[tuple[np.ndarray, np.ndarray]]:
    """Two people: images of 400 px around the face, and the landmarks there."""
    aligner, out = FaceAligner("open"), []
    for name in ("astronaut", "hopper"):
        photo = read_image(PHOTOS / f"{name}.jpg")
        face = max(aligner.align(photo), key=lambda f: f.box.area)
        (x, y), scale = face.box.center, 220 / face.box.width
        move = np.array([[scale, 0, 200 - scale * x], [0, scale, 200 - scale * y]])
        image = cv2.warpAffine(photo, move, (400, 400), borderMode=cv2.BORDER_REFLECT_101)
        points = face.landmarks[:, :2] @ move[:, :2].T + move[:, 2]
        out.append((image, points.astype(np.float32)))
    return out


def look(image: np.ndarray, points: np.ndarray) -> Appearance:
    return Appearance.at(image, points.astype(np.float32))


def test_size_brightness_and_contrast_do_not_change_who_it_is(faces):
    for image, points in faces:
        original = look(image, points)
        for scale in (0.15, 0.4, 3.0):
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            assert original.distance(look(small, (points + 0.5) * scale - 0.5)) < 0.2
        darker = (image * 0.6).astype(np.uint8)
        assert original.distance(look(darker, points)) < 0.1
        softer = (image * 0.7 + 40).astype(np.uint8)
        assert original.distance(look(softer, points)) < 0.5, "the tint fades"
        noisy = (image + np.random.default_rng(0).normal(0, 15, image.shape)).clip(0, 255).astype(np.uint8)
        assert original.distance(look(noisy, points)) < 0.2


def test_two_people_look_different_also_in_each_others_tint(faces):
    (a, p), (b, q) = faces
    first, second = look(a, p), look(b, q)
    assert first.distance(second) > 0.8
    assert replace(first, tint=second.tint).distance(second) > 0.6


@pytest.mark.parametrize("cut", ["forehead", "chin", "left", "right"])
def test_only_what_both_images_show_is_compared(faces, cut):
    margin = 60
    for (image, points), (other, other_points) in itertools.permutations(faces):
        x0, y0 = points.min(axis=0).astype(int)
        x1, y1 = points.max(axis=0).astype(int)
        part, offset = {
            "forehead": (image[y0 + margin // 3 :], (0, y0 + margin // 3)),
            "chin": (image[: y1 - margin], (0, 0)),
            "left": (image[:, x0 + margin :], (x0 + margin, 0)),
            "right": (image[:, : x1 - margin], (0, 0)),
        }[cut]
        here = look(np.ascontiguousarray(part), points - np.array(offset, np.float32))
        assert here.seen is not None
        assert not here.seen.all()
        assert here.distance(look(image, points)) < 0.05
        assert here.distance(look(other, other_points)) > 0.6


def test_two_halves_of_a_face_cannot_be_compared(faces):
    image, points = faces[0]
    middle = int(points[30, 0])
    left = look(np.ascontiguousarray(image[:, :middle]), points)
    right = look(np.ascontiguousarray(image[:, middle:]), points - np.array([middle, 0], np.float32))
    assert left.distance(right) is None
    assert left.distance(look(image, points)) < 0.1
    both = left.mixed(right, 0.1)
    assert both.distance(look(image, points)) < 0.1, "what one of them shows is kept"


def test_the_memory_knows_a_face_from_where_it_was_seen(faces):
    (image, points), (other, other_points) = faces
    memory = AppearanceMemory()
    assert memory.distance(look(image, points), 0) is None
    for k in range(20):
        moved = points + np.float32(0.5 * (k % 3 - 1))
        memory.add(look(image, moved), 0)
    near, stranger = memory.distance(look(image, points), 10), memory.distance(look(other, other_points), 10)
    assert near is not None
    assert stranger is not None
    assert near < 0.05
    assert stranger > 0.8
    assert memory.distance(look(image, points), 80) is None


def noisy(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("part", "sigma"), [(1.0, 20), (1.0, 35), (0.15, 5)])
def test_noise_and_the_dark_do_not_make_another_person(faces, part, sigma):
    (image, points), (other, other_points) = ((image * part, points) for image, points in faces)
    first, next_frame = (look(noisy(image, sigma, seed), points) for seed in (0, 1))
    assert first.distance(next_frame) < 0.25
    assert first.distance(look(noisy(other, sigma, 2), other_points)) > 0.6


def test_a_hand_over_a_face_leaves_a_half_that_looks_as_before(faces):
    (image, points), (other, other_points) = faces
    covered = image.copy()
    x0, (_, y0), (x1, y1) = int(points[30, 0]), points.min(axis=0).astype(int), points.max(axis=0).astype(int)
    covered[y0 - 40 : y1 + 10, x0 + 5 : x1 + 10] = (200, 60, 40)
    before, after = look(image, points), look(covered, points)
    assert after.distance(before) > 0.5
    assert after.half_distance(before) < 0.05
    assert look(other, other_points).half_distance(before) > 0.3
    half = look(np.ascontiguousarray(image[:, :x0]), points)
    assert (
        half.half_distance(look(np.ascontiguousarray(image[:, x0:]), points - np.float32([x0, 0]))) == np.inf
    )
