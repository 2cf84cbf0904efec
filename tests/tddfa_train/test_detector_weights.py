"""The detector's kept float weights, and what half-covered and noisy training pictures are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tddfa import read_image
from tddfa.detection import make_detector
from tddfa.detection.anchor_free import AnchorFreeDetector
from tddfa.packs import find_pack
from tddfa.runtime import onnx_engine

torch = pytest.importorskip("torch")

from tddfa_train.data.occlusion import OcclusionConfig, occluded  # noqa: E402
from tddfa_train.detector.mosaics import _noisy  # noqa: E402  # pyright: ignore[reportPrivateUsage]
from tddfa_train.detector.network import FaceDetector  # noqa: E402
from tddfa_train.detector.recipe import load_detector  # noqa: E402
from tddfa_train.landmarks.task import network_input  # noqa: E402


def test_kept_weights_find_the_faces_that_the_shipped_detector_finds() -> None:
    network = load_detector(Path("open:detector"))
    assert isinstance(network, FaceDetector)
    network.eval()

    def run(image: np.ndarray) -> dict[str, np.ndarray]:
        with torch.no_grad():
            levels = network.raw_levels(network_input(torch.from_numpy(image)))
        return {"places": torch.cat([level.flatten(2) for level in levels], 2).numpy()}

    photo = read_image(Path(__file__).parents[2] / "examples/photos/group.jpg")
    detector = AnchorFreeDetector(run, max_side=640, min_score=0.15, max_overlap=0.4)  # pyright: ignore[reportArgumentType]
    found = detector.detect(photo)
    # What the shipped network says itself: verification moves boxes onto the faces.
    pack = find_pack("open")
    spec = pack.manifest.detector
    assert spec is not None
    shipped = make_detector(onnx_engine()(pack.read(spec.file), spec.file), spec)
    sure = [face for face in shipped.detect(photo) if face.score > 0.8]
    assert len(sure) == 3
    for face in sure:
        best = max(found, key=lambda d: face.box.iou(d.box))
        assert face.box.iou(best.box) > 0.8
        assert best.score == pytest.approx(face.score, abs=0.1)


def test_halved_faces_lose_a_third_to_two_thirds_of_their_pixels() -> None:
    rng = np.random.default_rng(0)
    face = rng.integers(60, 200, (160, 160, 3), dtype=np.uint8)
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    landmarks = np.stack([80 + 40 * np.sin(angle), 85 - 40 * np.cos(angle)], axis=1)
    config = OcclusionConfig(masked=0, shaded=0, hooded=0, hatted=0, covered=0, halved=1, dim=0)
    fillers = rng.integers(0, 256, (4, 160, 160, 3), dtype=np.uint8)
    hidden = [
        (occluded(face, landmarks, config, fillers, rng) != face).any(axis=2)[33:125, 40:120].mean()
        for _ in range(60)
    ]
    assert 0.3 < np.median(hidden) < 0.65
    assert np.mean(np.array(hidden) > 0.15) > 0.9


@pytest.mark.parametrize("sigma", [5.0, 30.0])
def test_noise_has_the_strength_that_is_asked_for(sigma: float) -> None:
    grey = np.full((320, 320, 3), 128, np.uint8)
    rng = np.random.default_rng(1)
    found = [_noisy(grey, (sigma, sigma), rng).astype(float).std() for _ in range(8)]
    assert max(found) == pytest.approx(sigma, rel=0.1)
    assert min(found) > 0.3 * sigma  # enlarged noise is smoother
