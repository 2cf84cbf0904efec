"""Faces over time as animated GLB files: one per person, in the colours of the video."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from tddfa.errors import ExportFileError
from tddfa.export import clip_glb_bytes
from tddfa.export.files import write
from tddfa.render import Texture, face_textures, merge_textures
from tddfa.tracking.evidence import inside, overlap
from tddfa.tracking.face import TrackedFace
from tddfa.types import BoundingBox, Face, Image

# A texture is put together from the best view of the front and, where there are any, of both sides: the
# yaw (degrees) that shows most of each, and how far from it a view is still of use.
_VIEWS = (0.0, -40.0, 40.0)
_VIEW_REACH = 30.0
_SPOILING = ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen")  # expressions that hide skin or show teeth
_BETTER = 1.1  # a view replaces another when it is better by this factor
_EDGE = 0.1  # border around a face that is kept with it, in sizes of the face
_BEHIND_FRONT = 0.2  # trust in views from the side, where the front is seen too: no two views fit exactly
_SIZES = (256, 512)  # px of a texture
_LARGEST = 1024
_FINE = 2  # px of a texture per px of a head: a face takes a third of its width


class AnimationWriter(contextlib.AbstractContextManager["AnimationWriter"]):
    """Writes each person of a video to a file `<stem>_face_<id>.glb`, when the context is left without error.

    The face turns, moves and talks as in the video, with the clock of the video; while it is not seen, it is
    shrunk to nothing. About 1.5 kB are held in memory per face and frame.

    Args:
        folder: where to.
        stem: of the names of the files.

    Raises:
        ExportFileError: a file cannot be written.
    """

    def __init__(self, folder: str | os.PathLike[str], stem: str) -> None:
        self.folder, self.stem = Path(folder), stem
        self._people: dict[int, _Person] = {}
        self._start: tuple[float, Image] | None = None

    def __enter__(self) -> AnimationWriter:
        # Now, because it would be a pity to learn it at the end of the video.
        try:
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            names = self.folder / f"{self.stem}_face_*.glb"
            raise ExportFileError(f"cannot write {names}: {error.strerror}") from None
        return self

    def write(self, image: Image, faces: Sequence[TrackedFace], time: float) -> None:
        """Add the faces of a frame.

        Args:
            image: the frame.
            faces: in it, and those that are lost.
            time: when it shows, s; later than the frame before.
        """
        if self._start is None:
            self._start = time, image
        boxes = {t.id: BoundingBox.around(t.face.landmarks) for t in faces if t.visible}
        for tracked in faces:
            # Without the mesh, which would fill the memory.
            f = tracked.face
            face = Face(f.detection, f.params, f.landmarks, f.model)
            person = self._people.get(tracked.id)
            if person is None:
                person = self._people[tracked.id] = self._newcomer(image, face, time)
            if person.times and time <= person.times[-1]:
                continue  # a clock that stands still, as damaged files have it
            person.times.append(time)
            person.faces.append(face)
            person.visible.append(tracked.visible)
            if tracked.visible:
                others = [box for number, box in boxes.items() if number != tracked.id]
                person.look(image, face, tracked.confidence, others)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        for number, person in self._people.items():
            write(self.folder / f"{self.stem}_face_{number}.glb", person.glb())

    def _newcomer(self, image: Image, face: Face, time: float) -> _Person:
        assert self._start is not None
        start, first = self._start
        textured = face.model.reconstruct(face.params).topology.uv is not None
        # Without a texture, the colours of vertices come from the first frame that shows the face.
        person = _Person(first if textured else image, textured)
        if time > start:
            person.times, person.faces, person.visible = [start], [face], [False]
        return person


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """A part of a frame, and the face in it."""

    worth: float
    image: Image
    face: Face


@dataclass(slots=True, eq=False)
class _Person:
    """One face over time, and where it was seen best, by direction."""

    image: Image
    textured: bool
    times: list[float] = field(default_factory=list[float])
    faces: list[Face] = field(default_factory=list[Face])
    visible: list[bool] = field(default_factory=list[bool])
    views: dict[float, _View] = field(default_factory=dict[float, _View])

    def look(self, image: Image, face: Face, confidence: float, others: Sequence[BoundingBox]) -> None:
        """Keep this view of the face if it is better than those before."""
        if not self.textured:
            return
        box = BoundingBox.around(face.landmarks)
        plain = 1 - max((face.expression.get(name, 0.0) for name in _SPOILING), default=0.0)
        hidden = max((overlap(box, other) for other in others), default=0.0)
        clear = confidence * inside(box, *image.shape[:2]) * max(1 - 4 * hidden, 0.01) * max(plain, 0.1)
        for direction in _VIEWS:
            near = 1 - abs(face.pose.yaw_deg - direction) / _VIEW_REACH
            worth = math.sqrt(box.width * box.height) * clear * near
            best = self.views.get(direction)
            if near > 0 and (best is None or worth > _BETTER * best.worth):
                self.views[direction] = _View(worth, *_cut_out(image, face))

    def glb(self) -> bytes:
        """The animation."""
        return clip_glb_bytes(
            self.image, self.times, self.faces, texture=self._texture(), visible=self.visible
        )

    def _texture(self) -> Image | None:
        if not self.views:
            return None
        widest = max(max(view.image.shape) for view in self.views.values())
        size = next((size for size in _SIZES if size >= _FINE * widest), _LARGEST)
        textures: list[Texture] = []
        for direction, view in self.views.items():
            (texture,) = face_textures(view.image, [view.face], size=size)
            trust = texture.trust * np.float32(1 if direction == _VIEWS[0] else _BEHIND_FRONT)
            textures.append(replace(texture, trust=trust))
        return merge_textures(textures).image


def _cut_out(image: Image, face: Face) -> tuple[Image, Face]:
    """The part of a picture around a face, and the face in it."""
    vertices = face.model.reconstruct(face.params).vertices[:, :2]
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    border = _EDGE * float((high - low).max())
    x0, y0 = (max(math.floor(v - border), 0) for v in low)
    x1, y1 = (math.ceil(v + border) for v in high)
    camera = face.params.camera.copy()
    camera[:2, 3] -= (x0, y0)
    shifted = replace(face, params=replace(face.params, camera=camera))
    return image[y0:y1, x0:x1].copy(), shifted
