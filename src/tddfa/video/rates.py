"""Frames per second as fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tddfa.errors import InputError
from tddfa.types.arguments import check_above_0, shown

# Largest denominator: 30000/1001 and its relatives are exact.
_DENOMINATOR = 1001

SLOWEST = Fraction(1, 1000)
"""Lowest frames per second: a frame every 1000 s. Below a half of 1/1001, fractions would be 0."""


def as_rate(name: str, value: Any) -> Fraction:
    """Return frames per second as a fraction.

    Args:
        name: of the argument.
        value: a number, or a fraction, which stays as it is.

    Raises:
        InputError: `value` is no number above 0, or a number below `SLOWEST`.
    """
    check_above_0(name, value, "frames per second")
    if isinstance(value, Fraction):
        return value
    if value < SLOWEST:
        raise InputError(f"{name}={shown(value)}; give frames per second from {float(SLOWEST)} on")
    return nearest_rate(float(value))


def nearest_rate(value: float) -> Fraction:
    """Return the fraction nearest to a number of frames per second, and not below `SLOWEST`."""
    return max(Fraction(value).limit_denominator(_DENOMINATOR), SLOWEST)
