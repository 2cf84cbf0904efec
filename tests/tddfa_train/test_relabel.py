"""Relabelling: what a network that is right predicts, and the annotations."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tddfa.morphable import open_face_model  # noqa: E402
from tddfa_train import cli  # noqa: E402
from tddfa_train.alignment.mirror import Mirror  # noqa: E402
from tddfa_train.alignment.network import FaceOutput  # noqa: E402
from tddfa_train.alignment.recipe import AlignmentRecipe, alignment_experiment, make_alignment_network  # noqa: E402
from tddfa_train.data.annotations import head_offsets, towards_annotations  # noqa: E402
from tddfa_train.data.folder import open_face_folder, write_face_folder  # noqa: E402
from tddfa_train.data.points import AFLW21_MIRROR, IBUG68_MIRROR, aflw21_matrix  # noqa: E402
from tddfa_train.data.relabel import RelabelConfig, label_again  # noqa: E402
from tddfa_train.data.surface_points import SurfacePoints  # noqa: E402
from tddfa_train.point_model import PointModel  # noqa: E402


@pytest.fixture(scope="module")
def model():
    return open_face_model(level=0, crop="head")


def _turn(yaw_deg, roll_deg=0.0):
    yaw, roll = np.deg2rad([yaw_deg, roll_deg])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return about_z @ about_y @ np.diag([1.0, -1.0, -1.0])


class KnowsThePlace(torch.nn.Module):
    """Always right: in pictures whose colours are their coordinates it sees where a crop was cut."""

    def __init__(self, model, camera, identity, expression):
        super().__init__()
        self.mirror = Mirror.of(model)
        self.face = [torch.tensor(np.asarray(v), dtype=torch.float32) for v in (camera, identity, expression)]

    def forward(self, crops):
        camera, identity, expression = self.face
        faces = []
        place = np.stack(np.meshgrid(np.arange(120), np.arange(120)), -1)[45:75, 45:75].reshape(-1, 2)
        for crop in crops.float().numpy() * 128 + 127.5:
            seen = crop[:2, 45:75, 45:75].reshape(2, -1).T
            cut = np.linalg.lstsq(np.column_stack([seen, np.ones(len(seen))]), place, rcond=None)[0].T
            spatial = np.zeros((3, 3))
            spatial[:2, :2] = cut[:, :2]
            spatial[2, 2] = np.sqrt(abs(np.linalg.det(cut[:, :2])))
            shown = spatial @ camera.numpy()
            shown[:2, 3] += cut[:, 2]
            face = FaceOutput(torch.tensor(shown[None]).float(), identity, expression, torch.ones(1))
            if np.linalg.det(cut[:, :2]) < 0:  # a mirrored crop shows the mirrored face
                flipped = shown * [-1, 1, 1, 1]
                face = FaceOutput(
                    torch.tensor(flipped[None]).float(),
                    identity * self.mirror.identity_sign,
                    expression[:, self.mirror.expression_order],
                    torch.ones(1),
                )
            faces.append(face)
        return FaceOutput(*(torch.cat([getattr(f, k) for f in faces]) for k in FaceOutput.__slots__[:4]))


def test_many_looks_of_a_network_that_is_right_are_right(model, tmp_path):
    rng = np.random.default_rng(0)
    camera = np.column_stack([0.5 * _turn(35, 20), [80, 78, 0]])
    identity = rng.normal(size=(1, model.n_identity))
    expression = rng.uniform(0, 0.7, (1, len(model.expression_names)))
    network = KnowsThePlace(model, camera, identity, expression)
    surface = SurfacePoints.of(model)
    truth = PointModel(model, surface.points)(network.face[0][None], *network.face[1:])[0].numpy()
    x, y = np.meshgrid(np.arange(160), np.arange(160))
    image = np.stack([x, y, np.zeros_like(x)], -1).astype(np.uint8)
    labels = {
        "landmarks68": truth[None, :68],
        "landmarks68_std": np.float32([0.5]),
        "yaw_deg": np.float32([35]),
    }
    write_face_folder(tmp_path / "faces", image[None], labels)
    moved = label_again(tmp_path / "faces", tmp_path / "again", network, model, RelabelConfig(crops=3))
    again = open_face_folder(tmp_path / "again")
    assert np.isnan(moved).all()
    assert set(again.labels) == set(labels) | {"surface", "surface_std", "surface_mirror"}
    np.testing.assert_allclose(again.labels["surface"][0, :, :2], truth[:, :2], atol=0.35)
    depth = again.labels["surface"][0, :, 2] - (truth[:, 2] - truth[:, 2].mean())
    np.testing.assert_allclose(depth, 0, atol=0.35)
    assert again.labels["surface_std"][0] < 0.3


def test_surface_points_have_twins_in_the_mirror(model):
    surface = SurfacePoints.of(model)
    mean = surface.points.positions(model.mean)
    np.testing.assert_array_equal(surface.mirror[surface.mirror], np.arange(len(surface.mirror)))
    np.testing.assert_array_equal(surface.mirror[:68], IBUG68_MIRROR)
    np.testing.assert_allclose(mean[surface.mirror], mean * [-1, 1, 1], atol=0.05)


def _marked_heads(model, rng, count):
    """Heads in many poses, marked with symmetric offsets in the frame of the head."""
    landmarks = model.landmarks(model.params()).astype(np.float64)
    offsets = rng.normal(size=(21, 3)) * 4
    offsets = (offsets + offsets[AFLW21_MIRROR] * [-1, 1, 1]) / 2
    cameras, points, marked = [], [], []
    for _ in range(count):
        rotation = _turn(rng.uniform(-80, 80), rng.uniform(-20, 20))
        cameras.append(np.column_stack([0.6 * rotation, [60, 60, 0]]))
        points.append(0.6 * landmarks @ rotation.T + [60, 60, 0])
        size = np.sqrt(np.prod(np.ptp(points[-1][:, :2], axis=0)))
        # Offsets are shares of the face's size in the picture.
        marked.append((aflw21_matrix() @ points[-1] + offsets / 100 * size @ rotation.T)[:, :2])
    return np.array(cameras), np.array(points), np.array(marked), offsets / 100


def test_offsets_between_people_and_model_are_found_in_the_frame_of_the_head(model):
    rng = np.random.default_rng(1)
    cameras, points, marked, offsets = _marked_heads(model, rng, 200)
    rotation = cameras[:, :, :3] / 0.6
    size = np.sqrt(np.prod(np.ptp(points[..., :2], axis=1), axis=1))
    differences = (marked - np.einsum("ij,njk->nik", aflw21_matrix(), points[..., :2])) / size[:, None, None]
    differences[rng.random(differences.shape[:2]) < 0.2] = np.nan
    found, _ = head_offsets(differences, rotation, np.ones(len(points), bool))
    np.testing.assert_allclose(found, offsets, atol=1e-3)


def test_faces_move_towards_what_people_marked_and_stay_where_nobody_did(model):
    rng = np.random.default_rng(2)
    cameras, truth, marked, _ = _marked_heads(model, rng, 200)
    points = truth.copy()
    turned = np.deg2rad(3)
    spin = np.array([[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]])
    wrong = np.arange(0, 200, 10)
    for k in wrong:
        middle = points[k, :, :2].mean(0)
        points[k, :, :2] = (points[k, :, :2] - middle) @ spin.T + middle + 0.8
    marked[5] = np.nan
    basis = model.landmark_sets["ibug68"].positions(model.identity_basis)
    moved, share = towards_annotations(points, cameras, marked, basis)

    def error(faces):
        return np.linalg.norm(faces[wrong, :, :2] - truth[wrong, :, :2], axis=2).mean()

    assert error(moved) < 0.4 * error(points)
    assert np.isnan(share[5])
    np.testing.assert_array_equal(moved[5], points[5])
    right = np.setdiff1d(np.arange(200), [*wrong, 5])
    assert np.linalg.norm((moved - truth)[right, :, :2], axis=2).mean() < 0.1 * error(points)


def test_alignment_learns_from_folders_that_were_labelled_again(drawn_faces, tmp_path, model):
    torch.manual_seed(0)
    network = make_alignment_network("dense-small", model)
    torch.save({"average": network.state_dict()}, tmp_path / "first.pt")
    relabel = ["relabel", str(drawn_faces / "faces"), str(tmp_path / "again"), "--trunk", "dense-small"]
    assert cli.main([*relabel, "--checkpoint", str(tmp_path / "first.pt"), "--crops", "1"]) == 0
    recipe = AlignmentRecipe(
        trunk="dense-small",
        data=_data(str(tmp_path / "again"), str(drawn_faces / "backgrounds.npy")),
        loop=_loop(),
    )
    experiment = alignment_experiment(recipe)
    batch = {key: torch.from_numpy(value) for key, value in experiment.data[0].items()}
    assert batch["surface"].shape[1] == len(SurfacePoints.of(model).mirror)
    terms = experiment.task.losses(experiment.network.train(), batch)
    assert terms["surface"].item() > 0
    # Who agrees with the new labels learns nothing from it.
    blank = batch | {"crop": torch.full_like(batch["crop"], 127)}
    network = experiment.network.eval()
    said = network((blank["crop"].permute(0, 3, 1, 2).float() - 127.5) / 128)
    blank["surface"] = experiment.task.surface(said.camera, said.identity, said.weights()).detach()
    assert experiment.task.losses(network, blank)["surface"].item() == pytest.approx(0, abs=1e-6)


def _data(folder, backgrounds):
    from tddfa_train.data.batches import LandmarkDataConfig

    return LandmarkDataConfig((folder,), backgrounds, batch_size=4, held_out_every=0)


def _loop():
    from tddfa_train.loop.schedule import LoopConfig

    return LoopConfig(2)
