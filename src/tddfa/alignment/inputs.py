"""The door of the aligner: images, boxes and points as callers have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from tddfa.errors import InputError
from tddfa.shapes import Float
from tddfa.types import BoundingBox, BoxLike, Detection, Face, Image
from tddfa.types.arguments import as_iterator, check_count, shown
from tddfa.types.image import check_image

MIN_SEARCH_SIZE = 32
"""Smallest longer side at which an image is searched, px."""

ErrorPolicy: TypeAlias = Literal["raise", "none"]
"""For an item that cannot be used: raise an error that names it, or give None in its place."""


def check_policy(errors: Any) -> None:
    """Refuse an unknown policy.

    Raises:
        InputError: `errors` is no `ErrorPolicy`.
    """
    if not isinstance(errors, str) or errors not in ("raise", "none"):
        raise InputError(f"errors={shown(errors)}; it takes 'raise' or 'none'")


def check_search_size(size: int | None) -> int | None:
    """Return a search size; refuse what is none.

    Raises:
        InputError: it is not a whole number of at least 32.
    """
    if size is not None:
        check_count("search_size", size, least=MIN_SEARCH_SIZE)
    return size


def check_max_faces(most: int | None) -> int | None:
    """Return a number of faces; refuse what is none.

    Raises:
        InputError: it is not a whole number of at least 1.
    """
    if most is not None:
        check_count("max_faces", most)
    return most


def check_selection(select: Any) -> None:
    """Refuse what selects no candidates.

    Raises:
        InputError: it is neither None nor callable.
    """
    if select is not None and not callable(select):
        raise InputError(f"select is {shown(select)}; a function from detections to some of them is needed")


def as_square(crop: Any) -> Image:
    """Return a crop.

    Raises:
        InputError: it is no square image.
    """
    check_image(crop, "the crop")
    if crop.shape[0] != crop.shape[1]:
        raise InputError(f"the crop is {crop.shape[1]}×{crop.shape[0]} px; crops are square")
    return crop


def items(what: str, values: Any) -> list[Any]:
    """Return the items of an argument that takes one item per face.

    Raises:
        InputError: it cannot be iterated.
    """
    try:
        return list(values)
    except TypeError:
        each = "(x0, y0, x1, y1)" if what == "boxes" else "points (n, 2) or (n, 3)"
        raise InputError(f"{what} are a list of {each}, one for each face, not {shown(values)}") from None


def as_detection(box: BoxLike) -> Detection:
    """Return a box of any kind as a detection.

    Raises:
        InputError: it is no box.
    """
    if isinstance(box, Detection):
        return box
    if isinstance(box, BoundingBox):
        return Detection(box)
    values: Any = None if isinstance(box, str | bytes) else box  # "1234" is no row of numbers
    try:
        numbers: Sequence[float] = [float(v) for v in values]
    except (TypeError, ValueError):
        raise InputError(f"a box is made of numbers (x0, y0, x1, y1), not {shown(box)}") from None
    if len(numbers) not in (4, 5):
        raise InputError(f"a box has {len(numbers)} numbers; it takes (x0, y0, x1, y1) or a score as fifth")
    return Detection(BoundingBox(*numbers[:4]), numbers[4] if len(numbers) == 5 else 1.0)


def as_points(points: Any) -> tuple[Float[np.ndarray, "n d"], BoundingBox]:
    """Return the points of one face as an array of finite numbers, and the box around them.

    Raises:
        InputError: they are no points (n, 2) or (n, 3) with an extent.
    """
    try:
        array = np.asarray(points)
    except ValueError:
        raise InputError("landmarks have rows of several lengths; (n, 2) or (n, 3) in px is needed") from None
    if array.dtype.kind not in "fiu":
        raise InputError(f"landmarks are {array.dtype}; numbers (n, 2) or (n, 3) in px are needed")
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] not in (2, 3):
        raise InputError(
            f"landmarks have the shape {array.shape}; (n, 2) or (n, 3) in px is needed for each face"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise InputError("landmarks have coordinates that are not finite numbers")
    return array, BoundingBox.around(array)  # refuses points without an extent


def as_face(face: Any, n_identity: int) -> Face:
    """Return a face that can be followed.

    Args:
        face: what the caller gave.
        n_identity: identity coefficients of the aligner's face model.

    Raises:
        InputError: it is no face, or one of another model, or its camera shows nothing.
    """
    if not isinstance(face, Face):
        raise InputError(f"faces of the frame before are needed, as `align` returns them, not {shown(face)}")
    if len(face.params.identity) != n_identity:
        raise InputError(
            f"the face has {len(face.params.identity)} identity coefficients and the pack's model "
            f"{n_identity}; faces are followed by an aligner of the same pack"
        )
    if not np.isfinite(face.params.camera).all():
        raise InputError("the camera of the face has numbers that are not finite")
    return face


def as_flags(name: str, values: Any, n_faces: int) -> list[bool]:
    """Return a flag for each face; none is set where none are given.

    Args:
        name: of the argument, for the error.
        values: a flag for each face, or None.
        n_faces: number of faces.

    Raises:
        InputError: there is not one flag for each face.
    """
    if values is None:
        return [False] * n_faces
    try:
        flags = [bool(each) for each in values]
    except (TypeError, ValueError):
        raise InputError(
            f"{name}={shown(values)}; it takes a list of True and False, one for each face"
        ) from None
    if len(flags) != n_faces:
        raise InputError(f"{n_faces} faces and {len(flags)} {name} were given; one each is needed")
    return flags


def no_crop(box: BoundingBox, width: int, height: int) -> InputError:
    """Return the error for a face that no crop can be cut for.

    Args:
        box: where the face should be.
        width: width of the image, px.
        height: height of the image, px.
    """
    where = f"({box.x0:.6g}, {box.y0:.6g}, {box.x1:.6g}, {box.y1:.6g})"
    if max(box.width, box.height) < 2:
        return InputError(f"the box {where} is smaller than a pixel")
    if box.intersection(BoundingBox(0, 0, width, height)) is None:
        return InputError(f"the box {where} lies outside the image, which is {width}×{height} px")
    return InputError(
        f"the box {where} is so much larger than the image, which is {width}×{height} px, that there is no "
        f"face"
    )


def at(name: str, index: int, error: InputError) -> InputError:
    """Return the error with the place of the item that it is about: `boxes[1]: …`."""
    return type(error)(f"{name}[{index}]: {error}")


def usable(name: str, values: Iterable[Any], convert: Any, errors: ErrorPolicy) -> list[Any]:
    """Return the converted items; where one cannot be used, None or an error that names it.

    Args:
        name: name of the argument.
        values: its items.
        convert: returns the item as it is used, or raises an `InputError`.
        errors: policy for items that cannot be used.

    Raises:
        InputError: an item cannot be used, with the policy "raise".
    """
    out: list[Any] = []
    for index, value in enumerate(as_iterator(name, values, "one item for each is needed, in a list")):
        try:
            out.append(convert(value))
        except InputError as error:
            if errors == "raise":
                raise at(name, index, error) from None
            out.append(None)
    return out
