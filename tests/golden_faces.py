"""Faces of the published program: vertices and parameters from ../shared, without any network."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tddfa.geometry.camera import camera_pose
from tddfa.imaging import read_image
from tddfa.types import BoundingBox, Detection, Face, FaceParams, HeadPose, Image, Mesh, Topology

SHARED = Path(os.environ.get("TDDFA_SHARED", Path(__file__).parents[2] / "shared"))
GOLDEN = SHARED / "golden"
REFERENCE = SHARED / "reference" / "3ddfa_v2"

needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="needs ../shared/golden")


@cache
def topology() -> Topology:
    """Triangles, texture layout and PNCC colours of the published model."""
    from scipy.io import loadmat

    configs = REFERENCE / "configs"
    # The published triangles are counter-clockwise in a left-handed frame (y down, z to the viewer).
    triangles = pickle.loads((configs / "tri.pkl").read_bytes()).T[:, ::-1]
    uv = loadmat(configs / "BFM_UV.mat")["UV"][np.load(configs / "indices.npy")]
    return Topology(
        np.ascontiguousarray(triangles, np.int32),
        uv.astype(np.float32),
        # Published pictures are written blue first: red shows z.
        np.ascontiguousarray(np.load(configs / "ncc_code.npy")[::-1].T, np.float32),
    )


@dataclass(frozen=True)
class GoldenModel:
    """Stands for a model whose vertices and landmarks are known."""

    vertices: np.ndarray
    points: np.ndarray
    expression_names: tuple[str, ...] = tuple(f"expression_{i}" for i in range(10))

    def reconstruct(self, params: FaceParams) -> Mesh:
        return Mesh(self.vertices, topology())

    def landmarks(self, params: FaceParams, name: str = "ibug68") -> np.ndarray:
        return self.points

    def pose(self, params: FaceParams) -> HeadPose:
        return camera_pose(params.camera)

    def shape(self, params: FaceParams) -> np.ndarray:
        raise NotImplementedError("only the vertices in the image are known")

    def blendshapes(self, identity: np.ndarray) -> dict[str, np.ndarray]:
        raise NotImplementedError("only the vertices in the image are known")


@cache
def golden_faces(name: str) -> tuple[Image, list[Face]]:
    """The photo and its faces, as the published program found them."""
    data = np.load(GOLDEN / f"{name}_torch.npz")
    faces = []
    for box, roi, p, points, dense in zip(
        *(data[k] for k in ("boxes", "roi_boxes", "params", "lmk68", "dense")), strict=True
    ):
        A, t = p[:12].reshape(3, 4)[:, :3].astype(float), p[:12].reshape(3, 4)[:, 3].astype(float)
        sx, sy = (roi[2] - roi[0]) / 120, (roi[3] - roi[1]) / 120
        camera = np.array(
            [
                [*(sx * A[0]), sx * (t[0] - 1) + roi[0]],
                [*(-sy * A[1]), sy * (120 - t[1]) + roi[1]],
                [*(-(sx + sy) / 2 * A[2]), 0],
            ]
        )
        flip = np.array([1, 1, -1], np.float32)
        faces.append(
            Face(
                Detection(BoundingBox(*map(float, box[:4])), float(box[4])),
                FaceParams(camera, p[12:52].astype(np.float32), p[52:].astype(np.float32)),
                GoldenModel(np.ascontiguousarray(dense * flip), np.ascontiguousarray(points * flip)),
            )
        )
    return read_image(REFERENCE / "examples" / "inputs" / f"{name}.jpg"), faces
