"""Large bases in half the memory: 16-bit fixed point with a scale per block and coefficient.

Reconstructing a dense mesh takes as long as reading its basis: half the bytes take half the time. Fixed point
is as short as half-precision floats and more than 12 times as exact, as a block of neighbours shares its
exponent. Sums, mean and camera stay in float32. Coefficients come in the order of how much they matter, so
the first two of each basis also keep the rest that rounding leaves: vertices move by less than 0.001 mm.
"""

from __future__ import annotations

import numpy as np

from tddfa import native
from tddfa.dataclass import dataclass
from tddfa.shapes import Float, Float32, Float64, Int64, UInt32

_BLOCK = 64  # vertices whose coordinates lie together
_HALF = 3 * _BLOCK // 2  # values in the low bits of a row of words, and in the high ones
_DETAILED = 2  # coefficients of each basis that keep the rest after rounding
_STEPS, _WORD = np.float32(32767), np.float32(65536)


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedBasis:
    """A linear model of a mesh, in blocks of 64 vertices: first all x, then all y, then all z of a block.

    Attributes:
        n_vertices: number of vertices of the mesh; the last block is filled up with zeros.
        mean: the mean face, model frame, mm.
        words: rows of the bases; each word holds a value of the first half of a block's row in its low 16
            bits and one of the second half in its high ones.
        scales: length of one step, mm per coefficient, over 2^16.
        coefficient: index of the coefficient that each row belongs to.
    """

    n_vertices: int
    mean: Float32[np.ndarray, "n_blocks 192"]
    words: UInt32[np.ndarray, "n_blocks n_rows 96"]
    scales: Float32[np.ndarray, "n_blocks n_rows"]
    coefficient: Int64[np.ndarray, " n_rows"]

    @classmethod
    def of(
        cls, mean: Float32[np.ndarray, "n 3"], bases: list[Float32[np.ndarray, "n 3 _"]]
    ) -> QuantizedBasis:
        """Return the model with a mean and bases.

        Args:
            mean: the mean face, model frame, mm.
            bases: bases whose coefficients stand one after the other.
        """
        n = len(mean)
        n_blocks = -(-n // _BLOCK)
        counts = [basis.shape[2] for basis in bases]
        detailed = [min(count, _DETAILED) for count in counts]
        starts = np.cumsum([0, *counts]).tolist()
        details = (starts[-1] + np.cumsum([0, *detailed])).tolist()
        words = np.empty((n_blocks, details[-1], _HALF), np.uint32)
        scales = np.empty((n_blocks, details[-1]), np.float32)
        kept = [np.arange(starts[-1])]
        for basis, count, start, detail, extra in zip(bases, counts, starts, details, detailed, strict=False):
            kept.append(start + np.arange(extra))
            if native.kernel is None:
                _quantize(basis, words, scales, start, detail, extra)
            else:
                native.kernel.quantize(
                    *(n, count, start, details[-1], extra, detail),
                    *(np.ascontiguousarray(basis, np.float32), words, scales),
                )
        blocks = _in_blocks(np.asarray(mean, np.float32))
        return cls(n, blocks.reshape(n_blocks, 3 * _BLOCK), words, scales, np.concatenate(kept))

    def vertices(
        self,
        coefficients: Float[np.ndarray, " n_coefficients"],
        camera: Float64[np.ndarray, "3 4"],
        *,
        widest: int = native.WIDEST,
    ) -> Float32[np.ndarray, "n_vertices 3"]:
        """Return the vertices of a face as a camera sees them.

        Args:
            coefficients: coefficients of all bases.
            camera: `image_from_model`.
            widest: widest vector unit to use, 0 to 2; the result is the same.
        """
        given = coefficients[self.coefficient].astype(np.float32)
        lens = np.ascontiguousarray(camera, np.float32)
        if native.kernel is None:
            return self._vertices(given, lens)
        out = np.empty((self.n_vertices, 3), np.float32)
        native.kernel.reconstruct(
            *(self.n_vertices, len(given), self.mean, self.words, self.scales, given, lens, widest, out)
        )
        return out

    def _vertices(
        self, given: Float32[np.ndarray, " n_rows"], lens: Float32[np.ndarray, "3 4"]
    ) -> Float32[np.ndarray, "n_vertices 3"]:
        """Return the vertices without the kernel."""
        sums = np.zeros_like(self.mean)
        for row, (weight, scale) in enumerate(zip(given, self.scales.T, strict=True)):
            words = self.words[:, row]
            steps = np.concatenate([words << 16, words & 0xFFFF0000], axis=1).view(np.int32)
            sums += (weight * scale)[:, None] * steps.astype(np.float32)
        # The mean comes last: sums of small values lose less.
        x, y, z = np.moveaxis((self.mean + sums).reshape(-1, 3, _BLOCK), 1, 0)
        moved = [((c[0] * x + c[1] * y) + c[2] * z) + c[3] for c in lens]
        return np.ascontiguousarray(np.stack(moved, axis=-1).reshape(-1, 3)[: self.n_vertices])


def _in_blocks(vertices: Float32[np.ndarray, "n 3 *k"]) -> Float32[np.ndarray, "n_blocks 3 64 *k"]:
    more = -len(vertices) % _BLOCK
    padded = np.pad(vertices, [(0, more)] + [(0, 0)] * (vertices.ndim - 1))
    return np.ascontiguousarray(
        np.swapaxes(padded.reshape(len(padded) // _BLOCK, _BLOCK, *vertices.shape[1:]), 1, 2)
    )


def _quantize(
    basis: Float32[np.ndarray, "n 3 k"],
    words: UInt32[np.ndarray, "n_blocks n_rows 96"],
    scales: Float32[np.ndarray, "n_blocks n_rows"],
    start: int,
    detail: int,
    detailed: int,
) -> None:
    """Fill the rows of a basis without the kernel."""
    rest = np.moveaxis(_in_blocks(np.asarray(basis, np.float32)), -1, 1).reshape(
        len(words), basis.shape[2], 2 * _HALF
    )
    scale = np.abs(rest).max(axis=2) / _STEPS
    for first, count in ((start, rest.shape[1]), (detail, detailed)):
        rest, scale = rest[:, :count], scale[:, :count]
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.where(scale[..., None] > 0, rest / scale[..., None], np.float32(0))
        whole = np.rint(np.clip(steps, -_STEPS, _STEPS))
        bits = whole.astype(np.int32).view(np.uint32) & 0xFFFF
        words[:, first : first + count] = bits[..., _HALF:] << 16 | bits[..., :_HALF]
        rest = rest - whole * scale[..., None]
        scale = scale / _WORD
        scales[:, first : first + count] = scale
