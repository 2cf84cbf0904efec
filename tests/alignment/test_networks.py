"""Which network of a pack sees a face, and how often."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from counting import CountingEngine
from tddfa import FaceAligner, read_image
from tddfa.errors import PackError
from tddfa.packs import find_pack
from tddfa.runtime import OnnxNetwork

PHOTOS = Path(__file__).parents[2] / "examples/photos"


def pack_with(**settings):
    """The default pack with other settings of its regressor."""
    pack = find_pack("open")
    regressor = {**pack.manifest.regressor, **settings}
    return replace(pack, manifest=replace(pack.manifest, regressor=regressor))


ONE_NETWORK = {"file": "verifier.onnx", "verifier": None, "framed_reader": None}


@pytest.fixture(scope="module")
def images():
    return [read_image(PHOTOS / name) for name in ("astronaut.jpg", "group.jpg")]


@pytest.fixture(scope="module")
def one_network():
    engine = CountingEngine()
    return FaceAligner(pack_with(**ONE_NETWORK), engine=engine), engine


def test_close_ups_are_read_once_for_each_face_that_is_returned(one_network, images):
    aligner, engine = one_network
    alone = [aligner.align(image) for image in images]
    n_faces = [len(faces) for faces in alone]
    assert n_faces[0] == 1 < n_faces[1]
    assert engine.taken()["expressions.onnx"] == n_faces
    # Those of a batch of images in one run, and the faces are the same.
    together = aligner.align_batch(images)
    assert engine.taken()["expressions.onnx"] == [sum(n_faces)]
    for faces, expected in zip(together, alone, strict=True):
        assert [face.detection for face in faces] == [face.detection for face in expected]
        for face, other in zip(faces, expected, strict=True):
            np.testing.assert_allclose(face.landmarks, other.landmarks, atol=0.02)


def test_detections_need_no_close_ups(one_network, images):
    aligner, engine = one_network
    assert len(aligner.detector.detect(images[0])) == 1
    runs = engine.taken()
    assert runs["verifier.onnx"]
    assert not runs.get("expressions.onnx")


def test_landmarks_take_one_run_of_each_network(one_network, images):
    aligner, engine = one_network
    (face,) = aligner.align(images[0])
    engine.taken()
    aligner.align(images[0], landmarks=[face.landmarks, face.landmarks])
    runs = engine.taken()
    assert (runs["verifier.onnx"], runs["expressions.onnx"]) == ([2], [2])


def test_a_box_that_frames_its_face_well_is_cropped_once(one_network, images):
    aligner, engine = one_network
    (face,) = aligner.align(images[0])
    around = aligner._networks.regressor.box_around(face.landmarks, face.box)
    for box, crops in ((around, 1), (around.shifted(0.2 * around.width, 0.0), 2)):
        engine.taken()
        (found,) = aligner.align(images[0], boxes=[box])
        runs = engine.taken()
        assert len(runs["verifier.onnx"]) == crops
        assert runs["expressions.onnx"] == [1]
        size = np.ptp(face.landmarks[:, 1])
        assert np.linalg.norm(found.landmarks - face.landmarks, axis=1).mean() < 0.02 * size


@pytest.mark.parametrize(("framed_reader", "first", "again"), [("verifier.onnx", 0, 1), (None, 1, 2)])
def test_the_regressor_sees_boxes_unless_another_network_has_seen_them_well(
    images, framed_reader, first, again
):
    engine = CountingEngine()
    settings = {"file": "regressor-small.onnx", "verifier": "verifier.onnx", "framed_reader": framed_reader}
    aligner = FaceAligner(pack_with(**settings), engine=engine)
    (face,) = aligner.align(images[0])
    around = aligner._networks.regressor.box_around(face.landmarks, face.box)
    for box, crops in ((around, first), (around.shifted(0.2 * around.width, 0.0), again)):
        engine.taken()
        aligner.align(images[0], boxes=[box])
        runs = engine.taken()
        assert runs["verifier.onnx"] == [1] * (framed_reader is not None), "what is given is not verified"
        assert runs.get("regressor-small.onnx", []) == [1] * crops
        assert runs["expressions.onnx"] == [1]
    aligner.align(images[0], landmarks=[face.landmarks])
    runs = engine.taken()
    assert (runs["verifier.onnx"], runs["regressor-small.onnx"]) == ([], [1])


def test_a_verifier_that_is_the_network_itself_is_no_other_network(one_network, images):
    same = FaceAligner(pack_with(**ONE_NETWORK | {"verifier": "verifier.onnx"}))
    assert same.align(images[0]) == one_network[0].align(images[0])


def test_clear_detections_are_read_by_the_exact_network_at_once_and_others_after_verification(images):
    engine = CountingEngine()
    settings = {"file": "regressor.onnx", "verifier": "verifier.onnx"}
    aligner = FaceAligner(pack_with(**settings, framed_reader="regressor-small.onnx"), engine=engine)
    detections = [detection for image in images for detection in aligner.detector.detect(image)]
    engine.taken()
    faces = aligner.align_batch(images)
    runs = engine.taken()
    n_clear = sum(detection.score >= 0.8 for detection in detections)
    assert 0 < n_clear < len(detections)
    assert runs["regressor-small.onnx"][0] == n_clear
    # Those that no other crop is cut of are read once more, unless the same network has read them.
    assert sum(runs["regressor-small.onnx"][1:]) <= len(detections) - n_clear
    assert sum(map(len, faces)) == len(detections)


class Sure:
    """A network of faces that is as sure as it is told, and counts its crops."""

    def __init__(self, network, confidence):
        self._network, self._confidence, self.n_crops = network, confidence, 0
        self.from_points, self.box_around = network.from_points, network.box_around

    def from_boxes(self, images, boxes):
        self.n_crops += len(boxes)
        params = self._network.from_boxes(images, boxes)
        return [replace(p, confidence=self._confidence) for p in params]


@pytest.mark.parametrize(("confidence", "verified"), [(0.9999, False), (0.999, True)])
def test_a_clear_detection_is_verified_where_the_exact_network_is_not_sure(images, confidence, verified):
    aligner = FaceAligner("open")
    networks = aligner._networks
    networks.framed_reader = Sure(networks.framed_reader, confidence)  # a cached property
    networks.verifying_regressor = Sure(networks.verifying_regressor, 1.0)
    (face,) = aligner.align(images[0], max_faces=1)
    assert face.score >= 0.8
    assert networks.framed_reader.n_crops >= 1
    assert (networks.verifying_regressor.n_crops > 0) == verified


@pytest.mark.parametrize("verifier", [None, "verifier.onnx", "regressor-small.onnx"])
def test_without_close_ups_a_network_has_the_last_word_alone(images, verifier):
    """A face that is found is cropped again; one in a box is where another network reads boxes."""
    engine = CountingEngine()
    settings = {"file": "verifier.onnx", "verifier": verifier, "expressions": None, "closeups": None}
    for reader in (None, "verifier.onnx", "regressor-small.onnx"):
        aligner = FaceAligner(pack_with(**settings, framed_reader=reader), engine=engine)
        engine.taken()
        (face,) = aligner.align(images[0])
        runs = engine.taken()
        assert runs["verifier.onnx"], "the last crop is its own"
        around = aligner._networks.regressor.box_around(face.landmarks, face.box)
        aligner.align(images[0], boxes=[around])
        runs = engine.taken()
        assert runs["verifier.onnx"] == [1]
        assert runs.get("regressor-small.onnx", []) == [1] * (reader == "regressor-small.onnx")


def test_a_broken_network_of_close_ups_is_refused_when_the_pack_is_opened():
    def engine(model, name):
        if name.startswith("expressions.onnx"):
            raise PackError(f"{name} is broken")
        return OnnxNetwork(model, name)

    with pytest.raises(PackError, match=r"expressions\.onnx .* is broken"):
        FaceAligner(pack_with(**ONE_NETWORK), engine=engine)


def test_networks_that_no_face_needs_are_not_loaded(images):
    engine = CountingEngine()
    aligner = FaceAligner("open", engine=engine)
    assert set(engine.runs) == {"regressor-small.onnx", "expressions.onnx"}, (
        "a broken pack is refused at once"
    )
    (face,) = aligner.align(images[0])
    assert face.score >= 0.8
    assert "regressor.onnx" not in engine.runs, "the detection frames this face well"


def test_the_small_network_reads_a_clear_face_once_and_others_twice(images):
    engine = CountingEngine()
    aligner = FaceAligner("open:small", engine=engine)
    (face,) = aligner.align(images[0])
    runs = engine.taken()
    assert face.score >= 0.8
    assert runs["regressor-small.onnx"] == [1], "the detection frames this face well"
    faces = aligner.align(images[1])
    runs = engine.taken()
    n_clear = sum(face.score >= 0.8 for face in faces)
    assert 0 < n_clear < len(faces)
    assert runs["regressor-small.onnx"][0] == n_clear
    assert sum(runs["regressor-small.onnx"]) >= len(faces)
