"""What is fuzzed of packs: manifests, arrays, networks, pickles, servers; and the kernel called directly."""

from __future__ import annotations

import functools
import io
import json
import pickle
import random
import socket
import struct
import tempfile
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import toys
from tddfa.errors import PackError, TddfaError


def refused(error: TddfaError) -> str:
    """Return the word for a refusal, after a look at its text."""
    text = str(error)
    assert text, "a refusal has a reason"
    assert "\n" not in text, "a refusal is one line"
    assert len(text) < 2000, "a refusal is short"
    return "refused"


def manifest_seeds() -> list[bytes]:
    from tddfa.packs import ModelPack, store

    manifest = ModelPack.open(store.BUILT_IN / "open").manifest
    today = manifest.to_json().encode()
    fields = json.loads(today)
    old = dict(manifest.regressor), dict(manifest.detector or {})
    fields |= {"schema": "tddfa-pack/1", "regressor": old[0], "detector": old[1], "measured": {}}
    linear = fields | {"model": {"kind": "linear", "file": "detector.onnx"}, "variants": {}}
    return [today, json.dumps(fields).encode(), json.dumps(linear, indent=1).encode()]


def check_manifest(data: bytes) -> str:
    """Any bytes are a manifest that is written and read again the same, or are refused."""
    from tddfa.packs import ModelPack
    from tddfa.packs.manifest import Manifest

    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "manifest.json").write_bytes(data)
        try:
            manifest = ModelPack.open(Path(name)).manifest
        except PackError as error:
            return refused(error)
    assert Manifest.from_json(manifest.to_json(), "it") == manifest
    assert manifest.name.isprintable()
    assert manifest.title.isprintable()
    assert not any(set(file) & set("/\\\0") for file in manifest.files)
    return "read"


def _model_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    n = 70
    return {
        "mean": rng.normal(0, 50, (n, 3)),
        "identity_basis": rng.normal(0, 1, (n, 3, 4)).astype(np.float32),
        "expression_basis": rng.normal(0, 1, (n, 3, 2)).astype(np.float32),
        "expression_names": np.array(["open", "closed"]),
        "triangles": rng.integers(0, n, (20, 3)),
        "uv": rng.random((n, 2)),
        "landmark_vertices": np.arange(68, dtype=np.int32),
    }


def arrays_seeds() -> list[bytes]:
    out: list[bytes] = []
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, **_model_arrays())
        out.append(file.getvalue())
    return out


def check_arrays(data: bytes) -> str:
    """Any bytes are arrays that a face model can be made of, or are refused."""
    from tddfa.packs.arrays import fitted_arrays, read_arrays
    from tddfa.packs.layouts import linear_model

    try:
        arrays = fitted_arrays(read_arrays(data), linear_model())
    except PackError as error:
        return refused(error)
    n = len(arrays["mean"])
    assert all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f")
    assert all(((a >= 0) & (a < n)).all() for a in (arrays["triangles"], arrays["landmark_vertices"]))
    return "read"


def network_seeds() -> list[bytes]:
    from tddfa.packs.convert.graphs import GraphBuilder

    rng = np.random.default_rng(0)
    state = {
        "a.weight": rng.normal(0, 1, (4, 3, 3, 3)).astype(np.float32),
        "a.bias": np.zeros(4, np.float32),
        "b.weight": rng.normal(0, 1, (6, 4)).astype(np.float32),
        "b.bias": np.zeros(6, np.float32),
    }
    g = GraphBuilder(state)
    x = g.relu(g.conv("input", "a", (4, 3, 3), stride=2))
    x = g.linear(g.node("Flatten", [g.node("GlobalAveragePool", [x])]), "b", 6, 4)
    plain = g.finish(["batch", 3, 12, 12], {"params": (x, ["batch", 6])})
    import onnx

    model = onnx.load_model_from_string(plain)
    entry = model.metadata_props.add()
    entry.key, entry.value = "location", "it is only text"
    return [plain, model.SerializeToString()]


def check_network(data: bytes) -> str:
    """Any bytes are a network that runs, or are refused; none reads another file."""
    from tddfa.runtime import OnnxNetwork

    try:
        network = OnnxNetwork(data, "the network")
        network(np.zeros((1, 3, 12, 12), np.float32))
    except TddfaError as error:
        return refused(error)
    return "read"


def pickle_seeds() -> list[bytes]:
    content = {
        "u": np.arange(12.0).reshape(3, 4),
        "names": ["a", "b"],
        "nested": (1, 2.5, None, True, b"xy", OrderedDict(w=np.zeros((2, 3), np.float32))),
        "scalar": np.float64(3),
    }
    out = [pickle.dumps(content, protocol) for protocol in (0, 2, 3, 4, 5) if protocol > 1]
    program = (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\n"
        b"OrderedDict\n)RtR."
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", program)
        file.writestr("archive/data/0", np.arange(6, dtype=np.float32).tobytes())
    magic, protocol = (pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001))
    keys, system = pickle.dumps(["0"], 2), pickle.dumps({"little_endian": True}, 2)
    body = struct.pack("<q", 6) + np.arange(6, dtype=np.float32).tobytes()
    return [*out, archive.getvalue(), magic + protocol + system + program + keys + body]


def check_pickle(data: bytes) -> str:
    """Any bytes are arrays, numbers, text and containers, or are refused; time and memory are bounded."""
    from tddfa.packs.convert.pickles import load_arrays

    with tempfile.NamedTemporaryFile(suffix=".pkl") as file:
        file.write(data)
        file.flush()
        try:
            load_arrays(Path(file.name))
        except PackError as error:
            return refused(error)
    return "read"


def answer_seeds() -> list[bytes]:
    body = bytes(range(256)) * 4
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
    return [
        head + b"Content-Length: 1024\r\n\r\n" + body,
        b"HTTP/1.0 200 OK\r\n\r\n" + body,
        head
        + b"Transfer-Encoding: chunked\r\n\r\n200\r\n"
        + body[:512]
        + b"\r\n200\r\n"
        + body[512:]
        + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    ]


class _Server:
    """Answers every request with the same bytes."""

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/file"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(2)
                try:
                    connection.recv(4096)
                    connection.sendall(self.answer)
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    continue


@functools.cache
def _server() -> _Server:
    return _Server()


def check_answer(data: bytes) -> str:
    """Whatever a server answers, a file arrives or one line says why not, in bounded time."""
    from tddfa.packs.convert.download import Limits, download

    limits = Limits(attempts=2, pause_s=0.0, silence_s=1.0, window_s=2.0, total_s=10.0, largest=1 << 16)
    server = _server()
    server.answer = data
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "file"
        try:
            download(server.url, target, limits=limits)
        except PackError as error:
            return refused(error)
        assert target.stat().st_size <= limits.largest
    return "read"


def call_seeds() -> list[bytes]:
    return [bytes([k]) * 8 for k in range(64)]


_REFUSALS = (ValueError, IndexError, TypeError, OverflowError, MemoryError, BufferError)
_SIZES = (0, 1, 2, 3, 4, 5, 7, 16, 64, 65, -1, 2**31 - 1, 2**32, 2**62, 2**63 - 1, -(2**63))
_FLOATS = (0.0, 1.0, -1.0, 0.5, 3e38, -3e38, 1e-40, float("nan"), float("inf"), float("-inf"), 2.0**31)


def check_call(data: bytes) -> str:
    """Any arguments of a direct call give numbers or an error; no access outside of an array, no crash."""
    from tddfa.native import kernel

    rng = random.Random(data)
    name, make = rng.choice(CALLS)
    try:
        getattr(kernel, name)(*make(_Draw(rng)))
    except _REFUSALS as error:
        return "refused" if str(error) else "refused without a word"
    return "read"


class _Draw:
    """Draws arguments: mostly ones that fit, some that do not."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def size(self, *usual: int) -> int:
        return (
            self._rng.choice(_SIZES) if self._rng.random() < 0.08 else self._rng.choice(usual or _SIZES[:10])
        )

    def chance(self) -> bool:
        return self._rng.random() < 0.5

    def number(self) -> float:
        return self._rng.choice(_FLOATS) if self._rng.random() < 0.4 else self._rng.uniform(-20, 60)

    def share(self, n: int) -> tuple[float, ...]:
        return tuple(self.number() for _ in range(n))

    def floats(self, *sizes: int) -> np.ndarray:
        array = self._array(np.float32, *sizes)
        array.flat[:] = np.array(
            [self.number() for _ in range(min(array.size, 40))] or [0.0], np.float32
        ).take(np.arange(array.size), mode="wrap")
        return array

    def indices(self, limit: int, *sizes: int) -> np.ndarray:
        array = self._array(np.int32, *sizes)
        most = max(min(limit, 2**31 - 1), 1)
        values = [self._rng.randrange(most) for _ in range(min(array.size, 60))] or [0]
        if self._rng.random() < 0.1:
            values[-1] = self._rng.choice((-1, most, 2**31 - 1, -(2**31)))
        array.flat[:] = np.array(values, np.int32).take(np.arange(array.size), mode="wrap")
        return array

    def bytes(self, *sizes: int) -> np.ndarray:
        array = self._array(np.uint8, *sizes)
        array.flat[:] = self._rng.randrange(256)
        return array

    def pixels(self, n: int, limit: int) -> np.ndarray:
        array = self._array(np.int64, n)
        array.flat[:] = self._rng.randrange(max(min(limit, 2**62), 1)) - (self._rng.random() < 0.05)
        return array

    def _array(self, dtype: Any, *sizes: int) -> np.ndarray:
        # Absurd sizes are claimed, not made.
        shape = [min(max(s, 0), 70) for s in sizes]
        if self._rng.random() < 0.05 and shape:
            shape[self._rng.randrange(len(shape))] += self._rng.choice((-1, 1))
        return np.zeros([max(s, 0) for s in shape], dtype)

    def mesh(self) -> tuple[int, int, np.ndarray, np.ndarray]:
        n, m = self.size(1, 3, 9, 30), self.size(0, 1, 5, 60)
        return n, m, self.floats(n, 3), self.indices(n, m, 3)

    def region(self) -> tuple[int, int, int, int]:
        usual = (0, 1, 5, 21, 64)
        return self.size(0, 0, 3, -3), self.size(0, 0, 2, -2), self.size(*usual), self.size(*usual)


def _depth(d: _Draw) -> tuple[Any, ...]:
    mesh, region = d.mesh(), d.region()
    return (*mesh, *region, d.number(), d.floats(region[3], region[2]))


def _rasterize(d: _Draw) -> tuple[Any, ...]:
    mesh, (x, y, w, h) = d.mesh(), d.region()
    out = d.indices(9, h, w), d.floats(h, w, 3), d.floats(h, w)
    return (*mesh, x, y, w, h, d.size(0, 1), d.size(0, 5), *out)


def _interpolate(d: _Draw) -> tuple[Any, ...]:
    mesh, (x, y, w, h), c = d.mesh(), d.region(), d.size(0, 1, 2, 3)
    return (*mesh, x, y, w, h, d.number(), c, d.floats(mesh[0], c), d.floats(h, w), d.floats(h, w, c))


def _paint(d: _Draw) -> tuple[Any, ...]:
    mesh, (x, y, w, h), c = d.mesh(), d.region(), d.size(1, 3)
    width, height, channels = d.size(21, 64, 70), d.size(21, 64, 70), d.size(3, 4)
    image = None if channels == 4 else d.bytes(height, width, 3)
    part = (*mesh, abs(x), abs(y), w, h, c, d.floats(mesh[0], c), d.floats(h, w))
    return (
        *part,
        width,
        height,
        channels,
        d.bytes(height, width, channels),
        image,
        *d.share(2),
        d.size(0, 255),
    )


def _weighted(d: _Draw) -> tuple[Any, ...]:
    n, c, m = d.size(1, 9), d.size(1, 3), d.size(0, 7, 60)
    return n, c, d.floats(n, c), m, d.indices(n, m, 3), d.floats(m, 3), d.floats(m, c)


def _phong(d: _Draw) -> tuple[Any, ...]:
    n = d.size(0, 1, 64, 65)
    light = (d.share(3), d.share(3), d.number(), d.share(6), d.size(1, 5, 9), d.size(0, 1, 2))
    return n, d.floats(n, 3), d.floats(n, 3), *light, d.floats(n)


def _texels(d: _Draw) -> tuple[Any, ...]:
    n, covered, size, h, w = d.size(3, 9), d.size(0, 1, 20), d.size(16, 64), d.size(1, 7), d.size(1, 9)
    columns, rows = d.size(1, 6), d.size(1, 5)
    mesh = (n, d.floats(n, 3), d.floats(n, 3), covered, size, d.indices(size, covered))
    image = (d.indices(n, covered, 3), d.floats(covered, 2), h, w, d.bytes(h, w, 3))
    view = (d.share(4), d.share(2), d.share(2), d.share(2), (d.size(0, 3), d.size(0, 2), columns, rows))
    return (
        *mesh,
        *image,
        *view,
        d.floats(rows, columns),
        d.floats(rows, columns),
        d.floats(3, size),
        d.floats(size),
    )


def _complete(d: _Draw) -> tuple[Any, ...]:
    size = d.size(1, 2, 5, 16)
    levels = d.size(0, 1, 3, 4)
    arrays = d.floats(3, size, size), d.floats(size, size)
    return (
        size,
        levels,
        *arrays,
        d.size(0, 1),
        d.size(0, 2),
        d.number(),
        d.size(0, 1, 2),
        d.bytes(size, size, 3),
    )


def _blend_color(d: _Draw) -> tuple[Any, ...]:
    h, w, c, rows, columns = d.size(5, 30), d.size(7, 30), d.size(3, 4), d.size(0, 4), d.size(0, 6)
    canvas = (h, w, c, d.bytes(h, w, c))
    return *canvas, d.size(0, 1), d.size(0, 1), rows, columns, d.bytes(rows, columns), d.share(3), d.number()


def _recolor(d: _Draw) -> tuple[Any, ...]:
    n, m = d.size(16, 60), d.size(0, 5)
    tables = np.zeros((3, 256), np.uint8)
    return n, d.bytes(n, 3), m, d.pixels(m, n), tables


def _discs(d: _Draw) -> tuple[Any, ...]:
    h, w, n = d.size(0, 9, 40), d.size(0, 9, 40), d.size(0, 3)
    return h, w, d.bytes(h, w), n, d.floats(n, 2), d.number()


def _segments(d: _Draw) -> tuple[Any, ...]:
    h, w, n, m = d.size(0, 3, 40), d.size(0, 3, 40), d.size(1, 9), d.size(0, 20)
    columns, seen = d.size(2, 3), d.bytes(n) if d.chance() else None
    points, ends = d.floats(n, columns), d.indices(n, m, 2)
    return (
        *(h, w, d.bytes(h, w), n, columns, points, d.number(), d.number()),
        *(m, ends, seen, d.number(), d.size(0, 1, 2)),
    )


def _visible(d: _Draw) -> tuple[Any, ...]:
    n, w, h = d.size(1, 9), d.size(0, 3, 40), d.size(0, 3, 40)
    chosen, m = (None, n) if d.chance() else (d.pixels(3, n), 3)
    region = (d.size(-3, 0), d.size(0, 2), w, h)
    return (
        *(n, d.floats(n, 3), m, chosen, d.size(40), d.size(30), region),
        *(d.number(), d.floats(h, w), d.number(), d.bytes(m)),
    )


def _blend(d: _Draw) -> tuple[Any, ...]:
    h, w, channels, rows, columns, values = (d.size(k) for k in (7, 9, 3, 3, 4, 3))
    image = d.bytes(h, w, 3) if d.chance() else None
    return (
        *(h, w, channels, d.bytes(h, w, channels), image, d.size(0, 4), d.size(0, 4)),
        *(rows, columns, d.bytes(rows, columns), values, d.floats(rows, columns, values)),
        *(0.5, 0.5, d.size(0, 255)),
    )


def _decimal_lines(d: _Draw) -> tuple[Any, ...]:
    n, columns, room = d.size(0, 3), d.size(0, 1, 3), d.size(0, 9, 900)
    values = np.full(max(min(n, 99), 0) * max(min(columns, 99), 0), d.number())
    return b"v ", n, columns, values, d.size(1, 2, 9), room, d.bytes(room)


def _quantize(d: _Draw) -> tuple[Any, ...]:
    n, c, rows, detailed = d.size(0, 1, 64, 65), d.size(0, 1, 3), d.size(3, 6), d.size(0, 1, 2)
    blocks = -(-min(max(n, 0), 70) // 64)
    basis, words = d.floats(n, 3, c), np.zeros(blocks * max(min(rows, 70), 0) * 96, np.uint32)
    scales = np.zeros(blocks * max(min(rows, 70), 0), np.float32)
    return n, c, d.size(0, 1), rows, detailed, d.size(0, 3), basis, words, scales


def _reconstruct(d: _Draw) -> tuple[Any, ...]:
    n, rows = d.size(0, 1, 64, 65), d.size(0, 3, 5)
    blocks, r = -(-min(max(n, 0), 70) // 64), max(min(rows, 70), 0)
    mean, words = np.zeros(blocks * 192, np.float32), np.full(blocks * r * 96, 0x7FFF8000, np.uint32)
    scales = np.ones(blocks * r, np.float32)
    return n, rows, mean, words, scales, d.floats(r), d.floats(3, 4), d.size(0, 1, 2), d.floats(n, 3)


def _subdivide(d: _Draw) -> tuple[Any, ...]:
    n, channels, quads, inner, boundary = (
        d.size(1, 4, 9),
        d.size(0, 1, 3),
        d.size(0, 2),
        d.size(0, 3),
        d.size(0, 2),
    )
    stars = tuple(
        (m := d.size(0, 2), d.indices(n, m), width := d.size(2, 6, 8), d.indices(n, m, width))
        for _ in range(d.size(0, 1, 2) % 5)
    )
    rim, rows = d.size(0, 2), sum(max(min(k, 70), 0) for k in (n, quads, inner, boundary))
    edges = (inner, d.indices(n, inner, 4), boundary, d.indices(n, boundary, 2))
    mesh = (quads, d.indices(n, quads, 4), *edges, stars, rim, d.indices(n, rim, 3))
    return n, channels, d.floats(n, channels), *mesh, d.floats(rows, channels)


def _part(d: _Draw, h: int, w: int) -> np.ndarray:
    """Pixels whose rows lie side by side, or apart as in a larger image; rarely no pixels at all."""
    wide = d.bytes(h, w + 2, 3)
    return (wide[:, 1:-1], wide[::-1, 1:-1], wide[:, ::-1], wide, wide[..., 0])[
        d.size(0, 0, 0, 1, 2, 3, 4) % 5
    ]


def _warp(d: _Draw) -> tuple[Any, ...]:
    h, w, size = d.size(0, 1, 5, 30), d.size(0, 1, 7, 30), d.size(0, 1, 9, 33)
    return _part(d, h, w), d.size(0, 2), d.size(0, 2), *d.share(3), size, d.bytes(size, size, 3)


def _sample(d: _Draw) -> tuple[Any, ...]:
    h, w, height, width = d.size(0, 1, 3, 7), d.size(0, 1, 8, 13), d.size(7, 9), d.size(13, 15)
    part = _part(d, d.size(0, 1, 2, 30), d.size(0, 1, 3, 30))
    view = h, w, d.floats(3, h, w), d.floats(4, 2)
    return part, *view, d.size(0, 0, 2, 3), d.size(0, 0, 2, 3), height, width, d.bytes(height, width, 3)


def _halve(d: _Draw) -> tuple[Any, ...]:
    h, w = d.size(0, 1, 5, 30), d.size(0, 1, 2, 7, 30, 59)
    rows, columns = -(-h // 2), -(-w // 2)
    return _part(d, h, w - 2 if d.size(0, 1) else w), rows, columns, d.bytes(rows, columns, 3)


CALLS: list[tuple[str, Callable[[_Draw], tuple[Any, ...]]]] = [
    ("rasterize", _rasterize),
    ("depth", _depth),
    ("interpolate", _interpolate),
    ("paint", _paint),
    ("bounds", lambda d: (n := d.size(1, 16, 17), d.floats(n, 3), d.floats(2, 3))),
    ("weighted", _weighted),
    ("vertex_normals", lambda d: (*(mesh := d.mesh()), d.floats(mesh[0], 3))),
    ("phong", _phong),
    ("texels", _texels),
    ("complete", _complete),
    ("blend_color", _blend_color),
    ("subdivide", _subdivide),
    ("warp", _warp),
    ("sample", _sample),
    ("halve", _halve),
    ("recolor", _recolor),
    ("discs", _discs),
    ("segments", _segments),
    ("visible", _visible),
    ("blend", _blend),
    ("direction_colors", lambda d: (n := d.size(1, 16, 17), d.floats(n, 3), d.floats(n, 3))),
    ("decimal_lines", _decimal_lines),
    ("quantize", _quantize),
    ("reconstruct", _reconstruct),
]

assert toys.GRID  # the folder of the tests is where modules are found
