"""Frames with their faces drawn, as an MP4 file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np

from tddfa.errors import InputError
from tddfa.render import OVERLAYS
from tddfa.streams.frame import TrackedFrame, check_frame, not_open
from tddfa.types import Face, Image
from tddfa.types.arguments import as_path, check_choice, check_kind, shown
from tddfa.video import Behind, FrameSource, VideoReader, VideoWriter

Drawing: TypeAlias = Callable[[Image, list[Face]], Image]
"""Draws the faces of an image: (image, faces) → image."""

_DRAW_BEHIND, _ENCODE_BEHIND = 8, 2  # frames that wait to be drawn, and drawn ones that wait to be encoded
_FALLBACK_RATE = Fraction(30)


class VideoSink(contextlib.AbstractContextManager["VideoSink"]):
    """Draw the faces of each frame and write an H.264 MP4 file.

    Drawing and encoding happen in a thread each, beside the tracking of later frames.

    Args:
        path: of the file; ends in .mp4, .m4v or .mov.
        like: the source, from which the file takes its frame rate, its clock and its sound.
        draw: name of an overlay (see `tddfa.render.OVERLAYS`), or a function (image, faces) → image.
        rate: frames per second for players, without `like`.
        encoder: "auto" (x264), "hardware" (what this computer has, or x264), or an encoder of FFmpeg.
        preset: of x264, from "ultrafast" to "veryslow"; "superfast" when not given.
        crf: constant rate factor: 0 is lossless, 22 the default, 51 the smallest file.
        options: of the overlay, such as `background="black"`.

    Raises:
        InputError: no overlay has that name, or an option of the encoder is not known.
        VideoFileError: the file cannot be written.
    """

    needs_image = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        like: FrameSource | None = None,
        *,
        draw: str | Drawing = "2d_sparse",
        rate: Fraction | float = _FALLBACK_RATE,
        encoder: str = "auto",
        preset: str | None = None,
        crf: int | None = None,
        **options: Any,
    ) -> None:
        if not callable(draw):
            check_choice("overlay", draw, list(OVERLAYS))
        if like is not None:
            check_kind("like", like, FrameSource, "a VideoReader is one")
        self.path = as_path("path", path)
        self._draw: Callable[..., Image] = OVERLAYS[draw] if isinstance(draw, str) else draw
        self._draws_itself = not isinstance(draw, str)
        self._options = options
        self._writer = VideoWriter(
            self.path,
            rate=rate if like is None else like.rate,
            time_base=None if like is None else like.time_base,
            sound_of=like if isinstance(like, VideoReader) else None,
            encoder=encoder,
            preset=preset,
            crf=crf,
        )
        self._exit = contextlib.ExitStack()
        self._drawing: Behind | None = None

    def targets(self) -> list[Path]:
        """Return the file that is written."""
        return [self.path]

    def __enter__(self) -> VideoSink:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._writer)
            encoding = stack.enter_context(Behind(self._writer.write, _ENCODE_BEHIND))
            self._drawing = stack.enter_context(Behind(partial(self._draw_frame, encoding), _DRAW_BEHIND))
            self._exit = stack.pop_all()
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Draw and add a frame; returns before it is encoded."""
        check_frame(frame, str(self.path))
        if self._drawing is None:
            raise not_open(self)
        self._drawing.put(frame)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drawing = None
        self._exit.__exit__(kind, error, trace)

    def _draw_frame(self, encoding: Behind, frame: TrackedFrame) -> None:
        assert frame.image is not None
        # A function of the caller may draw on the image that it is given, which other sinks read, too.
        image = frame.image.copy() if self._draws_itself else frame.image
        drawn: Any = self._draw(image, frame.visible_faces, **self._options)
        if not isinstance(drawn, np.ndarray):
            raise InputError(f"draw returned {shown(drawn)}; let the function return the image that it drew")
        encoding.put(drawn, frame.time, frame)
