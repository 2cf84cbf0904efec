"""How bright an image is."""

from __future__ import annotations

import numpy as np
import pytest

from tddfa.imaging.light import brightness


@pytest.mark.parametrize("seed", range(50))
def test_brightness_is_the_99th_percentile_of_every_eighth_pixel(seed):
    random = np.random.default_rng(seed)
    image = random.integers(0, random.integers(1, 257), (*random.integers(1, 200, 2), 3), dtype=np.uint8)
    assert brightness(image) == float(np.percentile(image[::8, ::8], 99))
