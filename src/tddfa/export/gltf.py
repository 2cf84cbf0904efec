"""Building binary glTF files: arrays in one buffer, and the JSON that describes them.

Source: Khronos Group, "glTF 2.0 Specification", version 2.0.1.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from jaxtyping import Float32, Integer

import tddfa

_COMPONENTS = {"f4": 5126, "u1": 5121, "u2": 5123, "u4": 5125}
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
_VERTICES, _INDICES = 34962, 34963  # what a part of the buffer is for
_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942

# A blendshape is stored sparsely when fewer vertices than this part of all move: then it is also smaller.
_SPARSE = 0.7


class GltfBuilder:
    """Collects the parts of a file; `document` is its JSON."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": f"tddfa {tddfa.__version__}"},
            "scene": 0,
            "scenes": [{}],
        }
        self._data = bytearray()

    def add(self, kind: str, item: dict[str, Any]) -> int:
        """Append `item` to the list `kind` of the document, and return its number."""
        self.document.setdefault(kind, []).append(item)
        return len(self.document[kind]) - 1

    def vertices(self, array: np.ndarray, *, normalized: bool = False) -> int:
        """The accessor of one value per vertex."""
        extra = {"normalized": True} if normalized else {}
        return self._accessor(array, {"bufferView": self._view(array, _VERTICES), **extra})

    def indices(self, array: Integer[np.ndarray, " n"], n_vertices: int) -> int:
        """The accessor of corners of triangles."""
        small = array.astype("<u2" if n_vertices < 0xFFFF else "<u4")
        return self._accessor(small, {"bufferView": self._view(small, _INDICES)})

    def samples(self, array: Float32[np.ndarray, "n c"]) -> int:
        """The accessor of the times or values of an animation."""
        return self._accessor(array, {"bufferView": self._view(array, None)})

    def displacements(self, array: Float32[np.ndarray, "n 3"]) -> int:
        """The accessor of a blendshape: only the vertices that move are stored, if they are not too many."""
        moving = np.flatnonzero(array.any(axis=1))
        if len(moving) > _SPARSE * len(array):
            return self.vertices(array)
        if not len(moving):
            return self._accessor(array, {})
        small = moving.astype("<u2" if len(array) < 0xFFFF else "<u4")
        values = np.ascontiguousarray(array[moving])
        sparse = {
            "count": len(moving),
            "indices": {
                "bufferView": self._view(small, None),
                "componentType": _COMPONENTS[small.dtype.str[1:]],
            },
            "values": {"bufferView": self._view(values, None)},
        }
        return self._accessor(array, {"sparse": sparse})

    def image(self, data: bytes, mime_type: str) -> int:
        """The number of a picture that is part of the file."""
        view = self._view(np.frombuffer(data, np.uint8), None)
        return self.add("images", {"bufferView": view, "mimeType": mime_type})

    def to_bytes(self) -> bytes:
        """The file."""
        data = bytes(self._data)
        if data:
            self.document["buffers"] = [{"byteLength": len(data)}]
        text = json.dumps(self.document, separators=(",", ":"), allow_nan=False).encode()
        chunks = b"".join(
            struct.pack("<II", len(chunk) + -len(chunk) % 4, kind) + chunk + fill * (-len(chunk) % 4)
            for chunk, kind, fill in ((text, _JSON, b" "), (data, _BIN, b"\0"))
            if chunk
        )
        return struct.pack("<III", _MAGIC, 2, 12 + len(chunks)) + chunks

    def _view(self, array: np.ndarray, target: int | None) -> int:
        self._data += b"\0" * (-len(self._data) % 4)
        view = {"buffer": 0, "byteOffset": len(self._data), "byteLength": array.nbytes}
        self._data += np.ascontiguousarray(array).tobytes()
        return self.add("bufferViews", view if target is None else {**view, "target": target})

    def _accessor(self, array: np.ndarray, extra: dict[str, Any]) -> int:
        columns = array.reshape(len(array), -1)
        item = {
            "componentType": _COMPONENTS[array.dtype.str[1:]],
            "count": len(array),
            "type": _TYPES[columns.shape[1]],
            **extra,
        }
        if array.dtype == np.float32:
            item["min"], item["max"] = columns.min(axis=0).tolist(), columns.max(axis=0).tolist()
        return self.add("accessors", item)
