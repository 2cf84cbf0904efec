import numpy as np
import pytest

from tddfa.imaging.pixels import PixelFormat


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("n", [1, 2])
def test_a_blob_is_its_formula(channels, n):
    images = np.random.default_rng(0).integers(0, 255, (n, 5, 7, 3), np.uint8)
    blob = PixelFormat((104, 117, 123), 1 / 128, channels).blob(list(images))
    ordered = images if channels == "rgb" else images[..., ::-1]
    np.testing.assert_allclose(blob, ((ordered - [104.0, 117, 123]) / 128).transpose(0, 3, 1, 2), atol=1e-6)
