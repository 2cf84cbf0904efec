"""Requests about videos: uploads, what has become of them, their files."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from tddfa.errors import VideoFileError
from tddfa.kinds import KINDS, names
from tddfa.studio.bodies import body_parts
from tddfa.studio.jobs import Job, VideoQueue
from tddfa.studio.photos import named, zip_bytes
from tddfa.studio.problems import RequestError
from tddfa.studio.settings import Limits
from tddfa.studio.state import Studio
from tddfa.studio.stored_files import StoredFile
from tddfa.video.containers import ContainerRefusedError, check_container

OVERLAYS = names((kind for kind in KINDS if kind.draw), video=True)
"""Overlays that a video can be drawn with."""

_POLL_S = 0.2
_HEAD_BYTES = 64
_MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".csv": "text/csv; charset=utf-8",
    ".jsonl": "application/jsonl",
    ".glb": "model/gltf-binary",
    ".html": "text/html; charset=utf-8",
    ".png": "image/png",
}


async def upload(request: Request) -> Response:
    """Answer `POST /api/videos`: queue the video in the body."""
    studio = Studio.of(request)
    overlays = _overlays(request)
    title = " ".join(request.query_params.get("title", "video").split())[:120] or "video"
    studio.videos.check_room()
    folder = studio.scratch.new_folder()
    source = folder / "source"
    try:
        await _save(request, source, studio.limits)
        await asyncio.to_thread(_check_container, source)
        job = Job(secrets.token_urlsafe(16), folder, source, title, overlays)
        studio.videos.check_room()
    except BaseException:
        studio.scratch.remove(folder)
        raise
    studio.videos.add(job)
    return JSONResponse(_state(job, studio.videos), 202)


async def _save(request: Request, path: Path, limits: Limits) -> None:
    head, size = b"", 0
    with path.open("wb") as file:
        async for part in body_parts(request, limits.video_bytes, limits, name="the file"):
            if size < _HEAD_BYTES:
                head += part[:_HEAD_BYTES]
                if len(head) >= _HEAD_BYTES:
                    _check_head(head[:_HEAD_BYTES])
            size += len(part)
            await asyncio.to_thread(file.write, part)
    if not size:
        raise RequestError(400, "the request has no body; send the bytes of a video file as its body")
    _check_head(head[:_HEAD_BYTES])


def _check_head(head: bytes) -> None:
    """Refuse text before all of it is sent: most of it is playlists. `check_container` refuses the others."""
    is_text = all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head.removeprefix(b"\xef\xbb\xbf"))
    if is_text and not head.startswith(b"YUV4MPEG2"):
        raise RequestError(415, "the file is text and no video; send an MP4, MKV, WebM, MOV or AVI file")


def _check_container(path: Path) -> None:
    """Refuse playlists and whatever else names other files; damaged videos fail when their turn comes."""
    try:
        check_container(path)
    except ContainerRefusedError as error:
        raise RequestError(415, str(error).replace(str(path), "the file")) from None
    except VideoFileError:
        pass


def _overlays(request: Request) -> tuple[str, ...]:
    for name in request.query_params:
        if name not in ("overlay", "title", "token"):
            raise RequestError(400, f"no parameter {name[:50]!r}; there are overlay, title")
    given = request.query_params.get("overlay", "2d_sparse")
    wanted = [name.strip() for name in given.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in OVERLAYS]
    if unknown or not wanted:
        what = unknown[0][:50] if unknown else ""
        raise RequestError(400, f"{what!r} is no overlay; choose from {', '.join(OVERLAYS)}")
    return tuple(dict.fromkeys(wanted))


async def state(request: Request) -> Response:
    """Answer `GET /api/videos/{id}`: what has become of a video."""
    videos = Studio.of(request).videos
    return JSONResponse(_state(videos.get(request.path_params["id"]), videos))


async def events(socket: WebSocket) -> None:
    """Answer `/api/videos/{id}/events`: its state, whenever it has changed, until it has ended."""
    studio = Studio.of(socket)
    await socket.accept()
    try:
        job = studio.videos.get(socket.path_params["id"])
    except RequestError as problem:
        await socket.send_json({"error": str(problem)})
        await socket.close(1008)
        return
    told: dict[str, Any] = {}
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            has_ended = job.ended is not None  # asked first: the last state is always told before the end
            new = _state(job, studio.videos)
            preview = job.preview
            if new != told or preview is None:
                message = dict(new)
                if preview is not None:
                    message["preview"] = f"data:image/jpeg;base64,{base64.b64encode(preview).decode()}"
                if new != told:
                    await socket.send_json(message)
                told = new
            if has_ended:
                await socket.close()
                return
            with contextlib.suppress(TimeoutError):
                message = await asyncio.wait_for(socket.receive(), _POLL_S)
                if message["type"] == "websocket.disconnect":
                    return


async def timeline(request: Request) -> Response:
    """Answer `GET /api/videos/{id}/timeline`."""
    job = _done(request)
    return JSONResponse(job.timeline)


async def file(request: Request) -> Response:
    """Answer `GET /api/videos/{id}/files/{name}`, also parts of it."""
    job = _done(request)
    name = request.path_params["name"]
    if name == "all.zip":
        data = await asyncio.to_thread(
            lambda: zip_bytes((f"{job.stem}_{p.name}", p.read_bytes()) for p in job.files)
        )
        return Response(data, headers=named(f"{job.stem}.zip"), media_type="application/zip")
    path = next((path for path in job.files if path.name == name), None)
    if path is None:
        raise RequestError(
            404, f"there is no file {name[:50]!r}; there are {', '.join(p.name for p in job.files)}"
        )
    kind = _MEDIA_TYPES.get(path.suffix, "application/octet-stream")
    place = "inline" if path.suffix in (".mp4", ".png") else "attachment"
    return StoredFile(path, media_type=kind, filename=f"{job.stem}_{name}", content_disposition_type=place)


async def remove(request: Request) -> Response:
    """Answer `DELETE /api/videos/{id}`: cancel it, and forget its files."""
    Studio.of(request).videos.remove(request.path_params["id"])
    return Response(status_code=204)


def _done(request: Request) -> Job:
    job = Studio.of(request).videos.get(request.path_params["id"])
    if job.state != "done":
        raise RequestError(409, f"this video is {job.state}; it has to be done first")
    return job


def _state(job: Job, videos: VideoQueue) -> dict[str, Any]:
    return {
        "id": job.id,
        "title": job.title,
        "state": job.state,
        "position": videos.position(job),
        "done": job.done,
        "total": job.total,
        "error": job.error,
        "remark": job.remark,
        "overlays": list(job.overlays),
        "files": [{"name": path.name, "bytes": path.stat().st_size} for path in job.files],
    }
