"""The protocol on a few portraits: what a perfect prediction, a still face and a pack score."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tddfa.errors import DatasetError
from tddfa.evaluation.expressions.portrait_report import report_portraits
from tddfa.evaluation.expressions.portrait_set import (
    HALVES,
    MIXTURES,
    NODS,
    SINGLES,
    PortraitSet,
    Size,
    plan,
    read_portrait_set,
    write_portrait_set,
)
from tddfa.evaluation.expressions.predictions import Predictions, read_predictions
from tddfa.evaluation.portraits.canvas import portrait_model
from tddfa.imaging.files import decode_image


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> PortraitSet:
    folder = tmp_path_factory.mktemp("portraits") / "set"
    write_portrait_set(folder, Size(singles=0, halves=0, mixtures=2, nods=1), workers=1)
    return read_portrait_set(folder)


def truth(data: PortraitSet) -> Predictions:
    return Predictions(
        source="the truth",
        names=data.expression_names,
        coefficients=data.expression,
        points68=data.points68,
        points478=data.points478,
        indices478=data.indices478,
        identity=data.identity,
        pose_deg=data.pose_deg,
    )


def test_a_set_is_whole_or_not_there(portraits: PortraitSet) -> None:
    assert len(portraits) == 2 * 6 + 7
    assert [p.name for p in portraits.folder.parent.iterdir()] == ["set"]
    assert portraits.portraits.read(portraits.names[0]).shape == (256, 256, 3)


def test_portraits_are_the_same_on_every_day(portraits: PortraitSet, tmp_path: Path) -> None:
    write_portrait_set(tmp_path / "again", Size(singles=0, halves=0, mixtures=1, nods=0), workers=1)
    again = read_portrait_set(tmp_path / "again")
    for name in again.names:
        assert (again.portraits.read(name) == portraits.portraits.read(name)).all()
    np.testing.assert_array_equal(again.expression, portraits.expression[: len(again)])


def test_the_truth_lies_on_the_drawn_face(portraits: PortraitSet) -> None:
    # The tip of the nose is skin, and lies within the face; the corners of the image do not.
    for k, points in enumerate(portraits.points68):
        assert points.min() > 0, portraits.names[k]
        assert points.max() < 255, portraits.names[k]


def test_a_perfect_prediction_has_perfect_numbers(portraits: PortraitSet) -> None:
    record = report_portraits(portraits, truth(portraits)).record
    assert record["rest"]["largest"] == 0
    assert record["gaze"]["error_deg"] == pytest.approx(0, abs=0.1)
    assert record["pose"]["pitch_slope"] == pytest.approx(1)
    assert record["identity"]["within"] == pytest.approx(0, abs=1e-6)
    for one in record["coefficients"]["by_name"].values():
        assert one["correlation"] in (None, 1.0)


def test_a_face_that_never_moves_has_no_correlation(portraits: PortraitSet) -> None:
    still = replace(truth(portraits), coefficients=np.full_like(portraits.expression, 0.1))
    record = report_portraits(portraits, still).record
    assert record["coefficients"]["good"] == 0
    assert record["rest"]["largest"] == pytest.approx(0.1)
    assert record["gaze"]["error_deg"] > 0


def test_every_person_shows_every_expression_at_full_or_half_weight() -> None:
    moving = {name for shot in plan(SINGLES) for name in shot.expression}
    basis = np.abs(portrait_model().expression_basis).max(axis=(0, 1))
    assert moving == {n for n, r in zip(portrait_model().expression_names, basis, strict=True) if r > 0.1}
    assert {shot.weight for shot in plan(SINGLES) if shot.kind == "single"} == {1.0}
    assert {shot.weight for shot in plan(HALVES) if shot.kind == "single"} == {0.5}


def test_people_differ_in_pose_and_mixture() -> None:
    first, second = plan(MIXTURES), plan(MIXTURES + 1)
    assert [s.expression for s in first if s.kind == "mixture"] != [
        s.expression for s in second if s.kind == "mixture"
    ]
    assert [round(s.pose.pitch_deg) for s in plan(NODS)] == [-30, -20, -10, 0, 10, 20, 30]


def test_predictions_of_another_program_come_in_any_order(portraits: PortraitSet, tmp_path: Path) -> None:
    shuffled = np.random.default_rng(0).permutation(len(portraits))
    np.savez(
        tmp_path / "theirs.npz",
        source="theirs",
        names=np.array(portraits.names)[shuffled],
        blendshapes=portraits.expression[shuffled],
        blendshape_names=np.array(portraits.expression_names),
        points478=portraits.points478[shuffled],
        indices478=portraits.indices478,
    )
    read = read_predictions(tmp_path / "theirs.npz", portraits.names)
    np.testing.assert_array_equal(read.coefficients, portraits.expression)
    assert report_portraits(portraits, read).record["pack"] == "theirs"
    with pytest.raises(DatasetError, match="lacks 1 of the 20 faces"):
        read_predictions(tmp_path / "theirs.npz", [*portraits.names, "nobody.jpg"])


def test_portraits_are_jpeg_files_that_others_can_read(portraits: PortraitSet) -> None:
    import tarfile

    with tarfile.open(portraits.folder / "portraits.tar") as archive:
        member = archive.extractfile(portraits.names[3])
        assert member is not None
        assert decode_image(member.read()).shape == (256, 256, 3)
