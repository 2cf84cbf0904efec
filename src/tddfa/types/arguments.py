"""The door of public functions: a wrong argument is refused once, in a line that says what is possible."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.errors import InputError
from tddfa.shapes import UInt8
from tddfa.types.face import Face
from tddfa.types.image import Image, check_image
from tddfa.types.params import FaceParams
from tddfa.types.shown import shown

_LARGEST_SQUARE = 1e18
"""Maximum sum of the squares of a camera, and of coefficients. Cameras of photos stay below 1e10; what
overflows single precision in a mesh is above the limit."""
MAX_EXPONENT = 1024
"""Largest exponent of a highlight; above it nothing of the highlight is left."""
MAX_TEXTURE_SIDE = 16384
"""Largest side of a texture, texels. OpenCV looks up colours in images with sides under 2^15 alone."""


def faces_of(image: Any, faces: Iterable[Face]) -> list[Face]:
    """Return the faces of an image as a list.

    Raises:
        InputError: the image is not RGB, or `faces` holds anything but faces.
    """
    check_image(image)
    return as_faces(faces)


def as_faces(faces: Iterable[Face]) -> list[Face]:
    """Return faces as a list.

    Raises:
        InputError: `faces` holds anything but faces.
    """
    if isinstance(faces, Face):
        raise InputError("faces is one face; put it into a list: [face]")
    each = as_list("faces", faces, "a list of faces is needed")
    for k, face in enumerate(each):
        check_face(f"faces[{k}]", face)
    return each


def check_face(name: str, face: Any) -> None:
    """Refuse what is no face, and a face whose numbers can be neither drawn nor written.

    Raises:
        InputError: `face` is no face, or its camera or a coefficient is not a finite number.
    """
    check_kind(name, face, Face, "FaceAligner.align returns faces")
    params = face.params
    check_kind(f"{name}.params", params, FaceParams, "FaceAligner.align returns faces")
    if np.shape(params.camera) != (3, 4):
        raise InputError(f"camera of {name} is {shown(params.camera)}; an array (3, 4) is needed")
    parts = {"camera": params.camera, "identity": params.identity, "expression": params.expression}
    if params.corrective is not None:
        parts["corrective"] = params.corrective
    for part, values in parts.items():
        if not _is_moderate(values):
            raise InputError(
                f"{part} of {name} is no array of finite numbers up to {math.sqrt(_LARGEST_SQUARE):g}; such "
                "a face can be neither drawn nor written"
            )


def as_list(name: str, values: Any, hint: str) -> list[Any]:
    """Return the items of an iterable.

    Raises:
        InputError: it cannot be iterated; the message ends with the hint.
    """
    try:
        return list(values)
    except TypeError:
        raise InputError(f"{name} is a {type(values).__name__}; {hint}") from None


def as_names(name: str, names: Any) -> tuple[str, ...]:
    """Return names as a tuple.

    Raises:
        InputError: it is one text, or holds anything but texts.
    """
    hint = "a list of names is needed"
    if isinstance(names, str):
        raise InputError(f"{name} is one text, {shown(names)}; {hint}")
    each = as_list(name, names, hint)
    for k, one in enumerate(each):
        check_kind(f"{name}[{k}]", one, str, hint)
    return tuple(each)


def as_iterator(name: str, values: Any, hint: str) -> Iterator[Any]:
    """Return an iterator over an iterable, which may have no end.

    Raises:
        InputError: it cannot be iterated; the message ends with the hint.
    """
    try:
        return iter(values)
    except TypeError:
        raise InputError(f"{name} is a {type(values).__name__}; {hint}") from None


def as_path(name: str, path: Any) -> Path:
    """Return a path.

    Raises:
        InputError: it is neither text nor a path, or holds a character that no path can.
    """
    try:
        text = os.fspath(path)
    except TypeError:
        text = None
    if not isinstance(text, str):
        raise InputError(f"{name} is a {type(path).__name__}; a path is needed, as text or pathlib.Path")
    if "\0" in text:
        raise InputError(f"{name} is {shown(text)}; a path cannot hold a NUL character")
    return Path(text)


def as_text(name: str, text: Any) -> str:
    """Return a text.

    Raises:
        InputError: it is something else, or holds a character that no name of a file can.
    """
    if not isinstance(text, str) or "\0" in text:
        raise InputError(f"{name}={shown(text)}; a text without NUL characters is needed")
    return text


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
        raise InputError(f"alpha={shown(alpha)}; an opacity is a number from 0 to 1")


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
        raise InputError(f"{name}={shown(color)}; a colour is (red, green, blue), each from 0 to 255")
    red, green, blue = (round(float(v)) for v in levels)
    return red, green, blue


def check_count(name: str, value: Any, most: int | None = None, *, least: int = 1) -> None:
    """Refuse what is no whole number of a range.

    Raises:
        InputError: `value` is not a whole number from `least` to `most`.
    """
    try:
        # An array of one number is an index to NumPy, and no number to others.
        fine = not isinstance(value, bool | np.ndarray) and operator.index(value) >= least
        fine = fine and (most is None or operator.index(value) <= most)
    except TypeError:
        fine = False
    if not fine:
        limits = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise InputError(f"{name}={shown(value)}; it takes a whole number {limits}")


def check_number(name: str, value: Any, least: float, most: float) -> None:
    """Refuse what is no number of a range.

    Raises:
        InputError: `value` is not a finite number from `least` to `most`.
    """
    if not _is_number(value) or not least <= value <= most:
        limits = f" of {least:g} or more" if most == math.inf else f" from {least:g} to {most:g}"
        if least == -math.inf:
            limits = ", which is finite" if most == math.inf else f" of {most:g} or less"
        raise InputError(f"{name}={shown(value)}; it takes a number{limits}")


def check_above_0(name: str, value: Any, unit: str) -> None:
    """Refuse what is no number above 0.

    Raises:
        InputError: `value` is not a finite number above 0.
    """
    if not _is_number(value) or not value > 0:
        raise InputError(f"{name}={shown(value)}; give {unit} above 0")


def check_flag(name: str, value: Any) -> None:
    """Refuse what is neither True nor False.

    Raises:
        InputError: `value` is something else.
    """
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name}={shown(value)}; it takes True or False")


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse what is none of some names.

    Raises:
        InputError: `value` is not one of `choices`.
    """
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"no {name} {shown(value)}; choose one of {', '.join(choices)}")


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
        raise InputError(f"{name}={shown(values)}; it takes {count} finite numbers")


def per_face(name: str, values: Any, faces: Sequence[Face]) -> list[Any]:
    """Return one item for each face.

    Raises:
        InputError: there are more or fewer items than faces.
    """
    if isinstance(values, np.ndarray) and values.ndim < 2 and len(faces) == 1:
        raise InputError(f"{name} is one array; put it into a list, one per face")
    each = as_list(name, values, "a list is needed, one per face")
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
        InputError: it is neither, or larger than textures are.
    """
    image: UInt8[np.ndarray, "h w 3"] = getattr(texture, "image", texture)
    check_image(image, name)
    height, width = image.shape[:2]
    if max(height, width) > MAX_TEXTURE_SIDE:
        raise InputError(
            f"{name} is {width}×{height} px; the sides of a texture have {MAX_TEXTURE_SIDE} px or less"
        )
    return image


def _is_moderate(values: Any) -> bool:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        return False
    if values.dtype.char not in "fd":
        values = values.astype(np.float64)  # squares of small types wrap around, or are infinite
    # NaN and infinity fail the comparison too: one call of NumPy for all.
    return bool(np.vdot(values, values) <= _LARGEST_SQUARE)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, Real) and math.isfinite(value)
