from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import toys
from tddfa import read_image
from tddfa.errors import PackError
from tddfa.geometry.camera import project
from tddfa.imaging.pixels import PixelFormat
from tddfa.packs.convert.networks import mobilenet_v1, normalised_state
from tddfa.regression import make_regressor
from tddfa.regression.v2 import (
    V2Regressor,
    cut_crop,
    decode,
    square_around_box,
    square_around_points,
)
from tddfa.runtime import OnnxNetwork
from tddfa.types import BoundingBox

PHOTOS = ["emma", "trump_hillary", "JianzhuGuo"]


@given(st.integers(0, 10_000))
def test_decoding_equals_reconstructing_in_the_crop_and_mapping_the_points(seed):
    rng = np.random.default_rng(seed)
    p = rng.normal(size=62).astype(np.float32)
    points = rng.normal(0, 50, (20, 3))  # model frame, mm
    side, x0, y0 = rng.uniform(20, 400), rng.uniform(-50, 500), rng.uniform(-50, 500)

    # The published order: reconstruct in the crop, then move and scale the points.
    in_crop = p[:12].reshape(3, 4) @ np.vstack([points.T * 1000, np.ones(20)])
    x = (in_crop[0] - 1) * side / 120 + x0
    y = (120 - in_crop[1]) * side / 120 + y0
    z_towards_viewer = in_crop[2] * side / 120

    params = decode(p, BoundingBox(x0, y0, x0 + side, y0 + side), 120, 40, 0.001)
    ours = project(params.camera, points).astype(np.float64)
    scale = np.abs(in_crop).max() * side / 120
    np.testing.assert_allclose(ours[:, 0], x, atol=1e-6 * scale)
    np.testing.assert_allclose(ours[:, 1], y, atol=1e-6 * scale)
    z = -z_towards_viewer
    np.testing.assert_allclose(ours[:, 2] - ours[0, 2], z - z[0], atol=1e-6 * scale)
    np.testing.assert_array_equal(np.concatenate([params.identity, params.expression]), p[12:])


def test_depth_is_zero_at_the_origin_of_the_model():
    params = decode(np.ones(62, np.float32), BoundingBox(0, 0, 120, 120), 120, 40, 0.001)
    assert project(params.camera, np.zeros((1, 3)))[0, 2] == 0


@pytest.mark.parametrize("photo", PHOTOS)
def test_crops_and_numbers_are_those_of_the_published_program(published_pack, shared, photo):
    regressor = make_regressor(
        OnnxNetwork(published_pack.read("regressor.onnx"), "r"),
        published_pack.manifest.regressor,
        published_pack.arrays,
    )
    image = read_image(shared / "reference/3ddfa_v2/examples/inputs" / f"{photo}.jpg")
    golden = np.load(shared / "golden" / f"{photo}_torch.npz")
    squares = [square_around_box(BoundingBox(*map(float, b[:4]))) for b in golden["boxes"]]
    np.testing.assert_allclose([list(s) for s in squares], golden["roi_boxes"], atol=1e-3)
    crops = [cut_crop(image, s, 120) for s in squares]
    np.testing.assert_array_equal(np.stack(crops)[..., ::-1], golden["crops_bgr_u8"])
    numbers = regressor.params_of_crops(crops)
    scale = np.abs(golden["params"]).max(axis=0)
    np.testing.assert_allclose(numbers / scale, golden["params"] / scale, atol=2e-5)


def test_the_crop_around_points_is_that_of_the_published_program(shared):
    for photo in PHOTOS:
        golden = np.load(shared / "golden" / f"{photo}_torch.npz")
        for points, roi in (("lmk68", "track_sparse_roi"), ("dense", "track_dense_roi")):
            for p, expected in zip(golden[points], golden[roi], strict=False):
                np.testing.assert_allclose(list(square_around_points(p)), expected, atol=1e-3)


@cache
def random_network() -> OnnxNetwork:
    state = toys.mobilenet_state(0.125, np.random.default_rng(0))
    return OnnxNetwork(mobilenet_v1(normalised_state(state)), "random")


@given(st.integers(0, 1000))
def test_one_batch_equals_face_by_face(seed):
    rng = np.random.default_rng(seed)
    regressor = V2Regressor(
        random_network(),
        mean=np.zeros(62, np.float32),
        std=np.ones(62, np.float32),
        size=120,
        pixels=PixelFormat((127.5, 127.5, 127.5), 1 / 128, "bgr"),
        n_identity=40,
        mm_per_model_unit=0.001,
    )
    image = rng.integers(0, 255, (200, 300, 3), np.uint8)
    corners = rng.uniform(0, 150, (4, 2))
    boxes = [BoundingBox(x, y, x + 40 + 20 * k, y + 50 + 20 * k) for k, (x, y) in enumerate(corners)]
    together = regressor.from_boxes([image] * 4, boxes)
    for box, params in zip(boxes, together, strict=True):
        (alone,) = regressor.from_boxes([image], [box])
        np.testing.assert_allclose(params.camera, alone.camera, atol=1e-4 * np.abs(alone.camera).max())
        np.testing.assert_allclose(params.identity, alone.identity, atol=1e-4)


@pytest.mark.parametrize(
    "square",
    [(200, 10, 260, 70), (10, -200, 60, -150), (-5000, -5000, 5000, 5000), (10.1, 10.1, 10.3, 10.3)],
)
def test_a_square_without_a_face_in_it_gives_no_crop(square):
    assert cut_crop(np.zeros((100, 120, 3), np.uint8), BoundingBox(*square), 120) is None


def test_a_box_below_a_pixel_and_points_without_an_extent_have_no_square():
    assert square_around_box(BoundingBox(3, 3, 3.5, 3.5)) is None
    assert square_around_points(np.full((68, 3), 7.0)) is None


def test_a_box_half_outside_the_image_is_filled_with_black():
    crop = cut_crop(np.full((100, 100, 3), 255, np.uint8), BoundingBox(-60, 0, 60, 120), 120)
    assert (crop[:, :59] == 0).all()
    assert (crop[:99, 61:] == 255).all()
    assert (crop[101:] == 0).all()


def test_a_manifest_with_an_unknown_or_incomplete_regressor_is_a_line():
    with pytest.raises(PackError, match=r"regressor\.kind is 'magic'; one of 3ddfa-v2, affine-camera"):
        make_regressor(lambda x: {}, {"kind": "magic"}, lambda name: {})
    with pytest.raises(PackError, match=r"regressor\.file is missing"):
        make_regressor(lambda x: {}, {"kind": "3ddfa-v2"}, lambda name: {})


def test_a_network_that_gives_something_else_is_a_line(toy_pack):
    regressor = make_regressor(
        lambda x: {"params": np.zeros((len(x), 10), np.float32)}, toy_pack.manifest.regressor, toy_pack.arrays
    )
    with pytest.raises(PackError, match="does not give the numbers"):
        regressor.from_boxes([toys.image()], [BoundingBox(0, 0, 100, 100)])
