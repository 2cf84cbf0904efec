"""Labels move with pictures: crops, mirrors, turned heads, short videos, foreign files."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import cv2
import torch

from tddfa.errors import InputError
from tddfa.geometry.camera import camera_pose, project, scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.morphable import open_face_model
from tddfa.types import FaceParams, HeadPose
from tddfa_train import cli
from tddfa_train.alignment.recipe import make_alignment_network
from tddfa_train.alignment.task import AlignmentLossConfig, AlignmentTask
from tddfa_train.data.augment import PhotometricConfig, PlacementConfig, crop_from_image, degrade, warp
from tddfa_train.data.batches import LandmarkBatches, LandmarkDataConfig
from tddfa_train.data.face_profiling import bend_image, rotation_about, turn_image
from tddfa_train.data.fits import fit_folder
from tddfa_train.data.folder import open_face_folder, write_face_folder
from tddfa_train.data.headwear import wear_hat, wear_hood
from tddfa_train.data.matfiles import prepare_mat_folder, read_mat
from tddfa_train.data.occlusion import OcclusionConfig, occluded
from tddfa_train.data.points import (
    AFLW21_MIRROR,
    IBUG68_MIRROR,
    aflw21_matrix,
    mirror_twins,
)
from tddfa_train.data.render_expressions import ExpressionConfig
from tddfa_train.data.renders import RenderConfig, Studio, make_renders
from tddfa_train.data.turn import ViewConfig, further_turn, make_views
from tddfa_train.data.video import DeepPhoto, Motion, ShortVideoConfig, short_video
from tddfa_train.detector.clutter import ClutterConfig, body_outline, dress, scrap, sign
from tddfa_train.detector.mosaics import BoxRule, MosaicBatches, MosaicConfig
from tddfa_train.parameters.batches import ParameterBatches, moved_params
from tddfa_train.point_model import PointModel


@pytest.fixture(scope="module")
def model():
    return open_face_model(level=0, crop="head", mouth=False)


@pytest.fixture
def rng():
    return np.random.default_rng(4)


TILTED = HeadPose(20, -10, 15)
UNOCCLUDED = OcclusionConfig(masked=0, shaded=0, hooded=0, hatted=0, covered=0, dim=0)


def _params(model, rng, pose=TILTED):
    camera = scaled_camera(0.5, head_rotation(pose), np.array([80.0, 75.0]))
    identity = rng.normal(0, 1, model.n_identity).astype(np.float32)
    expression = rng.uniform(0, 0.4, model.n_expression).astype(np.float32)
    return FaceParams(camera, identity, expression)


def test_mirroring_twice_changes_no_point_and_left_becomes_right(model):
    for mirror in (IBUG68_MIRROR, AFLW21_MIRROR):
        np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    neutral = model.landmarks(model.params())
    np.testing.assert_allclose(neutral[IBUG68_MIRROR] * [-1, 1, 1], neutral, atol=1.0)
    np.testing.assert_allclose(
        (aflw21_matrix() @ neutral)[AFLW21_MIRROR] * [-1, 1, 1], aflw21_matrix() @ neutral, atol=1.0
    )


def test_twins_of_a_symmetric_shape_are_found(model):
    neutral = model.landmarks(model.params())[:, :2]
    np.testing.assert_array_equal(mirror_twins(neutral), IBUG68_MIRROR)


@pytest.mark.parametrize("mirror", [False, True])
def test_parameters_of_a_warped_image_draw_the_warped_landmarks(model, rng, mirror):
    params = _params(model, rng)
    points = model.landmarks(params)
    exact = PlacementConfig(stretch=0.0)
    matrix = crop_from_image(points[:, :2], 120, exact, rng, mirror=mirror)
    numbers = moved_params(params, matrix, model)
    n = model.n_identity
    drawn = model.landmarks(
        FaceParams(numbers[:12].reshape(3, 4).astype(np.float64), numbers[12 : 12 + n], numbers[12 + n :])
    )
    expected = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    if mirror:
        expected = expected[IBUG68_MIRROR]
    np.testing.assert_allclose(
        drawn[:, :2], expected, atol=0.15
    )  # landmarks are not mirrored to the last digit


def test_tight_crops_hold_the_face_as_trackers_cut_it(model, rng):
    points = model.landmarks(_params(model, rng))[:, :2]
    still = PlacementConfig(
        tight_share=1, tight_scale=0, tight_shift=0, roll_sigma_deg=0, any_roll_share=0, stretch=0
    )
    matrix = crop_from_image(points, 120, still, rng, mirror=False)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    assert np.ptp(moved, axis=0).max() == pytest.approx(120 / np.sqrt(2), abs=0.01)
    np.testing.assert_allclose((moved.min(0) + moved.max(0)) / 2, 59.5, atol=0.01)


def test_pixels_land_where_the_labels_say(rng):
    image = np.zeros((160, 160, 3), np.uint8)
    dot = np.array([70.0, 90.0])
    cv2.circle(image, (70, 90), 4, (255, 255, 255), -1)
    points = np.array([[40, 50], [120, 50], [80, 120], dot], np.float32)
    for mirror in (False, True):
        matrix = crop_from_image(points, 120, PlacementConfig(), rng, mirror=mirror)
        crop = warp(image, matrix, 120)[..., 0].astype(float)
        y, x = np.mgrid[:120, :120]
        found = np.array([(x * crop).sum(), (y * crop).sum()]) / crop.sum()
        np.testing.assert_allclose(found, matrix[:, :2] @ dot + matrix[:, 2], atol=0.3)


def test_a_degraded_crop_is_still_an_image_of_the_same_size(rng):
    everything = PhotometricConfig(
        grey=0.5, blur=1, low_resolution=1, jpeg=1, noise=1, occlusion=1, zero_border=1
    )
    crop = rng.integers(0, 255, (120, 120, 3), dtype=np.uint8)
    before = crop.copy()
    for _ in range(20):
        out = degrade(crop, everything, rng, noise_bank=np.zeros((1, 120, 120, 3), np.float32))
        assert out.shape == crop.shape
        assert out.dtype == np.uint8
    np.testing.assert_array_equal(crop, before)


@pytest.mark.parametrize("yaw", [-85.0, -40.0, 55.0])
def test_a_head_turns_to_the_yaw_that_was_asked_for(model, rng, yaw):
    params = _params(model, rng, HeadPose(np.sign(yaw) * 12.0, 0.0, 0.0))
    rotation = further_turn(params.camera, yaw, 0.0)
    assert camera_pose(rotation @ params.camera).yaw_deg == pytest.approx(yaw, abs=0.5)


def test_turned_faces_are_a_dataset_folder_with_large_poses(drawn_faces, model, tmp_path):
    config = ViewConfig(5, yaw_deg=(60.0, 85.0), largest_source_yaw_deg=90.0)
    count = make_views(
        drawn_faces / "faces", tmp_path / "turned", model, config, drawn_faces / "backgrounds.npy"
    )
    folder = open_face_folder(tmp_path / "turned")
    assert count == len(folder) > 0
    assert (np.abs(folder.labels["yaw_deg"]) >= 60).all()
    # A profile is narrower than it is high.
    width, height = np.ptp(folder.labels["landmarks68"][..., :2], axis=1).T
    assert (width < height).all()


def test_the_command_line_chooses_yaw_and_pitch_of_turned_faces(drawn_faces, tmp_path, capsys):
    turn = ["turn", str(drawn_faces / "faces"), str(tmp_path / "turned"), "--count", "3"]
    turn += ["--backgrounds", str(drawn_faces / "backgrounds.npy"), "--largest-source-yaw", "90"]
    assert cli.main([*turn, "--yaw", "20", "25", "--pitch", "40"]) == 0
    labels = open_face_folder(tmp_path / "turned").labels
    source = open_face_folder(drawn_faces / "faces").labels
    assert (np.abs(labels["yaw_deg"]) <= 25).all()
    # Drawn faces look straight ahead; a nod of 40 degrees changes their height.
    height = np.ptp(labels["landmarks68"][..., 1], axis=1)
    before = np.ptp(source["landmarks68"][labels["source_row"], :, 1], axis=1)
    assert (np.abs(height / before - 1) > 0.03).any()
    assert cli.main([*turn, "--yaw", "50", "20"]) == 1
    assert "yaw from 50 to 20" in capsys.readouterr().err


def studio(model):
    return Studio.of(model, open_face_model(level=1, crop="head", mouth=False))


def test_renders_come_with_exact_labels_and_closed_eyes(drawn_faces, model, tmp_path):
    config = RenderConfig(12, seed=2, side=160, expression=ExpressionConfig(blinks=0.7, winks=0.2))
    make_renders(tmp_path / "renders", studio(model), config, drawn_faces / "backgrounds.npy")
    folder = open_face_folder(tmp_path / "renders")
    labels = folder.labels
    assert np.ptp(labels["landmarks68"][..., :2], axis=1).max(1) == pytest.approx(0.556 * 160, abs=0.1)
    blink = labels["expression"][:, [model.expression_index(f"eyeBlink{side}") for side in ("Left", "Right")]]
    shut, wide = blink.min(1) > 0.85, blink.max(1) == 0
    assert shut.any()
    assert labels["eye_aspect"][shut].mean() < 0.1 < np.median(labels["eye_aspect"][wide])
    for row in range(12):
        params = FaceParams(
            labels["camera"][row].astype(np.float64), labels["identity"][row], labels["expression"][row]
        )
        np.testing.assert_allclose(model.landmarks(params), labels["landmarks68"][row], atol=1e-2)
        assert camera_pose(params.camera).yaw_deg == pytest.approx(labels["yaw_deg"][row], abs=0.01)


def test_renders_alone_are_a_training_set_whose_mirrored_points_are_those_of_the_mirrored_face(
    drawn_faces, model, tmp_path
):
    config = RenderConfig(3, seed=3, side=160)
    make_renders(tmp_path / "renders", studio(model), config, drawn_faces / "backgrounds.npy")
    config = LandmarkDataConfig(
        (str(tmp_path / "renders"),),
        str(drawn_faces / "backgrounds.npy"),
        batch_size=16,
        negatives=0.0,
        held_out_every=0,
    )
    batch = LandmarkBatches(config, 1)[0]
    points, landmarks = batch["mediapipe"], batch["landmarks68"][..., :2]
    numbers = model.landmark_sets["mediapipe478"].indices.tolist()
    for mine, theirs in ((36, 33), (45, 263), (48, 61), (54, 291)):  # the same corners in both sets
        between = points[:, numbers.index(theirs)] - landmarks[:, mine]
        assert np.linalg.norm(between, axis=1).max() < 8


def test_a_mark_on_the_nose_stays_under_its_label_through_a_short_video(model, rng):
    params = FaceParams(
        scaled_camera(0.8, head_rotation(HeadPose(0, 0, 0)), np.array([79.5, 70.0])),
        np.zeros(model.n_identity, np.float32),
        np.zeros(model.n_expression, np.float32),
    )
    landmarks = model.landmarks(params)
    image = np.full((160, 160, 3), 90, np.uint8)
    nose = landmarks[30, :2]
    cv2.circle(image, tuple(nose.round().astype(int).tolist()), 3, (255, 0, 0), -1)
    config = ShortVideoConfig(noise_sigma=1.0, blur_share=0.0)
    frames, moved = short_video(image, landmarks, model.reconstruct(params), config, rng)
    assert frames.shape == (8, 160, 160, 3)
    assert np.ptp(moved[:, 30, :2], axis=0).max() > 2
    for frame, points in zip(frames, moved, strict=True):
        red = np.clip(frame[..., 0].astype(float) - frame[..., 1] - 60, 0, None)
        y, x = np.mgrid[:160, :160]
        found = np.array([(x * red).sum(), (y * red).sum()]) / red.sum()
        np.testing.assert_allclose(found, points[30, :2], atol=1.5)


def test_a_frame_looks_as_if_the_turned_head_had_been_drawn(model, rng):
    params = _params(model, rng, HeadPose(10, 5, 0))
    head = model.reconstruct(params)
    smooth = cv2.GaussianBlur(rng.integers(0, 255, (160, 160, 3), dtype=np.uint8), (0, 0), 3)
    image = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    rotation = rotation_about(np.array([0.0, 1, 0]), 6.0) @ rotation_about(np.array([1.0, 0, 0]), -4.0)
    drawn = turn_image(bend_image(image, head), rotation, image).astype(float)
    motion = Motion(rotation, np.eye(2, 3))
    photo = DeepPhoto.of(image, head)
    frame = photo.frame(motion, np.eye(2, 3), (160, 160)).astype(float)
    face = slice(30, 130)
    wrong = np.abs(frame - drawn)[face, face].mean()
    assert wrong < 0.25 * np.abs(image.astype(float) - drawn)[face, face].mean()
    # Cutting a crop out of the frame is the same as asking for the frame's crop.
    matrix = np.array([[0.7, 0.1, 4], [-0.1, 0.7, 20]], np.float32)
    crop = photo.frame(motion, matrix, (120, 120)).astype(float)
    cut = cv2.warpAffine(frame.astype(np.uint8), matrix, (120, 120), borderMode=cv2.BORDER_REFLECT_101)
    assert np.abs(crop - cut)[20:100, 20:100].mean() < 3


def test_frames_of_a_video_are_neighbours_and_all_their_labels_move_together(drawn_faces):
    config = LandmarkDataConfig(
        (str(drawn_faces / "faces"),),
        str(drawn_faces / "backgrounds.npy"),
        batch_size=12,
        held_out_every=0,
        video_share=0.67,
    )
    model = open_face_model(level=0, crop="face")
    batch = ParameterBatches(config, 3, model)[1]
    assert len(batch["crop"]) == 12
    landmarks = batch["landmarks68"][4:]  # four photos, then one video of eight frames
    steps = np.linalg.norm(np.diff(landmarks[..., :2], axis=0), axis=2)
    assert 0.5 < steps.mean() < 12
    assert batch["is_face"][4:].all()
    n = model.n_identity
    for row in range(4, 12):
        numbers = batch["params"][row]
        face = FaceParams(
            numbers[:12].reshape(3, 4).astype(np.float64), numbers[12 : 12 + n], numbers[12 + n :]
        )
        drawn = model.landmarks(face)[:, :2]
        assert np.linalg.norm(drawn - batch["landmarks68"][row, :, :2], axis=1).mean() < 1.0


def test_the_surface_of_new_labels_moves_with_the_landmarks(drawn_faces, tmp_path):
    faces = open_face_folder(drawn_faces / "faces")
    surface = faces.labels["landmarks68"] + np.float32([0, 0, 5])  # in a depth of its own
    labels = faces.labels | {"surface": surface, "surface_mirror": IBUG68_MIRROR}
    write_face_folder(tmp_path / "again", np.array(faces.images), labels)
    config = LandmarkDataConfig(
        (str(tmp_path / "again"),),
        str(drawn_faces / "backgrounds.npy"),
        batch_size=8,
        held_out_every=0,
        video_share=1.0,
    )
    batches = LandmarkBatches(config, 4)
    for batch in (batches[k] for k in range(4)):
        np.testing.assert_allclose(batch["surface"], batch["landmarks68"], atol=1e-3)


def test_videos_of_faces_without_fits_are_refused_with_the_command_that_fits(drawn_faces, tmp_path):
    faces = open_face_folder(drawn_faces / "faces")
    points = {key: faces.labels[key] for key in ("landmarks68", "landmarks68_std", "yaw_deg")}
    write_face_folder(tmp_path / "bare", np.array(faces.images), points)
    config = LandmarkDataConfig(
        (str(tmp_path / "bare"),), str(drawn_faces / "backgrounds.npy"), video_share=0.5
    )
    with pytest.raises(InputError, match="tddfa-train fit"):
        LandmarkBatches(config, 1)


def test_mat_files_of_300w_lp_are_read_in_our_frames(tmp_path, model, rng):
    savemat = pytest.importorskip("scipy.io").savemat
    params = _params(model, rng)
    points = model.landmarks(params)
    theirs = points.T.astype(np.float64) * [[1], [1], [-1]] + [[1], [1], [500]]
    content = {
        "pt3d_68": theirs,
        "Pose_Para": np.array([[*np.deg2rad([-10.0, 20, 15]), 0, 0, 0, 5e-4]]),
        "Shape_Para": np.zeros((199, 1)),
        "Exp_Para": np.zeros((29, 1)),
    }
    savemat(tmp_path / "face.mat", content)
    face = read_mat(tmp_path / "face.mat")
    np.testing.assert_allclose(face.landmarks[:, :2], points[:, :2], atol=1e-3)
    np.testing.assert_allclose(np.ptp(face.landmarks[:, 2] - points[:, 2]), 0, atol=1e-3)
    np.testing.assert_allclose(face.angles_deg, [-10, 20, 15], atol=1e-4)
    assert face.scale == pytest.approx(5e-4)

    cv2.imwrite(str(tmp_path / "face.jpg"), np.full((160, 160, 3), 120, np.uint8))
    assert prepare_mat_folder(tmp_path, tmp_path / "out", side=120) == 1
    labels = open_face_folder(tmp_path / "out").labels
    assert np.ptp(labels["landmarks68"][0, :, :2], axis=0).max() == pytest.approx(120 / 1.8, abs=0.01)


def test_mat_files_without_depth_train_after_a_fit_has_given_it(tmp_path, drawn_faces, model, rng):
    savemat = pytest.importorskip("scipy.io").savemat
    params = _params(model, rng, HeadPose(25, 5, -10))
    points = model.landmarks(params)
    content = {
        "pt2d": points[:, :2].T.astype(np.float64) + 1,
        "Pose_Para": np.array([[0.1, 0.4, 0, 0, 0, 0, 5e-4]]),
        "Shape_Para": np.zeros((199, 1)),
        "Exp_Para": np.zeros((29, 1)),
    }
    savemat(tmp_path / "face.mat", content)
    cv2.imwrite(str(tmp_path / "face.jpg"), np.full((160, 160, 3), 120, np.uint8))
    assert prepare_mat_folder(tmp_path, tmp_path / "out") == 1
    before = open_face_folder(tmp_path / "out").labels["landmarks68"][0]
    assert np.isnan(before[:, 2]).all()

    config = LandmarkDataConfig(
        (str(tmp_path / "out"),),
        str(drawn_faces / "backgrounds.npy"),
        batch_size=2,
        negatives=0.0,
        held_out_every=0,
    )
    batch = {key: torch.from_numpy(value) for key, value in LandmarkBatches(config, 1)[0].items()}
    task = AlignmentTask(AlignmentLossConfig(), PointModel(model, model.landmark_sets["ibug68"]))
    terms = task.losses(make_alignment_network("dense-small", model), batch)
    assert all(torch.isfinite(term) for term in terms.values())
    assert terms["depth"] == 0

    assert fit_folder(tmp_path / "out", model)[0] < 0.01
    after = open_face_folder(tmp_path / "out").labels["landmarks68"][0]
    np.testing.assert_array_equal(after[:, :2], before[:, :2])
    scale = np.ptp(after[:, 0]) / np.ptp(points[:, 0])
    # Two coordinates tell the third up to what the prior says.
    wrong = (after[:, 2] - after[:, 2].mean()) - scale * (points[:, 2] - points[:, 2].mean())
    assert np.abs(wrong).mean() < 0.1 * np.ptp(after[:, 0])


def test_a_foreign_mat_file_is_refused_in_one_line(tmp_path):
    savemat = pytest.importorskip("scipy.io").savemat
    savemat(tmp_path / "other.mat", {"x": 1})
    with pytest.raises(InputError, match=r"other\.mat is not a label file"):
        read_mat(tmp_path / "other.mat")


def test_projecting_fits_gives_back_the_labels(drawn_faces, model):
    labels = open_face_folder(drawn_faces / "faces").labels
    assert (labels["fit_error"] < 0.01).all()
    for row in range(len(labels["camera"])):
        params = FaceParams(
            labels["camera"][row].astype(np.float64), labels["identity"][row], labels["expression"][row]
        )
        error = np.linalg.norm((model.landmarks(params) - labels["landmarks68"][row])[:, :2], axis=1).mean()
        assert error < 0.01 * np.sqrt(np.prod(np.ptp(labels["landmarks68"][row, :, :2], axis=0)))
    assert project(labels["camera"][0].astype(np.float64), model.mean[:1]).shape == (1, 3)


def test_masks_and_covers_hide_faces_where_they_should(drawn_faces):
    folder = open_face_folder(drawn_faces / "faces")
    picture = np.array(folder.images[0])
    landmarks = folder.labels["landmarks68"][0].astype(float)
    backgrounds = np.load(drawn_faces / "backgrounds.npy")

    def changed(config, seed=0):
        shown = occluded(picture, landmarks, config, backgrounds, np.random.default_rng(seed))
        return np.abs(shown.astype(int) - picture).max(2) > 0

    assert not changed(UNOCCLUDED).any()
    masked = changed(replace(UNOCCLUDED, masked=1))
    mouth, brow = landmarks[48:68, :2].mean(0).astype(int), landmarks[19, :2].astype(int)
    assert masked[mouth[1], mouth[0]]
    assert not masked[: brow[1] + 1].any()
    shaded = changed(replace(UNOCCLUDED, shaded=1))
    for eye in (landmarks[36:42, :2], landmarks[42:48, :2]):
        x, y = eye.mean(0).astype(int)
        assert shaded[y, x]
    assert not shaded[mouth[1], mouth[0]]
    assert 0.01 < changed(replace(UNOCCLUDED, covered=1)).mean() < 0.5
    assert changed(replace(UNOCCLUDED, dim=1)).all()


def test_hoods_and_hats_hide_the_head_and_leave_the_face(drawn_faces):
    folder = open_face_folder(drawn_faces / "faces")
    landmarks = folder.labels["landmarks68"][0].astype(float)
    picture = np.full(folder.images[0].shape, 255, np.uint8)
    backgrounds = np.load(drawn_faces / "backgrounds.npy")
    up = landmarks[17:27, :2].mean(0) - landmarks[48:60, :2].mean(0)
    forehead = (landmarks[17:27, :2].mean(0) + 0.9 * up).astype(int)
    nose = landmarks[30, :2].astype(int)
    cheek = (landmarks[3, :2] + 0.3 * (landmarks[3, :2] - landmarks[30, :2])).astype(int)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        hood = wear_hood(picture, landmarks, backgrounds, rng)
        hat = wear_hat(picture, landmarks, backgrounds, rng)
        for shown in (hood, hat):
            # Cloth is nowhere as bright as the picture; the face is, but for a shadow.
            assert shown[forehead[1], forehead[0]].min() < 255
            assert np.ptp(shown[nose[1], nose[0]]) == 0
        assert hood[cheek[1], cheek[0]].min() < 255
        assert (hat[cheek[1], cheek[0]] > 100).all()


def test_scraps_of_face_images_show_no_face(drawn_faces):
    folder = open_face_folder(drawn_faces / "faces")
    landmarks = folder.labels["landmarks68"][0].astype(float)
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    side = folder.images.shape[1]
    # Every pixel says whether it lies in the landmarks' box.
    y, x = np.mgrid[:side, :side]
    inside = (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])
    picture = np.repeat(np.where(inside, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        piece = scrap(picture, landmarks, np.array([0, 0, side, side]), rng)
        if piece is not None:
            found += 1
            face, face_area = piece[..., 0] > 0, np.prod(high - low)
            # Little of a face, or a part of one that is far too large.
            assert face.mean() < 0.2 or face.sum() < 0.2 * face_area
    assert found > 50


def test_bodies_hang_below_their_heads_and_signs_show_something():
    rng = np.random.default_rng(0)
    box = np.array([60.0, 40.0, 90.0, 80.0])
    for _ in range(20):
        outline, needed = body_outline(box, rng)
        assert outline[:, 1].min() > box[1] + 0.7 * (box[3] - box[1])
        assert needed[1] >= box[3]
        canvas = np.zeros((256, 256, 3), np.uint8)
        dress(canvas, outline, np.full_like(canvas, 200), np.array([200.0, 150, 120]), rng)
        assert canvas[int(box[3]) + 20, 75].any()
        assert not canvas[: int(outline[:, 1].min()) - 1].any()
        assert len(np.unique(sign(rng).reshape(-1, 3), axis=0)) > 1


def test_crops_of_occluded_faces_keep_their_labels(drawn_faces):
    faces, backgrounds = (str(drawn_faces / name) for name in ("faces", "backgrounds.npy"))
    config = LandmarkDataConfig((faces,), backgrounds, batch_size=8, negatives=0.0)
    bare = replace(config, occlusion=UNOCCLUDED)
    worn = replace(config, occlusion=replace(UNOCCLUDED, masked=1, shaded=1, hooded=1, hatted=1))
    seen = [LandmarkBatches(each, 1)[0] for each in (bare, worn)]
    assert (seen[0]["crop"] != seen[1]["crop"]).any()
    for batch in seen:
        points = batch["landmarks68"][..., :2]
        assert np.isfinite(points).all()
        assert (batch["is_face"] == 1).all()


def test_mosaics_of_occluded_faces_in_clutter_keep_their_boxes(drawn_faces):
    with np.load(drawn_faces / "rule.npz") as stored:
        rule = BoxRule(stored["mean"], stored["matrix"])
    config = MosaicConfig(
        (str(drawn_faces / "faces"),),
        str(drawn_faces / "backgrounds.npy"),
        shapes=((256, 6),),
        empty=0.0,
        occlusion=OcclusionConfig(masked=1, shaded=1, hooded=1, hatted=1, covered=1, dim=1),
        clutter=ClutterConfig(bodies=1, most_decoys=9, scraps=0.5, signs=0.4),
    )
    boxes = MosaicBatches(config, rule, 1)[0]["boxes"]
    with_faces = np.isfinite(boxes).all(2)
    assert with_faces.any(1).sum() >= 4  # of 6: a piece that finds no place is left out
    low, high = boxes[with_faces][:, :2], boxes[with_faces][:, 2:]
    assert (high - low > 8).all()
    assert ((low + high) / 2 > 0).all()
    assert ((low + high) / 2 < 256).all()
