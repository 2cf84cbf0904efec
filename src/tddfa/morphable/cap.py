"""Close the opening of a surface from below."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np

from tddfa.morphable.surface import Surface
from tddfa.shapes import Float, Int


def capped(surface: Surface, mean: Float[np.ndarray, "n_vertices 3"]) -> Surface:
    """Return a surface whose largest opening is closed by a strip between its left and its right side.

    The vertices of the strip are copies of those of the border, all at the same place in the texture: that of
    the crown, so that the strip has the colour of the scalp.

    Args:
        surface: a head, open below.
        mean: vertices of the mean head, model frame, mm.
    """
    point = _points(mean)
    border = _largest_loop(point[surface.triangles])
    left = border[mean[border, 0] >= -1e-3]
    left = left[
        np.argsort(np.arctan2(mean[left, 2] - mean[border, 2].mean(), mean[left, 0]))
    ]  # back to front
    right = point[surface.mirror[left]]
    copied = np.unique(np.concatenate([left, right]))

    n_whole, n_cut = len(surface.vertices), len(surface.cut_ends)
    whole, cut = copied[copied < n_whole], copied[copied >= n_whole]
    moved = np.arange(n_whole + n_cut)
    moved[n_whole:] += len(whole)  # vertices on the border of a crop come last
    copy = np.zeros(n_whole + n_cut, np.int64)
    copy[whole] = n_whole + np.arange(len(whole))
    copy[cut] = n_whole + len(whole) + n_cut + np.arange(len(cut))

    a, b, c, d = copy[left[:-1]], copy[left[1:]], copy[right[1:]], copy[right[:-1]]
    strip = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    strip = strip[(strip[:, 0] != strip[:, 1]) & (strip[:, 1] != strip[:, 2]) & (strip[:, 0] != strip[:, 2])]
    crown = surface.uv[np.argmax(mean[:, 1])]

    def arranged(values: np.ndarray, of_whole: np.ndarray, of_cut: np.ndarray) -> np.ndarray:
        return np.concatenate([values[:n_whole], of_whole, values[n_whole:], of_cut])

    mirror = moved[surface.mirror]
    return replace(
        surface,
        vertices=np.concatenate([surface.vertices, surface.vertices[whole]]),
        cut_ends=np.concatenate([surface.cut_ends, surface.cut_ends[cut - n_whole]]),
        cut_shares=np.concatenate([surface.cut_shares, surface.cut_shares[cut - n_whole]]),
        triangles=np.concatenate([moved[surface.triangles], strip]).astype(np.int32),
        uv=arranged(surface.uv, np.tile(crown, (len(whole), 1)), np.tile(crown, (len(cut), 1))),
        mirror=arranged(mirror, copy[point[surface.mirror[whole]]], copy[point[surface.mirror[cut]]]).astype(
            np.int32
        ),
    )


def _points(mean: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"]:
    """Return for each vertex the first one at the same point; those on a seam of the texture are twins."""
    _, first, point = np.unique(mean, axis=0, return_index=True, return_inverse=True)
    return first[point.reshape(-1)]


def _largest_loop(triangles: Int[np.ndarray, "n 3"]) -> Int[np.ndarray, " n_loop"]:
    """Return the vertices of the border that has most of them."""
    sides = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1
    )
    neighbours: defaultdict[int, list[int]] = defaultdict(list)
    for (a, b), n in Counter(map(tuple, sides.tolist())).items():
        if n == 1:
            neighbours[a].append(b)
            neighbours[b].append(a)
    loops: list[list[int]] = []
    left = set(neighbours)
    while left:
        loop, waiting = [], [left.pop()]
        while waiting:
            loop.append(waiting.pop())
            found = [v for v in neighbours[loop[-1]] if v in left]
            left.difference_update(found)
            waiting += found
        loops.append(loop)
    return np.array(max(loops, key=len))
