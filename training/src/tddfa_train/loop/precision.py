"""Whether a device computes in bfloat16."""

from functools import cache

import torch


@cache
def has_bfloat16(kind: str) -> bool:
    """Return whether a kind of device computes in bfloat16; a processor without it takes five times as long.

    Args:
        kind: "cpu", "cuda", …
    """
    if kind != "cpu":
        return True
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is None or bool(supported())
