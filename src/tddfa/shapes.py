"""Shapes and types of arrays in annotations: jaxtyping's for type checkers and tests, free of cost otherwise.

Nothing reads the annotations of a program at work, and importing jaxtyping takes as long as aligning a photo.
Who wants them checked, as the tests do, imports jaxtyping before tddfa.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Float32 as Float32
    from jaxtyping import Float64 as Float64
    from jaxtyping import Int as Int
    from jaxtyping import Int32 as Int32
    from jaxtyping import Int64 as Int64
    from jaxtyping import Integer as Integer
    from jaxtyping import Real as Real
    from jaxtyping import Shaped as Shaped
    from jaxtyping import UInt8 as UInt8
    from jaxtyping import UInt16 as UInt16
    from jaxtyping import UInt32 as UInt32
    from jaxtyping import UInt64 as UInt64
else:

    class _Unchecked:
        def __class_getitem__(cls, _: object) -> Any:
            return Any

    Bool = Float = Float32 = Float64 = Int = Int32 = Int64 = Integer = Real = Shaped = _Unchecked
    UInt8 = UInt16 = UInt32 = UInt64 = _Unchecked
