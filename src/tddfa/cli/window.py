"""A window that shows pictures and listens to keys; needs the `webcam` extra."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol

import numpy as np

from tddfa.errors import InputError, require_extra
from tddfa.types import Image


class Window(Protocol):
    """What showing frames takes."""

    def show(self, picture: Image, text: str) -> None:
        """Show a picture with a line of text over it."""
        ...

    def pressed(self) -> list[str]:
        """The keys since the last call: "q", "space", "escape", …; "q" also for a closed window."""
        ...


class PygameWindow:
    """A window of pygame.

    Args:
        title: of the window.

    Raises:
        MissingExtraError: pygame is not installed.
        InputError: there is no screen to show a window on.
    """

    def __init__(self, title: str) -> None:
        self._title = title

    def __enter__(self) -> PygameWindow:
        import os

        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            import pygame
        except ImportError:
            raise require_extra("a live window", "webcam", "pygame") from None
        self._pygame: Any = pygame
        try:
            # Not pygame.init(): sound and joysticks are nobody's business here.
            pygame.display.init()
            pygame.font.init()
        except pygame.error as error:
            raise InputError(f"cannot open a window: {error}; is there a screen?") from None
        pygame.display.set_caption(self._title)
        self._font: Any = pygame.font.Font(None, 24)
        self._screen: Any = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pygame.display.quit()
        self._pygame.font.quit()

    def show(self, picture: Image, text: str) -> None:
        """Show a picture with a line of text over it; the window takes the picture's size."""
        pygame = self._pygame
        size = (picture.shape[1], picture.shape[0])
        if self._screen is None or self._screen.get_size() != size:
            try:
                self._screen = pygame.display.set_mode(size)
            except pygame.error as error:
                raise InputError(f"cannot open a window: {error}; is there a screen?") from None
        pixels: Any = np.ascontiguousarray(picture)
        self._screen.blit(pygame.image.frombuffer(pixels, size, "RGB"), (0, 0))
        for shift, color in ((1, (0, 0, 0)), (0, (255, 255, 255))):
            self._screen.blit(self._font.render(text, True, color), (10 + shift, 10 + shift))
        pygame.display.flip()

    def pressed(self) -> list[str]:
        """The keys since the last call; "q" also for a closed window."""
        pygame = self._pygame
        names: list[str] = []
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                names.append("q")
            elif event.type == pygame.KEYDOWN:
                names.append(pygame.key.name(event.key))
        return names
