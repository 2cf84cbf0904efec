"""Values for the places that have none, from those around them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from tddfa.render.kernel import kernel


def push_pull(
    values: Float32[np.ndarray, "h w c"], weights: Float32[np.ndarray, "h w"], *, smooth: int = 0
) -> Float32[np.ndarray, "h w c"]:
    """Smooth values everywhere: those given where the weight is 1, and what surrounds them where it is 0.

    Args:
        values: any; ignored where the weight is 0.
        weights: how far each value is trusted, in [0, 1].
        smooth: leave out detail smaller than 2^smooth places, also where values are known.

    Source: Gortler et al., "The lumigraph", 1996, section 3.4 (push-pull).
    """
    height, width = weights.shape
    side = 1 << max(height - 1, width - 1, 1).bit_length()
    pad = ((0, side - height), (0, side - width))
    known = np.pad(weights, pad)
    sums = np.pad(values * weights[:, :, None], (*pad, (0, 0)))
    return kernel.push_pull(sums, known, smooth)[:height, :width]
