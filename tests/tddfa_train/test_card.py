"""The measured half of a model card."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from tddfa import FaceAligner, read_image
from tddfa.types import BoundingBox
from tddfa_train import cli
from tddfa_train.data.folder import open_face_folder, write_face_folder
from tddfa_train.model_card.groups import detector_recall, group_means, groups_of, skin_angle_deg
from tddfa_train.model_card.stress import STRESSES, _placed, stress

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"


def test_groups_are_read_from_the_names_that_data_sets_give():
    face = groups_of("utkface_16_1_3_20170104223040239.jpg", -45.0, "utkface", 50.0)
    assert face == {
        "yaw": "30–60°",
        "set": "utkface",
        "age": "10–24",
        "race code of UTKFace": "Indian",
        "skin in the image": "light",
    }
    masked = groups_of("facemask_mask-12.jpg", 0.0, "facemask", 50.0)
    assert masked == {"yaw": "0–30°", "set": "facemask", "mask": "with mask"}
    assert groups_of("holiday.jpg", 90.0, "", float("nan")) == {"yaw": "beyond 60°"}


@pytest.mark.parametrize(
    ("colour", "tone"),
    [((245, 222, 210), "light"), ((190, 140, 105), "tan"), ((70, 45, 35), "brown or dark")],
)
def test_skin_is_as_light_as_it_was_painted_whatever_surrounds_it(colour, tone):
    image = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    image[20:90, 20:80] = colour
    landmarks = np.random.default_rng(1).uniform(30, 70, (68, 2))
    angle = skin_angle_deg(image, landmarks)
    assert groups_of("x", 0.0, "", angle)["skin in the image"] == tone


def test_means_of_groups_come_with_counts_and_one_face_has_no_interval():
    rows = [{"error": e, "groups": {"set": s}} for e, s in ((1.0, "a"), (2.0, "a"), (4.0, "b"))]
    means = group_means(rows)["set"]
    assert (means["a"]["count"], means["a"]["mean"]) == (2, 1.5)
    assert means["b"] == {"count": 1, "mean": 4.0}


def test_each_known_box_is_found_once_and_what_is_left_is_counted():
    class Found:
        def __init__(self, *boxes):
            self.boxes = boxes

        def align(self, image):
            return [type("F", (), {"detection": type("D", (), {"box": BoundingBox(*b)})}) for b in self.boxes]

    known = np.array([[0, 0, 10, 10], [50, 50, 70, 70], [80, 0, 90, 10.0]])
    twice = Found((0, 0, 10, 11), (1, 0, 10, 10), (51, 50, 71, 70), (200, 200, 220, 220))
    result = detector_recall(twice, [np.zeros((9, 9, 3), np.uint8)], [known])
    assert (result["found"], result["boxes"], result["beside"]) == (2, 3, 2)
    nothing = detector_recall(Found(), [np.zeros((9, 9, 3), np.uint8)], [np.zeros((0, 4))])
    assert nothing["recall"] == 0


def test_a_photo_as_it_is_stresses_nobody_and_the_image_shows_every_stress():
    table, picture = stress(FaceAligner("open"), [read_image(PHOTOS / "hopper.jpg")])
    assert table["as it is"]["found"] == table["as it is"]["faces"] == 1
    assert table["as it is"]["error"] < 1.5
    assert table["12 px face"]["error"] > table["as it is"]["error"]
    assert picture.shape == (256, 256 * len(STRESSES), 3)


def test_a_turned_photo_takes_its_landmarks_along():
    image = np.zeros((300, 300, 3), np.uint8)
    points = np.random.default_rng(0).uniform(100, 200, (68, 3))
    x, y = points[5, :2]
    image[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3] = 255
    for roll in (0, 90, 135):
        turned, moved = _placed(image, points, roll)
        rows, columns = np.nonzero(turned[..., 0] > 100)
        np.testing.assert_allclose([columns.mean(), rows.mean()], moved[5, :2], atol=1.5)


def test_one_command_writes_tables_and_images(drawn_faces, tmp_path, capsys):
    faces = open_face_folder(drawn_faces / "faces")
    names = np.array([f"utkface_{age}_0_1_20170101000000" for age in (3, 20, 30, 40, 70, 80)])
    write_face_folder(tmp_path / "faces", np.array(faces.images), faces.labels | {"names": names})
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "hopper.jpg").write_bytes((PHOTOS / "hopper.jpg").read_bytes())
    (tmp_path / "photos" / "faceboxes.json").write_text(json.dumps({"hopper.jpg": {"boxes": []}}))
    config = {"held_out": [str(tmp_path / "faces")], "held_out_every": 2, "boxes": str(tmp_path / "photos")}
    (tmp_path / "card.json").write_text(json.dumps(config | {"packs": ["open", "open:small"]}))
    assert cli.main(["model-card", str(tmp_path / "card.json"), str(tmp_path / "out")]) == 0
    record = json.loads((tmp_path / "out" / "card.json").read_text())
    assert record["packs"]["open"]["held_out"]["count"] == 3
    assert record["packs"]["open"]["boxes"]["beside"] == 1
    text = (tmp_path / "out" / "card.md").read_text()
    assert "| age | 70" not in text
    assert "| age | 60 and over | 1 |" in text
    assert "| all |  | 3 |" in text
    assert text.strip() == capsys.readouterr().out.strip()
    assert (tmp_path / "out" / "worst_held_out.jpg").exists()
