import cv2
import numpy as np
import pytest

from tddfa import native
from tddfa.errors import PackError
from tddfa.geometry.camera import project
from tddfa.packs.specs import ANY_REGRESSOR
from tddfa.regression import make_regressor
from tddfa.regression.closeups import CloseUps
from tddfa.regression.expressions import ExpressionNetwork, corrected_camera, roll_correction, state
from tddfa.types import BoundingBox, FaceParams


def grid(width: int, height: int, half_width: float, half_height: float) -> np.ndarray:
    x, y = np.meshgrid(
        np.linspace(-half_width, half_width, width), np.linspace(half_height, -half_height, height)
    )
    return np.stack([x, y, -0.01 * x * x], -1).astype(np.float32)


VIEWS = CloseUps(grid(32, 14, 40, 15), grid(20, 18, 30, 25), grid(12, 18, 60, 80))


def camera(scale=1.0, roll=0.0, yaw=0.0, shift=(128.0, 128.0)):
    turn = cv2.Rodrigues(np.array([0, 0, roll]))[0] @ cv2.Rodrigues(np.array([0, yaw, 0]))[0]
    return np.concatenate([scale * turn @ np.diag([1.0, -1, -1]), [[shift[0]], [shift[1]], [0]]], 1)


def places_image(side=256):
    y, x = np.mgrid[0:side, 0:side]
    return np.stack([x, y, np.zeros_like(x)], -1).astype(np.uint8)


@pytest.mark.parametrize("turns", [(0.0, 0.0), (0.6, 0.0), (0.0, 0.7), (-2.5, -0.4)])
def test_each_pixel_of_a_view_shows_the_image_where_the_camera_shows_its_point(turns):
    seen = camera(0.7, *turns)
    views = VIEWS(places_image(), seen)
    assert views.shape == (32, 32, 3)
    for part, points in (
        (views[:14], VIEWS.eyes),
        (views[14:, :20], VIEWS.mouth),
        (views[14:, 20:], VIEWS.face),
    ):
        where = project(seen, points.reshape(-1, 3).astype(np.float64))[:, :2].reshape(*points.shape[:2], 2)
        # The image is its own coordinates, so sampling is exact up to rounding and reduction.
        np.testing.assert_allclose(part[..., :2], where, atol=1.6)


@pytest.mark.parametrize("size", [0.3, 1.2, 9.0])
def test_the_kernel_samples_the_pixels_that_opencv_samples(size, monkeypatch):
    rng = np.random.default_rng(int(10 * size))
    # Views of a pack, as wide as OpenCV's blocks of pixels, and others.
    wide = CloseUps(grid(64, 14, 40, 15), grid(48, 18, 30, 25), grid(16, 18, 60, 80))
    image = rng.integers(0, 256, (190, 230, 3), dtype=np.uint8)
    for views in (wide, VIEWS):
        for seen_in in (image, image[..., ::-1], image[10:-7, 3::2]):
            for _ in range(6):
                seen = camera(size, *rng.uniform(-3, 3, 2), shift=rng.uniform(-60, 260, 2))
                sampled = views(seen_in, seen)
                with monkeypatch.context() as without:
                    without.setattr(native, "kernel", None)
                    expected = views(seen_in, seen)
                # Versions of OpenCV and processors round a place in a thousand differently.
                np.testing.assert_allclose(sampled, expected.astype(int), atol=1)
                assert (sampled != expected).mean() < 0.02


def test_a_turned_image_has_the_same_views():
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8), (0, 0), 3)
    upright = VIEWS(image, camera(1.2))
    # A quarter turn of the image, and of what the camera shows about the middle between the pixels.
    lying = VIEWS(np.ascontiguousarray(np.rot90(image, -1)), camera(1.2, np.pi / 2, shift=(127.0, 128.0)))
    assert np.abs(upright.astype(int) - lying).max() <= 4


def test_fine_patterns_of_large_faces_are_averaged_not_picked():
    board = np.indices((1600, 1600)).sum(0) % 2 * 255
    image = np.repeat(board[..., None], 3, 2).astype(np.uint8)
    views = VIEWS(image, camera(8.0, shift=(800.0, 800.0)))
    assert np.abs(views.astype(int) - 127).max() <= 12


def test_views_are_black_where_the_image_ends_and_need_no_part_of_it():
    image = np.full((64, 64, 3), 200, np.uint8)
    assert VIEWS(image, camera(1.0, shift=(-500.0, 900.0))).max() == 0
    assert VIEWS(image, camera(9.0, shift=(-5000.0, 9000.0))).max() == 0


@pytest.mark.parametrize("roll", [0.0, 0.4, -1.8, np.pi])
def test_a_camera_is_corrected_by_turn_scale_and_shift_in_the_frame_of_the_upright_face(roll):
    first = camera(1.7, roll, 0.5)
    back = cv2.Rodrigues(np.array([0, 0, roll]))[0]
    turn = roll_correction(first)
    np.testing.assert_allclose(turn, back[:2, :2].T, atol=1e-9)
    same = corrected_camera(first, np.zeros(6))
    np.testing.assert_allclose(same, first, atol=1e-12)
    axis = np.array([0.2, -0.1, 0.3])
    angle = np.linalg.norm(axis)
    pose = np.array([*(np.tan(angle / 2) * axis / angle), np.log(1.1), 2.0, -3.0])
    moved = corrected_camera(first, pose)
    expected = 1.1 * back @ cv2.Rodrigues(axis)[0] @ back.T @ first[:, :3]
    np.testing.assert_allclose(moved[:, :3], expected, atol=1e-9)
    np.testing.assert_allclose(moved[:, 3] - first[:, 3], back @ (1.7 * 2, 1.7 * -3, 0), atol=1e-9)


def test_what_the_network_knows_of_a_face_does_not_depend_on_how_the_image_is_turned():
    faces = [
        FaceParams(camera(0.8, roll, 0.5), np.ones(2, np.float32), np.ones(3, np.float32))
        for roll in (0.0, 2.2)
    ]
    np.testing.assert_allclose(state(faces[0]), state(faces[1]), atol=1e-6)
    np.testing.assert_allclose(state(faces[0])[:6], [np.cos(0.5), 0, -np.sin(0.5), 0, -1, 0], atol=1e-6)


def test_a_face_seen_from_below_is_upright_by_its_side():
    below = np.concatenate(
        [cv2.Rodrigues(np.array([1.5, 0, 0]))[0] @ np.diag([1.0, -1, -1]), np.zeros((3, 1))], 1
    )
    np.testing.assert_allclose(roll_correction(below), np.eye(2), atol=1e-9)


class FixedNetwork:
    """A first network that always gives one camera of the crop."""

    def __call__(self, x):
        n = len(x)
        first = np.tile(camera(0.4, shift=(60.0, 60.0)).astype(np.float32), (n, 1, 1))
        zeros = np.zeros((n, 2), np.float32), np.zeros((n, 3), np.float32)
        return {
            "camera": first,
            "identity": zeros[0],
            "expression": zeros[1],
            "confidence": np.ones(n, np.float32),
        }


class MeanOfViews:
    """A network of expressions: the mean of each channel of the views."""

    def __call__(self, x, numbers):
        assert numbers.shape == (len(x), 6 + 2 + 3)
        n = len(x)
        return {
            "pose": np.zeros((n, 6), np.float32),
            "identity": np.full((n, 2), 0.5, np.float32),
            "expression": (x.reshape(n, -1, 3).mean(1) / 255).astype(np.float32),
        }


SETTINGS = {
    "kind": "affine-camera",
    "file": "regressor.onnx",
    "size": 120,
    "crop": {"box_scale": 1.0, "box_down": 0.0, "points_scale": 1.3},
    "expressions": "expressions.onnx",
    "closeups": "closeups.npz",
}


def read(image, first=None, closeups=None, box=(50, 50, 250, 250)):
    """The face in a box, after the close-ups."""
    regressor = make_regressor(first or FixedNetwork(), SETTINGS, lambda name: {})
    faces = regressor.from_boxes([image], [BoundingBox(*box)])
    return ExpressionNetwork(closeups or MeanOfViews(), VIEWS)([image], faces)[0]


def test_expressions_come_from_the_second_network_and_the_image_itself():
    image = np.full((300, 300, 3), (255, 0, 51), np.uint8)
    face = read(image)
    np.testing.assert_allclose(face.expression, [1, 0, 0.2], atol=0.01)
    np.testing.assert_allclose(face.identity, 0.5)


@pytest.mark.parametrize("side", [100, 200, 333])
def test_a_crop_that_was_cut_before_is_read_as_it_lies(side):
    """The views of a crop are those of the image it was cut from."""
    rng = np.random.default_rng(side)
    image = cv2.GaussianBlur(rng.integers(0, 256, (300, 300, 3), dtype=np.uint8), (0, 0), 6)
    square, views = BoundingBox(50, 40, 250, 240), []

    def closeups(x, numbers):
        views.append(x[0].astype(int))
        return MeanOfViews()(x, numbers)

    face = read(image, closeups=closeups, box=square)
    first = FaceParams(face.camera, face.identity - 0.5, np.zeros(3, np.float32))
    crop = cv2.resize(image[40:240, 50:250], (side, side), interpolation=cv2.INTER_AREA)
    (cut,) = ExpressionNetwork(closeups, VIEWS).from_crops([crop], [square], [first])
    np.testing.assert_array_equal(cut.camera, face.camera)
    np.testing.assert_allclose(cut.expression, face.expression, atol=0.02)
    if side == 200:
        assert np.abs(views[0] - views[1]).max() <= 1
    else:
        assert np.abs(views[0] - views[1]).mean() < 4


def test_a_network_that_gives_something_else_is_named():
    reader = ExpressionNetwork(lambda x, numbers: {"expression": np.zeros((1, 3))}, VIEWS)
    face = FaceParams(camera(), np.zeros(2, np.float32), np.zeros(3, np.float32))
    with pytest.raises(PackError, match="needs pose, identity, expression"):
        reader([places_image()], [face])


def test_a_crowd_is_read_in_batches_and_each_face_as_alone():
    sizes = []

    def closeups(x, numbers):
        sizes.append(len(x))
        return MeanOfViews()(x, numbers)

    zeros = np.zeros(2, np.float32), np.zeros(3, np.float32)
    faces = [FaceParams(camera(0.5, shift=(40.0 + k, 90.0)), *zeros) for k in range(150)]
    reader = ExpressionNetwork(closeups, VIEWS)
    together = reader([places_image()] * 150, faces)
    assert sizes == [64, 64, 22]
    assert [reader([places_image()], [face])[0] for face in faces[::30]] == together[::30]
    assert reader([], []) == []


@pytest.mark.parametrize("value", [0.0, 1e4, 1e30, -1e30, 3e38, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", ["camera", "pose"])
def test_whatever_the_networks_of_a_pack_give_is_a_face_or_a_line(which, value):
    def changed(network):
        return lambda *x: {
            name: np.full_like(v, value) if name == which else v for name, v in network(*x).items()
        }

    given = np.full((300, 300, 3), (255, 0, 51), np.uint8), changed(FixedNetwork()), changed(MeanOfViews())
    if abs(value) < 1e12:
        assert read(*given).expression.shape == (3,)
    else:
        with pytest.raises(PackError, match="NaN or numbers beyond"):
            read(*given)


def test_a_manifest_names_the_network_and_the_places_of_its_views():
    spec = ANY_REGRESSOR.read(SETTINGS, "regressor")
    assert spec.to_object()["expressions"] == "expressions.onnx"
    assert set(spec.layouts()["closeups.npz"]) == {"eyes", "mouth", "face"}


class Person(MeanOfViews):
    """A network of expressions that also knows the person."""

    def __call__(self, x, numbers):
        return super().__call__(x, numbers) | {"person": np.full((len(x), 2), 0.2, np.float32)}


def test_what_a_mesh_has_beyond_the_identity_of_the_person_is_corrective():
    image = np.full((300, 300, 3), (255, 0, 51), np.uint8)
    plain, face = read(image), read(image, closeups=Person())
    assert plain.corrective is None
    assert (face.identity == np.float32(0.2)).all()
    np.testing.assert_allclose(face.shape, plain.shape)
    np.testing.assert_array_equal(face.camera, plain.camera)
