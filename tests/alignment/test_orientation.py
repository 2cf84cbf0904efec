"""Images that lie on their side or are upside down, and of which the faces that are found tell nothing."""

from pathlib import Path

import numpy as np
import pytest

from tddfa import BoundingBox, Detection, FaceAligner, read_image
from tddfa.alignment.orientation import clearest_turn, possible_turns, turns_to_upright
from tddfa.alignment.prediction import Prediction
from tddfa.alignment.verification import Verified
from tddfa.geometry.camera import scaled_camera
from tddfa.types import FaceParams

PHOTOS = Path(__file__).parents[2] / "examples/photos"


def face(score, turns=0):
    """A face whose mouth lies below its eyes after so many quarter turns."""
    points, none = np.zeros((68, 3), np.float32), np.zeros(0, np.float32)
    points[48:, :2] = [(0, 1), (-1, 0), (0, -1), (1, 0)][turns]
    box = BoundingBox(0, 0, 99, 99)
    params = FaceParams(scaled_camera(1.0, np.eye(3), np.array([50.0, 50.0])), none, none, 0.999)
    return Verified(Detection(box, score), Prediction(params, box, lambda _: points))


def test_most_faces_tell_how_the_image_lies():
    assert turns_to_upright([]) == 0
    assert turns_to_upright([face(0.9, 1), face(0.9, 1), face(0.9)]) == 1
    assert turns_to_upright([face(0.9, 1), face(0.9)]) == 0


def test_a_clear_face_and_a_group_leave_no_doubt():
    assert possible_turns([face(0.9)]) == ()
    assert possible_turns([face(0.6)] * 3) == ()
    assert possible_turns([face(0.6), face(0.81)]) == (2,)
    assert possible_turns([]) == (1, 2, 3)


@pytest.mark.parametrize(
    ("found", "scores", "turns"),
    [
        ([], {1: 0.9, 2: 0.6, 3: 0.95}, 3),
        ([], {1: 0.8, 2: 0.6, 3: 0.4}, 0),
        ([0.7], {2: 0.93}, 2),
        ([0.84], {2: 0.83}, 0),
        ([0.84], {}, 0),
    ],
)
def test_only_a_clear_face_that_is_better_turns_an_image(found, scores, turns):
    assert clearest_turn([face(score) for score in found], scores) == turns


@pytest.mark.parametrize(
    ("name", "turns"),
    [("010_deepface_img16", 1), ("101_facelabeltools_t32r", 3), ("132_liveportrait_s2", 2)],
)
def test_a_turned_portrait_has_the_face_of_the_upright_one(shared, name, turns):
    photo = read_image(shared / "data/photos" / f"{name}.jpg")
    aligner = FaceAligner("open")
    (upright,), (turned,) = aligner.align(photo), aligner.align(np.ascontiguousarray(np.rot90(photo, turns)))
    points, (height, width) = upright.landmarks[:, :2], photo.shape[:2]
    for _ in range(turns):
        points = np.column_stack([points[:, 1], width - 1 - points[:, 0]])
        height, width = width, height
    apart = np.linalg.norm(turned.landmarks[:, :2] - points, axis=1).mean()
    assert apart < 0.01 * upright.box.width


def test_scores_of_a_detector_that_the_pack_does_not_know_turn_nothing():
    photo = read_image(PHOTOS / "astronaut.jpg")
    own = FaceAligner("open").align(photo)
    calls = []

    class Doubtful:
        def detect(self, image):
            calls.append(image.shape)
            return [Detection(own[0].box, 0.7)]

    assert len(FaceAligner("open", detector=Doubtful()).align(photo)) == 1
    assert len(calls) == 1
