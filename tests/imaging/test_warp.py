import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tddfa.imaging.warp import cut


@given(st.integers(-30, 40), st.integers(-30, 40), st.integers(1, 60), st.integers(1, 60))
def test_cutting_equals_looking_up_every_pixel(x0, y0, w, h):
    image = np.random.default_rng(0).integers(1, 255, (20, 30, 3), np.uint8)
    out = cut(image, x0, y0, x0 + w, y0 + h)
    for y in range(h):
        for x in range(w):
            inside = 0 <= y0 + y < 20 and 0 <= x0 + x < 30
            expected = image[y0 + y, x0 + x] if inside else [0, 0, 0]
            assert (out[y, x] == expected).all()
