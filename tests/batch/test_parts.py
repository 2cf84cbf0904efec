"""Long videos in parts: every frame once, with the rows that the whole video has."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from batch_support import InlineEngine, rows_of
from clips import write_clip
from conftest import PHOTOS
from tddfa import FaceAligner, read_image
from tddfa.batch.inputs import Sources
from tddfa.batch.parts import IDS_PER_PART, Span, VideoPart
from tddfa.batch.run import run_batch
from tddfa.batch.settings import BatchSettings
from tddfa.tracking.shots import SHOT_MEMORY_FRAMES, ShotDetector
from tddfa.types import BoundingBox
from tddfa.video import VideoReader

RATE, N = 25, 50  # frames a second, and of a shot
SIZE = 160


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    """Four shots, of two people in turn, and in the last one of nobody, without what codecs would add."""
    people = []
    for name in ("astronaut", "hopper"):
        photo = read_image(PHOTOS / f"{name}.jpg")
        face = max(FaceAligner("open").align(photo), key=lambda f: f.box.area)
        (x, y), scale = BoundingBox.around(face.landmarks).center, 60 / face.box.width
        move = np.array([[scale, 0, SIZE / 2 - scale * x], [0, scale, SIZE / 2 - scale * y]])
        people.append(cv2.warpAffine(photo, move, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT_101))
    grid = np.indices((SIZE, SIZE)).sum(axis=0) // 20 % 2 * 200
    people.append(np.repeat(grid[..., None], 3, axis=2).astype(np.uint8))
    frames = []
    for shot, person in enumerate((0, 1, 0, 2)):
        for k in range(N):
            shift = (abs(k // 4 % 8 - 4), shot) if person < 2 else (0, 0)
            frames.append(np.roll(people[person], shift, axis=(0, 1)))
    return write_clip(tmp_path_factory.mktemp("clips") / "long.mkv", frames, codec="ffv1", rate=RATE)


def split(clip, seconds: float) -> list[Span]:
    units = list(Sources([str(clip)], video_part_s=seconds))
    return [Span.parse(u.column, u.start, u.n) if u.kind == "part" else Span() for u in units]


@pytest.fixture(autouse=True)
def with_toy_pack():
    """Real faces, and the built-in pack: a toy would see the same person everywhere."""


@pytest.fixture(autouse=True)
def every_video_is_opened(monkeypatch):
    monkeypatch.setattr("tddfa.batch.parts._MIN_BYTES_PER_S", 1)


@pytest.mark.parametrize("seconds", [1.0, 2.0])
def test_parts_have_every_frame_once_and_begin_with_shots(long_clip, seconds):
    spans = split(long_clip, seconds)
    parts = [[(f.index, f.time) for f in VideoPart(str(long_clip), span)] for span in spans]
    whole = [(frame.index, frame.time) for frame in VideoReader(long_clip)]
    assert list(itertools.chain(*parts)) == whole
    begun = [part[0][0] for part in parts if part]
    assert all(first % N == 0 for first in begun)
    assert len(begun) == min(len(spans), 4), "as many as there are shots, or are asked for"


def test_a_detector_of_shots_that_begins_in_the_middle_says_the_same_to_the_last_bit(long_clip):
    images = [frame.image for frame in VideoReader(long_clip)]
    begin = N + 7
    whole, late = ShotDetector(), ShotDetector()
    for k, image in enumerate(images):
        whole.update(image)
        if k >= begin:
            late.update(image)
        if k >= begin + SHOT_MEMORY_FRAMES:
            assert (late.is_cut, late.difference, late._usual()) == (
                whole.is_cut,
                whole.difference,
                whole._usual(),
            )


@pytest.mark.parametrize("smooth", ["one-euro", "zero-phase"])
def test_rows_of_parts_are_those_of_the_whole_video_but_for_who_is_remembered(long_clip, tmp_path, smooth):
    """A tracker remembers people over a cut: for their ids, and in rows that say that they are lost."""
    settings = BatchSettings(pack="open", video_part_s=0, smooth=smooth)
    run_batch([str(long_clip)], str(tmp_path / "one"), settings, engine=InlineEngine())
    settings = BatchSettings(pack="open", video_part_s=2, smooth=smooth)
    report = run_batch([str(long_clip)], str(tmp_path / "some"), settings, engine=InlineEngine())
    assert (report.n_inputs, report.n_chunks, report.is_complete) == (1, 4, True)
    one, some = rows_of(tmp_path / "one"), rows_of(tmp_path / "some")
    for rows in (one, some):
        assert [row["frame"] for row in rows if row["success"]] == list(range(3 * N))
    remembered = {"face", "face_id", "state"}
    for a, b in zip(*([r for r in rows if r["success"]] for rows in (one, some)), strict=True):
        assert {k: v for k, v in a.items() if k not in remembered} == {
            k: v for k, v in b.items() if k not in remembered
        }
    assert [row["face"] for row in some if row["success"]] == [
        k * IDS_PER_PART for k in range(3) for _ in range(N)
    ]
    assert [(row["frame"], row["state"]) for row in some if row["face"] == -1] == [(3 * N, "none")]


def test_a_video_without_cuts_stays_whole_and_a_short_one_is_not_cut(tmp_path):
    image = read_image(PHOTOS / "hopper.jpg")[:SIZE, :SIZE]
    clip = write_clip(tmp_path / "take.mkv", [image] * 100, codec="ffv1", rate=RATE)
    spans = split(clip, 1.0)
    assert [span.start for span in spans] == [0, 25, 50, 75]
    parts = [VideoPart(str(clip), span) for span in spans]
    assert [len(list(part)) for part in parts] == [100, 0, 0, 0]
    assert [part.has_end for part in parts] == [True, False, False, False]
    assert split(clip, 2.1) == [Span()]
    assert split(clip, 0) == [Span()]


def test_a_video_that_ends_before_a_part_leaves_it_empty(long_clip):
    part = VideoPart(str(long_clip), Span(3, 10_000, None))
    assert list(part) == []
    assert (part.has_end, part.first) == (False, None)
