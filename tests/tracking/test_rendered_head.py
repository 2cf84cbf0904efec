"""The published networks on a head whose truth is known: the open face model in the colours of a photo."""

from __future__ import annotations

import math

import numpy as np
import pytest

from conftest import PHOTOS
from tddfa import FaceAligner, read_image
from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.geometry.triangles import vertex_normals
from tddfa.imaging.sample import sample
from tddfa.morphable import open_face_model
from tddfa.morphable.fitting import fit_landmarks
from tddfa.render import rasterize
from tddfa.tracking import FaceTracker
from tddfa.types import BoundingBox, FaceParams, HeadPose, Image

HEIGHT, WIDTH = 270, 480


@pytest.fixture(scope="module")
def aligner(published_pack) -> FaceAligner:
    return FaceAligner(published_pack)


class Head:
    """A head with the colours of a photo; what the photo does not show has those of the other half."""

    def __init__(self, aligner: FaceAligner) -> None:
        photo = read_image(PHOTOS / "astronaut.jpg")
        self.model = open_face_model(level=0, crop="head")
        fit = fit_landmarks(self.model, aligner.align(photo)[0].landmarks[:, :2]).params
        mesh = self.model.reconstruct(fit)
        facing = -vertex_normals(mesh.vertices, mesh.triangles)[:, 2]
        colors = sample(photo, mesh.vertices[:, :2])
        partner = self.model.surface.mirror
        hidden = facing < 0.3
        colors[hidden] = colors[partner[hidden]]
        colors[hidden & hidden[partner]] = np.median(colors[~hidden], axis=0)
        self.identity, self.colors = fit.identity, colors

    def params(self, x: float, size: float, pose: HeadPose, blink: float) -> FaceParams:
        camera = scaled_camera(size / 140, head_rotation(pose), np.array([x, HEIGHT / 2]))
        closed = {"eyeBlinkLeft": blink, "eyeBlinkRight": blink}
        return self.model.params(camera, self.identity, closed)

    def image(self, params: FaceParams) -> Image:
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        out = np.stack([90 + rows // 6, 100 + columns // 8, 110 + (rows + columns) // 20], -1).astype(
            np.uint8
        )
        fragments = rasterize([self.model.reconstruct(params)], HEIGHT, WIDTH)
        out[fragments.region][fragments.mask] = fragments.interpolate([self.colors]).clip(0, 255)
        return out


def test_a_head_that_turns_to_80_degrees_and_blinks_is_followed_all_the_way(aligner):
    head, tracker = Head(aligner), FaceTracker(aligner)
    yaws = []
    for t in range(64):
        pose = HeadPose(80 * math.sin(t / 10), 6 * math.sin(t / 9), 5 * math.sin(t / 20))
        params = head.params(240 + 100 * math.sin(t / 25), 90, pose, float(t % 30 < 4))
        people = tracker.update(head.image(params))
        assert [(p.id, p.visible) for p in people] == [(0, True)]
        truth = BoundingBox.around(head.model.landmarks(params))
        assert BoundingBox.around(people[0].face.landmarks).iou(truth) > 0.5
        yaws.append((pose.yaw_deg, people[0].face.pose.yaw_deg))
    true, found = np.array(yaws).T
    assert np.corrcoef(true, found)[0, 1] > 0.97
