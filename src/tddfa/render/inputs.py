"""The door of drawing: arguments are checked once, and a wrong one is a line that says what is possible."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tddfa.errors import InputError
from tddfa.shapes import UInt8
from tddfa.types import Face, Image
from tddfa.types.image import check_image

MAX_EXPONENT = 1024
"""Largest exponent of a highlight; above it nothing of the highlight is left."""


def faces_to_draw(image: Any, faces: Iterable[Face]) -> list[Face]:
    """Return the faces as a list.

    Raises:
        InputError: the image is not RGB, or `faces` holds anything but faces.
    """
    check_image(image)
    if isinstance(faces, Face):
        raise InputError("faces is one face; put it into a list: [face]")
    try:
        each = list(faces)
    except TypeError:
        raise InputError(f"faces is a {type(faces).__name__}; a list of faces is needed") from None
    for k, face in enumerate(each):
        check_kind(f"faces[{k}]", face, Face, "FaceAligner.align returns faces")
    return each


def check_kind(name: str, value: object, kind: type, hint: str) -> None:
    """Refuse an object of another class.

    Raises:
        InputError: `value` is no `kind`; the message ends with the hint.
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} is a {type(value).__name__}, not a {kind.__name__}; {hint}")


def check_alpha(alpha: Any) -> None:
    """Refuse what is no opacity.

    Raises:
        InputError: `alpha` is not a number from 0 to 1.
    """
    if not _is_number(alpha) or not 0 <= alpha <= 1:
        raise InputError(f"alpha={alpha!r}; an opacity is a number from 0 to 1")


def as_color(color: Any, name: str = "color") -> tuple[int, int, int]:
    """Return a colour as whole levels.

    Raises:
        InputError: `color` is not three levels from 0 to 255.
    """
    try:
        levels = [*color]
        fine = len(levels) == 3 and all(_is_number(v) and 0 <= v <= 255 for v in levels)
    except TypeError:
        levels, fine = [], False
    if not fine:
        raise InputError(f"{name}={color!r}; a colour is (red, green, blue), each from 0 to 255")
    red, green, blue = (round(float(v)) for v in levels)
    return red, green, blue


def check_count(name: str, value: Any, most: int) -> None:
    """Refuse what is no positive whole number.

    Raises:
        InputError: `value` is not a whole number from 1 to `most`.
    """
    try:
        fine = not isinstance(value, bool) and 1 <= operator.index(value) <= most
    except TypeError:
        fine = False
    if not fine:
        raise InputError(f"{name}={value!r}; it takes a whole number from 1 to {most}")


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse what is none of some names.

    Raises:
        InputError: `value` is not one of `choices`.
    """
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"no {name} {value!r}; choose one of {', '.join(choices)}")


def check_numbers(name: str, values: Any, count: int) -> None:
    """Refuse what is no row of finite numbers.

    Raises:
        InputError: `values` is not `count` finite numbers.
    """
    try:
        fine = len(values) == count and all(_is_number(v) for v in values)
    except TypeError:
        fine = False
    if not fine:
        raise InputError(f"{name}={values!r}; it takes {count} finite numbers")


def per_face(name: str, values: Any, faces: Sequence[Face]) -> list[Any]:
    """Return one item for each face.

    Raises:
        InputError: there are more or fewer items than faces.
    """
    if isinstance(values, np.ndarray) and values.ndim < 2 and len(faces) == 1:
        raise InputError(f"{name} is one array; put it into a list, one per face")
    try:
        each = list(values)
    except TypeError:
        raise InputError(f"{name} is a {type(values).__name__}; a list is needed, one per face") from None
    if len(each) != len(faces):
        raise InputError(f"{len(each)} {name} for {len(faces)} faces; give one per face")
    return each


def per_vertex(name: str, values: Any, face: Face, kinds: str) -> np.ndarray:
    """Return an array with one item for each vertex of a face.

    Args:
        name: name of the array in messages.
        values: the array.
        face: the face.
        kinds: kinds of NumPy types that are possible.

    Raises:
        InputError: it has another shape or type.
    """
    array = np.asarray(values)
    n = len(face.mesh.vertices)
    if array.shape != (n,):
        raise InputError(f"{name} has the shape {array.shape}; the mesh has {n} vertices, so ({n},)")
    if array.dtype.kind not in kinds:
        needed = "a mask of booleans" if kinds == "b" else "numbers"
        raise InputError(f"{name} has the type {array.dtype}; {needed} is needed")
    return array


def as_texture(name: str, texture: Any) -> Image:
    """Return the image of a texture.

    Args:
        name: name of the texture in messages.
        texture: a `Texture`, or its RGB image.

    Raises:
        InputError: it is neither.
    """
    image: UInt8[np.ndarray, "h w 3"] = getattr(texture, "image", texture)
    check_image(image, name)
    return image


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and math.isfinite(value)
