"""A camera as a source of frames: always the newest."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tddfa.errors import VideoFileError
from tddfa.types import Image
from tddfa.video.frame import Frame

_log = logging.getLogger(__name__)

# How FFmpeg calls the cameras of each platform, and what it calls camera 0.
_SYSTEMS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}"), "win32": ("dshow", "{}")}
_PATIENCE_S = 5.0
_RETRY_S = 0.5


class Camera:
    """The newest picture of a camera, again and again; pictures that nobody was ready for are dropped.

    A camera that stops is opened again; iterating ends with an error when that fails for five seconds.

    Args:
        camera: the number of a camera, or its name as FFmpeg has it ("/dev/video2", "video=HD Webcam",
            "rtsp://…").
        connect: opens the camera and gives its pictures; FFmpeg's devices when not given.
        patience_s: how long to try to open a camera that was lost.

    Raises:
        VideoFileError: there is no such camera.
    """

    def __init__(
        self,
        camera: int | str = 0,
        *,
        connect: Callable[[], Iterator[Image]] | None = None,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self.name = f"camera {camera}"
        self._connect = connect or (lambda: _pictures(camera))
        self._patience_s = patience_s
        self._first = self._connected()

    def __iter__(self) -> Iterator[Frame]:
        """Frames, with the time since the first.

        Raises:
            VideoFileError: the camera was lost and does not come back.
        """
        newest = _Newest()
        thread = threading.Thread(target=self._watch, args=(newest,), name="tddfa-camera", daemon=True)
        thread.start()
        start, index = time.perf_counter(), 0
        try:
            while True:
                image = newest.take()
                yield Frame(index, time.perf_counter() - start, image)
                index += 1
        finally:
            newest.stop()
            thread.join()

    def _watch(self, newest: _Newest) -> None:
        pictures = self._first
        try:
            while True:
                for image in pictures:
                    if not newest.give(image):
                        return
                _log.warning("%s stopped; trying to reach it again", self.name)
                pictures = self._again(newest)
        except VideoFileError as error:
            newest.fail(error)
        finally:
            close = getattr(pictures, "close", None)
            if close is not None:
                close()

    def _again(self, newest: _Newest) -> Iterator[Image]:
        give_up = time.monotonic() + self._patience_s
        while not newest.stopped:
            time.sleep(min(_RETRY_S, self._patience_s / 4))
            try:
                return self._connected()
            except VideoFileError:
                if time.monotonic() > give_up:
                    raise VideoFileError(f"{self.name} was lost and does not come back") from None
        return iter(())

    def _connected(self) -> Iterator[Image]:
        """The pictures of the camera, of which one is there: cameras open that then give nothing."""
        pictures = self._connect()
        first = next(pictures, None)
        if first is None:
            raise VideoFileError(f"{self.name} gives no pictures; is another program using it?")
        return _with_first(first, pictures)


class _Newest:
    """A place for one picture, or for the error that ends them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._image: Image | None = None
        self._error: VideoFileError | None = None
        self.stopped = False

    def give(self, image: Image) -> bool:
        """Put a picture in the place of the one before; False when nobody wants any more."""
        with self._changed:
            self._image = image
            self._changed.notify()
            return not self.stopped

    def fail(self, error: VideoFileError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify()

    def take(self) -> Image:
        """Wait for a picture that was not taken yet."""
        with self._changed:
            while self._image is None:
                if self._error is not None:
                    raise self._error
                self._changed.wait(0.1)  # so that Ctrl-C is seen
            image, self._image = self._image, None
            return image

    def stop(self) -> None:
        with self._changed:
            self.stopped = True


def _with_first(first: Image, rest: Iterator[Image]) -> Iterator[Image]:
    yield first
    yield from rest


def _pictures(camera: int | str) -> Iterator[Image]:
    import av
    from av.error import FFmpegError

    system, pattern = _SYSTEMS.get(sys.platform, _SYSTEMS["linux"])
    name = camera if isinstance(camera, str) else pattern.format(camera)
    try:
        if system == "dshow" and not isinstance(camera, str):
            name = _windows_name(camera)
        container = av.open(name, format=None if "://" in name else system)
    except (OSError, FFmpegError) as error:
        known = _cameras(system)
        there = f"there are: {', '.join(known)}" if known else "none was found on this computer"
        raise VideoFileError(f"cannot open camera {camera} ({name}: {error.strerror}); {there}") from None
    with container:
        if not container.streams.video:
            return
        try:
            for frame in container.decode(video=0):
                image: Any = frame.to_ndarray(format="rgb24")
                turns = round(frame.rotation / 90) % 4
                yield np.ascontiguousarray(np.rot90(image, turns)) if turns else image
        except FFmpegError as error:
            _log.info("camera %s: %s", camera, error)


def _windows_name(number: int) -> str:
    names = _cameras("dshow")
    if number >= len(names):
        raise OSError(2, "no such camera")
    return f"video={names[number]}"


def _cameras(system: str) -> list[str]:
    """The names of the cameras that FFmpeg sees; [] where it cannot say."""
    try:
        from av.device import enumerate_input_devices

        return [d.name for d in enumerate_input_devices(system) if "video" in (d.media_types or ("video",))]
    except (ImportError, OSError, ValueError):
        return []
