import cv2
import numpy as np
import pytest

from tddfa.detection import make_detector
from tddfa.detection.faint import FaintDetection
from tddfa.errors import PackError
from tddfa.imaging.pyramid import Pyramid
from tddfa.types import Detection

SETTINGS = {
    "kind": "anchor-free",
    "file": "detector.onnx",
    "max_side": 256,
    "min_score": 0.5,
    "max_overlap": 0.4,
}
STRIDES = (8, 16, 32, 64)


def places_of(boxes, scores, height, width):
    """What a network says of a picture that shows the boxes: one place of the finest level for each."""
    logits = [np.full((height // s, width // s), -20.0) for s in STRIDES]
    sides = [np.zeros((4, height // s, width // s)) for s in STRIDES]
    for (x0, y0, x1, y1), score in zip(boxes, scores, strict=True):
        column, row = int((x0 + x1) / 2) // 8, int((y0 + y1) / 2) // 8
        x, y = 8 * column + 3.5, 8 * row + 3.5
        logits[0][row, column] = np.log(score / (1 - score))
        sides[0][:, row, column] = np.log(np.array([x - x0, y - y0, x1 - x, y1 - y]) / 8)
    flat = [np.concatenate([a.reshape(1, -1), b.reshape(4, -1)]) for a, b in zip(logits, sides, strict=True)]
    return np.concatenate(flat, axis=1)[None].astype(np.float32)


class WhiteRectangle:
    """A network that sees the white rectangle, twice, and something doubtful."""

    shapes: list[tuple[int, ...]]

    def __init__(self):
        self.shapes = []

    def __call__(self, x):
        self.shapes.append(x.shape)
        rows, columns = np.nonzero(x[0, :, :, 0] > 128)
        # Boxes run along the outer edges of pixels.
        box = [columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5]
        boxes = [box, np.add(box, [8, 0, 8, 0]), [-9, -9, 9, 9]]
        return {"places": places_of(boxes, [0.9, 0.8, 0.3], *x.shape[1:3])}


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
    assert max(shape[1:]) <= 256
    assert (shape[1] % 64, shape[2] % 64) == (0, 0)


class Faces:
    """A network that sees the white rectangles whose sides it can read, from 20 to 200 px.

    Attributes:
        sides: the longer side of every copy or tile that it was given.
    """

    def __init__(self):
        self.sides = []

    def __call__(self, x):
        self.sides.append(max(x.shape[1:3]))
        count, _, stats, _ = cv2.connectedComponentsWithStats((x[0, :, :, 0] > 128).astype(np.uint8))
        boxes = [(a - 0.5, b - 0.5, a + w - 0.5, b + h - 0.5) for a, b, w, h, _ in stats[1:count]]
        boxes = [
            b for b in boxes if 20 <= min(b[2] - b[0], b[3] - b[1]) <= max(b[2] - b[0], b[3] - b[1]) <= 200
        ]
        return {"places": places_of(boxes, [0.9] * len(boxes), *x.shape[1:3])}


BIG = {"kind": "tddfa", "file": "detector.onnx", "max_side": 640, "min_score": 0.5, "max_overlap": 0.4}


def test_a_face_that_fills_the_image_is_found():
    detector = make_detector(Faces(), BIG)
    (face,) = detector.detect(rectangle(2000, 2000, 200, 100, 1700, 1800))
    np.testing.assert_allclose(list(face.box), (200, 100, 1700, 1800), atol=20)


@pytest.mark.parametrize("side", [24, 40, 90, 200, 500])
def test_faces_of_every_size_are_found_once_in_a_large_image(side):
    rng = np.random.default_rng(side)
    image = np.full((3000, 4000, 3), 60, np.uint8)
    corners = [(x, y) for x in range(10, 3450, 560) for y in range(10, 2450, 560)]
    places = [tuple(np.add(corner, rng.integers(0, 50, 2)).tolist()) for corner in corners]
    for x, y in places:
        image[y : y + side, x : x + side] = 255
    found = make_detector(Faces(), BIG).detect(image, search_size=4000)
    assert len(found) == len(places)
    centers = np.array([d.box.center for d in found])
    for place in places:
        distance = np.linalg.norm(centers - (np.array(place) + (side - 1) / 2), axis=1)
        assert (distance < 6).sum() == 1


def test_a_search_goes_on_to_the_image_itself_and_costs_only_the_steps_that_are_taken():
    network = Faces()
    detector = make_detector(network, BIG)
    image = np.maximum(rectangle(4000, 3000, 2000, 1000, 2030, 1030), 60)  # a dark one would be blurred
    search = detector.search(image)
    first = next(search)
    assert first.detections == []
    assert first.smallest == pytest.approx(20 * 4000 / 640)
    assert max(network.sides) == 640
    steps = list(search)
    assert [round(step.smallest) for step in steps] == [50, 20]
    assert [len(step.detections) for step in steps] == [0, 1]
    assert max(network.sides) <= 1024
    assert detector.smallest_face(4000, 3000) == pytest.approx(20)
    assert detector.smallest_face(4000, 3000, search_size=2000) == pytest.approx(40)
    assert detector.smallest_face(12_288, 100) == pytest.approx(40)


class FacesOfMany(Faces):
    """The same network for any number of images."""

    takes_batches = True

    def __init__(self):
        super().__init__()
        self.batches = []

    def __call__(self, x):
        self.batches.append(x.shape[:3])
        return {
            "places": np.concatenate([super(FacesOfMany, self).__call__(one[None])["places"] for one in x])
        }


def test_images_are_read_together_by_size_and_found_as_each_by_itself():
    images = [np.maximum(rectangle(600, 400, 100 + 9 * k, 90, 150 + 9 * k, 140), 60) for k in range(3)]
    images += [np.maximum(rectangle(400, 600, 100, 190, 150, 240), 60)] * 2
    images += [np.maximum(rectangle(2000, 1500, 600, 700, 640, 740), 60)]
    network = FacesOfMany()
    together = make_detector(network, BIG).search_batch(images)
    alone = [make_detector(Faces(), BIG).search(image) for image in images]
    active = list(range(len(images)))
    while active:
        steps = together.step(active)
        expected = {k: step for k in active if (step := next(alone[k], None)) is not None}
        assert steps == expected
        active = list(steps)
    # The face of the last image is too small for the base copy, so its smallest copy is read as well.
    assert sorted(network.batches[:4]) == [(1, 128, 128), (1, 512, 640), (2, 640, 448), (3, 448, 640)]


@pytest.mark.parametrize(("score", "n_copies"), [(0.79, 2), (0.81, 1)])
def test_the_smallest_copy_is_read_only_where_no_face_is_clear(score, n_copies):
    sides = []

    def network(x):
        sides.append(x.shape[2])
        boxes = [(100, 100, 180, 180)] if x.shape[2] == 640 else []
        return {"places": places_of(boxes, [score] * len(boxes), *x.shape[1:3])}

    (face,) = make_detector(network, BIG).detect(np.full((640, 640, 3), 99, np.uint8))
    assert face.score == pytest.approx(score)
    assert sides == [640, 128][:n_copies]


def test_faint_faces_tell_the_scores_of_all_cells_that_overlap_them():
    """Three cells agree on one face, a fourth stands alone, a fifth is below every score that counts."""
    boxes = [(100, 100, 140, 140), (108, 100, 148, 140), (100, 108, 140, 148), (300, 300, 330, 330)]
    boxes += [(500, 500, 540, 540), (104, 92, 144, 132)]
    scores = [0.4, 0.3, 0.1, 0.2, 0.6, 0.02]

    def network(x):
        known = range(len(boxes)) if x.shape[2] == 640 else []
        return {"places": places_of([boxes[k] for k in known], [scores[k] for k in known], *x.shape[1:3])}

    image = np.full((640, 640, 3), 99, np.uint8)
    likely, first, alone = make_detector(network, {**BIG, "min_score": 0.15}).detect(image)
    assert [round(d.score, 3) for d in (likely, first, alone)] == [0.6, 0.4, 0.2]
    assert type(likely) is Detection
    assert isinstance(first, FaintDetection)
    assert isinstance(alone, FaintDetection)
    assert (first.support, alone.support) == (pytest.approx(0.8), pytest.approx(0.2))


def test_a_plain_detection_takes_one_step():
    network = Faces()
    image = rectangle(4000, 3000, 1000, 1000, 1400, 1400)
    detector = make_detector(network, BIG)
    assert detector.detect(image) == next(detector.search(image)).detections
    assert max(network.sides) == 640


@pytest.mark.parametrize("score", [0, 1, -3])
def test_a_score_that_decides_nothing_is_a_line(score):
    with pytest.raises(
        PackError, match=rf"detector\.min_score is {score}; a number above 0 to 0\.999 is needed"
    ):
        make_detector(WhiteRectangle(), {**SETTINGS, "min_score": score})


def test_a_network_without_the_outputs_is_a_line():
    detector = make_detector(lambda x: {"heat": np.zeros((1, 3), np.float32)}, SETTINGS)
    with pytest.raises(PackError, match="gives heat, but needs places"):
        detector.detect(np.zeros((9, 9, 3), np.uint8))


def test_an_image_taken_in_the_dark_is_lit_and_others_stay_as_they_are():
    seen = []

    def network(x):
        seen.append(x)
        return {"places": places_of([], [], *x.shape[1:3])}

    detector = make_detector(network, SETTINGS)
    day = rectangle(128, 128, 32, 32, 96, 96)
    noise = np.random.default_rng(0).normal(0, 3, day.shape)
    night = np.clip(day * 0.1 + noise, 0, 255).astype(np.uint8)
    detector.detect(day)
    detector.detect(night)
    np.testing.assert_array_equal(seen[0][0], day)
    inside, outside = seen[1][0, 40:88, 40:88], seen[1][0, 100:, 100:]
    assert inside.mean() > 180
    assert outside.mean() < 40
    assert inside.std() < 20  # ten times the light would be ten times the noise
    detector.detect(np.zeros((64, 64, 3), np.uint8))
    assert seen[2].max() == 0


@pytest.mark.parametrize(
    ("size", "search_size", "largest", "expected"),
    [
        ((1024, 512), None, False, (256, 128)),
        ((1024, 512), 400, False, (400, 200)),
        ((512, 1024), None, True, (64, 128)),  # the preview
        ((1024, 512), 400, True, (400, 200)),
        ((200, 100), None, False, (200, 100)),
    ],
)
def test_the_reduced_image_is_as_large_as_the_copy_that_is_searched(size, search_size, largest, expected):
    image = rectangle(*size, 20, 20, size[0] // 2, size[1] // 2)
    network = WhiteRectangle()
    detector = make_detector(network, SETTINGS)
    copy = detector.reduced(Pyramid(image), search_size=search_size, largest=largest)
    assert copy.shape == (expected[1], expected[0], 3)
    assert (copy is image) == (size == expected)
    # What is found in the copy, turned or not, is what is found in the image.
    for turns in range(4):
        network.shapes = []
        (in_copy,) = detector.detect(np.rot90(copy, turns), search_size=search_size)
        read, network.shapes = network.shapes, []
        (in_image,) = detector.detect(np.rot90(image, turns), search_size=max(expected))
        assert read == network.shapes
        ratio = max(size) / max(expected)
        np.testing.assert_allclose(
            (np.array(tuple(in_copy.box)) + 0.5) * ratio - 0.5, tuple(in_image.box), atol=2 * ratio
        )
