from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import toys
from tddfa import BoundingBox, Detection, FaceAligner, read_image
from tddfa.errors import InputError, PackNotFoundError
from tddfa.geometry.camera import camera_pose, project
from tddfa.geometry.rotation import head_pose, nearest_rotation
from tddfa.tracking import FaceTracker

PHOTO = Path(__file__).parents[2] / "examples/photos/hopper.jpg"
PHOTOS = ["emma", "trump_hillary", "JianzhuGuo"]


@pytest.fixture(scope="module")
def toy_aligner(toy_pack):
    return FaceAligner(toy_pack)


@pytest.fixture(scope="module")
def aligner(published_pack):
    return FaceAligner(published_pack)


@pytest.fixture(scope="module")
def open_aligner():
    return FaceAligner("open")


def as_published(points):
    """Our points in the published convention: z towards the viewer, its minimum 0."""
    z = -points[:, 2].astype(np.float64)
    return np.column_stack([points[:, :2], z - z.min()])


@pytest.mark.parametrize("photo", PHOTOS)
class TestParity:
    """Everything between a photo and its vertices against the published program's outputs."""

    @pytest.fixture
    def case(self, shared, photo):
        image = read_image(shared / "reference/3ddfa_v2/examples/inputs" / f"{photo}.jpg")
        return image, np.load(shared / "golden" / f"{photo}_torch.npz")

    def test_landmarks_and_vertices_agree_to_a_thousandth_of_a_pixel(self, aligner, case):
        image, golden = case
        faces = aligner.align(image)
        assert len(faces) == len(golden["boxes"])
        for face, landmarks, dense in zip(faces, golden["lmk68"], golden["dense"], strict=True):
            np.testing.assert_allclose(as_published(face.landmarks), landmarks, atol=1e-3)
            np.testing.assert_allclose(as_published(face.mesh.vertices), dense, atol=1e-3)

    def test_the_second_pass_cropped_from_landmarks_agrees(self, aligner, case):
        image, golden = case
        n = len(golden["track_sparse_lmk68"])
        faces = aligner.align(image, landmarks=golden["lmk68"][:n])
        for face, expected in zip(faces, golden["track_sparse_lmk68"], strict=True):
            np.testing.assert_allclose(as_published(face.landmarks), expected, atol=1e-3)

    def test_the_second_pass_cropped_from_vertices_agrees(self, aligner, case):
        image, golden = case
        n = len(golden["track_dense_vertices"])
        faces = aligner.align(image, landmarks=golden["dense"][:n])
        for face, expected in zip(faces, golden["track_dense_vertices"], strict=True):
            np.testing.assert_allclose(as_published(face.mesh.vertices), expected, atol=1e-3)

    def test_the_triangles_are_the_published_ones(self, aligner, case, shared):
        from tddfa.packs.convert.pickles import load_arrays

        published = load_arrays(shared / "reference/3ddfa_v2/configs/tri.pkl").T
        ours = aligner.model.topology.triangles
        assert {frozenset(t) for t in ours.tolist()} == {frozenset(t) for t in published.tolist()}


def test_a_toy_face_looks_ahead_from_the_middle_of_its_box(toy_aligner):
    (face,) = toy_aligner.align(toys.image())
    assert face.pose.yaw_deg == pytest.approx(0, abs=1e-4)
    assert face.pose.pitch_deg == pytest.approx(0, abs=1e-4)
    assert face.pose.roll_deg == pytest.approx(0, abs=1e-4)
    assert face.landmarks.shape == (68, 3)
    assert face.mesh.vertices.shape == (toys.GRID**2, 3)
    center = (face.mesh.vertices.min(axis=0) + face.mesh.vertices.max(axis=0)) / 2
    assert center[0] == pytest.approx(64, abs=1.5)
    # The nose is nearer to the camera than the rim.
    middle = toys.GRID**2 // 2
    assert face.mesh.vertices[middle, 2] == face.mesh.vertices[:, 2].min()


def test_landmarks_lie_on_the_mesh(toy_aligner):
    (face,) = toy_aligner.align(toys.image())
    distance = np.linalg.norm(face.landmarks[:, None] - face.mesh.vertices[None], axis=2).min(axis=1)
    np.testing.assert_allclose(distance, 0, atol=1e-4)


def test_the_camera_is_the_whole_truth_of_a_face(toy_aligner):
    (face,) = toy_aligner.align(toys.image())
    shape = toy_aligner.model.shape(face.params)
    np.testing.assert_allclose(project(face.params.camera, shape), face.mesh.vertices, atol=1e-4)
    assert camera_pose(face.params.camera) == face.pose


def test_a_second_pass_is_the_face_cropped_from_the_landmarks_of_the_first(toy_pack):
    settings = {**toy_pack.manifest.regressor, "passes": 2}
    pack = replace(toy_pack, manifest=replace(toy_pack.manifest, regressor=settings))
    image = toys.image()
    (first,) = FaceAligner(toy_pack).align(image)
    (expected,) = FaceAligner(toy_pack).align(image, landmarks=[first.landmarks])
    (second,) = FaceAligner(pack).align(image)
    np.testing.assert_array_equal(second.landmarks, expected.landmarks)
    assert second.detection == first.detection


def test_detections_that_the_network_does_not_believe_are_dropped_but_given_boxes_are_kept(toy_pack):
    settings = {**toy_pack.manifest.regressor, "min_confidence": 0.9}
    aligner = FaceAligner(replace(toy_pack, manifest=replace(toy_pack.manifest, regressor=settings)))
    plain = aligner._networks.regressor

    class Doubtful:
        def from_boxes(self, images, boxes):
            return [replace(p, confidence=0.5) for p in plain.from_boxes(images, boxes)]

        def from_points(self, images, points):
            return [replace(p, confidence=0.5) for p in plain.from_points(images, points)]

        def from_crops(self, crops, squares):
            return plain.from_crops(crops, squares)

        def box_around(self, points, like):
            return plain.box_around(points, like)

    aligner._networks.regressor = aligner._networks.verifying_regressor = Doubtful()
    assert aligner.align(toys.image()) == []
    assert aligner.detector.detect(toys.image()) == []
    assert len(aligner.align(toys.image(), boxes=[(10, 10, 90, 90)])) == 1


def test_a_detection_that_no_crop_can_be_cut_for_takes_no_other_face_away(toy_pack):
    class AtTheBorder:
        def detect(self, image):
            return [Detection(BoundingBox(-900, -900, -800, -800)), Detection(BoundingBox(10, 10, 90, 90))]

    aligner = FaceAligner(toy_pack, detector=AtTheBorder())
    (face,) = aligner.align(toys.image())
    assert face.detection.box == BoundingBox(10, 10, 90, 90)


def test_a_neutral_mesh_is_the_face_without_its_expression(toy_aligner):
    (face,) = toy_aligner.align(toys.image())
    smiling = replace(face, params=replace(face.params, expression=np.full(10, 1e7, np.float32)))
    assert np.abs(smiling.mesh.vertices - face.mesh.vertices).max() > 1e-4
    np.testing.assert_array_equal(smiling.neutral_mesh.vertices, face.mesh.vertices)


def test_boxes_of_every_kind_mean_the_same(toy_aligner):
    image = toys.image()
    box = BoundingBox(20, 20, 100, 100)
    row = np.array([20, 20, 100, 100.0])
    kinds = [box, Detection(box, 0.5), (20, 20, 100, 100), [20, 20, 100, 100, 0.5], row]
    faces = toy_aligner.align(image, boxes=kinds)
    assert [f.detection.score for f in faces] == [1, 0.5, 1, 0.5, 1]
    for face in faces[1:]:
        np.testing.assert_array_equal(face.landmarks, faces[0].landmarks)
    table = toy_aligner.align(image, boxes=np.array([[20, 20, 100, 100]] * 3, np.float32))
    assert len(table) == 3


@pytest.mark.parametrize("workers", [1, 3])
def test_many_images_are_aligned_as_one_by_one_and_read_as_they_are_needed(toy_aligner, workers):
    read = []

    def pictures():
        for size in (60, 90, 110, 120) * 10:
            read.append(size)
            yield toys.image(size)

    found = toy_aligner.align_many(pictures(), workers=workers)
    for size in (60, 90, 110, 120):
        (face,), (alone,) = next(found), toy_aligner.align(toys.image(size))
        np.testing.assert_array_equal(face.landmarks, alone.landmarks)
    assert len(read) < 12
    with pytest.raises(InputError, match="workers=0"):
        toy_aligner.align_many([], workers=0)


def test_no_boxes_and_no_landmarks_are_no_faces(toy_aligner):
    assert toy_aligner.align(toys.image(), boxes=[]) == []
    assert toy_aligner.align(toys.image(), landmarks=[]) == []


def test_nobody_there_is_an_empty_list(aligner):
    assert aligner.align(np.full((300, 400, 3), 127, np.uint8)) == []
    assert aligner.align(np.zeros((1, 1, 3), np.uint8)) == []


def test_any_object_that_detects_will_do(toy_pack):
    class Mine:
        def detect(self, image):
            return [Detection(BoundingBox(10, 10, 90, 90), 0.25)]

    (face,) = FaceAligner(toy_pack, detector=Mine()).align(toys.image())
    assert face.detection.score == 0.25


def test_another_engine_runs_the_networks(toy_pack):
    from tddfa.runtime import OnnxNetwork

    loaded = []

    def engine(model, name):
        loaded.append(name)
        return OnnxNetwork(model, name)

    FaceAligner(toy_pack, engine=engine).align(toys.image())
    assert loaded == [f"{f}.onnx of pack '3ddfa-v2-mb05'" for f in ("regressor", "detector")]


def test_aligning_leaves_the_image_as_it_was(toy_aligner):
    image = toys.image()
    before = image.copy()
    toy_aligner.align(image)
    np.testing.assert_array_equal(image, before)


def test_views_and_read_only_images_align_as_copies_do(toy_aligner):
    image = toys.image(120)
    view = np.ascontiguousarray(image[:, ::-1])[:, ::-1]
    view.flags.writeable = False
    for a, b in zip(toy_aligner.align(view), toy_aligner.align(image), strict=True):
        np.testing.assert_array_equal(a.landmarks, b.landmarks)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("photo.jpg", "the image is a str"),
        (None, "the image is a NoneType"),
        (np.zeros((10, 10), np.uint8), r"shape \(10, 10\)"),
        (np.zeros((10, 10, 4), np.uint8), r"shape \(10, 10, 4\)"),
        (np.zeros((10, 10, 3)), "float64"),
        (np.zeros((0, 10, 3), np.uint8), r"shape \(0, 10, 3\)"),
    ],
)
def test_what_is_no_image_is_refused_in_a_line(toy_aligner, image, message):
    with pytest.raises(InputError, match=message) as error:
        toy_aligner.align(image)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"boxes": [(1, 2, 3)]}, "a box has 3 numbers"),
        ({"boxes": [(0, 0, float("nan"), 9)]}, "not a finite number"),
        ({"boxes": [(9, 9, 3, 3)]}, "has no area"),
        ({"boxes": [(900, 900, 950, 950)]}, r"boxes\[0\]: .* outside the image"),
        ({"boxes": [(0, 0, 1e9, 1e9)]}, "that there is no face"),
        ({"boxes": [("a", 0, 1, 1)]}, "a box is made of numbers"),
        ({"boxes": ["1234"]}, r"boxes\[0\]: a box is made of numbers"),
        ({"boxes": [b"abcd"]}, r"boxes\[0\]: a box is made of numbers"),
        ({"boxes": 5}, "boxes are a list"),
        ({"landmarks": 5}, "landmarks are a list"),
        ({"errors": "ignore"}, "errors='ignore'; it takes 'raise' or 'none'"),
        ({"landmarks": [np.zeros((68, 4))]}, r"shape \(68, 4\)"),
        ({"landmarks": [[(1, 2), (3, 4, 5)]]}, "rows of several lengths"),
        ({"landmarks": [np.zeros((68, 2), complex)]}, "landmarks are complex128"),
        ({"landmarks": [np.zeros((68, 2), object)]}, "landmarks are object"),
        ({"landmarks": [np.full((68, 2), np.nan)]}, "not finite"),
        ({"landmarks": [np.zeros((68, 2))]}, "has no area"),
        ({"landmarks": [np.zeros((68, 2))], "boxes": []}, "pass one of them"),
    ],
)
def test_boxes_and_landmarks_that_cannot_be_used_are_refused_in_a_line(toy_aligner, arguments, message):
    with pytest.raises(InputError, match=message) as error:
        toy_aligner.align(toys.image(), **arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["boxes", "landmarks"])
def test_one_bad_item_is_named_or_none_and_takes_no_other_away(toy_aligner, name):
    image = toys.image()
    good = {"boxes": (20, 20, 100, 100), "landmarks": np.random.default_rng(0).uniform(20, 100, (68, 2))}[
        name
    ]
    far = {"boxes": (900, 900, 950, 950), "landmarks": np.array([[900, 900], [950, 950.0]])}[name]
    bad = {"boxes": (9, 9, 3, 3), "landmarks": np.full((68, 2), np.nan)}[name]
    given = [good, far, bad, good]
    with pytest.raises(
        InputError, match=rf"^{name}\[1\]: the box \(900, .* lies outside the image, which is 120×120"
    ):
        toy_aligner.align(image, **{name: given[:2]})
    with pytest.raises(InputError, match=rf"^{name}\[2\]: "):
        toy_aligner.align(image, **{name: given})
    first, outside, unusable, last = toy_aligner.align(image, **{name: given}, errors="none")
    assert outside is unusable is None
    (alone,) = toy_aligner.align(image, **{name: [good]})
    assert first == last == alone


IMAGES = [toys.image(60), "photo.jpg", toys.image(110), np.zeros((4, 4), np.uint8)]


@pytest.mark.parametrize("method", ["align_batch", "align_many"])
def test_an_option_that_is_wrong_for_every_image_is_refused_and_not_none_for_each(toy_pack, method):
    class Detector:
        def detect(self, image):
            return []

    align = getattr(FaceAligner(toy_pack, detector=Detector()), method)
    for name, value in {"search_size": 3, "max_faces": 0}.items():
        with pytest.raises(InputError, match=f"^{name}={value}; it takes a whole number"):
            list(align([toys.image()], errors="none", **{name: value}))
    with pytest.raises(InputError, match=r"^search_size=64 was given, but the detector Detector takes no"):
        list(align([toys.image()], errors="none", search_size=64))


@pytest.mark.parametrize("method", ["align_batch", "align_many"])
def test_one_bad_image_is_named_or_none_and_takes_no_other_away(toy_aligner, method):
    align = getattr(toy_aligner, method)
    with pytest.raises(InputError, match=r"^images\[1\]: the image is a str"):
        list(align(IMAGES))
    first, text, third, grey = align(IMAGES, errors="none")
    assert text is grey is None
    assert first == toy_aligner.align(IMAGES[0])
    assert third == toy_aligner.align(IMAGES[2])
    with pytest.raises(InputError, match="errors='skip'"):
        list(align(IMAGES, errors="skip"))


def test_a_batch_is_what_its_images_are_one_by_one(toy_aligner):
    images = [toys.image(size) for size in (60, 90, 110, 120)]
    assert toy_aligner.align_batch(images) == [toy_aligner.align(image) for image in images]
    assert toy_aligner.align_batch(iter([])) == []


def test_a_batch_of_photos_is_what_they_are_one_by_one(open_aligner):
    photos = [read_image(PHOTO.parent / name) for name in ("hopper.jpg", "group.jpg")]
    photos += [np.ascontiguousarray(np.rot90(photos[1], 2)), np.zeros((50, 60, 3), np.uint8)]
    photos += [np.ascontiguousarray(photos[0][::2, ::2]), np.ascontiguousarray(photos[0][40:, :-40])]
    for batch, photo in zip(open_aligner.align_batch(photos), photos, strict=True):
        alone = open_aligner.align(photo)
        assert [f.box for f in batch] == [f.box for f in alone]
        for a, b in zip(batch, alone, strict=True):
            # Equal to the bit on the processors that were tried; others may add the floats in another order.
            np.testing.assert_allclose(a.landmarks, b.landmarks, atol=1e-3)
            np.testing.assert_allclose(a.params.expression, b.params.expression, atol=1e-5)


def test_crops_and_their_squares_may_be_any_iterables_and_what_is_wrong_is_named(toy_aligner):
    crops, squares = [toys.image(), toys.image(100)], [(0, 0, 120, 120), (20, 20, 120, 120)]
    expected = toy_aligner.align_crops(crops, squares)
    assert toy_aligner.align_crops(iter(crops), (square for square in squares)) == expected
    for wrong, message in (
        ((None, squares), "crops is a NoneType"),
        ((crops, 3), "squares is a int"),
        (([crops[0], "photo.jpg"], squares), r"crops\[1\]: the crop is a str"),
        (([crops[0], crops[0][:9]], squares), r"crops\[1\]: the crop is 120×9 px; crops are square"),
        ((crops, [squares[0], (0, 0, 1)]), r"squares\[1\]: a box has 3 numbers"),
        ((crops, squares[:1]), "2 crops and 1 squares"),
    ):
        with pytest.raises(InputError, match=f"^{message}"):
            toy_aligner.align_crops(*wrong)


def test_selections_and_images_to_measure_are_checked(toy_aligner):
    for search in toy_aligner.align_candidates, toy_aligner.search_candidates:
        with pytest.raises(InputError, match=r"^select is \[\]; a function"):
            search(toys.image(), select=[])
    with pytest.raises(InputError, match=r"^the image is a str"):
        toy_aligner.smallest_face("photo.jpg")


def test_the_former_name_of_a_search_works_with_a_warning(toy_aligner):
    with pytest.warns(DeprecationWarning, match=r"use FaceAligner\.align_candidates"):
        assert toy_aligner.search(toys.image()) == toy_aligner.align_candidates(toys.image())


def test_a_missing_pack_is_a_line_that_says_how_to_get_one(packs_folder):
    with pytest.raises(PackNotFoundError, match="tddfa packs install"):
        FaceAligner("3ddfa-v2-mb1")


def test_threads_and_providers_that_cannot_be_are_refused(toy_pack):
    from tddfa.runtime import onnx_engine

    with pytest.raises(InputError, match="threads=0"):
        FaceAligner(toy_pack, threads=0)
    with pytest.raises(InputError, match="has no provider 'Abacus'"):
        FaceAligner(toy_pack, engine=onnx_engine(providers=["Abacus"]))


def turned_pixels(points, turns, shape):
    """Where pixels (x, y) of a picture of that shape are after so many `np.rot90`."""
    height, width = shape[:2]
    for _ in range(turns):
        points = np.column_stack([points[:, 1], width - 1 - points[:, 0]])
        height, width = width, height
    return points


def rotation_of(face) -> np.ndarray:
    linear = face.params.camera[:, :3]
    return linear / np.linalg.norm(linear[0])


class TestAnyAngle:
    @pytest.mark.parametrize("turns", [1, 2, 3])
    def test_a_photo_that_lies_or_stands_on_its_head_has_the_same_face(self, open_aligner, turns):
        photo = read_image(PHOTO)
        turned = np.ascontiguousarray(np.rot90(photo, turns))
        (upright,), (face,) = open_aligner.align(photo), open_aligner.align(turned)
        back = turned_pixels(face.landmarks[:, :2], 4 - turns, turned.shape)
        size = np.sqrt(np.prod(np.ptp(upright.landmarks[:, :2], axis=0)))
        assert np.linalg.norm(back - upright.landmarks[:, :2], axis=1).mean() < 0.01 * size
        np.testing.assert_allclose(face.landmarks[:, 2], upright.landmarks[:, 2], atol=0.05 * size)
        middle = turned_pixels(np.array([face.detection.box.center]), 4 - turns, turned.shape)[0]
        # Boxes end at the brows above, also where above is the chin.
        np.testing.assert_allclose(middle, upright.detection.box.center, atol=0.3 * size)
        roll = (face.pose.roll_deg + 90 * turns - upright.pose.roll_deg + 180) % 360 - 180
        assert abs(roll) < 3
        # Angles of Euler change with the order of turns; the rotation itself is that of the image.
        quarter = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
        turned_head = np.linalg.matrix_power(quarter, turns) @ rotation_of(upright)
        cosine = (np.trace(rotation_of(face).T @ turned_head) - 1) / 2
        assert cosine > np.cos(np.deg2rad(3))

    @pytest.mark.parametrize("turns", [1, 2, 3])
    def test_an_image_of_several_people_is_turned_as_a_whole(self, open_aligner, turns):
        photo = read_image(PHOTO.parent / "group.jpg")
        turned = np.ascontiguousarray(np.rot90(photo, turns))
        upright, faces = open_aligner.align(photo), open_aligner.align(turned)
        assert len(faces) == len(upright) == 4
        for face, known in zip(faces, upright, strict=True):
            back = turned_pixels(face.landmarks[:, :2], 4 - turns, turned.shape)
            np.testing.assert_allclose(back, known.landmarks[:, :2], atol=0.1)
            box = turned_pixels(np.reshape([*face.detection.box], (2, 2)), 4 - turns, turned.shape)
            expected = np.reshape([*known.detection.box], (2, 2))
            np.testing.assert_allclose(np.sort(box, axis=0), expected, atol=1e-2)

    def test_a_head_that_turns_a_somersault_is_followed(self, open_aligner):
        photo = read_image(PHOTO)
        (upright,) = open_aligner.align(photo)
        truth = upright.landmarks[:, :2].astype(np.float64)
        size = np.ptp(truth, axis=0).max()
        tracker = FaceTracker(open_aligner)
        for degrees in range(0, 361, 6):
            angle, scale = np.deg2rad(degrees), 110 / size
            c, s = scale * np.cos(angle), scale * np.sin(angle)
            linear = np.array([[c, -s], [s, c]])
            offset = 160 - linear @ truth.mean(axis=0)
            frame = cv2.warpAffine(
                photo,
                np.column_stack([linear, offset]),
                (320, 320),
                flags=cv2.INTER_AREA,
                borderMode=cv2.BORDER_REPLICATE,
            )
            (seen,) = tracker.update(frame)
            assert seen.id == 0
            error = np.linalg.norm(seen.face.landmarks[:, :2] - (truth @ linear.T + offset), axis=1)
            assert error.mean() < 0.02 * 110


class TestHeadPoseOnTruth:
    """The poses that ground-truth landmarks of AFLW2000-3D imply, against those published with them."""

    def test_signs_and_sizes_are_those_of_the_data_set(self, shared, aligner):
        labels = np.load(shared / "data/eval/aflw2000_dev/labels.npz")
        truth = labels["pitch_yaw_roll_deg"]
        usable = (np.abs(truth) <= 99).all(axis=1)
        errors = []
        for points, angles in zip(labels["pts68"][usable], truth[usable], strict=True):
            # The published truth has z towards the viewer.
            pose = head_pose(fit_rotation(aligner.model, points.T * [1.0, 1, -1]))
            errors.append(np.abs(np.array([pose.pitch_deg, pose.yaw_deg, pose.roll_deg]) - angles))
        # Our face model has 50 of the 228 components that the truth was fitted with, hence the rest.
        assert np.mean(errors) < 1.0
        assert (np.median(errors, axis=0) < 1.0).all()


def fit_rotation(model, points, rounds=4, prior=1e-3):
    """The rotation of the similarity, and in turns the face shape, that bring landmarks nearest to `points`.

    Source: Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991.
    """
    landmarks = model.landmark_sets["ibug68"]
    mean = landmarks.positions(model.mean).astype(np.float64)
    both = np.concatenate([model.identity_basis, model.expression_basis], axis=2)
    basis = landmarks.positions(both).astype(np.float64)
    shape, goal = mean, points - points.mean(axis=0)
    R = np.eye(3)
    for _ in range(rounds):
        centered = shape - shape.mean(axis=0)
        R = nearest_rotation(goal.T @ centered)
        scale = (goal * (centered @ R.T)).sum() / (centered**2).sum()
        shift = points.mean(axis=0) - scale * R @ shape.mean(axis=0)
        A = np.einsum("ij,njk->nik", scale * R, basis).reshape(204, -1)
        b = (points - scale * mean @ R.T - shift).ravel()
        damping = prior * np.trace(A.T @ A) / A.shape[1] * np.eye(A.shape[1])
        shape = mean + basis @ np.linalg.solve(A.T @ A + damping, A.T @ b)
    return R
