"""Solids whose surface is known exactly, and faces made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tddfa.geometry.camera import camera_pose
from tddfa.types import BoundingBox, Detection, Face, FaceParams, HeadPose, Mesh, Topology


def solid(vertices: np.ndarray, triangles: np.ndarray, *, uv: np.ndarray | None = None) -> Mesh:
    """A mesh in the image frame, coloured by position."""
    vertices = np.ascontiguousarray(vertices, np.float32)
    low, extent = vertices.min(axis=0), np.maximum(np.ptp(vertices, axis=0), 1e-6)
    colors = ((vertices - low) / extent).astype(np.float32)
    return Mesh(vertices, Topology(np.ascontiguousarray(triangles, np.int32), uv, colors))


def moved(mesh: Mesh, R: np.ndarray, shift: np.ndarray) -> Mesh:
    """The mesh turned about the origin and then shifted."""
    return Mesh((mesh.vertices @ np.asarray(R).T + shift).astype(np.float32), mesh.topology)


def cube() -> Mesh:
    """The cube [−1, 1]³; triangles counter-clockwise from outside."""
    vertices = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return solid(vertices, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]))


def sphere(n_rings: int = 40, n_segments: int = 80) -> Mesh:
    """The unit sphere; triangles counter-clockwise from outside, without a seam or degenerate triangles."""
    theta = np.linspace(0, np.pi, n_rings + 1)[1:-1]
    phi = 2 * np.pi * np.arange(n_segments) / n_segments
    t, p = np.meshgrid(theta, phi, indexing="ij")
    rings = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], axis=-1).reshape(-1, 3)
    vertices = np.concatenate([rings, [[0, 0, 1], [0, 0, -1]]])
    north, south = len(rings), len(rings) + 1
    triangles = []
    for j in range(n_segments):
        k = (j + 1) % n_segments
        triangles.append((north, j, k))
        last = (n_rings - 2) * n_segments
        triangles.append((south, last + k, last + j))
        for i in range(n_rings - 2):
            a, b = i * n_segments + j, i * n_segments + k
            c, d = a + n_segments, b + n_segments
            triangles += [(a, c, d), (a, d, b)]
    return solid(vertices, np.array(triangles))


@dataclass(frozen=True)
class SolidModel:
    """Stands for a model that has one mesh."""

    solid: Mesh
    expression_names: tuple[str, ...] = ("smile", "blink")

    def reconstruct(self, params: FaceParams) -> Mesh:
        return self.solid

    def shape(self, params: FaceParams) -> np.ndarray:
        return self.solid.vertices

    def landmarks(self, params: FaceParams, name: str = "ibug68") -> np.ndarray:
        """A ring in the plane through the middle of the solid."""
        angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
        vertices = self.solid.vertices
        center, reach = vertices.mean(axis=0), np.ptp(vertices[:, :2], axis=0).min() / 2
        ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(68)], axis=1) * reach + center
        return ring.astype(np.float32)

    def pose(self, params: FaceParams) -> HeadPose:
        return camera_pose(params.camera)

    def blendshapes(self, identity: np.ndarray) -> dict[str, np.ndarray]:
        return {name: np.zeros_like(self.solid.vertices) for name in self.expression_names}


def face_of(mesh: Mesh, *, score: float = 0.75) -> Face:
    """A face whose mesh is `mesh`, looking at the camera."""
    camera = np.hstack([np.diag([1.0, -1.0, -1.0]), mesh.vertices.mean(axis=0, keepdims=True).T])
    return Face(
        Detection(BoundingBox.around(mesh.vertices), score),
        FaceParams(camera, np.array([0.1, -2.5], np.float32), np.array([0.25, 1.0], np.float32)),
        SolidModel(mesh),
    )


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A rotation, each as likely as any other."""
    Q, R = np.linalg.qr(rng.normal(size=(3, 3)))
    Q = Q * np.sign(np.diag(R))
    return Q * np.array([1, 1, np.linalg.det(Q)])
