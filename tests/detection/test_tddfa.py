import numpy as np
import pytest

from tddfa.detection import make_detector
from tddfa.errors import PackError

SETTINGS = {
    "kind": "tddfa",
    "input": {"channels": "rgb", "mean": [0, 0, 0], "scale": 1.0},
    "max_side": 256,
    "multiple": 64,
    "min_score": 0.5,
    "max_overlap": 0.4,
}


class WhiteRectangle:
    """A network that sees the white rectangle, twice, and something doubtful."""

    shapes: list[tuple[int, ...]]

    def __init__(self):
        self.shapes = []

    def __call__(self, x):
        self.shapes.append(x.shape)
        rows, columns = np.nonzero(x[0, 0] > 128)
        # Boxes run along the outer edges of pixels.
        box = [columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5]
        boxes = np.array([[box, np.add(box, 1), [0, 0, 5, 5]]], np.float32)
        return {"boxes": boxes, "scores": np.array([[0.9, 0.8, 0.3]], np.float32)}


def rectangle(width, height, x0, y0, x1, y1):
    image = np.zeros((height, width, 3), np.uint8)
    image[y0:y1, x0:x1] = 255
    return image


@pytest.mark.parametrize(("width", "height"), [(200, 100), (256, 256), (1024, 512), (300, 1000)])
def test_a_face_is_found_once_where_it_is(width, height):
    network = WhiteRectangle()
    shown = (width // 4, height // 4, width // 2, height // 2)
    (face,) = make_detector(network, SETTINGS).detect(rectangle(width, height, *shown))
    step = max(width, height, 256) / 256
    np.testing.assert_allclose(list(face.box), np.array(shown) - 0.5, atol=1.01 * step - 0.99)
    assert face.score == pytest.approx(0.9)
    (shape,) = network.shapes
    assert max(shape[2:]) <= 256
    assert (shape[2] % 64, shape[3] % 64) == (0, 0)


def test_a_network_without_the_outputs_is_a_line():
    detector = make_detector(lambda x: {"heat": np.zeros((1, 3), np.float32)}, SETTINGS)
    with pytest.raises(PackError, match="gives heat, but needs boxes, scores"):
        detector.detect(np.zeros((9, 9, 3), np.uint8))
