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


def test_a_picture_taken_in_the_dark_is_lit_and_others_stay_as_they_are():
    seen = []

    def network(x):
        seen.append(x)
        return {"boxes": np.zeros((1, 0, 4), np.float32), "scores": np.zeros((1, 0), np.float32)}

    detector = make_detector(network, SETTINGS)
    day = rectangle(128, 128, 32, 32, 96, 96)
    noise = np.random.default_rng(0).normal(0, 3, day.shape)
    night = np.clip(day * 0.1 + noise, 0, 255).astype(np.uint8)
    detector.detect(day)
    detector.detect(night)
    np.testing.assert_array_equal(seen[0][0], day.transpose(2, 0, 1))
    inside, outside = seen[1][0, :, 40:88, 40:88], seen[1][0, :, 100:, 100:]
    assert inside.mean() > 180
    assert outside.mean() < 40
    assert inside.std() < 20  # ten times the light would be ten times the noise
    detector.detect(np.zeros((64, 64, 3), np.uint8))
    assert seen[2].max() == 0
