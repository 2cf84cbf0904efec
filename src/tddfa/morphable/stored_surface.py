"""Surfaces in files: ready to use, so that a program does not subdivide a mesh each time it starts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tddfa.morphable.subdivision import Subdivision
from tddfa.morphable.surface import Surface
from tddfa.shapes import Int, UInt8, UInt16

_UV_STEPS = np.float32(65535)


def pack_surface(surface: Surface, key: str) -> dict[str, np.ndarray]:
    """Return the arrays of a surface, small when compressed.

    Args:
        surface: a surface of at most 65536 vertices.
        key: name of the surface, the start of the names of its arrays.
    """
    arrays = {
        "base": surface.base,
        "vertices": surface.vertices,
        "cut_ends": surface.cut_ends,
        "triangles": surface.triangles,
        "uv": np.rint(surface.uv * _UV_STEPS).astype(np.int64),
        "mirror": surface.mirror,
    }
    for number, level in enumerate(surface.levels):
        arrays |= {
            f"{number}.coarse_quads": level.coarse_quads,
            f"{number}.inner_edges": level.inner_edges,
            f"{number}.boundary_edges": level.boundary_edges,
            f"{number}.boundary_vertices": level.boundary_vertices,
        }
        for k, (vertices, star) in enumerate(level.stars):
            arrays[f"{number}.star{k}"] = np.column_stack([vertices, star])
    packed = {f"surface.{key}.{name}": _packed(values) for name, values in arrays.items()}
    packed[f"surface.{key}.cut_shares"] = surface.cut_shares
    packed[f"surface.{key}.n_coarse"] = np.array([level.n_coarse for level in surface.levels], np.int32)
    return packed


def unpack_surface(arrays: Mapping[str, np.ndarray], key: str) -> Surface:
    """Return a surface from its arrays.

    Args:
        arrays: arrays of a file, among them those of `pack_surface`.
        key: name of the surface.
    """

    def read(name: str) -> Int[np.ndarray, "n _"]:
        return _unpacked(arrays[f"surface.{key}.{name}"])

    levels: list[Subdivision] = []
    for number, n_coarse in enumerate(arrays[f"surface.{key}.n_coarse"].tolist()):
        n_stars = sum(name.startswith(f"surface.{key}.{number}.star") for name in arrays)
        stars = [read(f"{number}.star{k}") for k in range(n_stars)]
        levels.append(
            Subdivision(
                n_coarse=n_coarse,
                coarse_quads=read(f"{number}.coarse_quads"),
                inner_edges=read(f"{number}.inner_edges"),
                boundary_edges=read(f"{number}.boundary_edges"),
                stars=tuple((star[:, 0].copy(), star[:, 1:].copy()) for star in stars),
                boundary_vertices=read(f"{number}.boundary_vertices"),
            )
        )
    return Surface(
        base=read("base")[:, 0],
        levels=tuple(levels),
        vertices=read("vertices")[:, 0],
        cut_ends=read("cut_ends"),
        cut_shares=arrays[f"surface.{key}.cut_shares"],
        triangles=read("triangles"),
        uv=read("uv").astype(np.float32) / _UV_STEPS,
        mirror=read("mirror")[:, 0],
    )


def _packed(values: Int[np.ndarray, "n ..."]) -> UInt8[np.ndarray, "2 k n"]:
    """Return the differences of successive rows, low and high bytes apart, which compress well."""
    rows = values.reshape(len(values), -1).astype(np.uint16)
    steps = np.diff(rows, axis=0, prepend=np.zeros((1, rows.shape[1]), np.uint16)).T
    return np.stack([steps & 0xFF, steps >> 8]).astype(np.uint8)


def _unpacked(packed: UInt8[np.ndarray, "2 k n"]) -> Int[np.ndarray, "n k"]:
    low, high = packed.astype(np.uint16)
    rows: UInt16[np.ndarray, "k n"] = np.cumsum(low | high << 8, axis=1, dtype=np.uint16)
    return np.ascontiguousarray(rows.T).astype(np.int32)
