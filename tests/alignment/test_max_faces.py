"""Only the largest faces of an image, which are found sooner."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import toys
from tddfa import BoundingBox, Detection, FaceAligner, read_image
from tddfa.alignment.finder import FaceFinder
from tddfa.alignment.verification import AcceptanceThresholds, FaceVerifier
from tddfa.errors import InputError
from tddfa.geometry.camera import scaled_camera
from tddfa.imaging.pyramid import Pyramid
from tddfa.imaging.warp import resize
from tddfa.runtime import onnx_engine
from tddfa.types import FaceParams

PHOTOS = Path(__file__).parents[2] / "examples/photos"


@pytest.fixture(scope="module")
def aligner():
    return FaceAligner("open")


@pytest.fixture(scope="module")
def group():
    return read_image(PHOTOS / "group.jpg")


@pytest.fixture(scope="module")
def sizes(group):
    """A portrait whose head is shown three times, each time smaller by a third."""
    photo = read_image(PHOTOS / "hopper.jpg")
    height, width = photo.shape[:2]
    image, x = np.full((900, 1600, 3), 120, np.uint8), 10
    for shrink in (800 / height, 530 / height, 350 / height):
        small = resize(photo, round(shrink * width), round(shrink * height))
        image[50 : 50 + len(small), x : x + small.shape[1]] = small
        x += small.shape[1] + 20
    return image


def overlap(found, expected):
    return [max(face.box.iou(other.box) for other in found) for face in expected]


def test_the_largest_faces_are_those_of_all_faces(aligner, sizes):
    every = aligner.align(sizes)
    assert len(every) == 3
    for most in (1, 2, 3, 5):
        found = aligner.align(sizes, max_faces=most)
        largest = sorted(every, key=lambda face: -face.box.area)[:most]
        assert len(found) == len(largest)
        assert min(overlap(found, largest)) > 0.7
        for face in found:
            same = max(largest, key=lambda other: other.box.iou(face.box))
            apart = np.linalg.norm(face.landmarks[:, :2] - same.landmarks[:, :2], axis=1).mean()
            assert apart < 0.02 * face.box.width


def test_as_many_as_there_are_is_all_of_them(aligner, group):
    every = aligner.align(group)
    found = aligner.align(group, max_faces=100)
    assert len(found) == len(every) > 2
    assert min(overlap(found, every)) > 0.7


def test_every_way_in_takes_it(aligner, sizes, group):
    one, two = aligner.align(sizes, max_faces=1), aligner.align(group, max_faces=1)
    assert len(one) == len(two) == 1
    # Sums of a batch may round otherwise.
    for faces in (
        aligner.align_batch([sizes, group], max_faces=1),
        list(aligner.align_many([sizes, group], max_faces=1)),
    ):
        for found, expected in zip(faces, (one, two), strict=True):
            np.testing.assert_allclose(found[0].landmarks, expected[0].landmarks, atol=0.05)


def test_a_turned_image_and_one_without_faces(aligner, sizes):
    (face,) = aligner.align(np.ascontiguousarray(np.rot90(sizes, 2)), max_faces=1)
    height, width = sizes.shape[:2]
    (upright,) = aligner.align(sizes, max_faces=1)
    turned = (width - 1, height - 1) - upright.landmarks[:, :2]
    assert np.linalg.norm(face.landmarks[:, :2] - turned, axis=1).mean() < 0.03 * face.box.width
    assert aligner.align(np.full((900, 1600, 3), 90, np.uint8), max_faces=1) == []


def test_a_large_face_costs_a_quarter_of_the_detector_and_one_crop(sizes):
    seen = []

    def engine(model, name):
        network = onnx_engine()(model, name)

        def run(x, *numbers):
            seen.append((name.split(" ")[0], x.shape))
            return network(x, *numbers)

        return run

    aligner = FaceAligner("open", engine=engine)
    aligner.align(sizes, max_faces=1)
    crops = [shape[0] for name, shape in seen if name in ("verifier.onnx", "regressor-small.onnx")]
    pixels = [shape[0] * shape[1] * shape[2] for name, shape in seen if name == "detector.onnx"]
    assert (pixels, sum(crops)) == ([320 * 192], 1)
    seen.clear()
    aligner.align(sizes)
    crops = [shape[0] for name, shape in seen if name in ("verifier.onnx", "regressor-small.onnx")]
    assert sum(crops) >= 3
    assert sum(shape[0] * shape[1] * shape[2] for name, shape in seen if name == "detector.onnx") >= 640 * 384


@pytest.mark.parametrize("most", [0, -1, 1.0, True, "1"])
def test_what_is_no_number_of_faces_is_refused(aligner, group, most):
    for call in (aligner.align, lambda image, **k: aligner.align_batch([image], **k)):
        with pytest.raises(InputError, match="max_faces="):
            call(group, max_faces=most)
    with pytest.raises(InputError, match="max_faces="):
        aligner.align_many([group], max_faces=most)


def test_given_places_are_all_read(aligner, group):
    with pytest.raises(InputError, match="max_faces=1 was given with the places of faces"):
        aligner.align(group, boxes=[(0, 0, 50, 50)], max_faces=1)


class Finds:
    """A detector that always finds the same."""

    def __init__(self, *detections):
        self.detections = list(detections)

    def detect(self, image):
        return self.detections


def test_a_detector_of_any_kind_and_a_pack_that_verifies_nothing(toy_pack):
    faces = Detection(BoundingBox(10, 10, 40, 40), 0.9), Detection(BoundingBox(50, 10, 95, 50), 0.3)
    outside = Detection(BoundingBox(900, 900, 999, 999), 0.9)
    aligner = FaceAligner(toy_pack, detector=Finds(*faces, outside))
    (face,) = aligner.align(toys.image(), max_faces=1)
    assert face.box.x0 == 50
    assert len(aligner.align(toys.image(), max_faces=3)) == 2  # one has no crop


def test_a_search_size_that_was_asked_for_is_kept(aligner, sizes):
    (face,) = aligner.align(sizes, max_faces=1, search_size=640)
    every = aligner.align(sizes, search_size=640)
    assert face.box == max((other.box for other in every), key=lambda box: box.area)


class FakeRegressor:
    """Is as sure as it is told for each box, by its left side."""

    def __init__(self, confidence):
        self.confidence, self.n_crops = confidence, 0

    def from_boxes(self, images, boxes):
        self.n_crops += len(boxes)
        none = np.zeros(0, np.float32)
        cameras = [scaled_camera(1.0, np.eye(3), np.array(box.center)) for box in boxes]
        return [
            FaceParams(camera, none, none, self.confidence[box.x0])
            for camera, box in zip(cameras, boxes, strict=True)
        ]

    def box_around(self, points, like):
        return like


def landmarks(params):
    return params.camera[:2, 3] + np.array([[-20.0, -20.0], [20.0, 20.0]])


def test_smaller_candidates_take_the_place_of_large_ones_that_are_no_face():
    def candidate(x, side, score=0.6):
        return Detection(BoundingBox(x, 0, x + side, side), score)

    candidates = [candidate(0, 300), candidate(400, 200), candidate(700, 100), candidate(900, 50)]
    regressor = FakeRegressor({0: 0.1, 400: 0.1, 700: 0.99, 900: 0.99, 1000: 0.99})
    verifier = FaceVerifier(regressor, landmarks, AcceptanceThresholds(0.9))
    image = np.zeros((10, 10, 3), np.uint8)
    (found,) = verifier.faces([image], [[*candidates, candidate(1000, 500, 0.2)]], most=1)
    assert [face.detection.box.x0 for face in found] == [700]
    assert regressor.n_crops == 3  # at neither the smallest one nor the doubtful one


def test_a_face_that_its_second_crop_does_not_confirm_makes_room_for_others():
    class Networks:
        verifying_regressor = FakeRegressor({0: 0.99, 400: 0.99})
        clear_reader = None

        def thresholds(self, own_detector):
            return AcceptanceThresholds(0.9)

        def refined_detections(self, sources, predictions):
            return [
                replace(p, params=replace(p.params, confidence=0.1)) if p.cropped.x0 == 0 else p
                for p in predictions
            ]

    large, small = (Detection(BoundingBox(x, 0, x + side, side), 0.6) for x, side in ((0, 300), (400, 50)))
    finder = FaceFinder(Networks(), landmarks, Finds(large, small))
    (found,) = finder.faces([Pyramid(np.zeros((500, 500, 3), np.uint8))], [None], None, 1)
    assert [face.detection for face in found] == [small]
