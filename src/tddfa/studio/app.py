"""The ASGI application: routes, and what lives as long as it runs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from tddfa._version import __version__
from tddfa.errors import TddfaError
from tddfa.export import glb_bytes
from tddfa.kinds import OPTIONS
from tddfa.streams.destinations import SENDERS
from tddfa.studio import camera, photos, videos
from tddfa.studio.engine import Engine
from tddfa.studio.gallery import Gallery
from tddfa.studio.guard import COOKIE, Guard
from tddfa.studio.hub import Hub
from tddfa.studio.jobs import VideoQueue
from tddfa.studio.openapi import document
from tddfa.studio.problems import RequestError, http_problem, refusal
from tddfa.studio.queries import available_kinds
from tddfa.studio.scratch import Scratch
from tddfa.studio.settings import StudioSettings
from tddfa.studio.state import Studio
from tddfa.studio.stored_files import StoredFile
from tddfa.types import BoundingBox, Detection, Face, FaceParams

STATIC = Path(str(files("tddfa.studio"))) / "static"
"""Folder of the built page."""

_MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
_UNBUILT = (
    "<!doctype html><html lang=en><title>tddfa studio</title><p>The page of the studio is not built in this "
    "installation: run <code>make studio</code>. The service works: see <a href=api/openapi.json>its "
    "description</a>."
)


def make_app(settings: StudioSettings | None = None) -> ASGIApp:
    """Return the studio as an ASGI application.

    Args:
        settings: address, token, pack, limits; a local studio when not given.
    """
    settings = settings or StudioSettings()
    engine = Engine(settings)

    @contextlib.asynccontextmanager
    async def life(app: Starlette) -> AsyncGenerator[None]:
        scratch = Scratch()
        queue = VideoQueue(engine, scratch, settings.limits)
        app.state.studio = Studio(settings, engine, Gallery(settings.limits), scratch, queue, hub=Hub())
        try:
            yield
        finally:
            queue.close()
            engine.close()
            scratch.close()

    routes = [
        Route("/", page),
        Route("/static/{name}", static),
        Route("/api/openapi.json", openapi),
        Route("/api/about", about),
        Route("/api/model.glb", model),
        Route("/api/align", photos.align, methods=["POST"]),
        Route("/api/photos", photos.add, methods=["POST"]),
        Route("/api/photos/{id}", photos.remove, methods=["DELETE"]),
        Route("/api/photos/{id}/image", photos.image),
        Route("/api/photos/{id}/outputs", photos.output),
        Route("/api/photos/{id}/faces/{face:int}/outputs", photos.output),
        Route("/api/videos", videos.upload, methods=["POST"]),
        Route("/api/videos/{id}", videos.state, methods=["GET"]),
        Route("/api/videos/{id}", videos.remove, methods=["DELETE"]),
        Route("/api/videos/{id}/timeline", videos.timeline),
        Route("/api/videos/{id}/files/{name}", videos.file),
        Route("/api/recordings/{id}/{name}", camera.recording),
        Route("/api/camera/portrait.glb", camera.portrait),
        WebSocketRoute("/api/camera", camera.camera),
        WebSocketRoute("/api/camera/watch", camera.watch),
        WebSocketRoute("/api/videos/{id}/events", videos.events),
    ]
    handlers: dict[Any, Any] = {
        HTTPException: http_problem,
        **dict.fromkeys((RequestError, TddfaError, ClientDisconnect, MemoryError, Exception), refusal),
    }
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=life)
    app.router.redirect_slashes = False  # to http://, behind a proxy that does TLS, and without a line
    return Guard(app, settings)


async def page(request: Request) -> Response:
    """Answer `GET /`: the page; a token in its address becomes a cookie."""
    path = STATIC / "index.html"
    text = path.read_text(encoding="utf-8") if path.is_file() else _UNBUILT
    response = HTMLResponse(text)
    token = Studio.of(request).settings.token
    if token is not None and "token" in request.query_params:
        secure = request.headers.get("x-forwarded-proto") == "https"
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure)
    return response


async def static(request: Request) -> Response:
    """Answer `GET /static/{name}`."""
    name = request.path_params["name"]
    known = {path.name: path for path in STATIC.iterdir() if path.is_file()} if STATIC.is_dir() else {}
    path = known.get(name)
    if path is None or path.suffix not in _MEDIA_TYPES:
        raise RequestError(404, f"there is no file {name[:50]!r}")
    headers = {"cache-control": "no-cache"}  # asked for each time: another version may run here next
    return StoredFile(path, media_type=_MEDIA_TYPES[path.suffix], headers=headers)


async def openapi(_: Request) -> Response:
    """Answer `GET /api/openapi.json`."""
    return JSONResponse(document())


async def about(request: Request) -> Response:
    """Answer `GET /api/about`: what this installation can do."""
    studio = Studio.of(request)
    model = (await studio.engine.run(lambda: studio.engine.aligner)).model
    return JSONResponse(
        {
            "version": __version__,
            "kinds": [
                {"name": kind.name, "overlay": bool(kind.draw), "video": kind.video, "options": kind.options}
                for kind in available_kinds()
            ],
            "options": {
                name: {"help": option.help, "default": option.default, "choices": option.choices}
                for name, option in OPTIONS.items()
            },
            "video_overlays": videos.OVERLAYS,
            "expressions": model.expression_names,
            "destinations": {scheme: sender.port for scheme, sender in SENDERS.items()},
            "limits": {
                "image_bytes": studio.limits.image_bytes,
                "video_bytes": studio.limits.video_bytes,
                "video_s": studio.limits.video_s,
            },
        }
    )


async def model(request: Request) -> Response:
    """Answer `GET /api/model.glb`: the mean face of the model, with its blendshapes."""
    studio = Studio.of(request)

    def work() -> bytes:
        morphable: Any = studio.engine.aligner.model
        camera_matrix = np.array([[1.0, 0, 0, 128], [0, -1.0, 0, 128], [0, 0, -1.0, 0]])
        n_identity, n_expression = morphable.n_identity, morphable.n_expression
        zeros = np.zeros(n_identity, np.float32), np.zeros(n_expression, np.float32)
        params = FaceParams(camera_matrix, *zeros)
        face = Face(Detection(BoundingBox(0, 0, 256, 256), 1.0), params, morphable)
        clay = np.full((256, 256, 3), 200, np.uint8)
        return glb_bytes(clay, [face], neutral=True, frontal=True)

    return Response(
        await studio.engine.run(work),
        media_type="model/gltf-binary",
        headers={"cache-control": "private, max-age=3600"},
    )
