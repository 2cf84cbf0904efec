"""Faces over time as animated GLB files: one per track, in the colours of the video."""

from __future__ import annotations

import contextlib
import glob
import math
import os
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import field, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import ExportFileError
from tddfa.export import clip_glb_bytes
from tddfa.export.files import write
from tddfa.export.glb import clip_clock
from tddfa.render import Texture, face_textures, merge_textures
from tddfa.streams.frame import TrackedFrame, check_frame
from tddfa.tracking.face import TrackedFace
from tddfa.tracking.presence import part_inside
from tddfa.types import BoundingBox, Face, Image
from tddfa.types.arguments import as_path, as_text

# A texture is merged from the best view of the front and, where there are any, of both sides: the yaw
# (degrees) that shows most of each, and how far from it a view is still of use.
_VIEWS = (0.0, -40.0, 40.0)
_VIEW_RANGE = 30.0
_HIDING = ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen")  # expressions that hide skin or show teeth
_BETTER = 1.1  # factor by which a view has to be better to replace another
_BORDER = 0.1  # border around a face that is kept with it, in sizes of the face
_SIDE_TRUST = 0.2  # trust in views from the side, where the front is seen too: no two views fit exactly
_SIZES = (256, 512)  # sides of a texture, px
_LARGEST = 1024
_TEXELS_PER_PX = 2  # texture px per px of a head: a face takes a third of the texture's width


class AnimationSink(contextlib.AbstractContextManager["AnimationSink"]):
    """Write an animated, textured face for each track, `<stem>_face_<id>.glb`.

    The face turns, moves and talks as in the video, with the clock of the video; while it is not seen, it is
    scaled to nothing. The files are written when the context is left without an error. About 1.5 kB are held
    in memory per face and frame.

    Args:
        folder: folder of the files.
        stem: first part of the names of the files.

    Attributes:
        paths: the files that were written.

    Raises:
        ExportFileError: a file cannot be written.
    """

    needs_image = True

    def __init__(self, folder: str | os.PathLike[str], stem: str) -> None:
        self.folder, self.stem = as_path("folder", folder), as_text("stem", stem)
        self.paths: list[Path] = []
        self._tracks: dict[int, _Track] = {}
        self._start: tuple[float, Image] | None = None

    def targets(self) -> list[Path]:
        """Return the files that are there already and that a track may write."""
        found = self.folder.glob(f"{glob.escape(self.stem)}_face_*.glb")
        return sorted(path for path in found if path.stem.removeprefix(f"{self.stem}_face_").isdecimal())

    def __enter__(self) -> AnimationSink:
        self._tracks, self._start = {}, None
        # An unwritable folder is reported now: at the end, the whole video would have been tracked in vain.
        try:
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            names = self.folder / f"{self.stem}_face_*.glb"
            raise ExportFileError(f"cannot write {names}: {error.strerror}") from None
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Add the faces of a frame."""
        check_frame(frame, "an animation")
        assert frame.image is not None
        self._add(frame.image, frame.faces, frame.time)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        for id, track in self._tracks.items():
            path = self.folder / f"{self.stem}_face_{id}.glb"
            write(path, track.glb())
            self.paths.append(path)

    def _add(self, image: Image, faces: Sequence[TrackedFace], time: float) -> None:
        if self._start is None:
            self._start = time, image
        boxes = {t.id: BoundingBox.around(t.face.landmarks) for t in faces if t.visible}
        for tracked in faces:
            f = tracked.face  # without its cached mesh, which would fill the memory
            face = Face(f.detection, f.params, f.model)
            track = self._tracks.get(tracked.id)
            if track is None:
                track = self._tracks[tracked.id] = self._new_track(image, face, time)
            if track.times and not np.diff(clip_clock([track.times[0], track.times[-1], time]))[1] > 0:
                continue  # a clock that stands still, as damaged files have it
            track.times.append(time)
            track.faces.append(face)
            track.visible.append(tracked.visible)
            if tracked.visible:
                others = [box for number, box in boxes.items() if number != tracked.id]
                track.add_view(image, face, tracked.confidence, others)

    def _new_track(self, image: Image, face: Face, time: float) -> _Track:
        assert self._start is not None
        start, first = self._start
        textured = face.model.reconstruct(face.params).topology.uv is not None
        # Without a texture, the colours of vertices come from the first frame that shows the face.
        track = _Track(first if textured else image, textured)
        if time > start:
            track.times, track.faces, track.visible = [start], [face], [False]
        return track


class AnimationWriter(AnimationSink):
    """The animation sink under its former name, whose `write` takes an image and its faces."""

    def __init__(self, folder: str | os.PathLike[str], stem: str) -> None:
        warnings.warn(
            "AnimationWriter is now tddfa.streams.AnimationSink, whose write takes a TrackedFrame",
            DeprecationWarning,
            stacklevel=2,
        )
        super().__init__(folder, stem)

    def write(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, image: Image, faces: Sequence[TrackedFace], time: float
    ) -> None:
        """Add the faces of a frame that shows at `time`, s."""
        self._add(image, faces, time)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """The part of a frame around a face, and the face in it."""

    score: float
    image: Image
    face: Face


@dataclass(slots=True, eq=False)
class _Track:
    """One face over time, and its best view from each direction."""

    image: Image
    textured: bool
    times: list[float] = field(default_factory=list[float])
    faces: list[Face] = field(default_factory=list[Face])
    visible: list[bool] = field(default_factory=list[bool])
    views: dict[float, _View] = field(default_factory=dict[float, _View])

    def add_view(self, image: Image, face: Face, confidence: float, others: Sequence[BoundingBox]) -> None:
        """Keep this view of the face if it is better than the ones before."""
        if not self.textured:
            return
        box = BoundingBox.around(face.landmarks)
        neutral = 1 - max((face.expression.get(name, 0.0) for name in _HIDING), default=0.0)
        covered = max((box.iou(other) for other in others), default=0.0)
        clear = (
            confidence * part_inside(box, *image.shape[:2]) * max(1 - 4 * covered, 0.01) * max(neutral, 0.1)
        )
        for yaw_deg in _VIEWS:
            nearness = 1 - abs(face.pose.yaw_deg - yaw_deg) / _VIEW_RANGE
            score = math.sqrt(box.width * box.height) * clear * nearness
            best = self.views.get(yaw_deg)
            if nearness > 0 and (best is None or score > _BETTER * best.score):
                self.views[yaw_deg] = _View(score, *_crop_around(image, face))

    def glb(self) -> bytes:
        """Return the animation as a GLB file."""
        return clip_glb_bytes(
            self.image, self.times, self.faces, texture=self._texture(), visible=self.visible
        )

    def _texture(self) -> Image | None:
        if not self.views:
            return None
        widest = max(max(view.image.shape) for view in self.views.values())
        size = next((size for size in _SIZES if size >= _TEXELS_PER_PX * widest), _LARGEST)
        textures: list[Texture] = []
        for yaw_deg, view in self.views.items():
            (texture,) = face_textures(view.image, [view.face], size=size)
            trust = texture.trust * np.float32(1 if yaw_deg == _VIEWS[0] else _SIDE_TRUST)
            textures.append(replace(texture, trust=trust))
        return merge_textures(textures).image


def _crop_around(image: Image, face: Face) -> tuple[Image, Face]:
    """Return the part of an image around a face, and the face in the frame of that part."""
    vertices = face.model.reconstruct(face.params).vertices[:, :2]
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    border = _BORDER * float((high - low).max())
    x0, y0 = (max(math.floor(v - border), 0) for v in low)
    x1, y1 = (math.ceil(v + border) for v in high)
    camera = face.params.camera.copy()
    camera[:2, 3] -= (x0, y0)
    shifted = replace(face, params=replace(face.params, camera=camera))
    return image[y0:y1, x0:x1].copy(), shifted
