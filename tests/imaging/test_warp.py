import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tddfa.imaging.pyramid import warp_square
from tddfa.imaging.warp import cut, resize, turned


@given(st.integers(-30, 40), st.integers(-30, 40), st.integers(1, 60), st.integers(1, 60))
def test_cutting_equals_looking_up_every_pixel(x0, y0, w, h):
    image = np.random.default_rng(0).integers(1, 255, (20, 30, 3), np.uint8)
    out = cut(image, x0, y0, x0 + w, y0 + h)
    for y in range(h):
        for x in range(w):
            inside = 0 <= y0 + y < 20 and 0 <= x0 + x < 30
            expected = image[y0 + y, x0 + x] if inside else [0, 0, 0]
            assert (out[y, x] == expected).all()


@pytest.mark.parametrize("sides", [(2, 2), (90, 160), (46, 30)])
def test_an_image_is_resized_to_its_half_with_the_bits_of_opencv(sides):
    image = np.random.default_rng(0).integers(0, 256, (*sides, 3), dtype=np.uint8)
    for given_as in (image, image[..., ::-1], image[::-1]):
        half = resize(given_as, sides[1] // 2, sides[0] // 2)
        expected = cv2.resize(given_as, (sides[1] // 2, sides[0] // 2), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(half, expected)


@pytest.mark.parametrize("seed", range(40))
def test_a_crop_that_reaches_outside_is_that_of_the_padded_image(seed):
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (*random.integers(40, 300, 2), 3), dtype=np.uint8)
    side = float(random.uniform(200, 1000))
    x, y = (random.uniform(-0.4, 1.4, 2) * image.shape[1::-1]).tolist()
    border = 1536  # a multiple of every shrink, so that the same blocks of pixels are averaged
    padded = np.pad(image, ((border, border), (border, border), (0, 0)))
    crop = warp_square(image, x, y, side, 60).astype(int)
    # OpenCV computes places in single precision: far from the origin a few pixels are rounded otherwise.
    assert np.abs(crop - warp_square(padded, x + border, y + border, side, 60)).max() <= 1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_image_is_that_of_numpy(turns):
    image = np.random.default_rng(0).integers(0, 255, (7, 5, 3), dtype=np.uint8)
    result = turned(image, turns)
    np.testing.assert_array_equal(result, np.rot90(image, turns))
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(turned(image[:, ::-1], turns), np.rot90(image[:, ::-1], turns))
