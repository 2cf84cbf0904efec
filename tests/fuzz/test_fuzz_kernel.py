"""Direct calls of the kernel, in this process: `make sanitize` runs them under the sanitizers."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from tddfa import native

sys.path.insert(0, str(Path(__file__).parent))

import pack_kinds

N_CALLS = 4000


@pytest.mark.skipif(native.kernel is None, reason="needs the native kernel, which is not built")
def test_no_direct_call_of_the_kernel_leaves_its_arrays():
    counts = Counter(pack_kinds.check_call(number.to_bytes(4, "big")) for number in range(N_CALLS))
    # Enough of the calls get past the checks to reach what the checks protect.
    assert counts["read"] > 0.25 * N_CALLS
    assert counts["refused"] > 0.1 * N_CALLS
    assert counts["refused without a word"] == 0 or counts.keys() <= {
        "read",
        "refused",
        "refused without a word",
    }


@pytest.mark.skipif(native.kernel is None, reason="needs the native kernel, which is not built")
def test_every_function_of_the_kernel_is_called():
    functions = {
        name for name in dir(native.kernel) if callable(getattr(native.kernel, name)) and name[0] != "_"
    }
    assert functions == {name for name, _ in pack_kinds.CALLS}
