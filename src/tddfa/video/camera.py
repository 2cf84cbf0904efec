"""A camera as a source of frames: always the newest."""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import InputError, VideoFileError
from tddfa.imaging.orientation import apply_orientation
from tddfa.imaging.yuv import frame_to_rgb
from tddfa.types import Image
from tddfa.types.arguments import check_above_0, check_number, shown
from tddfa.video.frame import Frame
from tddfa.video.reader import display_orientation
from tddfa.video.source import NETWORK_TIMEOUT_S, VideoSource, open_container

_log = logging.getLogger(__name__)

# What FFmpeg calls the cameras of each platform, and camera 0 among them.
_SYSTEMS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}"), "win32": ("dshow", "{}")}
# How long a lost camera is tried again, s: a network camera that restarts needs longer than a plug.
_PATIENCE_S = 5.0
_NETWORK_PATIENCE_S = 60.0
_RETRY_S = 0.5
_MOST_CAMERAS = 10_000
_LIVE = ("rtsp", "rtsps", "rtmp", "rtmps", "udp", "srt", "rtp")  # frames of before the start are old there
_POLL_S = 0.1
# How long a thread that waits for a silent camera is waited for, s; it ends by itself at the timeout.
_JOIN_S = 1.0


class Camera:
    """Give the newest frame of a camera, again and again; frames that nobody was ready for are dropped.

    A camera that stops, or keeps silent for `timeout_s`, is opened again. Iterating ends with an error when
    that fails for `patience_s`. Ctrl-C ends every wait at once.

    Args:
        camera: the number of a camera, or its name as FFmpeg has it ("/dev/video2", "video=HD Webcam",
            "rtsp://…").
        connect: opens the camera and gives its images; FFmpeg's devices when not given.
        timeout_s: how long it may keep silent.
        patience_s: how long to try to open a camera that was lost; 5 s when not given, 60 s for an address in
            a network.

    Raises:
        InputError: an argument is not possible.
        VideoFileError: there is no such camera, or it gives no image within `timeout_s`.
    """

    def __init__(
        self,
        camera: int | str = 0,
        *,
        connect: Callable[[], Iterator[Image]] | None = None,
        timeout_s: float = NETWORK_TIMEOUT_S,
        patience_s: float | None = None,
    ) -> None:
        check_above_0("timeout_s", timeout_s, "seconds")
        if patience_s is not None:
            check_number("patience_s", patience_s, 0, math.inf)
        if connect is not None and not callable(connect):
            raise InputError(f"connect is a {type(connect).__name__}; a function that gives images is needed")
        if not isinstance(camera, str) or not camera.strip():
            check_camera(camera)
        self.name = f"camera {camera}"
        self._connect = connect or (lambda: _images(camera, timeout_s))
        self._timeout_s = timeout_s
        network = isinstance(camera, str) and "://" in camera
        self._patience_s = (
            patience_s if patience_s is not None else (_NETWORK_PATIENCE_S if network else _PATIENCE_S)
        )
        self._newest = self._watched()
        try:
            self._newest.wait_for_first(2 * timeout_s + _RETRY_S, self.name)
        except BaseException:
            self._newest.stop()
            raise

    def __iter__(self) -> Iterator[Frame]:
        """Give frames, with the time since the first.

        Raises:
            VideoFileError: the camera was lost and does not come back.
        """
        if self._newest.stopped:  # it was iterated before
            self._newest = self._watched()
        newest = self._newest
        start, index = time.perf_counter(), 0
        try:
            while True:
                image = newest.take()
                yield Frame(index, time.perf_counter() - start, image)
                index += 1
        finally:
            newest.stop()
            newest.thread.join(_JOIN_S)

    def close(self) -> None:
        """Let the camera go."""
        self._newest.stop()

    def __del__(self) -> None:
        newest = getattr(self, "_newest", None)
        if newest is not None:
            newest.stop()

    def _watched(self) -> _Newest:
        newest = _Newest()
        # The thread knows the connection and not this object, which ends it when nobody uses it any more.
        connection = _Connection(self.name, self._connect, self._patience_s)
        newest.thread = threading.Thread(
            target=connection.watch, args=(newest,), name="tddfa-camera", daemon=True
        )
        newest.thread.start()
        return newest


@dataclass(frozen=True, slots=True)
class _Connection:
    """The way to a camera, taken again when it is lost."""

    name: str
    connect: Callable[[], Iterator[Image]]
    patience_s: float

    def watch(self, newest: _Newest) -> None:
        """Give the images of the camera until nobody wants any more, or it does not come back."""
        images: Iterator[Image] = iter(())
        try:
            images = self._connected()
            while True:
                for image in images:
                    if not newest.give(image):
                        return
                _log.warning("%s stopped; trying to reach it again", self.name)
                images = self._again(newest)
                if newest.stopped:
                    return
        except VideoFileError as error:
            newest.fail(error)
        except Exception as error:  # a driver's: the thread must not end without a word
            newest.fail(VideoFileError(f"{self.name} failed: {error}"))
        finally:
            _close(images)

    def _again(self, newest: _Newest) -> Iterator[Image]:
        give_up = time.monotonic() + self.patience_s
        while not newest.stopped:
            time.sleep(min(_RETRY_S, self.patience_s / 4))
            try:
                return self._connected()
            except VideoFileError as error:
                _log.info("%s", error)
                if time.monotonic() > give_up:
                    raise VideoFileError(
                        f"{self.name} was lost and does not come back within {self.patience_s:g} s"
                    ) from None
        return iter(())

    def _connected(self) -> Iterator[Image]:
        """Return the images of the camera, of which one is there: cameras open that then give nothing."""
        images = self.connect()
        first = next(images, None)
        if first is None:
            raise VideoFileError(f"{self.name} gives no images; is another program using it?")
        return _with_first(first, images)


class _Newest:
    """A place for one image, or for the error that ends them."""

    thread: threading.Thread

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._image: Image | None = None
        self._error: VideoFileError | None = None
        self.stopped = False

    def give(self, image: Image) -> bool:
        """Put an image in the place of the one before; False when nobody wants any more."""
        with self._changed:
            self._image = image
            self._changed.notify()
            return not self.stopped

    def fail(self, error: VideoFileError) -> None:
        """Note the error that ends the images."""
        with self._changed:
            self._error = error
            self._changed.notify()

    def wait_for_first(self, timeout_s: float, name: str) -> None:
        """Wait until there is an image, which stays in its place.

        Raises:
            VideoFileError: there is none within the time, or the camera cannot be opened.
        """
        give_up = time.monotonic() + timeout_s
        with self._changed:
            while self._image is None:
                if self._error is not None:
                    raise self._error
                if time.monotonic() > give_up:
                    raise VideoFileError(f"{name} gives no images within {timeout_s:g} s")
                self._changed.wait(_POLL_S)  # so that Ctrl-C is seen

    def take(self) -> Image:
        """Wait for an image that was not taken yet."""
        with self._changed:
            while self._image is None:
                if self._error is not None:
                    raise self._error
                self._changed.wait(_POLL_S)
            image, self._image = self._image, None
            return image

    def stop(self) -> None:
        """Say that nobody wants any more."""
        with self._changed:
            self.stopped = True


def check_camera(camera: Any) -> None:
    """Refuse what is no number of a camera.

    Raises:
        InputError: `camera` is not a whole number of 0 or more.
    """
    is_number = isinstance(camera, int | np.integer) and not isinstance(camera, bool)
    if not is_number or not 0 <= camera < _MOST_CAMERAS:
        raise InputError(f"camera={shown(camera)}; it takes a number from 0, or a name or address as text")


def _with_first(first: Image, rest: Iterator[Image]) -> Iterator[Image]:
    try:
        yield first
        yield from rest
    finally:
        _close(rest)


def _close(images: Iterator[Image]) -> None:
    close = getattr(images, "close", None)
    if close is not None:
        close()


def _images(camera: int | str, timeout_s: float) -> Iterator[Image]:
    from av.error import FFmpegError

    with _opened(camera, timeout_s) as container:
        if not container.streams.video:
            return
        try:
            for frame in container.decode(video=0):
                yield apply_orientation(frame_to_rgb(frame), display_orientation(frame))
        except (FFmpegError, OSError, ValueError) as error:
            _log.info("camera %s: %s", camera, error)


def _opened(camera: int | str, timeout_s: float) -> Any:
    from av.error import FFmpegError

    if isinstance(camera, str) and "://" in camera:
        try:
            live = camera.partition(":")[0].lower() in _LIVE
            return VideoSource(camera, timeout_s).open({"fflags": "nobuffer"} if live else {})
        except VideoFileError as error:
            raise VideoFileError(f"cannot open camera {camera}: {error}") from None
    system, pattern = _SYSTEMS.get(sys.platform, _SYSTEMS["linux"])
    name = camera if isinstance(camera, str) else pattern.format(camera)
    try:
        if system == "dshow" and not isinstance(camera, str):
            name = _windows_name(camera)
        return open_container(name, format=system, timeout=(timeout_s, timeout_s))
    except (OSError, ValueError, FFmpegError) as error:
        known = _cameras(system)
        there = f"there are: {', '.join(known)}" if known else "none was found on this computer"
        reason = getattr(error, "strerror", None) or error
        raise VideoFileError(f"cannot open camera {camera} ({name}: {reason}); {there}") from None


def _windows_name(number: int) -> str:
    names = _cameras("dshow")
    if number >= len(names):
        raise OSError(2, "no such camera")
    return f"video={names[number]}"


def _cameras(system: str) -> list[str]:
    """Return the names of the cameras that FFmpeg sees; [] where it cannot say."""
    try:
        from av.device import enumerate_input_devices

        return [d.name for d in enumerate_input_devices(system) if "video" in (d.media_types or ("video",))]
    except (ImportError, OSError, ValueError):
        return []
