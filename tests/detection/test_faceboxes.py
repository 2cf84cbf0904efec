import math

import numpy as np
import pytest

import toys
from tddfa import read_image
from tddfa.detection import DETECTORS, make_detector
from tddfa.detection.faceboxes import anchor_boxes
from tddfa.errors import PackError
from tddfa.runtime import OnnxNetwork

SETTINGS = {
    "kind": "faceboxes",
    "input": {"channels": "bgr", "mean": [104, 117, 123], "scale": 1.0},
    "max_height": 720,
    "max_width": 1080,
}


@pytest.mark.parametrize("size", [(64, 96), (33, 200), (720, 1080)])
def test_anchors_equal_their_definition(size):
    expected = []
    for stride, sides in ((32, (32, 64, 128)), (64, (256,)), (128, (512,))):
        for row in range(math.ceil(size[0] / stride)):
            for column in range(math.ceil(size[1] / stride)):
                for side in sides:
                    # 4 × 4 anchors of 32 px per place, 2 × 2 of 64 px, one of each other side.
                    steps = {32: [0, 0.25, 0.5, 0.75], 64: [0, 0.5]}.get(side, [0.5])
                    for dy in steps:
                        for dx in steps:
                            expected.append(((column + dx) * stride, (row + dy) * stride, side, side))
    np.testing.assert_array_equal(anchor_boxes(*size), np.array(expected, np.float32))


def test_the_toy_detector_sees_its_face(toy_pack):
    detector = make_detector(OnnxNetwork(toy_pack.read("detector.onnx"), "d"), toy_pack.manifest.detector)
    (face,) = detector.detect(toys.image(120))
    half = toys.DETECTED_SIDE / 2
    np.testing.assert_allclose(list(face.box), [64 - half, 64 - half, 64 + half, 64 + half], rtol=1e-5)
    assert face.score > 0.99


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 500, 3), (500, 2, 3)])
def test_images_of_any_shape_are_searched(published_pack, shape):
    detector = make_detector(
        OnnxNetwork(published_pack.read("detector.onnx"), "d"), published_pack.manifest.detector
    )
    assert detector.detect(np.zeros(shape, np.uint8)) == []


@pytest.mark.parametrize("photo", ["emma", "trump_hillary", "JianzhuGuo"])
def test_boxes_are_those_of_the_published_program(published_pack, shared, photo):
    detector = make_detector(
        OnnxNetwork(published_pack.read("detector.onnx"), "d"), published_pack.manifest.detector
    )
    image = read_image(shared / "reference/3ddfa_v2/examples/inputs" / f"{photo}.jpg")
    found = np.array([[*d.box, d.score] for d in detector.detect(image)])
    golden = np.load(shared / "golden" / f"{photo}_torch.npz")["boxes"]
    np.testing.assert_allclose(found, golden, atol=0.01)


def test_a_manifest_with_an_unknown_or_incomplete_detector_is_a_line():
    with pytest.raises(PackError, match=f"kind is 'magic'; one of {', '.join(DETECTORS)} is needed"):
        make_detector(lambda x: {}, {"kind": "magic"})
    with pytest.raises(PackError, match=r"detector\.file is missing"):
        make_detector(lambda x: {}, {"kind": "faceboxes"})
