"""The mean over a few frames before and after, as 3DDFA_V2 smooths its videos."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float32
from tddfa.tracking.face import TrackedFace
from tddfa.types import Face, FaceParams, Mesh
from tddfa.types.arguments import check_count

_MOST_FRAMES = 10_000


@dataclass(frozen=True, eq=False, repr=False)
class MeanFace(Face):
    """A face whose landmarks and vertices are the mean of those of several frames.

    Attributes:
        parts: the face in each of those frames.
    """

    parts: tuple[Face, ...] = ()

    @classmethod
    def of(cls, face: Face, parts: Sequence[Face]) -> MeanFace:
        """Return the mean of `parts`; what has no mean is taken from `face`."""
        params = FaceParams(
            camera=_mean([p.params.camera for p in parts]),
            identity=_mean([p.params.shape for p in parts]),
            expression=_mean([p.params.expression for p in parts]),
            confidence=face.params.confidence,
        )
        if face.params.corrective is not None:
            params = params.with_identity(_mean([p.params.identity for p in parts]))
        return cls(face.detection, params, face.model, parts=tuple(parts))

    @cached_property
    def landmarks(self) -> Float32[np.ndarray, "68 3"]:
        """The mean of the landmarks, image frame, px; those of the mean parameters would differ a bit."""
        return _mean([part.landmarks for part in self.parts])

    @cached_property
    def mesh(self) -> Mesh:
        """The mean of the meshes, image frame, px; the mesh of the mean parameters would differ a bit."""
        meshes = [part.mesh for part in self.parts]
        vertices = _mean([mesh.vertices for mesh in meshes])
        return Mesh(vertices, meshes[0].topology)


class Window:
    """Average the vertices of each face over the frames around.

    Where a face appears, returns or is lost, its first or last frame stands for those that are missing.

    Args:
        n_pre: number of frames before.
        n_next: number of frames after, by which the result is late.

    Raises:
        InputError: a number is negative.
    """

    delay: int | None

    def __init__(self, *, n_pre: int = 1, n_next: int = 1) -> None:
        check_count("n_pre", n_pre, _MOST_FRAMES, least=0)
        check_count("n_next", n_next, _MOST_FRAMES, least=0)
        self._n_pre, self._n_next = n_pre, n_next
        self.delay = n_next
        # Before the first frame and after the last there are no faces.
        self._frames: deque[list[TrackedFace]] = deque([[]] * n_pre, maxlen=n_pre + 1 + n_next)

    def push(self, faces: Sequence[TrackedFace], time: float) -> list[list[TrackedFace]]:
        """Take the faces of the next frame; return those of the frame `n_next` before it."""
        self._frames.append(list(faces))
        return [self._middle()] if len(self._frames) == self._frames.maxlen else []

    def flush(self) -> list[list[TrackedFace]]:
        """Return the last `n_next` frames."""
        out: list[list[TrackedFace]] = []
        for _ in range(self._n_next):
            self._frames.append([])
            if len(self._frames) == self._frames.maxlen:
                out.append(self._middle())
        return out

    def _middle(self) -> list[TrackedFace]:
        frames = [{t.id: t for t in faces if t.visible} for faces in self._frames]
        return [self._mean(tracked, frames) for tracked in self._frames[self._n_pre]]

    def _mean(self, tracked: TrackedFace, frames: Sequence[dict[int, TrackedFace]]) -> TrackedFace:
        if not tracked.visible:
            return tracked
        before, after = [tracked], [tracked]
        for faces in reversed(frames[: self._n_pre]):
            # Behind a cut or a gap, the first frame after it stands for those before.
            other = before[-1] if before[-1].begins else faces.get(tracked.id)
            before.append(other or before[-1])
        for faces in frames[self._n_pre + 1 :]:
            other = faces.get(tracked.id)
            after.append(after[-1] if other is None or other.begins else other)
        parts = [t.face for t in (*reversed(before), *after[1:])]
        return replace(tracked, face=MeanFace.of(tracked.face, parts))


def _mean(values: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(np.mean(values, axis=0, dtype=values[0].dtype))
