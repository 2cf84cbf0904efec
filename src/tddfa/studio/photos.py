"""Photos: an image in, its faces and any kind of output out."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tddfa.alignment import FaceAligner
from tddfa.export import image_record
from tddfa.imaging import decode_image
from tddfa.imaging.files import encode_image, image_size
from tddfa.outputs import Scene, encode_output
from tddfa.studio.bodies import image_body
from tddfa.studio.problems import RequestError
from tddfa.studio.queries import COUNTS, OUTPUTS, Query
from tddfa.studio.state import Studio

_FILE = "the file"  # what a person has dropped on the page; a script sends "the body"
_MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".csv": "text/csv; charset=utf-8",
    ".glb": "model/gltf-binary",
    ".obj": "model/obj",
    ".zip": "application/zip",
}


async def align(request: Request) -> Response:
    """Answer `POST /api/align`: the outputs of an image, of which nothing is kept."""
    studio = Studio.of(request)
    query = Query.parse(request.query_params)
    data = await image_body(request, studio.limits)

    def work() -> list[tuple[str, bytes]]:
        scene = _scene(data, query, studio)
        return _encoded(scene, query, studio.engine.aligner)

    return _files_response(await studio.engine.run(work), query.stem)


async def add(request: Request) -> Response:
    """Answer `POST /api/photos`: the faces of an image, which is kept for a while for further outputs."""
    studio = Studio.of(request)
    query = Query.parse(request.query_params, COUNTS)
    data = await image_body(request, studio.limits, _FILE)

    def work() -> dict[str, Any]:
        scene = _scene(data, query, studio, _FILE)
        hint = None if scene.faces else no_face_hint(scene, studio.engine.aligner)
        return {"id": studio.gallery.add(scene), "hint": hint, **image_record(scene.image, scene.faces)}

    return JSONResponse(await studio.engine.run(work), 201)


async def output(request: Request) -> Response:
    """Answer `GET /api/photos/{id}/outputs`: outputs of a photo that was sent before."""
    studio = Studio.of(request)
    query = Query.parse(request.query_params, OUTPUTS)
    scene = _kept(studio, request)
    face = request.path_params.get("face")
    if face is not None:
        if face >= len(scene.faces):
            raise RequestError(404, f"there is no face {face}; the photo has {len(scene.faces)}, from 0")
        scene = scene.of_face(face)
    return _files_response(
        await studio.engine.run(lambda: _encoded(scene, query, studio.engine.aligner)), query.stem
    )


async def image(request: Request) -> Response:
    """Answer `GET /api/photos/{id}/image`: the photo as it was decoded, which browsers show of any format."""
    studio = Studio.of(request)
    scene = _kept(studio, request)
    data = await studio.engine.run(lambda: encode_image(scene.image, "jpg", quality=92))
    return Response(data, media_type="image/jpeg")


async def remove(request: Request) -> Response:
    """Answer `DELETE /api/photos/{id}`."""
    if not Studio.of(request).gallery.remove(request.path_params["id"]):
        raise _gone()
    return Response(status_code=204)


def no_face_hint(scene: Scene, aligner: FaceAligner) -> str:
    """Return what faces have to be like to be found, for an image without one."""
    height, width = scene.image.shape[:2]
    smallest = aligner.smallest_face(scene.image)
    size = "" if smallest is None else f"; a face has to be about {smallest:.0f} px wide to be found in it"
    return f"no face was found in this image of {width}×{height} px{size}"


def _kept(studio: Studio, request: Request) -> Scene:
    scene = studio.gallery.get(request.path_params["id"])
    if scene is None:
        raise _gone()
    return scene


def _gone() -> RequestError:
    return RequestError(404, "this photo is not kept any more; send it again")


def _scene(data: bytes, query: Query, studio: Studio, name: str = "the body") -> Scene:
    size = image_size(data)
    if size is not None and size[0] * size[1] > studio.limits.image_pixels:
        most = studio.limits.image_pixels // 1_000_000
        raise RequestError(
            413, f"the image has {size[0]}×{size[1]} px; send one of at most {most} megapixels"
        )
    pixels = decode_image(data, name, max_pixels=studio.limits.image_pixels)
    aligner = studio.engine.aligner
    faces = aligner.align(pixels, search_size=query.search_size, max_faces=query.max_faces)
    return Scene(pixels, faces)


def _encoded(scene: Scene, query: Query, aligner: FaceAligner) -> list[tuple[str, bytes]]:
    if not scene.faces:
        if [kind.name for kind in query.kinds] == ["json"]:
            return [(f"{query.stem}_json.json", json.dumps(image_record(scene.image, [])).encode())]
        raise RequestError(422, no_face_hint(scene, aligner))
    return [file for kind in query.kinds for file in encode_output(kind, query.stem, scene, query.options)]


def _files_response(files: list[tuple[str, bytes]], stem: str) -> Response:
    if len(files) == 1:
        ((name, data),) = files
    else:
        name, data = f"{stem}.zip", zip_bytes(files)
    kind = _MEDIA_TYPES.get(PurePath(name).suffix, "application/octet-stream")
    place = "inline" if kind.startswith("image/") else "attachment"
    if kind == "application/json":
        return Response(data, media_type=kind)
    return Response(data, media_type=kind, headers=named(name, place))


def named(name: str, place: str = "attachment") -> dict[str, str]:
    """Return the header that says what a file is called; `place` is attachment, or inline."""
    return {"content-disposition": f"{place}; filename*=UTF-8''{quote(name)}"}


def zip_bytes(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a ZIP file; what is compressed already is stored as it is."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files:
            stored = PurePath(name).suffix in (".jpg", ".png", ".npz", ".parquet", ".mp4")
            archive.writestr(name, data, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED, 1)
    return out.getvalue()
