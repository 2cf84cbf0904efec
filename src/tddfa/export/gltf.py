"""Build binary glTF files: arrays in one buffer, and the JSON that describes them.

Source: Khronos Group, "glTF 2.0 Specification", version 2.0.1.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from tddfa._version import __version__
from tddfa.export.displacements import Displacements
from tddfa.shapes import Float32, Integer

_COMPONENTS = {"f4": 5126, "u1": 5121, "u2": 5123, "u4": 5125}
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
_VERTICES, _INDICES = 34962, 34963  # bufferView.target
_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942


class GltfBuilder:
    """Collect the parts of a file; `document` is its JSON."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": f"tddfa {__version__}"},
            "scene": 0,
            "scenes": [{}],
        }
        self._parts: list[bytes | memoryview] = []
        self._size = 0
        self._displacements: dict[Displacements, int] = {}

    def add(self, kind: str, item: dict[str, Any]) -> int:
        """Append `item` to the list `kind` of the document, and return its index."""
        self.document.setdefault(kind, []).append(item)
        return len(self.document[kind]) - 1

    def vertices(self, array: np.ndarray, *, normalized: bool = False) -> int:
        """Return the accessor of one value per vertex."""
        extra = {"normalized": True} if normalized else {}
        return self._accessor(array, {"bufferView": self._view(array, _VERTICES), **extra, **_bounds(array)})

    def indices(self, array: Integer[np.ndarray, " n"], n_vertices: int) -> int:
        """Return the accessor of the corners of triangles."""
        small = array.astype("<u2" if n_vertices < 0xFFFF else "<u4")
        return self._accessor(small, {"bufferView": self._view(small, _INDICES)})

    def samples(self, array: Float32[np.ndarray, "n c"]) -> int:
        """Return the accessor of the times or values of an animation."""
        return self._accessor(array, {"bufferView": self._view(array, None), **_bounds(array)})

    def displacements(self, item: Displacements) -> int:
        """Return the accessor of a morph target; meshes that share the target share its bytes.

        Every accessor has a bufferView or sparse values: without both it means zeros in the specification,
        and an error in assimp 5.2, Open3D 0.20, three.js before r145, UnityGLTF and Bevy.
        """
        if item not in self._displacements:
            self._displacements[item] = self._displacements_accessor(item)
        return self._displacements[item]

    def _displacements_accessor(self, item: Displacements) -> int:
        bounds = {"min": list(item.lowest), "max": list(item.highest)}
        if item.indices is None:
            return self._accessor(item.values, {"bufferView": self._view(item.values, _VERTICES), **bounds})
        sparse = {
            "count": len(item.indices),
            "indices": {
                "bufferView": self._view(item.indices, None),
                "componentType": _component(item.indices),
            },
            "values": {"bufferView": self._view(item.values, None)},
        }
        return self._accessor(item.values, {"sparse": sparse, **bounds}, count=item.n_vertices)

    def image(self, data: bytes, mime_type: str) -> int:
        """Return the index of an image that is stored in the file."""
        view = self._view(np.frombuffer(data, np.uint8), None)
        return self.add("images", {"bufferView": view, "mimeType": mime_type})

    def to_bytes(self) -> bytes:
        """Return the file."""
        if self._size:
            self.document["buffers"] = [{"byteLength": self._size}]
        text = json.dumps(self.document, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        chunks: list[bytes | memoryview] = [struct.pack("<II", len(text), _JSON), text]
        if self._size:
            fill = -self._size % 4
            chunks += [struct.pack("<II", self._size + fill, _BIN), *self._parts, b"\0" * fill]
        return b"".join([struct.pack("<III", _MAGIC, 2, 12 + sum(map(len, chunks))), *chunks])

    def _view(self, array: np.ndarray, target: int | None) -> int:
        fill = -self._size % 4
        view = {"buffer": 0, "byteOffset": self._size + fill, "byteLength": array.nbytes}
        self._parts += [b"\0" * fill, np.ascontiguousarray(array).data.cast("B")]
        self._size += fill + array.nbytes
        return self.add("bufferViews", view if target is None else {**view, "target": target})

    def _accessor(self, array: np.ndarray, extra: dict[str, Any], *, count: int | None = None) -> int:
        columns = array.size // max(len(array), 1) if array.ndim > 1 else 1
        item = {
            "componentType": _component(array),
            "count": len(array) if count is None else count,
            "type": _TYPES[columns],
            **extra,
        }
        return self.add("accessors", item)


def _component(array: np.ndarray) -> int:
    return _COMPONENTS[array.dtype.str[1:]]


def _bounds(array: np.ndarray) -> dict[str, list[float]]:
    """Least and greatest value of each column of floats."""
    if array.dtype != np.float32:
        return {}
    columns = np.ascontiguousarray(array.reshape(len(array), -1).T)  # reductions along short rows are slow
    return {"min": columns.min(axis=1).tolist(), "max": columns.max(axis=1).tolist()}
