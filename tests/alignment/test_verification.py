import shutil
from dataclasses import replace

import numpy as np
import pytest

import toys
from tddfa import BoundingBox, Detection, FaceAligner
from tddfa.alignment.verification import AcceptanceThresholds, FaceVerifier, VerifiedDetector
from tddfa.geometry.camera import scaled_camera
from tddfa.packs import ModelPack
from tddfa.types import FaceParams

IMAGE = np.zeros((400, 400, 3), np.uint8)


class Sees:
    """A regressor that sees faces of 40 px at known places; it is drawn to the nearest one within 30 px.

    Attributes:
        boxes: the boxes that it was given.
    """

    def __init__(self, *places):
        self.places = np.array(places, float).reshape(-1, 2)
        self.boxes = []

    def from_boxes(self, images, boxes):
        assert len(images) == len(boxes)
        self.boxes += boxes
        return [None if box.x0 < 0 else self._predict(np.array(box.center)) for box in boxes]

    def _predict(self, center):
        distance = np.linalg.norm(self.places - center, axis=1)
        seen = distance.size > 0 and distance.min() < 30
        place = self.places[distance.argmin()] if seen else center
        camera = scaled_camera(1.0, np.eye(3), place)
        return FaceParams(camera, np.zeros(0, np.float32), np.zeros(0, np.float32), 0.99 if seen else 0.5)

    def box_around(self, points, like):
        return BoundingBox.around(points)


def landmarks(params):
    return params.camera[:2, 3] + np.array([[-20.0, -20.0], [20.0, 20.0]])


def at(x, y, score, side=40.0):
    return Detection(BoundingBox(x - side / 2, y - side / 2, x + side / 2, y + side / 2), score)


def verifier(regressor, min_confidence=0.9, sure_score=0.8):
    return FaceVerifier(regressor, landmarks, AcceptanceThresholds(min_confidence, sure_score))


def faces(verifier, candidates):
    (found,) = verifier.faces([IMAGE], [candidates])
    return found


def test_only_uncertain_candidates_are_verified_and_only_faces_remain():
    regressor = Sees((100, 100), (200, 100))
    sure, unsure, nobody = at(100, 100, 0.9), at(205, 100, 0.5), at(300, 100, 0.4)
    found = verifier(regressor).detections(IMAGE, [sure, unsure, nobody])
    assert regressor.boxes == [unsure.box, nobody.box]
    assert found == [sure, at(200, 100, 0.5)]  # the uncertain box is moved onto the face


def test_faces_are_the_detections_and_the_predictions_for_each():
    regressor = Sees((100, 100), (200, 100))
    candidates = [at(100, 100, 0.9), at(205, 100, 0.5), at(300, 100, 0.4)]
    found = faces(verifier(regressor), candidates)
    assert [d for d, _ in found] == verifier(regressor).detections(IMAGE, candidates)
    np.testing.assert_array_equal([p.params.camera[:2, 3] for _, p in found], [(100, 100), (200, 100)])


def test_two_candidates_that_are_drawn_to_one_face_are_one():
    found = verifier(Sees((100, 100))).detections(IMAGE, [at(100, 100, 0.9), at(125, 100, 0.7)])
    assert found == [at(100, 100, 0.9)]


def test_a_face_behind_any_number_of_false_candidates_is_found():
    junk = [at(50 + 3 * k, 300, 0.6 - 0.001 * k) for k in range(100)]
    regressor = Sees((100, 100), (200, 100))
    found = verifier(regressor).detections(IMAGE, [at(100, 100, 0.7), *junk, at(200, 100, 0.16)])
    assert found == [at(100, 100, 0.7), at(200, 100, 0.16)]
    assert len(regressor.boxes) == 102  # each candidate is cropped once


def test_a_candidate_outside_the_image_takes_no_other_away():
    found = verifier(Sees((100, 100))).detections(IMAGE, [at(-90, 0, 0.7), at(100, 100, 0.6)])
    assert found == [at(100, 100, 0.6)]


def test_without_a_limit_every_candidate_is_a_face_as_it_is():
    regressor = Sees((100, 100))
    candidates = [at(105, 100, 0.9), at(106, 100, 0.5)]
    assert verifier(regressor, min_confidence=0.0).detections(IMAGE, candidates) == candidates
    assert regressor.boxes == []
    found = faces(verifier(regressor, min_confidence=0.0), candidates)
    assert [d for d, _ in found] == candidates


def test_nobody_there_is_nobody():
    assert verifier(Sees()).detections(IMAGE, []) == []
    assert faces(verifier(Sees()), []) == []


class Candidates:
    def __init__(self, *detections):
        self.found = list(detections)

    def detect(self, image):
        return self.found


def test_a_verified_detector_finds_the_faces_of_what_another_finds():
    verified = VerifiedDetector(Candidates(at(100, 100, 0.5), at(300, 100, 0.4)), verifier(Sees((100, 100))))
    assert verified.detect(IMAGE) == [at(100, 100, 0.5)]


@pytest.mark.parametrize(
    ("first", "second", "together"), [(0.95, 0.995, 0.984), (0.6, 0.99, 0.924), (0.99, 0.0, 0.01), (1, 1, 1)]
)
def test_an_upside_down_face_is_judged_by_two_crops(first, second, together):
    upside_down = np.zeros((68, 2))
    upside_down[48:, 1] = -30
    upside_down[:, 0] = np.tile([-10, 10], 34)

    class Twice(Sees):
        def from_boxes(self, images, boxes):
            return [replace(p, confidence=first) for p in super().from_boxes(images, boxes)]

        def from_points(self, images, points):
            none = np.zeros(0, np.float32)
            camera = scaled_camera(1.0, np.eye(3), np.array([100.0, 100.0]))
            return [FaceParams(camera, none, none, second) for _ in points]

    both = FaceVerifier(
        Twice((90, 100)),
        lambda params: upside_down + params.camera[:2, 3],
        AcceptanceThresholds(0.98, sure_score=2),
    )
    found = faces(both, [at(90, 100, 0.7)])
    assert len(found) == (together >= 0.98)
    for _, prediction in found:
        assert prediction.params.confidence == pytest.approx(together, abs=1e-3)
        assert prediction.params.camera[0, 3] == 100


def counted(toy_pack, candidates, **settings):
    """An aligner and the crops that each network of its pack was given so far."""
    from tddfa.runtime import OnnxNetwork

    crops = {}

    def engine(model, name):
        network, file = OnnxNetwork(model, name), name.split(" ")[0]
        crops[file] = 0

        def run(x):
            crops[file] += len(x)
            return network(x)

        return run

    manifest = toy_pack.manifest
    regressor = {**manifest.regressor, "passes": 3, "min_confidence": 0.5, **settings}
    pack = replace(toy_pack, manifest=replace(manifest, regressor=regressor))
    return FaceAligner(pack, detector=Candidates(*candidates), engine=engine), crops


def test_no_face_is_cropped_more_often_than_the_pack_asks_for(toy_pack):
    people = [at(30, 30, 0.9, 30), at(90, 90, 0.8, 30)]
    aligner, crops = counted(toy_pack, people)
    assert len(aligner.align_candidates(toys.image())) == 2
    assert crops == {"regressor.onnx": 6}


def test_only_selected_candidates_are_cropped(toy_pack):
    people = [at(30, 30, 0.9, 30), at(90, 90, 0.8, 30)]
    aligner, crops = counted(toy_pack, people)
    (face,) = aligner.align_candidates(toys.image(), select=lambda found: found[1:])
    assert crops == {"regressor.onnx": 3}
    (same,) = FaceAligner(aligner.pack, detector=Candidates(people[1])).align_candidates(toys.image())
    np.testing.assert_allclose(face.landmarks, same.landmarks, atol=1e-4)


@pytest.mark.parametrize(("passes", "later"), [(1, 1), (2, 1), (3, 2)])
def test_verification_may_have_its_own_network_but_never_the_last_word(toy_pack, tmp_path, passes, later):
    shutil.copytree(toy_pack.folder, tmp_path / "pack")
    shutil.copy(tmp_path / "pack/regressor.onnx", tmp_path / "pack/quick.onnx")
    files = {**toy_pack.manifest.files, "quick.onnx": toy_pack.manifest.files["regressor.onnx"]}
    pack = ModelPack(tmp_path / "pack", replace(toy_pack.manifest, files=files))
    people = [at(30, 30, 0.9, 30), at(90, 90, 0.8, 30)]
    aligner, crops = counted(pack, people, passes=passes, first_look="quick.onnx", framed_reader="quick.onnx")
    assert len(aligner.align_candidates(toys.image())) == 2
    assert crops == {"quick.onnx": 2, "regressor.onnx": 2 * later}
    assert len(aligner.detector.detect(toys.image())) == 2
    assert crops == {"quick.onnx": 4, "regressor.onnx": 2 * later}
    aligner.align(toys.image(), boxes=[tuple(p.box) for p in people])
    assert crops == {"quick.onnx": 6, "regressor.onnx": 4 * later}


def test_a_candidate_on_a_part_of_a_face_that_was_found_is_not_looked_at():
    regressor = Sees((100, 100), (200, 100))
    eye, beside = at(90, 92, 0.4, side=12), at(200, 100, 0.35)
    found = faces(verifier(regressor), [at(100, 100, 0.7), eye, beside])
    assert [d.score for d, _ in found] == [0.7, 0.35]
    assert eye.box not in regressor.boxes


@pytest.mark.parametrize(("known_scores", "looked_at"), [(True, False), (False, True)])
def test_beside_a_clear_face_a_faint_candidate_is_looked_at_only_if_scores_mean_nothing(
    known_scores, looked_at
):
    regressor = Sees((100, 100), (300, 100))
    faint = at(300, 100, 0.16)
    faces(
        verifier(regressor, sure_score=0.9 if known_scores else np.inf),
        [at(100, 100, 0.85), at(200, 300, 0.3), faint],
    )
    assert (faint.box in regressor.boxes) == looked_at


def test_faint_faces_are_found_where_none_is_clear():
    regressor = Sees((100, 100), (300, 100))
    found = faces(verifier(regressor), [at(100, 100, 0.6), at(300, 100, 0.16)])
    assert [d.score for d, _ in found] == [0.6, 0.16]


def test_a_button_on_the_chest_of_a_clear_face_is_not_even_looked_at():
    face, button, child = at(200, 100, 0.9, 100), at(200, 240, 0.6, 8), at(60, 240, 0.6, 8)
    regressor = Sees((200, 100), (200, 240), (60, 240))
    assert [d.box.center for d, _ in faces(verifier(regressor), [face, button, child])] == [
        face.box.center,
        child.box.center,
    ]
    assert button.box not in regressor.boxes
    # Nobody is clear for a detector whose scores are not known.
    assert len(faces(verifier(regressor, sure_score=np.inf), [face, button, child])) == 3
    found = verifier(regressor).detections(IMAGE, [face, button, child])
    assert [d.box.center for d in found] == [face.box.center, child.box.center]
