import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import toys
from tddfa.errors import PackError
from tddfa.geometry.camera import project
from tddfa.geometry.quarter_turns import quarter_turns, turned_back
from tddfa.imaging.pyramid import warp_square
from tddfa.regression import make_regressor
from tddfa.types import BoundingBox

SIZE = 120
SETTINGS = {
    "kind": "affine-camera",
    "file": "regressor.onnx",
    "size": SIZE,
    "crop": {"box_scale": 1.4, "box_down": 0.1, "points_scale": 1.3},
}


class BrightestPixel:
    """A network whose model is one point, the origin, which it puts on the brightest pixel of the crop."""

    def __call__(self, x):
        n = len(x)
        place = x.sum(axis=3).reshape(n, -1).argmax(axis=1)
        camera = np.zeros((n, 3, 4), np.float32)
        camera[:, 0, 3], camera[:, 1, 3] = place % SIZE, place // SIZE
        camera[:, [0, 1, 2], [0, 1, 2]] = [1, -1, -1]
        return {
            "camera": camera,
            "identity": np.zeros((n, 2), np.float32),
            "expression": np.zeros((n, 3), np.float32),
            "confidence": np.full(n, 0.75, np.float32),
        }


regressor = make_regressor(BrightestPixel(), SETTINGS, lambda name: {})


def spot(x: float, y: float, radius: float, height: int = 400, width: int = 500) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    light = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
    return np.repeat(np.rint(light).astype(np.uint8)[..., None], 3, axis=2)


@given(
    st.floats(150, 350), st.floats(150, 250), st.floats(25, 300), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)
)
def test_what_is_seen_in_the_crop_is_found_in_the_image(x, y, side, dx, dy):
    step = 1.4 * side / SIZE
    box = BoundingBox(
        x + dx * side - side / 2, y + dy * side - side / 2, x + dx * side + side / 2, y + dy * side + side / 2
    )
    (params,) = regressor.from_boxes([spot(x, y, max(2.0, 2 * step))], [box])
    found = project(params.camera, np.zeros((1, 3)))[0, :2]
    # The network knows whole pixels of the crop.
    np.testing.assert_allclose(found, [x, y], atol=1.2 * max(step, 1))
    assert params.confidence == 0.75


@given(st.floats(100, 400), st.floats(100, 300), st.floats(20, 800))
def test_a_warped_square_shows_the_places_it_says(x, y, side):
    # On a linear ramp every interpolation and every average is exact, but for the rounding of each halving.
    rows, columns = np.mgrid[0:400, 0:500]
    ramp = np.stack([columns / 2, rows / 2, 0 * rows], axis=-1)
    image = np.rint(ramp).astype(np.uint8)
    out = warp_square(image, x, y, side, 60)
    place = (np.arange(60) - 59 / 2) * side / 60
    margin = 2 + 2 * side / 60  # within it, averages contain the black outside
    inside_x = (x + place > margin) & (x + place < 499 - margin)
    inside_y = (y + place > margin) & (y + place < 399 - margin)
    part = out[np.ix_(inside_y, inside_x)].astype(np.float64)
    np.testing.assert_allclose(
        part[..., 0], np.broadcast_to((x + place[inside_x]) / 2, part.shape[:2]), atol=1.6
    )
    np.testing.assert_allclose(
        part[..., 1].T, np.broadcast_to((y + place[inside_y]) / 2, part.shape[1::-1]), atol=1.6
    )


def test_outside_the_image_a_warped_square_is_black():
    out = warp_square(np.full((50, 50, 3), 255, np.uint8), 0, 25, 40, 40)
    assert (out[:, :19] == 0).all()
    assert (out[:, 21:] == 255).all()


def test_a_ready_crop_is_seen_as_if_cut_from_its_image():
    image = spot(210.0, 190.0, 6)
    square = BoundingBox(150, 130, 270, 250)
    (params,) = regressor.from_crops([image[130:250, 150:270]], [square])
    np.testing.assert_allclose(project(params.camera, np.zeros((1, 3)))[0, :2], [210, 190], atol=1e-4)


def test_no_faces_need_no_network():
    assert regressor.from_boxes([], []) == []


@pytest.mark.parametrize("box", [(900, 900, 950, 950), (0, 0, 1e8, 1e8), (9, 9, 9.1, 9.1)])
def test_a_box_that_no_crop_can_be_cut_for_is_none_and_takes_no_other_away(box):
    images, boxes = [toys.image()] * 3, [BoundingBox(20, 20, 90, 90)] * 3
    whole = regressor.from_boxes(images, boxes)
    boxes[1] = BoundingBox(*box)
    before, none, after = regressor.from_boxes(images, boxes)
    assert none is None
    assert (before, after) == (whole[0], whole[2])


@pytest.mark.parametrize("value", [50.0, np.nan, np.inf, 1e30])
def test_points_without_an_extent_are_none(value):
    points = np.full((68, 2), value)
    assert regressor.from_points([toys.image()], [points]) == [None]
    assert regressor.box_around(points, BoundingBox(0, 0, 1, 1)) is None


def test_crops_of_many_images_are_predicted_as_one_by_one():
    images = [spot(50.0 + 40 * k, 60.0 + 30 * k, 5, 300 + 10 * k) for k in range(5)]
    boxes = [BoundingBox(20.0 + 40 * k, 30 + 30 * k, 90 + 40 * k, 110 + 30 * k) for k in range(5)]
    alone = [regressor.from_boxes([image], [box])[0] for image, box in zip(images, boxes, strict=True)]
    assert regressor.from_boxes(images, boxes) == alone
    many = regressor.from_boxes(images * 30, boxes * 30)  # more than one run of the network
    assert many == alone * 30


def test_a_network_without_the_outputs_is_a_line():
    poor = make_regressor(
        lambda x: {"camera": np.zeros((len(x), 3, 4), np.float32)}, SETTINGS, lambda name: {}
    )
    with pytest.raises(PackError, match="needs camera, identity, expression, confidence"):
        poor.from_boxes([toys.image()], [BoundingBox(0, 0, 90, 90)])


@given(st.floats(60, 300), st.floats(60, 300), st.floats(20, 90), st.floats(20, 90), st.floats(0.6, 1.6))
def test_the_box_around_points_has_the_crop_of_the_points(x, y, width, height, shape):
    points = np.array([[x, y, 0], [x + width, y + height, 0]])
    box = regressor.box_around(points, BoundingBox(3, 4, 3 + 7, 4 + 7 * shape))
    assert box.height / box.width == pytest.approx(shape)
    np.testing.assert_allclose(regressor._around_box(box), regressor._around_points(points))


UPRIGHT = np.random.default_rng(0).uniform(-20, 20, (68, 2))
UPRIGHT[36:48, 1] -= 30
UPRIGHT[48:, 1] += 30


def turned(points, degrees):
    """Points turned clockwise, as they are seen in pictures."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return points @ np.array([[c, s], [-s, c]])


@pytest.mark.parametrize(
    ("degrees", "turns"),
    [(0, 0), (40, 0), (-40, 0), (50, 1), (90, 1), (180, 2), (-180, 2), (-90, 3), (220, 2)],
)
def test_a_face_is_turned_upright(degrees, turns):
    points = turned(UPRIGHT, degrees)
    assert quarter_turns(points) == turns
    assert quarter_turns(points[:67]) == 0
    assert quarter_turns(np.full((68, 2), np.nan)) == 0


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_crop_that_was_turned_shows_the_same_place(turns):
    crop = np.zeros((SIZE, SIZE, 3), np.uint8)
    crop[17, 90] = 255
    camera = BrightestPixel()(np.rot90(crop, turns)[None])["camera"][0].astype(float)
    back = turned_back(camera, turns, SIZE, SIZE)
    np.testing.assert_allclose(project(back, np.zeros((1, 3)))[0, :2], [90, 17], atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(back[:, :3]), np.linalg.det(camera[:, :3]), atol=1e-9)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_looks_at_a_turned_image_are_the_turned_looks(degrees):
    class Upright:
        """Sees a face only where it stands upright: bright above, dark below."""

        def __call__(self, x):
            assert (x[:, :40].mean((1, 2, 3)) > x[:, -40:].mean((1, 2, 3)) + 50).all()
            return BrightestPixel()(x)

    image = np.zeros((301, 301, 3), np.uint8)
    image[:150] = 150
    image[110, 180] = 255
    points, place = 3 * UPRIGHT, np.array([180.0, 110.0]) - 150
    seen = make_regressor(Upright(), SETTINGS, lambda name: {})
    # np.rot90 turns to the left, a face with it.
    shown = np.ascontiguousarray(np.rot90(image, degrees // 90))
    (params,) = seen.from_points([shown], [turned(points, -degrees) + 150])
    found = project(params.camera, np.zeros((1, 3)))[0, :2]
    np.testing.assert_allclose(found, turned(place[None], -degrees)[0] + 150, atol=3)
