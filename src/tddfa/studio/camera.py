"""A camera of a browser: frames up, faces down, over a WebSocket; the newest frame wins.

Binary messages up are image files. Text messages up are commands, JSON objects with a `type`; docs/studio.md
lists them. Down come `tddfa.studio.camera/1` objects: `frame` for every frame that was worked on, and `event`
or `error`. Binary messages down are the GLB that the command `portrait` asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from tddfa.errors import ImageFileError, InputError, TddfaError
from tddfa.export import glb_bytes
from tddfa.export.live_message import json_message
from tddfa.imaging import decode_image
from tddfa.imaging.files import image_size
from tddfa.outputs import Scene
from tddfa.streams import Sink, TableSink, TrackedFrame, follow
from tddfa.streams.avatar import Avatar, AvatarSettings, Calibration
from tddfa.streams.destinations import open_sink
from tddfa.studio.engine import SharedTracker
from tddfa.studio.problems import RequestError
from tddfa.studio.state import Studio
from tddfa.studio.stored_files import StoredFile
from tddfa.tracking import FaceTracker
from tddfa.tracking.face import TrackedFace
from tddfa.types import Face, Image
from tddfa.video import Frame

SCHEMA = "tddfa.studio.camera/1"

_log = logging.getLogger(__name__)
_SEND_S = 20.0  # time that a client may take for an answer
_MAX_BAD_FRAMES = 100  # frames in a row that are no images, after which the connection ends
_SETTINGS = frozenset(f.name for f in fields(AvatarSettings))
_FLAGS = frozenset(f.name for f in fields(AvatarSettings) if isinstance(f.default, bool))


class NewestMessage:
    """Room for the newest frame of a client, beside commands, of which none is lost.

    Args:
        most_commands: commands that may wait.
    """

    def __init__(self, most_commands: int = 64) -> None:
        self._changed = threading.Condition()
        self._frame: tuple[int, float, bytes] | None = None
        self._commands: list[dict[str, Any]] = []
        self._most_commands = most_commands
        self._ended = False
        self.n_received = self.n_dropped = 0

    def put_frame(self, data: bytes) -> None:
        """Replace the frame that waits."""
        with self._changed:
            self.n_dropped += self._frame is not None
            self._frame = (self.n_received, time.perf_counter(), data)
            self.n_received += 1
            self._changed.notify()

    def put_command(self, command: dict[str, Any]) -> bool:
        """Add a command; False when too many wait."""
        with self._changed:
            if len(self._commands) >= self._most_commands:
                return False
            self._commands.append(command)
            self._changed.notify()
            return True

    def end(self) -> None:
        """End: `take` returns None from now on."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def take(self) -> tuple[list[dict[str, Any]], tuple[int, float, bytes] | None] | None:
        """Wait for a frame or commands, and return them; None at the end."""
        with self._changed:
            while not (self._ended or self._frame or self._commands):
                self._changed.wait()
            if self._ended:
                return None
            commands, self._commands = self._commands, []
            frame, self._frame = self._frame, None
            return commands, frame


async def camera(socket: WebSocket) -> None:
    """Answer `/api/camera`."""
    studio = Studio.of(socket)
    if studio.n_cameras >= studio.limits.cameras:
        await socket.accept()
        text = f"{studio.limits.cameras} cameras are connected already; close one first"
        await socket.send_text(_error(text))
        await socket.close(1013)
        return
    studio.n_cameras += 1
    try:
        await socket.accept()
        loop = asyncio.get_running_loop()

        def send(message: str | bytes) -> None:
            sending = socket.send_bytes(message) if isinstance(message, bytes) else socket.send_text(message)
            asyncio.run_coroutine_threadsafe(sending, loop).result(_SEND_S)

        session = CameraSession(studio, send)
        thread = threading.Thread(target=session.run, name="tddfa-camera", daemon=True)
        thread.start()
        try:
            await _receive(socket, session)
        finally:
            session.messages.end()
            await asyncio.to_thread(thread.join, _SEND_S)
        if socket.client_state is WebSocketState.CONNECTED:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close()
    finally:
        studio.n_cameras -= 1


async def _receive(socket: WebSocket, session: CameraSession) -> None:
    while not session.has_ended:
        message = await socket.receive()
        if message["type"] != "websocket.receive":
            return
        data = message.get("bytes")
        if data is not None:
            session.messages.put_frame(data)
            continue
        try:
            command = json.loads(message.get("text") or "")
            if not isinstance(command, dict):
                raise ValueError
        except (ValueError, RecursionError):
            command = {"type": ""}
        if not session.messages.put_command(command):
            return  # a client that floods


async def watch(socket: WebSocket) -> None:
    """Answer `/api/camera/watch`: what the avatar of the newest camera does."""
    studio = Studio.of(socket)
    await socket.accept()
    with studio.hub.watching() as queue:

        async def forward() -> None:
            while True:
                await socket.send_text(await queue.get())

        sending = asyncio.create_task(forward())
        try:
            while (await socket.receive())["type"] == "websocket.receive":
                pass
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sending


async def portrait(request: Any) -> Response:
    """Answer `GET /api/camera/portrait.glb`: the newest face that a camera was asked for."""
    data = Studio.of(request).hub.portrait
    if data is None:
        raise RequestError(404, "no camera has been asked for a portrait yet")
    return Response(data, media_type="model/gltf-binary")


async def recording(request: Any) -> Response:
    """Answer `GET /api/recordings/{id}/{name}`."""
    studio = Studio.of(request)
    path = studio.recordings.get((request.path_params["id"], request.path_params["name"]))
    if path is None or not path.is_file():
        raise RequestError(404, "this recording is not kept any more")
    return StoredFile(path, filename=path.name)


class CameraSession:
    """One camera: a source of frames and a sink of what was found, with `follow` between them.

    Args:
        studio: networks, turns, limits.
        send: sends a message and returns when that is done; called from the thread of `run`.
    """

    needs_image = True

    def __init__(self, studio: Studio, send: Callable[[str | bytes], None]) -> None:
        self._studio, self._send = studio, send
        self.messages = NewestMessage()
        self.has_ended = False
        self._avatar = Avatar()
        self._sinks: dict[str, Sink] = {}
        self._record: tuple[Path, TableSink] | None = None
        self._requests_portrait = False
        self._shape: tuple[int, ...] = ()
        self._n, self._decode_ms = 0, 0.0

    def run(self) -> None:
        """Work on frames until the client is gone."""
        self._studio.hub.newest = self
        try:
            limits = self._studio.limits
            engine = self._studio.engine
            tracker = SharedTracker(FaceTracker(engine.aligner, max_faces=limits.faces), engine.turns)
            for frame in follow(self._frames(), tracker):
                self._write(frame, tracker.elapsed_ms)
        except (OSError, RuntimeError, TimeoutError, WebSocketDisconnect) as error:
            if isinstance(error, TddfaError):
                self._report(error)
        except Exception as error:
            if isinstance(error, TddfaError):
                self._report(error)
            else:
                _log.exception("a camera failed")
                with contextlib.suppress(Exception):
                    self._send(
                        _error("something unexpected went wrong; the log of 'tddfa studio' says where")
                    )
        finally:
            self.has_ended = True
            self._studio.hub.end(self)
            self._stop_recording(tell=False)
            self._send_to([])

    def _frames(self) -> Iterator[Frame]:
        """Yield the frames of the client, and heed its commands between them."""
        start: float | None = None
        n_bad = index = 0
        limits = self._studio.limits
        while (taken := self.messages.take()) is not None:
            commands, message = taken
            for command in commands:
                self._heed(command)
            if message is None:
                continue
            n, received, data = message
            try:
                image = _decoded(data, limits.frame_pixels)
            except ImageFileError as error:
                n_bad += 1
                self._report(error)
                if n_bad > _MAX_BAD_FRAMES:
                    return
                continue
            n_bad = 0
            start = received if start is None else start
            self._n, self._shape = n, image.shape
            self._decode_ms = 1000 * (time.perf_counter() - received)
            yield Frame(index, received - start, image, captured=received)
            index += 1

    def _write(self, frame: TrackedFrame, track_ms: float) -> None:
        """Send what was found in a frame, to the client and to whoever else gets it."""
        tracked_at = time.perf_counter()
        captures = self._avatar.captures(frame)
        for url, sink in list(self._sinks.items()):
            try:
                sink.write(frame)
            except (OSError, TddfaError) as error:
                self._report(error)
                self._sinks.pop(url).__exit__(None, None, None)
        if self._record is not None:
            self._record[1].write(frame)
        live = json_message(captures, frame=frame.index, time=frame.time)
        self._studio.hub.publish(self, live)
        head = {
            "schema": SCHEMA,
            "type": "frame",
            "n": self._n,
            "time": round(frame.time, 4),
            "dropped": self.messages.n_dropped,
            "width": self._shape[1],
            "height": self._shape[0],
            "faces": [_face(tracked) for tracked in frame.faces if tracked.visible],
            "calibrating": self._avatar.calibrating,
            "decode_ms": round(self._decode_ms, 2),
            "track_ms": round(track_ms, 2),
        }
        text = json.dumps(head, separators=(",", ":"), allow_nan=False)
        now, received = time.perf_counter(), frame.captured or tracked_at
        timing = f',"encode_ms":{1000 * (now - tracked_at):.2f},"server_ms":{1000 * (now - received):.2f}'
        self._send(f'{text[:-1]}{timing},"avatar":{live}}}')
        if self._requests_portrait:
            self._portrait(frame)

    def _portrait(self, frame: TrackedFrame) -> None:
        """Send the textured face of the person whose avatar is shown, at rest and frontal."""
        if frame.image is None or not frame.visible_faces:
            return
        self._requests_portrait = False
        face = max(frame.visible_faces, key=lambda face: face.box.area)
        with self._studio.engine.turns.take():
            data = portrait_bytes(frame.image, face)
        if self._studio.hub.newest is self:
            self._studio.hub.portrait = data
        self._send(data)

    # Commands

    def _heed(self, command: dict[str, Any]) -> None:
        heed = {
            "settings": self._set,
            "calibrate": self._calibrate,
            "send": self._send_command,
            "record": self._record_command,
            "portrait": self._portrait_command,
        }.get(str(command.get("type")))
        try:
            if heed is None:
                raise InputError(
                    "no such command; there are settings, calibrate, send, record and portrait, as JSON "
                    'objects such as {"type": "calibrate"}'
                )
            heed({name: value for name, value in command.items() if name != "type"})
        except (TypeError, ValueError, OSError, AttributeError) as error:
            told = str(error) if isinstance(error, TddfaError) else f"{command.get('type')}: a value is wrong"
            self._send(_error(told))

    def _set(self, values: dict[str, Any]) -> None:
        unknown = set(values) - _SETTINGS
        if unknown:
            raise InputError(f"no setting {min(unknown)[:50]!r}; there are {', '.join(sorted(_SETTINGS))}")
        for name, value in values.items():
            if name in _FLAGS and not isinstance(value, bool):
                raise InputError(f"{name} is true or false")
            if name not in _FLAGS and isinstance(value, bool):  # Python takes true for the number 1
                raise InputError(f"{name} is neither true nor false")
        face = values.get("face", "largest")
        if face not in ("largest", "all") and not isinstance(face, int):
            raise InputError("face is largest, all or the ID of a face")
        self._avatar.settings = replace(self._avatar.settings, **values)

    def _calibrate(self, _: dict[str, Any]) -> None:
        def done(calibration: Calibration) -> None:
            head = calibration.head
            angles = {"yaw_deg": head.yaw_deg, "pitch_deg": head.pitch_deg, "roll_deg": head.roll_deg}
            self._send(_event("calibrated", head=angles, shapes=dict(calibration.shapes)))

        self._avatar.calibrate(done)

    def _send_command(self, values: dict[str, Any]) -> None:
        urls = values.get("to")
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise InputError('send takes {"to": [URL, …]}')
        if len(urls) > self._studio.limits.destinations:
            raise InputError(f"at most {self._studio.limits.destinations} receivers at a time")
        self._send_to(urls)
        self._send(_event("sending", to=list(self._sinks)))

    def _send_to(self, urls: list[str]) -> None:
        """Open the sinks of some URLs, and close all others; where one cannot be opened, no new one is."""
        for url in set(self._sinks) - set(urls):  # first: a new one may need the port of an old one
            self._sinks.pop(url).__exit__(None, None, None)
        with contextlib.ExitStack() as opened:
            new = {
                url: opened.enter_context(open_sink(url, avatar=self._avatar))
                for url in dict.fromkeys(urls)
                if url not in self._sinks
            }
            opened.pop_all()
        self._sinks |= new

    def _record_command(self, values: dict[str, Any]) -> None:
        on = values.get("on", False)
        if not isinstance(on, bool):
            raise InputError("on is true or false")
        if not on:
            self._stop_recording(tell=True)
            return
        if self._record is None:
            path = self._studio.scratch.new_folder() / "camera.csv"
            sink = TableSink(path, self._studio.engine.aligner.model.expression_names)
            self._record = path, sink.__enter__()
        self._send(_event("recording"))

    def _stop_recording(self, *, tell: bool) -> None:
        if self._record is None:
            return
        (path, sink), self._record = self._record, None
        sink.__exit__(None, None, None)
        if not tell:
            self._studio.scratch.remove(path.parent)
            return
        key = path.parent.name, path.name
        self._studio.recordings[key] = path
        while len(self._studio.recordings) > self._studio.limits.cameras:
            oldest = next(iter(self._studio.recordings))
            self._studio.scratch.remove(self._studio.recordings.pop(oldest).parent)
        self._send(_event("recorded", url=f"api/recordings/{key[0]}/{key[1]}"))

    def _portrait_command(self, _: dict[str, Any]) -> None:
        self._requests_portrait = True

    def _report(self, error: Exception) -> None:
        self._send(_error(" ".join(str(error).split())))


def portrait_bytes(image: Image, face: Face) -> bytes:
    """Return a face as GLB: textured, at rest, looking at the viewer."""
    return glb_bytes(image, [face], textures=Scene(image, [face]).textures, neutral=True, frontal=True)


def _decoded(data: bytes, most: int) -> Image:
    size = image_size(data)
    if size is not None and size[0] * size[1] > most:
        raise ImageFileError(f"the frame has {size[0]}×{size[1]} px; send frames of at most {most} px")
    return decode_image(data, "the frame", max_pixels=most)


def _face(tracked: TrackedFace) -> dict[str, Any]:
    face = tracked.face
    pose = face.pose
    return {
        "id": tracked.id,
        "state": tracked.state,
        "confidence": round(tracked.confidence, 4),
        "pose": {
            "yaw_deg": round(pose.yaw_deg, 2),
            "pitch_deg": round(pose.pitch_deg, 2),
            "roll_deg": round(pose.roll_deg, 2),
        },
        "camera": _rounded(face.params.camera, 5),
        "identity": _rounded(face.params.identity, 4),
        "shape": _rounded(face.params.shape, 4),
        "expression": dict(
            zip(face.model.expression_names, _rounded(face.params.expression, 4), strict=True)
        ),
        "landmarks": _rounded(face.landmarks, 1),
    }


def _rounded(values: np.ndarray, decimals: int) -> list[Any]:
    # In float64: as JSON, a float32 would have 17 digits.
    return np.round(values.astype(np.float64), decimals).tolist()


def _event(name: str, **values: Any) -> str:
    return json.dumps({"schema": SCHEMA, "type": "event", "event": name, **values}, allow_nan=False)


def _error(text: str) -> str:
    return json.dumps({"schema": SCHEMA, "type": "error", "error": text})
