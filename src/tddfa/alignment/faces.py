"""The faces of an image as a list that notebooks show as a table."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import SupportsIndex, overload

import numpy as np

from tddfa.types import BoundingBox, Face
from tddfa.types.display import painted, set_painter

_LARGEST_PX = 512  # longer side of an image of faces
_BORDER = 0.04  # around the faces, in longer sides of the box that holds them
_N_EXPRESSIONS = 3  # strongest expressions in a row of the table
_WEAKEST = 0.1  # weight of an expression that is named

_COLUMNS = ("", "box, px", "score", "confidence", "yaw", "pitch", "roll", "expression")


class Faces(list[Face]):
    """The faces of an image, in the order of their boxes.

    It prints one face a line; a notebook shows a table with an image of each mesh.
    """

    @overload
    def __getitem__(self, index: SupportsIndex) -> Face: ...

    @overload
    def __getitem__(self, index: slice) -> Faces: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Face | Faces:
        return Faces(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)

    def __repr__(self) -> str:
        return f"[{(',' + chr(10) + ' ').join(map(repr, self))}]"

    def _repr_png_(self) -> bytes | None:
        return painted(self)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        rows = "".join(f"<tr>{_cells(face)}</tr>" for face in self)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cells(face: Face) -> str:
    from html import escape  # its table of entities takes a while to load

    image = base64.b64encode(painted([face]) or b"").decode()
    x0, y0, x1, y1 = (round(v) for v in face.box)
    pose, confidence = face.pose, "" if face.confidence is None else f"{face.confidence:.3f}"
    strongest = sorted(face.expression.items(), key=lambda item: -abs(item[1]))[:_N_EXPRESSIONS]
    expression = ", ".join(f"{name} {weight:.2f}" for name, weight in strongest if abs(weight) >= _WEAKEST)
    cells = (
        f'<img src="data:image/png;base64,{image}" height="96" alt="mesh">',
        f"({x0}, {y0}, {x1}, {y1})",
        f"{face.score:.2f}",
        confidence,
        *(f"{round(angle)}°" for angle in (pose.yaw_deg, pose.pitch_deg, pose.roll_deg)),
        escape(expression),
    )
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _paint(faces: Sequence[Face]) -> bytes:
    """Return a PNG of the meshes of faces, shaded, as they lie in the image."""
    # Loaded when a notebook shows faces: who aligns need not draw.
    from tddfa.imaging.files import encode_image
    from tddfa.render import OVERLAYS

    around = BoundingBox.around(np.concatenate([face.vertices[:, :2] for face in faces]))
    border = _BORDER * max(around.width, around.height)
    scale = _LARGEST_PX / (max(around.width, around.height) + 2 * border)
    placed = [_placed(face, scale, around.x0 - border, around.y0 - border) for face in faces]
    width, height = (max(round(scale * (side + 2 * border)), 1) for side in (around.width, around.height))
    canvas = np.full((height, width, 3), 255, np.uint8)
    return encode_image(OVERLAYS["3d"](canvas, placed), "png")


def _placed(face: Face, scale: float, x0: float, y0: float) -> Face:
    """Return the face in an image of which (x0, y0) is the corner, and enlarged."""
    camera = face.params.camera.copy()
    camera[:2, 3] -= (x0, y0)
    return replace(face, params=replace(face.params, camera=scale * camera))


set_painter(_paint)
