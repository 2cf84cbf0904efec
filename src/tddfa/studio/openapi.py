"""The OpenAPI document of the service, from the tables that the service is made of."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from tddfa._version import __version__
from tddfa.kinds import OPTIONS
from tddfa.studio.queries import COUNTS, available_kinds

_MULTIPLE = "several files come as a ZIP archive"


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    outputs = [*_output_parameters(), *_search_parameters()]
    photo = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 64}}
    face = {
        "name": "face",
        "in": "path",
        "required": True,
        "schema": {"type": "integer", "minimum": 0, "maximum": 9999},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tddfa studio",
            "version": __version__,
            "description": 'Faces of images and videos. Errors are one line: {"error": "…"}. Servers that '
            "other computers reach ask for 'Authorization: Bearer TOKEN'.",
        },
        "paths": {
            "/api/align": {
                "post": {
                    "operationId": "align",
                    "summary": "Return the faces of an image, or any other output; nothing is kept",
                    "parameters": outputs,
                    "requestBody": _body("image"),
                    "responses": {"200": _outputs(), **_problems(400, 408, 413, 415, 422, 503)},
                }
            },
            "/api/photos": {
                "post": {
                    "operationId": "addPhoto",
                    "summary": "Return the faces of an image, which is kept in memory for a while",
                    "parameters": _search_parameters(),
                    "requestBody": _body("image"),
                    "responses": {
                        "201": _json("the faces, with `id`, and `hint` where there is none", _ref("image")),
                        **_problems(400, 408, 413, 415, 422, 503),
                    },
                }
            },
            "/api/photos/{id}": {
                "delete": {
                    "operationId": "removePhoto",
                    "summary": "Forget a photo",
                    "parameters": [photo],
                    "responses": {"204": {"description": "it is forgotten"}, **_problems(404)},
                }
            },
            "/api/photos/{id}/image": {
                "get": {
                    "operationId": "photoImage",
                    "summary": "Return a photo as JPEG",
                    "parameters": [photo],
                    "responses": {"200": {"description": "the photo", "content": {"image/jpeg": {}}}}
                    | _problems(404, 503),
                }
            },
            "/api/photos/{id}/outputs": {
                "get": {
                    "operationId": "photoOutputs",
                    "summary": f"Return outputs of a photo; {_MULTIPLE}",
                    "parameters": [photo, *_output_parameters()],
                    "responses": {"200": _outputs(), **_problems(400, 404, 422, 503)},
                }
            },
            "/api/photos/{id}/faces/{face}/outputs": {
                "get": {
                    "operationId": "faceOutputs",
                    "summary": f"Return outputs of one face of a photo; {_MULTIPLE}",
                    "parameters": [photo, face, *_output_parameters()],
                    "responses": {"200": _outputs(), **_problems(400, 404, 422, 503)},
                }
            },
            "/api/videos": {
                "post": {
                    "operationId": "addVideo",
                    "summary": "Queue a video; /api/videos/{id} tells how far it is",
                    "parameters": [
                        _parameter("overlay", "overlays to draw, a comma list", {"default": "2d_sparse"}),
                        _parameter("title", "what it is called in reports", {"maxLength": 120}),
                    ],
                    "requestBody": _body("video"),
                    "responses": {
                        "202": _json("its state", {"type": "object"}),
                        **_problems(400, 408, 413, 415, 503),
                    },
                }
            },
            "/api/videos/{id}": {
                "get": {
                    "operationId": "videoState",
                    "summary": "Return the state of a video, and its files when it is done",
                    "parameters": [photo],
                    "responses": {"200": _json("its state", {"type": "object"}), **_problems(404)},
                },
                "delete": {
                    "operationId": "removeVideo",
                    "summary": "Cancel a video, and forget its files",
                    "parameters": [photo],
                    "responses": {"204": {"description": "it is forgotten"}, **_problems(404)},
                },
            },
            "/api/videos/{id}/timeline": {
                "get": {
                    "operationId": "videoTimeline",
                    "summary": "Return who is seen when, cuts, blinks and curves",
                    "parameters": [photo],
                    "responses": {"200": _json("the timeline", {"type": "object"}), **_problems(404, 409)},
                }
            },
            "/api/videos/{id}/files/{name}": {
                "get": {
                    "operationId": "videoFile",
                    "summary": "Return a file of a video, or the part of it that the header Range says",
                    "parameters": [photo, {**photo, "name": "name", "schema": {"type": "string"}}],
                    "responses": {
                        "200": {"description": "the file; all.zip has all of them", "content": {"*/*": {}}},
                        "206": {"description": "a part of it", "content": {"*/*": {}}},
                        **_problems(400, 404, 409, 416),
                    },
                }
            },
            "/api/about": {
                "get": {
                    "operationId": "about",
                    "summary": "Return what this installation can do",
                    "responses": {
                        "200": _json("kinds, options, limits", {"type": "object"}),
                        **_problems(503),
                    },
                }
            },
            "/api/model.glb": {
                "get": {
                    "operationId": "model",
                    "summary": "Return the mean face of the model with its blendshapes",
                    "responses": {"200": {"description": "a GLB file", "content": {"model/gltf-binary": {}}}}
                    | _problems(503),
                }
            },
        },
        "components": {"schemas": _schemas()},
    }


def _output_parameters() -> list[dict[str, Any]]:
    kinds = ", ".join(kind.name for kind in available_kinds())
    parameters = [
        _parameter(
            "stem",
            "beginning of the names of the files",
            {"default": "photo", "minLength": 1, "maxLength": 80},
        ),
        _parameter("kind", f"comma list of {kinds}; or all. {_MULTIPLE}.", {"default": "json"}),
    ]
    for name, option in OPTIONS.items():
        takers = ", ".join(kind.name for kind in available_kinds() if name in kind.options)
        schema: dict[str, Any] = {"type": "string", "enum": list(option.choices)} if option.choices else {}
        schema |= {} if option.choices else {"type": "boolean"}
        parameters.append(
            _parameter(name, f"with {takers}: {option.help}", {**schema, "default": option.default})
        )
    return parameters


def _search_parameters() -> list[dict[str, Any]]:
    words = {"max_faces": "only the largest", "search_size": "longer side at which the image is searched, px"}
    return [
        _parameter(name, words[name], {"type": "integer", "minimum": values[0], "maximum": values[-1]})
        for name, values in COUNTS.items()
    ]


def _parameter(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": {"type": "string", **schema}}


def _body(what: str) -> dict[str, Any]:
    return {
        "required": True,
        "description": f"the bytes of an {what} file" if what == "image" else f"the bytes of a {what} file",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }


def _outputs() -> dict[str, Any]:
    return {
        "description": f"the output; {_MULTIPLE}",
        "content": {"application/json": {"schema": _ref("image")}, "*/*": {}},
    }


def _json(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _problems(*statuses: int) -> dict[str, Any]:
    words = {
        400: "a parameter is unknown or wrong",
        404: "it is not there (any more)",
        408: "the body came too slowly",
        409: "it is not done",
        413: "it is too large",
        415: "the body is no image, or no video",
        416: "the file ends before the range begins",
        422: "there is no face, or the output cannot be made of it",
        503: "too many requests are waiting",
    }
    common = (401, 403, 421)
    words |= dict(
        zip(common, ("the token is missing", "another site asks", "another host is meant"), strict=True)
    )
    return {str(status): _json(words[status], _ref("problem")) for status in sorted({*statuses, *common})}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> dict[str, Any]:
    """Return the JSON schema of records, with its parts where OpenAPI has them."""
    text = files("tddfa.export").joinpath("record.schema.json").read_text(encoding="utf-8")
    record = json.loads(text.replace("#/$defs/", "#/components/schemas/"))
    parts = record.pop("$defs")
    del record["$schema"]
    problem = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    return {"image": record, "problem": problem, **parts}
