"""Faces of every size: those that fill the image, and those of crowds."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import toys
from tddfa import BoundingBox, Detection, FaceAligner, read_image
from tddfa.alignment.prediction import Prediction
from tddfa.alignment.refinement import refine
from tddfa.errors import InputError
from tddfa.geometry.camera import scaled_camera
from tddfa.types import FaceParams

PHOTOS = Path(__file__).parents[2] / "examples/photos"


@pytest.fixture(scope="module")
def aligner():
    return FaceAligner("open")


def resized(image, width, height):
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def portrait(aligner):
    """The face of a photo, and the photo cut off around it as tightly as possible."""
    photo = read_image(PHOTOS / "astronaut.jpg")
    (face,) = aligner.align(photo)
    low, high = face.vertices[:, :2].min(axis=0), face.vertices[:, :2].max(axis=0)
    side = int((high - low).max())
    x, y = (int(v) for v in (low + high - side) / 2)
    return photo[y : y + side, x : x + side], face.landmarks[:, :2] - (x, y)


def as_large(points, side, new_side):
    return (points + 0.5) * new_side / side - 0.5


@pytest.mark.parametrize("border", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("size", [128, 640, 768, 1024, 2048])
def test_a_face_that_fills_the_image_is_found_at_every_size(aligner, portrait, size, border):
    tight, landmarks = portrait
    cut = round(border * len(tight))
    part = tight[cut : len(tight) - cut, cut : len(tight) - cut]
    enlarged = cv2.resize(part, (size, size), interpolation=cv2.INTER_CUBIC)
    (face,) = aligner.align(enlarged)
    error = face.landmarks[:, :2] - as_large(landmarks - cut, len(part), size)
    # At the tightest the chin is cut off.
    assert np.linalg.norm(error, axis=1).mean() < 0.05 * size


def crowd(width, height, side, n_columns):
    """Copies of a portrait whose face has this side, px, on grey; where their middles are."""
    photo = read_image(PHOTOS / "hopper.jpg")
    (face,) = FaceAligner("open").align(photo)
    scale = side / ((face.box.width + face.box.height) / 2)
    small = resized(photo, round(scale * photo.shape[1]), round(scale * photo.shape[0]))
    middle = as_large(face.landmarks[:, :2].mean(axis=0), 1.0, scale)
    image = np.full((height, width, 3), 120, np.uint8)
    step = width // n_columns
    middles = []
    for y in range(10, height - step, step):
        for x in range(10, width - step, step):
            image[y : y + small.shape[0], x : x + small.shape[1]] = small[: height - y, : width - x]
            middles.append(np.add(middle, (x, y)))
    return image, np.array(middles)


@pytest.mark.parametrize(
    ("width", "height", "side", "n_columns"),
    [(1920, 1080, 24, 12), (4000, 3000, 40, 10), (8000, 2000, 50, 8)],
)
def test_every_face_of_a_crowd_is_found(aligner, width, height, side, n_columns):
    image, middles = crowd(width, height, side, n_columns)
    faces = aligner.align(image)
    assert len(faces) == len(middles)
    found = np.array([face.landmarks[:, :2].mean(axis=0) for face in faces])
    distance = np.linalg.norm(found[:, None] - middles, axis=2)
    assert (distance.min(axis=0) < 0.2 * side).all()


def test_a_small_face_beside_a_large_one_is_found_when_the_search_size_asks_for_it(aligner):
    photo = read_image(PHOTOS / "hopper.jpg")
    image = np.full((2000, 3000, 3), 120, np.uint8)
    image[:, :1500] = cv2.resize(photo, (1500, 2000))
    image[100:200, 2500:2575] = resized(photo, 75, 100)
    assert len(aligner.align(image)) == 1  # a portrait is searched once
    large, small = aligner.align(image, search_size=3000)
    assert large.box.width > 10 * small.box.width
    assert FaceAligner(aligner.pack, search_size=3000).align(image) == [large, small]
    assert aligner.align_batch([image], search_size=3000) == [[large, small]]
    assert list(aligner.align_many([image], search_size=3000)) == [[large, small]]
    assert aligner.align_candidates(image, search_size=3000) == [large, small]


def test_the_true_limit_of_an_image_is_known(aligner):
    image = np.zeros((3000, 4000, 3), np.uint8)
    assert aligner.smallest_face(image) == pytest.approx(20)
    assert aligner.smallest_face(image, search_size=1000) == pytest.approx(80)
    assert aligner.smallest_face(np.zeros((10, 12_288, 3), np.uint8)) == pytest.approx(40)


@pytest.mark.parametrize("size", [0, 31, 640.5, "large", True])
def test_a_search_size_that_cannot_be_is_one_line(aligner, size):
    with pytest.raises(InputError, match=r"search_size=.*; it takes a whole number of 32 or more"):
        aligner.align(toys.image(), search_size=size)
    with pytest.raises(InputError, match="search_size="):
        FaceAligner("open", search_size=size)


def test_a_detector_without_sizes_says_so(toy_pack):
    class Mine:
        def detect(self, image):
            return [Detection(BoundingBox(10, 10, 90, 90), 0.25)]

    aligner = FaceAligner(toy_pack, detector=Mine())
    assert len(aligner.align(toys.image())) == 1
    assert aligner.smallest_face(toys.image()) is None
    with pytest.raises(InputError, match="the detector Mine takes no size"):
        aligner.align(toys.image(), search_size=640)


class Approaches:
    """A regressor that comes half the way nearer to the face with each crop.

    Attributes:
        crops: how many crops it was given.
    """

    def __init__(self):
        self.crops = 0

    def from_points(self, images, points):
        self.crops += len(points)
        return [None if p[0, 0] > 1e6 else at(float(p[:, 0].mean()) / 2) for p in points]

    def from_boxes(self, images, boxes):
        raise NotImplementedError

    def from_crops(self, crops, squares):
        raise NotImplementedError

    def box_around(self, points, like):
        raise NotImplementedError


def at(x):
    camera = scaled_camera(1.0, np.eye(3), np.array([x, 0.0]))
    return FaceParams(camera, np.zeros(0, np.float32), np.zeros(0, np.float32))


def square_of_landmarks(params):
    ring = np.random.default_rng(0).uniform(-50, 50, (68, 3))
    ring[:, 0] -= ring[:, 0].mean()
    ring[36:48, 1], ring[48:, 1] = -50, 50
    return (ring + params.camera[:, 3]).astype(np.float32)


def seen_around(x):
    """A prediction for a crop around landmarks, as one that lies at x."""
    return Prediction(at(x), np.zeros((68, 3), np.float32), square_of_landmarks)


def refined(regressor, starts, least=1):
    images = [np.zeros((9, 9, 3), np.uint8)] * len(starts)
    return [
        each.params
        for each in refine(regressor, images, [seen_around(x) for x in starts], least=least, most=9)
    ]


@pytest.mark.parametrize(("start", "crops"), [(0.0, 1), (5.0, 1), (20.0, 3), (80.0, 5), (1e9, 1)])
def test_a_face_is_cropped_again_until_its_crop_hardly_moves(start, crops):
    regressor = Approaches()
    (params,) = refined(regressor, [start])
    assert regressor.crops == crops
    assert params.camera[0, 3] == (start if start > 1e6 else pytest.approx(start / 2**crops, abs=0.5))


def test_faces_of_a_batch_are_refined_each_as_long_as_it_moves():
    regressor = Approaches()
    together = refined(regressor, [0, 80, 20])
    assert regressor.crops == 1 + 5 + 3
    assert together == [refined(Approaches(), [x])[0] for x in (0, 80, 20)]
    none = refine(regressor, [np.zeros((9, 9, 3), np.uint8)], [seen_around(80)], least=0, most=0)
    assert [each.params for each in none] == [at(80)]


class Boxed(Approaches):
    """The same, whose crop of a detection box shows the box alone."""

    def box_around(self, points, like):
        return BoundingBox.around(points)


def seen_in_box(dx=0.0, dy=0.0, grown=1.0, confidence=0.9999, turned=False):
    """A prediction for the crop of a box that differs from the box around its landmarks, in sides of it."""

    def landmarks(params):
        points = square_of_landmarks(params)
        return points[:, [1, 0, 2]] if turned else points

    params = replace(at(0.0), confidence=confidence)
    around = BoundingBox.around(landmarks(params))
    side = (around.width + around.height) / 2
    return Prediction(params, around.scaled(grown).shifted(dx * side, dy * side), landmarks)


@pytest.mark.parametrize(
    ("seen", "again"),
    [
        (seen_in_box(), False),
        (seen_in_box(0.04, -0.04, 1.04), False),
        (seen_in_box(dx=-0.06), True),
        (seen_in_box(dy=0.06), True),
        (seen_in_box(grown=1.06), True),
        (seen_in_box(grown=0.94), True),
        (seen_in_box(confidence=0.999), True),
        (seen_in_box(confidence=None), False),
        (seen_in_box(turned=True), True),
    ],
)
def test_a_verified_face_is_cropped_again_if_its_crop_differs_or_the_network_is_not_sure(seen, again):
    image = [np.zeros((9, 9, 3), np.uint8)]
    for least, most, expected in ((0, 1, again), (1, 1, True), (0, 0, False)):
        regressor = Boxed()
        (found,) = refine(regressor, image, [seen], least=least, most=most)
        assert regressor.crops == expected
        assert (found is not seen) == expected
