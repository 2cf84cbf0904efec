import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tddfa import native
from tddfa.imaging.halving import halved
from tddfa.imaging.pyramid import Pyramid, warp_square

IMAGE = np.random.default_rng(0).integers(0, 256, (45, 70, 3), np.uint8)


def slow_level(image, level):
    """The twin: averages of two by two pixels, black beyond the sides."""
    for _ in range(level):
        padded = np.pad(image, ((0, image.shape[0] & 1), (0, image.shape[1] & 1), (0, 0))).astype(int)
        sums = padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]
        image = ((sums + 2) >> 2).astype(np.uint8)
    return image


@pytest.mark.parametrize("with_kernel", [True, False])
def test_halves_are_exact_means_whatever_the_sides_and_the_order_of_the_bytes(
    with_kernel, monkeypatch
) -> None:
    if not with_kernel:
        monkeypatch.setattr(native, "kernel", None)
    rng = np.random.default_rng(3)
    for width in range(1, 45):
        for height in (1, 2, 3, 8):
            wide = rng.integers(0, 256, (height, width + 3, 3), dtype=np.uint8)
            for image in (wide[:, 1:-2], wide[::-1, :width], wide[:, :width, ::-1]):
                np.testing.assert_array_equal(halved(image), slow_level(image, 1))


@given(
    st.lists(
        st.tuples(st.integers(0, 4), *[st.integers(-9, 60)] * 2, *[st.integers(1, 50)] * 2),
        min_size=1,
        max_size=8,
    )
)
def test_a_part_is_that_of_the_whole_level_whatever_was_asked_before(parts):
    pyramid = Pyramid(IMAGE)
    for level, x0, y0, width, height in parts:
        whole = np.pad(slow_level(IMAGE, level), ((200, 200), (200, 200), (0, 0)))
        expected = whole[200 + y0 : 200 + y0 + height, 200 + x0 : 200 + x0 + width]
        np.testing.assert_array_equal(pyramid.part(level, x0, y0, x0 + width, y0 + height), expected)


@pytest.mark.parametrize("side", [40.0, 150.0, 333.3])
def test_squares_of_one_pyramid_are_those_of_the_image(side):
    image = np.random.default_rng(1).integers(0, 256, (301, 403, 3), np.uint8)
    pyramid = Pyramid(image)
    for x, y in [(200.0, 150.0), (30.5, 280.2), (390.0, 10.0), (201.0, 151.0), (199.0, 149.0)]:
        np.testing.assert_array_equal(
            warp_square(pyramid, x, y, side, 40), warp_square(image, x, y, side, 40)
        )


@pytest.mark.parametrize("size", [1, 16, 60, 120])
def test_the_kernel_cuts_the_pixels_that_opencv_cuts(size, monkeypatch) -> None:
    rng = np.random.default_rng(size)
    image = rng.integers(0, 256, (90, 130, 3), dtype=np.uint8)
    for bgr in (image, image[..., ::-1], image[::2, 1::3]):
        for _ in range(20):
            x, y = rng.uniform(-60, 160, 2)
            side = size * rng.uniform(0.05, 1.99)
            cut = warp_square(bgr, x, y, side, size)
            with monkeypatch.context() as without:
                without.setattr(native, "kernel", None)
                expected = warp_square(bgr, x, y, side, size)
            # Versions of OpenCV and processors round a place in a thousand differently.
            np.testing.assert_allclose(cut, expected.astype(int), atol=1)
            assert (cut != expected).mean() < 0.02
