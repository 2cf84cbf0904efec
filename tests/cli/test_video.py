"""`tddfa video` as a person meets it: what it writes, what it says, how it ends."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

import toys
from clips import write_clip, write_sound
from tddfa import write_image
from tddfa.cli.main import main
from tddfa.video import VideoReader, open_video
from waiting import PATIENCE_S

KINDS = ["2d_sparse", "2d_dense", "3d", "depth", "pncc", "pose", "normals", "wireframe"]


@pytest.fixture(autouse=True)
def with_toy_pack(toy_pack, packs_folder):
    shutil.copytree(toy_pack.folder, packs_folder / "3ddfa-v2-mb05")


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def clip(tmp_path) -> Path:
    return write_clip(tmp_path / "clip.mp4", [toys.image()] * 6, sound="aac")


def names(folder: Path) -> set[str]:
    return (
        {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} if folder.exists() else set()
    )


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, in bytes: the disk is full from there on."""
    resource = pytest.importorskip("resource", reason="needs limits of processes")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_all_kinds_are_written_with_sound_and_every_frame(clip, out):
    assert main(["video", str(clip), "-o", "all", "-d", str(out)]) == 0
    assert names(out) == {f"clip_{kind}.mp4" for kind in KINDS}
    original = [f.image for f in VideoReader(clip)]
    for kind in KINDS:
        frames = [f.image for f in VideoReader(out / f"clip_{kind}.mp4")]
        assert len(frames) == 6
        assert np.abs(frames[3].astype(int) - original[3]).mean() > 0.3, "nothing was drawn"
        with av.open(str(out / f"clip_{kind}.mp4")) as container:
            assert container.streams.video[0].average_rate == 25
            assert len(container.streams.audio) == 1


@pytest.mark.parametrize("smooth", ["one-euro", "none", "window", "zero-phase"])
def test_every_smoothing_gives_every_frame_its_row_and_image(clip, out, smooth):
    arguments = ["video", str(clip), "-o", "2d_sparse", "--data", "csv", "--smooth", smooth, "-d", str(out)]
    assert main(arguments) == 0
    assert [r["frame"] for r in rows(out / "clip.csv")] == list("012345")
    assert len(list(VideoReader(out / "clip_2d_sparse.mp4"))) == 6


def test_data_alone_writes_tables_alone(clip, out):
    pytest.importorskip("pyarrow", reason="needs the parquet extra")
    assert (
        main(
            ["video", str(clip), "--data", "csv,jsonl,npz,parquet", "--smooth", "zero-phase", "-d", str(out)]
        )
        == 0
    )
    assert names(out) == {"clip.csv", "clip.jsonl", "clip.npz", "clip.parquet"}
    table = rows(out / "clip.csv")
    assert [float(r["timestamp"]) for r in table] == pytest.approx([i / 25 for i in range(6)], abs=1e-4)
    assert {(r["face_id"], r["success"]) for r in table} == {("0", "1")}
    assert [json.loads(line)["frame"] for line in (out / "clip.jsonl").read_text().splitlines()] == list(
        range(6)
    )


def test_glb_gives_each_person_an_animation_with_a_key_per_frame(clip, out):
    assert main(["video", str(clip), "--glb", "-d", str(out)]) == 0
    assert names(out) == {"clip_face_0.glb"}
    data = (out / "clip_face_0.glb").read_bytes()
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    (animation,) = document["animations"]
    clock = document["accessors"][animation["samplers"][0]["input"]]
    assert clock["count"] == 6
    assert clock["max"] == pytest.approx([0.2])
    assert len(document["images"]) == 1, "the texture"


def test_start_and_end_cut_and_frames_keep_their_numbers(clip, out):
    assert (
        main(
            [
                "video",
                str(clip),
                "--data",
                "csv",
                "-o",
                "pose",
                "--start",
                "2",
                "--end",
                "0.2s",
                "-d",
                str(out),
            ]
        )
        == 0
    )
    assert [r["frame"] for r in rows(out / "clip.csv")] == list("234")
    assert [f.time for f in VideoReader(out / "clip_pose.mp4")] == pytest.approx([0, 0.04, 0.08], abs=1e-3)


def test_odd_sizes_variable_rates_and_single_frames_work(tmp_path, out):
    image = toys.image()[:119, :117]
    write_clip(tmp_path / "odd.mkv", [image] * 3, codec="ffv1", options={})
    write_clip(tmp_path / "vfr.mp4", [toys.image()] * 4, times=[0, 0.1, 0.13, 0.5])
    write_clip(tmp_path / "one.mp4", [toys.image()])
    clips = [str(tmp_path / name) for name in ("odd.mkv", "vfr.mp4", "one.mp4")]
    assert main(["video", *clips, "-d", str(out)]) == 0
    assert next(iter(VideoReader(out / "odd_2d_sparse.mp4"))).image.shape[:2] == (120, 118)
    times = [f.time for f in VideoReader(out / "vfr_2d_sparse.mp4")]
    assert times == pytest.approx([0, 0.1, 0.13, 0.5], abs=1e-3)
    assert len(list(VideoReader(out / "one_2d_sparse.mp4"))) == 1


def test_a_stream_that_changes_its_resolution_keeps_its_frames_times_and_faces(tmp_path, out):
    large = toys.image()
    small = np.ascontiguousarray(large[::2, ::2])
    plain = {"crf": "10", "bf": "0"}  # frames in the order in which they show
    parts = [
        write_clip(tmp_path / "a.ts", [large] * 4, options=plain),
        write_clip(tmp_path / "b.ts", [small] * 4, times=[0.16, 0.2, 0.24, 0.28], options=plain),
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    assert {f.image.shape for f in VideoReader(tmp_path / "both.ts")} == {large.shape, small.shape}
    assert main(["video", str(tmp_path / "both.ts"), "-o", "3d", "--data", "csv", "-d", str(out)]) == 0
    frames = list(VideoReader(out / "both_3d.mp4"))
    assert [f.time for f in frames] == pytest.approx([k / 25 for k in range(8)], abs=2e-3)
    assert {f.image.shape for f in frames} == {large.shape}
    assert sorted({int(r["frame"]) for r in rows(out / "both.csv")}) == list(range(8))


def test_rotated_videos_come_out_upright(tmp_path, out):
    upright = np.zeros((120, 100, 3), np.uint8) + 90
    upright[:40, :40] = 250
    stored = np.ascontiguousarray(np.rot90(upright, -1))
    write_clip(tmp_path / "turned.mp4", [stored] * 3, rotation=90)
    main(["video", str(tmp_path / "turned.mp4"), "--background", "photo", "-d", str(out)])
    image = next(iter(VideoReader(out / "turned_2d_sparse.mp4"))).image
    assert image.shape == (120, 100, 3)
    assert image[:30, :30].mean() > 200


def test_a_folder_means_the_videos_in_it(tmp_path, clip, out):
    folder = tmp_path / "in" / "sub"
    folder.mkdir(parents=True)
    shutil.copy(clip, folder / "a.mp4")
    (folder / "notes.txt").write_text("no video")
    assert main(["video", str(tmp_path / "in"), "--data", "csv", "-d", str(out)]) == 0
    assert names(out) == {"sub/a.csv"}


BAD = {
    "missing.mp4": "no such file",
    "empty.mp4": "is empty",
    "text.mp4": "is no video",
    "sound.m4a": "only sound",
    "cut.mp4": "cut off or damaged",
    "header.mkv": "cut off or damaged",
    "nothing.mp4": "no video track",
}


def test_what_is_no_video_is_one_line_each_and_leaves_nothing(tmp_path, clip, out, capfd):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("nothing to see here\n" * 100)
    write_sound(tmp_path / "sound.m4a")
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:2000])
    for name in ("header.mkv", "nothing.mp4"):  # files that were begun, and not one frame written
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            container.start_encoding()
    bad = [str(tmp_path / name) for name in BAD]
    assert main(["video", *bad, str(clip), "--data", "csv", "-d", str(out)]) == 1
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("tddfa")]
    assert len(lines) == len(BAD)
    for line, (name, text) in zip(lines, BAD.items(), strict=True):
        assert name in line
        assert text in line
    assert names(out) == {"clip.csv"}, "the good one is done all the same"


def test_a_damaged_video_gives_what_can_be_read_and_one_line(tmp_path, clip, out, capfd):
    main(["video", str(clip), "-d", str(tmp_path)])  # its index lies in front
    whole = (tmp_path / "clip_2d_sparse.mp4").read_bytes()
    (tmp_path / "short.mp4").write_bytes(whole[: int(len(whole) * 0.6)])
    capfd.readouterr()
    assert main(["video", str(tmp_path / "short.mp4"), "-d", str(out)]) == 1
    assert "of 6 frames can be read" in capfd.readouterr().err
    assert 0 < len(list(VideoReader(out / "short_2d_sparse.mp4"))) < 6


def test_a_folder_that_cannot_be_written_is_one_line(clip, tmp_path, capfd):
    (tmp_path / "file").write_text("in the way")
    assert main(["video", str(clip), "-d", str(tmp_path / "file" / "out")]) == 1
    assert "cannot make the folder" in capfd.readouterr().err
    assert main(["video", str(clip), "--glb", "-d", "/proc"]) == 1
    assert "cannot write /proc/clip_face_*.glb" in capfd.readouterr().err
    target = tmp_path / "out" / "clip_2d_sparse.mp4"
    target.mkdir(parents=True)
    assert main(["video", str(clip), "-d", str(target.parent)]) == 1
    assert "cannot write" in capfd.readouterr().err
    assert names(target.parent) == set()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-o", "4d"], "'4d' is no kind of output; choose from 2d_sparse"),
        (["--data", "xls"], "choose from csv, jsonl, npz, parquet"),
        (["--start", "soon"], "give a frame"),
        (["--n-pre", "2"], "--n-pre and --n-next need --smooth window"),
        (["--max-faces", "0"], "above 0"),
        (["-o", "all,foo"], "'foo' is no kind of output; choose from 2d_sparse"),
        (["--start", "1:-5"], "'1:-5' is no place in a video; give a frame"),
    ],
)
def test_wrong_usage_says_what_is_possible(clip, capfd, arguments, text):
    with pytest.raises(SystemExit) as ended:
        main(["video", str(clip), *arguments])
    assert ended.value.code == 2
    assert text in capfd.readouterr().err


def test_a_smoothing_that_reads_twice_is_refused_for_standard_input_in_words_of_the_command(
    clip, tmp_path, monkeypatch, capfd
):
    with clip.open("rb") as piped:
        monkeypatch.setattr(sys, "stdin", piped)
        assert main(["video", "-", "--smooth", "zero-phase", "-d", str(tmp_path / "out")]) == 1
    error = capfd.readouterr().err
    assert "--smooth zero-phase reads a video twice, and standard input can be read only once" in error
    assert "images=False" not in error
    with clip.open("rb") as piped:
        monkeypatch.setattr(sys, "stdin", piped)
        arguments = ["--smooth", "zero-phase", "--data", "csv"]
        assert main(["video", "-", *arguments, "-d", str(tmp_path / "out")]) == 0


RUN = """
import sys, time
from tddfa.cli.main import main
from tddfa.tracking import FaceTracker
update, calls = FaceTracker.update, []
def slowly(self, image, **options):
    calls.append(None)
    if len(calls) == 100:
        print("at work", flush=True)
    time.sleep(0.02 if len(calls) > 100 else 0)  # nobody is late for the rest
    return update(self, image, **options)
FaceTracker.update = slowly
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("smooth", ["one-euro", "zero-phase"])
def test_ctrl_c_finishes_files_that_play(tmp_path, out, smooth):
    clip = write_clip(
        tmp_path / "long.mp4", [toys.image()] * 3000, sound="aac", options={"preset": "ultrafast"}
    )
    command = [sys.executable, "-c", RUN, "video", str(clip), "-o", "2d_sparse", "--data", "csv"]
    command += ["--pack", "3ddfa-v2-mb05"]  # the toy in its place
    process = subprocess.Popen(
        [*command, "--smooth", smooth, "-d", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert names(out) == {"long_2d_sparse.mp4", "long.csv"}
    n = len(list(VideoReader(out / "long_2d_sparse.mp4")))
    assert 90 < n < 3000
    assert len(rows(out / "long.csv")) == n


def test_standard_input_is_a_video(clip, out):
    command = [sys.executable, "-m", "tddfa", "video", "-", "--data", "csv", "--pack", "3ddfa-v2-mb05"]
    data = write_clip(clip.with_suffix(".ts"), [toys.image()] * 6).read_bytes()
    process = subprocess.run([*command, "-d", str(out)], input=data, capture_output=True, timeout=PATIENCE_S)
    assert process.returncode == 0, process.stderr
    assert [r["frame"] for r in rows(out / "stdin.csv")] == list("012345")


def test_a_folder_or_a_pattern_of_images_is_one_video(tmp_path, out):
    shots = tmp_path / "shot"
    shots.mkdir()
    for k in range(5):
        write_image(shots / f"{k:04d}.png", toys.image())
    arguments = ["video", str(shots), "--fps", "10", "--data", "csv", "-o", "pose", "-d", str(out)]
    assert main(arguments) == 0
    assert [float(r["timestamp"]) for r in rows(out / "shot.csv")] == pytest.approx(
        [k / 10 for k in range(5)]
    )
    assert [f.time for f in VideoReader(out / "shot_pose.mp4")] == pytest.approx([k / 10 for k in range(5)])
    assert main(["video", str(shots / "%04d.png"), "--data", "jsonl", "-d", str(out)]) == 0
    assert (out / "shot.jsonl").exists()


def test_arguments_mean_videos_of_every_kind(tmp_path):
    from tddfa.cli.video_inputs import find_videos

    (tmp_path / "b.mp4").write_bytes(b"")
    (tmp_path / "shots").mkdir()
    (tmp_path / "shots" / "1.png").write_bytes(b"")
    places = ["-", "https://example.org/a/clip%201.mp4?x=1", "rtsp://camera/"]
    places += [str(tmp_path), str(tmp_path / "shots")]
    jobs, files = find_videos([*places, *places])
    assert [(j.place, str(j.target), j.is_sequence) for j in jobs] == [
        ("-", "stdin", False),
        (places[1], "clip_1", False),
        (places[2], "camera", False),
        (places[4], "shots", True),
        (str(tmp_path / "b.mp4"), "b", False),
    ]
    assert files.problems == []


def test_an_address_that_cannot_be_reached_is_one_line(out, capfd):
    assert main(["video", "http://127.0.0.1:9/a.mp4", "gopher7://x/a.mp4", "-d", str(out)]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "http://127.0.0.1:9/a.mp4" in lines[0]
    assert "the protocol 'gopher7' is unknown" in lines[1]


def test_quality_and_speed_of_written_videos_can_be_chosen(clip, out):
    sizes = []
    for crf in ("0", "40"):
        assert main(["video", str(clip), "--crf", crf, "--preset", "ultrafast", "-d", str(out)]) == 0
        sizes.append((out / "clip_2d_sparse.mp4").stat().st_size)
    assert sizes[0] > sizes[1]


def test_it_says_where_the_files_went(clip, out, capsys):
    assert main(["video", str(clip), "-o", "2d_sparse", "-o", "pose", "--data", "csv", "-d", str(out)]) == 0
    told = {line.removeprefix("wrote ") for line in capsys.readouterr().out.splitlines()}
    assert told == {str(path) for path in out.iterdir()}
    assert {"clip_2d_sparse.mp4", "clip_pose.mp4", "clip.csv"} == {path.name for path in out.iterdir()}


def test_files_of_people_of_an_earlier_run_are_named_as_such(clip, out, capsys):
    arguments = ["video", str(clip), "--glb", "--data", "livelink", "-d", str(out)]
    assert main(arguments) == 0
    shutil.copy(out / "clip_face_0.glb", out / "clip_face_7.glb")  # as of a seventh person
    shutil.copy(out / "clip_livelink.csv", out / "clip_livelink_7.csv")
    capsys.readouterr()
    assert main(arguments) == 0
    printed = capsys.readouterr()
    written = {Path(line.removeprefix("wrote ")).name for line in printed.out.splitlines()}
    assert written == {"clip_face_0.glb", "clip_livelink.csv"}
    (line,) = (line for line in printed.err.splitlines() if "earlier run" in line)
    assert {word.strip(",:") for word in line.split() if str(out) in word} == {
        str(out / "clip_face_7.glb"),
        str(out / "clip_livelink_7.csv"),
    }


@pytest.mark.skipif(sys.platform == "win32", reason="whether a process runs is not known there")
def test_what_a_killed_run_left_is_removed_by_the_next_one_into_the_folder(clip, out):
    out.mkdir()
    code = (
        "import os, sys, pathlib\n"
        "from tddfa.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_bytes(b'half a video')\n"
        "    os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(out / "clip_3d.mp4")], check=False)
    assert done.returncode == 9
    assert len(names(out)) == 1
    assert main(["video", str(clip), "--data", "csv", "-d", str(out)]) == 0
    assert names(out) == {"clip.csv"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_before_the_first_frame_leaves_earlier_outputs(clip, out, capfd, monkeypatch, number):
    arguments = ["video", str(clip), "-o", "2d_sparse", "--data", "csv,jsonl,livelink", "--report", "--plot"]
    arguments += ["--glb", "-d", str(out)]
    assert main(arguments) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    capfd.readouterr()

    def interrupted(*arguments, **options):
        signal.raise_signal(number)
        return open_video(*arguments, **options)

    monkeypatch.setattr("tddfa.video.open_video", interrupted)
    assert main(arguments) == 130
    printed = capfd.readouterr()
    line = f"tddfa: error: interrupted before the first frame of {clip}; its outputs are as they were"
    assert line in printed.err
    assert "wrote" not in printed.out
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("kind", ["csv", "jsonl", "livelink"])
def test_a_full_disk_is_one_line_and_other_videos_go_on(tmp_path, out, capfd, kind):
    long = write_clip(tmp_path / "long.mp4", [toys.image()] * 40)
    short = write_clip(tmp_path / "short.mp4", [toys.image()])
    with full_disk(16_000):
        assert main(["video", str(long), str(short), "--data", kind, "-d", str(out)]) == 1
    suffix = "_livelink.csv" if kind == "livelink" else f".{kind}"
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("tddfa")]
    assert len(lines) == 1
    assert f"cannot write {out / 'long'}{suffix}: File too large" in lines[0]
    assert names(out) == {f"short{suffix}"}


def test_an_image_of_a_sequence_is_never_written_over(tmp_path, capfd):
    shots = tmp_path / "seq"
    shots.mkdir()
    for name in ("1", "2", "seq_plot"):
        write_image(shots / f"{name}.png", toys.image())
    before = {path.name: path.read_bytes() for path in shots.iterdir()}
    for place in (shots, shots / "*.png"):
        assert main(["video", str(place), "--plot", "-d", str(shots), "--overwrite"]) == 1
        assert "seq_plot.png: it is an input of this run" in capfd.readouterr().err
        assert {path.name: path.read_bytes() for path in shots.iterdir()} == before
    assert main(["video", str(shots), "--data", "csv", "--plot", "-d", str(tmp_path), "--overwrite"]) == 0


def test_outputs_beside_the_images_of_a_sequence_are_no_input_of_the_next_run(tmp_path):
    shots = tmp_path / "seq"
    shots.mkdir()
    for name in "12":
        write_image(shots / f"{name}.png", toys.image())
    arguments = ["video", str(shots), "-o", "2d_sparse", "--plot", "--data", "csv", "-d", str(shots)]
    for _ in range(2):
        assert main(arguments) == 0
        assert [r["frame"] for r in rows(shots / "seq.csv")] == ["0", "1"]
        assert len(list(VideoReader(shots / "seq_2d_sparse.mp4"))) == 2


def test_frames_per_second_are_refused_where_they_mean_nothing(clip, tmp_path, out, capfd):
    shots = tmp_path / "shot"
    shots.mkdir()
    write_image(shots / "1.png", toys.image())
    assert main(["video", str(clip), str(shots), "--fps", "10", "--data", "csv", "-d", str(out)]) == 1
    error = capfd.readouterr().err
    assert f"--fps is for sequences of images; {clip} has a rate of its own" in error
    assert names(out) == {"shot.csv"}
    assert main(["video", str(shots), "--fps", "1e-9", "-d", str(out)]) == 1
    assert "fps=1e-09; give frames per second from 0.001 on" in capfd.readouterr().err
    assert main(["video", str(shots), "--fps", "0.001", "-o", "pose", "-d", str(out)]) == 0


def test_an_empty_name_is_no_folder(clip, out, capfd, monkeypatch):
    monkeypatch.chdir(clip.parent)
    assert main(["video", "", "-d", str(out)]) == 1
    assert "the name of an input is empty; name videos, folders or globs" in capfd.readouterr().err
    assert names(out) == set()


def test_a_missing_extra_shows_before_anything_is_made(clip, out, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["video", str(clip), "-d", str(out), "-o", "3d", "--data", "parquet"]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "writing Parquet needs the package 'pyarrow'" in line
    assert not out.exists()


@pytest.mark.parametrize("arguments", [["--start", "4", "--end", "2"], ["--end", "0"]])
def test_an_end_before_the_start_is_one_line(clip, out, capfd, arguments):
    assert main(["video", str(clip), *arguments, "-o", "pose", "--data", "csv", "-d", str(out)]) == 1
    line = f"no frame of {clip} lies between the start and the end; give an end after the start"
    assert line in capfd.readouterr().err
    assert names(out) == set()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_standard_output_is_one_line(clip, out):
    command = [sys.executable, "-m", "tddfa", "video", str(clip), "--data", "csv", "-d", str(out)]
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [*command, "--pack", "3ddfa-v2-mb05"], stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE_S
        )
    assert process.returncode == 1
    lines = [line for line in process.stderr.decode().splitlines() if line.startswith("tddfa")]
    assert len(lines) == 1
    assert "cannot write to standard output: No space left on device" in lines[0]
    assert b"Traceback" not in process.stderr
    assert names(out) == {"clip.csv"}
