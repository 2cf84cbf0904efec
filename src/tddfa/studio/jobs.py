"""Videos of a studio: they wait in a queue, are followed one after the other, and leave files for a while."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tddfa.dataclass import dataclass
from tddfa.errors import TddfaError, VideoFileError
from tddfa.imaging.files import encode_image
from tddfa.imaging.warp import resize
from tddfa.streams import AnimationSink, Sink, TableSink, TimelineSink, TrackedFrame, VideoSink, follow
from tddfa.streams.sink import write_frames
from tddfa.studio.engine import Engine, SharedTracker
from tddfa.studio.problems import RequestError
from tddfa.studio.scratch import Scratch
from tddfa.studio.settings import Limits
from tddfa.tracking import FaceTracker
from tddfa.video import VideoReader
from tddfa.video.containers import check_container

State: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled"]

_log = logging.getLogger(__name__)
_PREVIEW_S = 0.5  # time between previews of the progress
_PREVIEW_PX = 320
_NO_NAME = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')  # what some system takes in no name
_STEM_CHARACTERS = 80


@dataclass(slots=True, eq=False)
class Job:
    """A video.

    Attributes:
        id: random name.
        folder: of its files.
        source: the file that was sent.
        title: what the client calls it.
        overlays: kinds to draw.
        state: what has become of it.
        done: frames that are done.
        total: frames that are expected; None when the file does not say.
        error: why it failed, or what of the file could not be read.
        remark: what else there is to know about the result.
        preview: a small JPEG of the newest frame with its overlay.
        timeline: record of the timeline, when it is done.
        stop: set to cancel it.
        ended: when it ended, `time.monotonic`.
        used: when a client last asked for it, `time.monotonic`.
    """

    id: str
    folder: Path
    source: Path
    title: str
    overlays: tuple[str, ...]
    state: State = "queued"
    done: int = 0
    total: int | None = None
    error: str | None = None
    remark: str | None = None
    preview: bytes | None = None
    timeline: dict[str, Any] | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    ended: float | None = None
    used: float = field(default_factory=time.monotonic)

    @property
    def stem(self) -> str:
        """What the names of its files begin with when they are saved: its title, as every system takes it."""
        stem = _NO_NAME.sub("_", re.sub(r"\.[^.]*$", "", self.title))[:_STEM_CHARACTERS]
        return stem.strip(". ") or "video"

    @property
    def files(self) -> list[Path]:
        """The files that are ready."""
        folder = self.folder / "files"
        return sorted(folder.iterdir()) if self.state == "done" and folder.is_dir() else []


class VideoQueue:
    """Videos one after the other, in a thread.

    Args:
        engine: networks and turns.
        scratch: where files are.
        limits: how many, how large, how long.
    """

    def __init__(self, engine: Engine, scratch: Scratch, limits: Limits) -> None:
        self._engine, self._scratch, self._limits = engine, scratch, limits
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def check_room(self) -> None:
        """Raise a problem when no further video can wait.

        Raises:
            RequestError: too many wait.
        """
        if sum(job.ended is None for job in self._jobs.values()) >= self._limits.videos:
            raise RequestError(
                503, f"{self._limits.videos} videos are waiting; try again later", {"retry-after": "60"}
            )

    def add(self, job: Job) -> None:
        """Queue a video whose file is there."""
        with self._changed:
            self._jobs[job.id] = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="tddfa-videos", daemon=True)
                self._thread.start()
            self._changed.notify()
        self.sweep()

    def get(self, id: str) -> Job:
        """Return a video.

        Raises:
            RequestError: it is gone.
        """
        self.sweep()
        job = self._jobs.get(id)
        if job is None:
            raise RequestError(404, "this video is not kept any more; send it again")
        job.used = time.monotonic()
        return job

    def position(self, job: Job) -> int:
        """Return how many videos come before one."""
        waiting = [j for j in self._jobs.values() if j.ended is None]
        return waiting.index(job) if job in waiting else 0

    def remove(self, id: str) -> None:
        """Cancel a video and remove its files."""
        job = self.get(id)
        job.stop.set()
        with self._changed:
            del self._jobs[id]
            if job.state == "queued":
                job.state, job.ended = "cancelled", time.monotonic()
        if job.state != "running":
            self._scratch.remove(job.folder)  # those of one that runs go when it has stopped

    def sweep(self) -> None:
        """Remove the files of videos that ended and were used long ago, or are too many."""
        with self._changed:
            ended = sorted(
                (max(job.ended, job.used), k, job)
                for k, job in enumerate(self._jobs.values())
                if job.ended is not None
            )
            oldest = time.monotonic() - self._limits.video_kept_s
            n_too_many = max(len(ended) - self._limits.kept_videos, 0)
            for job in [job for n, (used, _, job) in enumerate(ended) if n < n_too_many or used < oldest]:
                if self._jobs.pop(job.id, None) is not None:
                    self._scratch.remove(job.folder)

    def close(self) -> None:
        """Stop, and wait for the video that is worked on."""
        with self._changed:
            self._closed = True
            for job in self._jobs.values():
                job.stop.set()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(10)

    def _next(self) -> Job | None:
        with self._changed:
            while not self._closed:
                for job in self._jobs.values():
                    if job.state == "queued":
                        job.state = "running"
                        return job
                self._changed.wait()
        return None

    def _work(self) -> None:
        while (job := self._next()) is not None:
            state: State = "failed"
            try:
                self._follow(job)
                state = "cancelled" if job.stop.is_set() else "done"
            except Exception as error:
                if isinstance(error, TddfaError):
                    job.error = _without_paths(str(error), job)
                else:
                    job.error = "something unexpected went wrong; the log of 'tddfa studio' says where"
                    _log.exception("a video failed")
            # Files go before the end is told: who hears of it finds none that are of no use.
            with contextlib.suppress(OSError):
                job.source.unlink()
            if state != "done":
                self._scratch.remove(job.folder)
            with self._changed:
                job.state, job.ended = state, time.monotonic()
                is_gone = job.id not in self._jobs
            if is_gone:
                self._scratch.remove(job.folder)

    def _follow(self, job: Job) -> None:
        check_container(job.source)  # again: an upload that could not be opened has not been checked
        reader = VideoReader(job.source, max_pixels=self._limits.image_pixels)
        job.total = reader.n_frames
        self._check_duration(job.total, float(reader.rate))
        out = job.folder / "files"
        out.mkdir()
        aligner = self._engine.aligner
        expressions = aligner.model.expression_names
        timeline = TimelineSink(job.title, report=out / "report.html", plot=out / "plot.png")
        sinks: list[Sink] = [
            *(VideoSink(out / f"{kind}.mp4", reader, draw=kind) for kind in job.overlays),
            *(TableSink(out / f"faces.{kind}", expressions) for kind in _tables()),
            AnimationSink(out, "animation"),
            timeline,
            _Progress(job, self._limits),
        ]
        tracker = SharedTracker(FaceTracker(aligner, max_faces=self._limits.faces), self._engine.turns)
        with contextlib.closing(follow(reader, tracker, stop=job.stop)) as frames:
            write_frames(frames, *sinks)
        if reader.damage is not None:
            job.error = _without_paths(reader.damage, job)
        if not job.stop.is_set():
            job.timeline = timeline.timeline().record()
            job.total = job.done

    def _check_duration(self, n_frames: int | None, rate: float) -> None:
        if n_frames is not None and rate > 0 and n_frames / rate > self._limits.video_s:
            raise VideoFileError(_too_long(self._limits))


class _Progress:
    """A sink that counts frames and keeps a small image."""

    needs_image = True

    def __init__(self, job: Job, limits: Limits) -> None:
        self._job, self._limits = job, limits
        self._next = 0.0

    def __enter__(self) -> _Progress:
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Count a frame."""
        self._job.done += 1
        if len(frame.visible_faces) >= self._limits.faces:
            self._job.remark = (
                f"at most {self._limits.faces} faces are followed at a time, the largest; "
                "'tddfa video' follows all"
            )
        if frame.time > self._limits.video_s:
            raise VideoFileError(_too_long(self._limits))
        if time.monotonic() >= self._next and frame.image is not None:
            from tddfa.render import draw_landmarks

            self._next = time.monotonic() + _PREVIEW_S
            drawn = draw_landmarks(frame.image, frame.visible_faces)
            height, width = drawn.shape[:2]
            scale = min(_PREVIEW_PX / max(height, width), 1.0)
            small = resize(drawn, max(round(width * scale), 1), max(round(height * scale), 1))
            self._job.preview = encode_image(small, "jpg", quality=80)

    def __exit__(self, *_: object) -> None:
        pass


def _too_long(limits: Limits) -> str:
    return f"the video is longer than {limits.video_s / 60:g} minutes; send a part of it"


def _tables() -> Iterator[str]:
    yield "csv"
    if importlib.util.find_spec("pyarrow") is not None:
        yield "parquet"


def _without_paths(text: str, job: Job) -> str:
    return text.replace(str(job.source), job.title)
