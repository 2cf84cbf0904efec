"""What the requests of a studio share."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path

from starlette.requests import HTTPConnection

from tddfa.dataclass import dataclass
from tddfa.studio.engine import Engine
from tddfa.studio.gallery import Gallery
from tddfa.studio.hub import Hub
from tddfa.studio.jobs import VideoQueue
from tddfa.studio.scratch import Scratch
from tddfa.studio.settings import Limits, StudioSettings


@dataclass(slots=True, eq=False)
class Studio:
    """The parts of a running studio.

    Attributes:
        settings: how it runs.
        engine: networks and threads.
        gallery: photos in memory.
        scratch: temporary files.
        videos: videos that wait, are worked on, or are done.
        hub: what cameras show to those who watch.
        recordings: tables of cameras, by their folder and name.
        n_cameras: number of cameras that are connected.
    """

    settings: StudioSettings
    engine: Engine
    gallery: Gallery
    scratch: Scratch
    videos: VideoQueue
    hub: Hub
    recordings: dict[tuple[str, str], Path] = field(default_factory=dict[tuple[str, str], Path])
    n_cameras: int = 0

    @classmethod
    def of(cls, request: HTTPConnection) -> Studio:
        """Return the studio that a request came to."""
        return request.app.state.studio

    @property
    def limits(self) -> Limits:
        """What a client may ask for."""
        return self.settings.limits
