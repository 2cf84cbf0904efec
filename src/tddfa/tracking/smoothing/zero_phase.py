"""Smoothing over a whole clip, as far ahead as back: no lag, and the peaks of blinks stay in place.

Source: Savitzky and Golay, "Smoothing and differentiation of data by simplified least squares procedures",
1964, with weights that fall off, and on rotations in the tangent space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tddfa.geometry.rotation import rotation_about, rotation_vector
from tddfa.shapes import Float64
from tddfa.tracking.face import TrackedFace
from tddfa.tracking.smoothing.state import FaceState, face_with, pivot_of

_DEGREE = 2


class ZeroPhase:
    """Smooth each face with the frames before and after, equally; return all frames at the end.

    Args:
        pose_s: half width of the fit around a frame for rotation, scale and position, s.
        expression_s: half width for the expression coefficients, s.
        identity_s: half width for the identity coefficients, s.
    """

    delay: int | None = None

    def __init__(self, *, pose_s: float = 0.25, expression_s: float = 0.12, identity_s: float = 1.0) -> None:
        self._widths = (pose_s, identity_s, expression_s)
        self._frames: list[list[TrackedFace]] = []
        self._times: list[float] = []

    def push(self, faces: Sequence[TrackedFace], time: float) -> list[list[TrackedFace]]:
        """Take the faces of the next frame; nothing is ready before the end."""
        self._frames.append(list(faces))
        self._times.append(time)
        return []

    def flush(self) -> list[list[TrackedFace]]:
        """Return all frames."""
        runs: list[list[tuple[int, int]]] = []
        current: dict[int, list[tuple[int, int]]] = {}  # of each id, the run that goes on
        for i, faces in enumerate(self._frames):
            for k, tracked in enumerate(faces):
                if not tracked.visible:
                    continue
                run = current.get(tracked.id)
                if run is None or tracked.begins or run[-1][0] != i - 1:
                    run = current[tracked.id] = []
                    runs.append(run)
                run.append((i, k))
        for run in runs:
            self._smooth(run)
        out, self._frames, self._times = self._frames, [], []
        return out

    def _smooth(self, run: Sequence[tuple[int, int]]) -> None:
        """Smooth one face from its appearance to its loss."""
        tracks = [self._frames[i][k] for i, k in run]
        times = np.array([self._times[i] for i, _ in run])
        pivot = pivot_of(tracks[0].face)
        states = [FaceState.of(t.face.params, pivot) for t in tracks]
        scales = np.array([s.log_scale for s in states])
        centers, residuals = np.stack([s.center for s in states]), np.stack([s.residual for s in states])
        shapes, expressions = (
            np.stack([s.shape for s in states]),
            np.stack([s.expression for s in states]),
        )
        # Beside a sudden movement a parabola swings beyond its data: a closed eye would be 107 % closed.
        least, most = expressions.min(axis=0), expressions.max(axis=0)
        for n, (i, k) in enumerate(run):
            (a, wa), (b, wb), (c, wc) = (_weights(times, n, width) for width in self._widths)
            R = states[n].rotation
            turns = np.stack([rotation_vector(states[j].rotation @ R.T) for j in range(a.start, a.stop)])
            state = FaceState(
                rotation=rotation_about(wa @ turns) @ R,
                log_scale=float(wa @ scales[a]),
                center=wa @ centers[a],
                residual=np.tensordot(wa, residuals[a], 1),
                shape=wb @ shapes[b],
                expression=np.clip(wc @ expressions[c], least, most),
            )
            params = state.params(pivot, tracks[n].face.params)
            self._frames[i][k] = replace(tracks[n], face=face_with(tracks[n].face, params))


def _weights(
    times: Float64[np.ndarray, " n"], here: int, width: float
) -> tuple[slice, Float64[np.ndarray, " m"]]:
    """Return the frames around one, and the weight of each in the parabola that fits them best, there."""
    first, stop = np.searchsorted(times, [times[here] - width - 1e-9, times[here] + width + 1e-9])
    around = slice(int(min(first, here)), int(max(stop, here + 1)))
    distance = (times[around] - times[here]) / width
    degree = min(_DEGREE, len(distance) - 1)
    # The weights fade out, so that no frame enters with a jump. Source: Cleveland, 1979 (tricube weights).
    fade = np.sqrt(np.clip(1 - np.abs(distance / 1.01) ** 3, 1e-6, None) ** 3)
    powers = distance[:, None] ** np.arange(degree + 1)
    return around, np.linalg.pinv(powers * fade[:, None])[0] * fade
