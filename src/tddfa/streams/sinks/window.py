"""A window that shows frames with their faces and takes keys; needs the `webcam` extra."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tddfa.errors import InputError, TddfaError, require_extra
from tddfa.imaging import write_image
from tddfa.imaging.warp import mirrored as mirror
from tddfa.render import OVERLAYS
from tddfa.streams.frame import TrackedFrame, check_frame, not_open
from tddfa.types import Image
from tddfa.types.arguments import as_path, as_text, check_flag, check_kind, shown

KINDS = tuple(kind for kind in OVERLAYS if kind != "uv_tex")
"""The overlays that a window can show: those that draw over the image."""

_UNSEEN = ("offscreen", "dummy", "evdev")  # drivers that SDL takes where there is no screen
_MEMORY = 0.9  # weight of the earlier frames in the rates that are shown


@runtime_checkable
class Screen(Protocol):
    """What a `WindowSink` draws on."""

    def show(self, image: Image, text: str) -> None:
        """Show an image with a line of text over it."""
        ...

    def pressed(self) -> Sequence[str]:
        """Return the keys since the last call: "q", "space", "escape", …; "q" also for a closed window."""
        ...

    def close(self) -> None:
        """Close the window."""
        ...


class WindowSink(contextlib.AbstractContextManager["WindowSink"]):
    """Show each frame with its faces drawn.

    Keys: space or a digit chooses the overlay, m mirrors the image, s writes a snapshot, q or escape ends.
    Use it in the main thread, as the systems' windows require.

    Args:
        title: title of the window.
        draw: the overlay to begin with, one of `KINDS`.
        mirrored: whether to show the image as a mirror would, to begin with.
        folder: folder of the snapshots.
        on_snapshot: called with the file of each snapshot, or with the error that prevented it.
        screen: where to draw; a window of pygame when not given.

    Attributes:
        closed: whether the user has ended the show.
        latency_ms: time from capture to screen, averaged; 0 before the first frame of a live source.

    Raises:
        InputError: no overlay has that name, or there is no screen.
        MissingExtraError: pygame is not installed.
    """

    needs_image = True

    def __init__(
        self,
        title: str = "tddfa",
        *,
        draw: str = "2d_sparse",
        mirrored: bool = False,
        folder: str | os.PathLike[str] = ".",
        on_snapshot: Callable[[Path | OSError | TddfaError], object] | None = None,
        screen: Screen | None = None,
    ) -> None:
        if not isinstance(draw, str) or draw not in KINDS:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"no overlay {shown(draw)} for a window; choose from {', '.join(KINDS)}")
        check_flag("mirrored", mirrored)
        if screen is not None:
            check_kind("screen", screen, Screen, "it shows images, and tells which keys were pressed")
        self._title, self._folder = as_text("title", title), as_path("folder", folder)
        self._draw, self._mirrored = draw, mirrored
        self._on_snapshot, self._screen = on_snapshot, screen
        self.closed = False
        self.latency_ms = self._fps = 0.0
        self._last_shown: float | None = None

    def __enter__(self) -> WindowSink:
        if self._screen is None:
            self._screen = PygameScreen(self._title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._screen is not None:
            self._screen.close()

    def write(self, frame: TrackedFrame) -> None:
        """Show a frame, and do what the keys ask for."""
        check_frame(frame, "a window")
        if self._screen is None:
            raise not_open(self)
        assert frame.image is not None
        faces = frame.visible_faces
        image = OVERLAYS[self._draw](frame.image, faces)
        if self._mirrored:
            image = mirror(image)
        self._screen.show(image, self._text(len(faces)))
        self._measure(frame)
        for key in self._screen.pressed():
            self._take(key, image)

    def _take(self, key: str, image: Image) -> None:
        if key in ("q", "escape"):
            self.closed = True
        elif key == "m":
            self._mirrored = not self._mirrored
        elif key == "s":
            outcome = self._snapshot(image)
            if self._on_snapshot is not None:
                self._on_snapshot(outcome)
        elif key == "space":
            self._draw = KINDS[(KINDS.index(self._draw) + 1) % len(KINDS)]
        elif key.isdecimal() and 1 <= int(key) <= len(KINDS):
            self._draw = KINDS[int(key) - 1]

    def _snapshot(self, image: Image) -> Path | OSError | TddfaError:
        path = self._folder / datetime.now().astimezone().strftime("tddfa_%Y%m%d_%H%M%S_%f.png")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_image(path, np.ascontiguousarray(image))
        except (TddfaError, OSError) as error:
            return error  # the show goes on
        return path

    def _text(self, n_faces: int) -> str:
        latency = f"   {self.latency_ms:.0f} ms" if self.latency_ms else ""
        return f"{self._draw}   {self._fps:.0f} fps{latency}   faces: {n_faces}"

    def _measure(self, frame: TrackedFrame) -> None:
        now = time.perf_counter()
        if self._last_shown is not None:
            self._fps = _blend(self._fps, 1 / max(now - self._last_shown, 1e-6))
        if frame.captured is not None:
            self.latency_ms = _blend(self.latency_ms, 1000 * (now - frame.captured))
        self._last_shown = now


class PygameScreen:
    """A window of pygame, as large as the images.

    Args:
        title: title of the window.

    Raises:
        MissingExtraError: pygame is not installed.
        InputError: there is no screen to show a window on.
    """

    def __init__(self, title: str) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            import pygame
        except ImportError:
            raise require_extra("a live window", "webcam", "pygame") from None
        self._pygame: Any = pygame
        try:
            # Not pygame.init(), which would also open sound and joysticks.
            pygame.display.init()
            pygame.font.init()
        except pygame.error as error:
            raise InputError(f"cannot open a window: {error}; is there a screen?") from None
        driver = pygame.display.get_driver()
        if driver in _UNSEEN and os.environ.get("SDL_VIDEODRIVER", "") != driver:
            pygame.display.quit()
            raise InputError(
                "cannot open a window: this computer, or this terminal, has no screen; run it on a desktop, "
                "or send or record the faces instead"
            )
        pygame.display.set_caption(title)
        self._font: Any = pygame.font.Font(None, 24)
        self._surface: Any = None

    def close(self) -> None:
        """Close the window."""
        self._pygame.display.quit()
        self._pygame.font.quit()

    def show(self, image: Image, text: str) -> None:
        """Show an image with a line of text over it."""
        pygame = self._pygame
        size = (image.shape[1], image.shape[0])
        if self._surface is None or self._surface.get_size() != size:
            try:
                self._surface = pygame.display.set_mode(size)
            except pygame.error as error:
                raise InputError(f"cannot open a window: {error}; is there a screen?") from None
        pixels: Any = np.ascontiguousarray(image)
        self._surface.blit(pygame.image.frombuffer(pixels, size, "RGB"), (0, 0))
        for shift, color in ((1, (0, 0, 0)), (0, (255, 255, 255))):
            self._surface.blit(self._font.render(text, True, color), (10 + shift, 10 + shift))
        pygame.display.flip()

    def pressed(self) -> list[str]:
        """Return the keys since the last call; "q" also for a closed window."""
        pygame = self._pygame
        names: list[str] = []
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                names.append("q")
            elif event.type == pygame.KEYDOWN:
                names.append(pygame.key.name(event.key))
        return names


def _blend(before: float, now: float) -> float:
    return _MEMORY * before + (1 - _MEMORY) * now if before else now
