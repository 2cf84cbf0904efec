"""Seeded mutations of files: the same seed makes the same bytes on every machine."""

from __future__ import annotations

import random
from collections.abc import Sequence

_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutated(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """Return one of the seeds with one to eight faults: flips, edge values, cuts, repeats, splices, noise."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4, 8))):
        if len(data) < 4:
            break
        rng.choice(_MUTATIONS)(data, rng, seeds)
    return bytes(data)


def _place(data: bytearray, rng: random.Random) -> int:
    # Headers lie in front, and decide more than what follows.
    return rng.randrange(min(len(data), 200)) if rng.random() < 0.5 else rng.randrange(len(data))


def _flip(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _set_edge(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    size = rng.choice((1, 2, 4))
    value = rng.choice(_EDGES) & ((1 << 8 * size) - 1)
    at = _place(data, rng)
    data[at : at + size] = value.to_bytes(size, rng.choice(("big", "little")))


def _cut(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    del data[_place(data, rng) :]


def _remove(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    at = _place(data, rng)
    del data[at : at + rng.choice((1, 2, 4, 16, 100))]


def _repeat(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    at = _place(data, rng)
    data[at:at] = data[at : at + rng.choice((1, 4, 16, 200))]


def _noise(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    at = _place(data, rng)
    n = min(rng.choice((1, 4, 16, 64)), len(data) - at)
    data[at : at + n] = rng.randbytes(n)


def _splice(data: bytearray, rng: random.Random, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    data[_place(data, rng) :] = other[rng.randrange(len(other)) :]


def _move(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    a, b = _place(data, rng), _place(data, rng)
    piece = data[a : a + 32]
    data[b : b + len(piece)] = piece


_MUTATIONS = (_flip, _flip, _set_edge, _set_edge, _cut, _remove, _repeat, _noise, _splice, _move)
