import numpy as np
import pytest

import clips
from evaluation_sets import write_archive, write_tar
from tddfa import FaceAligner
from tddfa.errors import DatasetError, InputError
from tddfa.evaluation import evaluate, landmark_tracks, stability
from tddfa.evaluation.landmark_tracks import FOLLOWERS, landmark_track
from tddfa.evaluation.moving_face import N_FRAMES


@pytest.fixture
def one_photo(monkeypatch):
    monkeypatch.setattr(stability, "_N_PHOTOS", 1)


def test_the_published_network_follows_an_exact_sequence(published_pack, shared, one_photo):
    folder = shared / "data" / "eval" / "aflw2000_dev"
    record = evaluate("stability", FaceAligner(published_pack), folder).record
    assert record["frames"] == N_FRAMES
    assert record["lost_frames"] == 0
    # It sees each frame alone: noise and the turn unsettle it by less than a percent, and nothing is late.
    assert 0.05 < record["still"] < record["moving"] < 1.2
    assert abs(record["lag_frames"]) < 0.3


def test_clips_are_measured_without_a_truth(toy_aligner, tmp_path):
    clips.write_clip(tmp_path / "a.mp4", clips.sample_images(5, 112, 112))
    record = evaluate("stability", toy_aligner, tmp_path).record
    assert record["protocol"] == "stability/clips/1"
    # A toy that sees the same face everywhere does not move once it has settled.
    assert record["clips"]["a.mp4"]["frames"] == 5
    assert record["lost_frames"] == 0


@pytest.mark.parametrize("way", FOLLOWERS)
def test_every_way_to_follow_gives_landmarks_for_every_image(toy_aligner, way):
    images = clips.sample_images(6, 112, 112)
    track = landmark_track(way, toy_aligner, images)
    assert track.shape == (6, 68, 2)
    assert np.isfinite(track).all()


def test_smoothers_are_given_the_times_of_the_frames(toy_aligner, tmp_path, monkeypatch):
    given, make = [], landmark_tracks.make_smoother

    def smoother_that_notes_times(name):
        smoother = make(name)
        push = smoother.push
        smoother.push = lambda faces, time: given.append(time) or push(faces, time)
        return smoother

    monkeypatch.setattr(landmark_tracks, "make_smoother", smoother_that_notes_times)
    times = [0.0, 0.04, 0.08, 0.48, 0.52]
    clips.write_clip(tmp_path / "a.mp4", clips.sample_images(5, 112, 112), times=times)
    evaluate("stability", toy_aligner, tmp_path, smoothing="one-euro")
    assert given == pytest.approx(times, abs=1e-3)


def test_images_without_a_face_are_gaps(toy_aligner):
    class Nobody:
        def detect(self, image):
            return []

    aligner = FaceAligner(toy_aligner.pack, detector=Nobody())
    for way in ("from-last-frame", "detector", "none"):
        track = landmark_track(way, aligner, clips.sample_images(3, 112, 112))
        assert track.shape == (3, 68, 2)
        assert np.isnan(track).all()


def test_what_cannot_be_measured_is_one_clear_line(toy_aligner, toy_set, tmp_path):
    with pytest.raises(InputError, match="no smoothing 'magic'; choose from from-last-frame, detector"):
        evaluate("stability", toy_aligner, tmp_path, smoothing="magic")
    write_archive(tmp_path / "crops", toy_set)
    with pytest.raises(DatasetError, match="sequences are made from the 450 px images"):
        evaluate("stability", toy_aligner, tmp_path / "crops")
    write_tar(tmp_path / "crops" / "full450.tar", toy_set.names[-1:], [np.zeros((450, 450, 3), np.uint8)])
    with pytest.raises(DatasetError, match="no image of a face within 20° of the camera"):
        evaluate("stability", toy_aligner, tmp_path / "crops")
