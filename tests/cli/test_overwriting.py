"""What a run may write over: what tddfa made; files of others only when asked; inputs never."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import toys
from clips import write_clip
from tddfa import read_image, write_image
from tddfa.cli.main import main
from tddfa.cli.overwriting import Places
from tddfa.kinds import KINDS, TABLES, names
from waiting import PATIENCE_S


@pytest.fixture(autouse=True)
def with_toy_pack(toy_pack, packs_folder):
    shutil.copytree(toy_pack.folder, packs_folder / "3ddfa-v2-mb05")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def save(path: Path, side: int = 120) -> bytes:
    write_image(path, toys.image(side))
    return path.read_bytes()


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_photo_that_has_the_name_of_an_output_stays(folder, capsys):
    photo, depth = save(folder / "0001.png"), save(folder / "0001_depth.png", 100)
    command = ["image", "0001.png", "-o", "depth", "--format", "png"]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert (
        "cannot write 0001_depth.png: that file is there, and nothing in it says that tddfa made it" in error
    )
    assert "--overwrite" in error
    assert files(folder) == {"0001.png": photo, "0001_depth.png": depth}
    assert main([*command, "--overwrite"]) == 0
    assert (folder / "0001_depth.png").read_bytes() != depth
    assert main(command) == 0, "what tddfa made may be made again"


@pytest.mark.skipif(os.name == "nt", reason="needs pipes with names")
@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--resume"], ["--resume", "--overwrite"]])
def test_nothing_takes_the_place_of_a_pipe_whatever_is_asked(folder, capsys, more):
    save(folder / "0001.png")
    os.mkfifo("pipe")
    os.mkfifo("0001_ply.ply")
    for name, options in {"pipe": ["--json", "pipe"], "0001_ply.ply": ["-o", "ply"]}.items():
        assert main(["image", "0001.png", *options, *more]) == 1
        assert f"cannot write {name}: it is a device or a pipe, and no file" in capsys.readouterr().err
        assert Path(name).is_fifo()
    assert len([*folder.iterdir()]) == 3


def test_a_link_to_an_empty_file_stays_a_link(folder, capsys):
    save(folder / "0001.png")
    Path("empty").touch()
    Path("faces.jsonl").symlink_to("empty")
    assert main(["image", "0001.png", "--json", "faces.jsonl"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert Path("faces.jsonl").is_symlink()


def test_an_input_stays_whatever_is_asked(folder, capsys):
    photo, depth = save(folder / "0001.png"), save(folder / "0001_depth.png", 100)
    for arguments in (["."], ["0001.png", "0001_depth.png"], ["*.png"]):
        assert main(["image", *arguments, "-o", "depth", "--format", "png", "--overwrite"]) == 1
        assert "cannot write 0001_depth.png: it is an input of this run" in capsys.readouterr().err
        assert (folder / "0001.png").read_bytes() == photo
        assert (folder / "0001_depth.png").read_bytes() == depth


@pytest.mark.parametrize("name", ["p.png", "./p.png", "link.png", "sub/../p.png"])
@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--resume"], ["--resume", "--overwrite"]])
def test_the_file_of_json_is_no_input(folder, name, more, capsys):
    photo = save(folder / "p.png")
    (folder / "sub").mkdir()
    (folder / "link.png").symlink_to("p.png")
    assert main(["image", "p.png", "--json", name, *more]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert read_image("p.png").shape == (120, 120, 3)
    assert (folder / "p.png").read_bytes() == photo


def test_the_file_of_json_replaces_only_its_like(folder, capsys):
    save(folder / "p.png")
    (folder / "faces.jsonl").write_text("my notes\n")
    for more in [], ["--resume"]:
        assert main(["image", "p.png", "--json", "faces.jsonl", *more]) == 1
        assert (folder / "faces.jsonl").read_text() == "my notes\n"
    assert main(["image", "p.png", "--json", "faces"]) == 0
    assert main(["image", "p.png", "--json", "faces"]) == 0
    assert main(["image", "p.png", "--json", "p.jsonl", "--data", "jsonl"]) == 1
    assert "another option of the command writes it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        *((["-o", kind.name], f"p_{kind.name}{kind.suffix or '.jpg'}") for kind in KINDS),
        (["-o", "depth", "--raw-depth"], "p_depth.npy"),
        (["-o", "depth", "--raw-depth"], "p_depth_mask.png"),
        (["-o", "obj", "--texture"], "p_obj.mtl"),
        (["-o", "obj", "--texture"], "p_obj_1.png"),
        (["-o", "ply", "--per-face"], "p_ply_face_1.ply"),
        (["--data", "csv"], "p.csv"),
        (["--data", "jsonl"], "p.jsonl"),
        (["--data", "parquet"], "p.parquet"),
    ],
)
def test_no_file_of_others_is_written_over_and_every_file_of_ours_is(folder, arguments, name):
    save(folder / "p.png")
    (folder / "out").mkdir()
    theirs = folder / "out" / name
    theirs.write_bytes(b"of somebody else")
    command = ["image", "p.png", "-d", "out", *arguments]
    assert main(command) == 1
    assert theirs.read_bytes() == b"of somebody else"
    assert main([*command, "--overwrite"]) == 0
    assert theirs.read_bytes() != b"of somebody else"
    ours = files(folder / "out")
    assert main(command) == 0
    assert set(files(folder / "out")) == set(ours)


def test_an_output_that_somebody_edited_is_not_written_over(folder, capsys):
    from PIL import Image

    save(folder / "p.png")
    command = ["image", "p.png", "-o", "2d_sparse,obj"]
    assert main(command) == 0
    assert main([*command, "--resume"]) == 0
    with Image.open("p_2d_sparse.jpg") as drawn:
        drawn.load()
        drawn.paste((255, 0, 0), (0, 0, 9, 9))
        drawn.save("p_2d_sparse.jpg")  # with the comment that it had
    mesh = Path("p_obj.obj").read_bytes()
    for name, data in (("p_obj.obj", mesh + b"# my note\n"), ("p_obj.obj", mesh.partition(b"\n")[2])):
        Path(name).write_bytes(data)
        before = files(folder)
        for kind in "2d_sparse", "obj":
            capsys.readouterr()
            assert main(["image", "p.png", "-o", kind]) == 1
            (line,) = capsys.readouterr().err.splitlines()
            assert "nothing in it says that tddfa made it" in line
            assert "--overwrite" in line
        assert files(folder) == before
    assert main([*command, "--overwrite"]) == 0
    assert main(command) == 0


@pytest.mark.parametrize("more", [[], ["--per-face"]])
def test_the_number_of_files_does_not_grow_from_run_to_run(folder, more, capsys):
    for name in ("a.png", "b.png", "d e.png", "sub/c.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        save(folder / name)
    command = ["image", ".", "-o", "all", "--format", "png", "--raw-depth", "--texture", *more]
    assert main(command) == 0
    once = set(files(folder))
    capsys.readouterr()
    assert main(command) == 0
    assert set(files(folder)) == once
    assert "files made by tddfa" in capsys.readouterr().err
    assert main(["image", *sorted(p for p in once if p.endswith(".png")), "-o", "2d_sparse"]) == 0
    assert {p.replace(".jpg", "") for p in set(files(folder)) - once} == {
        f"{name}_2d_sparse" for name in ("a", "b", "c", "d e", "sub/c")
    } - {"sub/c_2d_sparse"}, "an image that is named is written into the current folder"


def test_an_output_under_another_name_is_no_input_either(folder, capsys):
    save(folder / "a.png")
    assert main(["image", "a.png"]) == 0
    shutil.move("a_2d_sparse.jpg", "holiday.jpg")
    assert main(["image", "holiday.jpg"]) == 1
    assert "holiday.jpg was made by tddfa" in capsys.readouterr().err


def test_textures_of_names_that_differ_by_a_space_are_of_their_own(folder):
    for name, side in (("a b.png", 120), ("a_b.png", 100), ("a\tb.png", 110), ("a  b.png", 90)):
        save(folder / name, side)
    assert main(["image", ".", "-o", "obj", "--texture", "-d", "out"]) == 0
    meshes = sorted(Path("out").glob("*.obj"))
    assert len(meshes) == 4
    materials = {_after(mesh, "mtllib ") for mesh in meshes}
    pictures = {_after(Path("out", material), "map_Kd ") for material in materials}
    assert (len(materials), len(pictures)) == (4, 4)
    assert not any(set(name) & set(" \t") for name in materials | pictures)
    assert len({Path("out", picture).read_bytes() for picture in pictures}) == 4


def _after(path: Path, start: str) -> str:
    (name,) = {line.removeprefix(start) for line in path.read_text().splitlines() if line.startswith(start)}
    return name


@pytest.mark.skipif(os.name == "nt", reason="needs names that are not text")
@pytest.mark.parametrize("arguments", [["-o", "all", "--texture"], ["--json", "faces.jsonl"]])
def test_a_name_that_is_not_utf_8_is_like_any_other(folder, arguments):
    odd = os.fsdecode(b"caf\xe9.png")
    save(folder / "a.png")
    (folder / odd).write_bytes((folder / "a.png").read_bytes())
    assert main(["image", ".", "-d", "out", *arguments]) == 0
    if Path("out").exists():
        assert len(files(folder / "out")) == 2 * (len(names(KINDS)) + 2)
    else:
        lines = [json.loads(line) for line in Path("faces.jsonl").read_text().splitlines()]
        assert {line["file"] for line in lines} == {"a.png", odd}


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_a_name_that_the_terminal_cannot_show_has_escapes(folder, monkeypatch, encoding):
    name = "bad\udcff.png" if encoding == "utf-8" else "照片.png"
    save(folder / "1.png")
    try:
        (folder / "1.png").rename(name)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such name")
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding, errors="strict"))
    assert main(["image", name, "-o", "json"]) == 0
    said = name.removesuffix(".png").encode(encoding, "backslashreplace").decode(encoding)
    assert written.getvalue().decode(encoding).split() == ["wrote", f"{said}_json.json"]


def test_success_says_where_the_files_are(folder, capsys):
    save(folder / "a.png")
    assert main(["image", "a.png", "-o", "3d,ply", "-d", "out"]) == 0
    assert capsys.readouterr().out == "wrote out/a_3d.jpg\nwrote out/a_ply.ply\n".replace("/", os.sep)
    save(folder / "b.png")
    assert main(["image", ".", "-o", "3d,ply", "-d", "out", "--json", "faces.jsonl"]) == 0
    assert capsys.readouterr().out == "wrote 4 files of 2 images to out\nwrote faces.jsonl\n"
    (folder / "b.png").write_bytes(b"no image")
    assert main(["image", ".", "-o", "3d", "-d", "other"]) == 1
    assert "wrote 1 file of 1 image to other\n" in capsys.readouterr().out


OF_AN_EARLIER_RUN = "of an earlier run; this one did not write them"


@pytest.mark.parametrize(
    ("arguments", "stale"),
    [
        (["-o", "ply,glb", "--per-face"], ["a_ply_face_2.ply", "a_ply_face_3.ply", "a_glb_face_2.glb"]),
        (
            ["-o", "obj", "--texture", "--per-face"],
            ["a_obj_face_2.obj", "a_obj_face_2_1.png", "a_obj_face_2.mtl"],
        ),
        (["-o", "obj", "--texture"], ["a_obj_2.png", "a_obj_3.png"]),
        (["-o", "ply,3d"], []),
    ],
)
def test_files_of_faces_that_are_found_no_more_stay_and_are_named(
    folder, arguments, stale, capsys, monkeypatch
):
    from tddfa.detection import FaceBoxes
    from tddfa.types import BoundingBox, Detection

    boxes = [BoundingBox(k, k, 100 - k, 100 - k) for k in (10, 15, 20)]
    monkeypatch.setattr(FaceBoxes, "detect", lambda self, image: [Detection(box) for box in boxes])
    save(folder / "a.png")
    command = ["image", "a.png", "-d", "out", *arguments]
    assert main(command) == 0
    assert OF_AN_EARLIER_RUN not in capsys.readouterr().err
    before = files(folder / "out")
    del boxes[1:]
    assert main(command) == 0
    said = capsys.readouterr()
    assert (OF_AN_EARLIER_RUN in said.err) == bool(stale)
    for name in stale:
        assert str(Path("out", name)) in said.err
        assert name not in said.out
    assert set(files(folder / "out")) == set(before), "nothing is removed"
    boxes.clear()
    assert main(command) == 1
    said = capsys.readouterr()
    assert OF_AN_EARLIER_RUN in said.err, "all of them, now that no face is found"
    assert files(folder / "out").keys() == before.keys()


RUN = """
import os, sys, time
from tddfa.alignment import FaceAligner
from tddfa.cli.main import main
from tddfa.cli.overwriting import Places
align = FaceAligner.align
def slowly(self, image, **options):
    print("aligning", flush=True)
    while not os.path.exists(sys.argv[1]):  # until the signal has been sent, and then the time that it takes
        time.sleep(0.01)
    time.sleep(0.3)
    return align(self, image, **options)
FaceAligner.align = slowly
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
class TestSignals:
    def started(self, go_on: Path, *command: str) -> subprocess.Popen[str]:
        """Start a command whose first image waits until a file is there."""
        arguments = [sys.executable, "-c", RUN, str(go_on), *command, "--pack", "3ddfa-v2-mb05"]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("aligning")
        return process

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    @pytest.mark.parametrize("jobs", ["1", "2"])
    def test_a_run_that_is_told_to_stop_keeps_what_is_done(self, folder, number, jobs):
        go_on = folder / "go on"
        for k in range(9):
            save(folder / f"{k}.png")
        command = ["image", ".", "-o", "2d_sparse", "-d", "out", "--json", "faces.jsonl", "-j", jobs]
        process = self.started(go_on, *command)
        process.send_signal(number)
        go_on.touch()
        _, error = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
        assert "tddfa: interrupted" in error
        done = [json.loads(line)["file"] for line in Path("faces.jsonl").read_text().splitlines()]
        assert 1 <= len(done) < 9
        assert set(files(folder / "out")) == {f"{Path(name).stem}_2d_sparse.jpg" for name in done}
        assert not list(folder.rglob(".*"))

    def test_what_a_killed_run_left_is_swept_and_never_read(self, folder):
        for k in range(3):
            save(folder / f"{k}.png")
        process = self.started(folder / "never", "image", ".", "-d", ".", "--json", "faces.jsonl")
        process.kill()
        process.communicate()
        (leftover,) = folder.glob(".*")  # the unfinished lines
        image = leftover.with_suffix(".png")  # as of an image that was being written
        image.write_bytes((folder / "0.png").read_bytes())
        assert main(["image", ".", "--json", "faces.jsonl", "-o", "2d_sparse"]) == 0
        assert len(Path("faces.jsonl").read_text().splitlines()) == 3
        assert not list(folder.rglob(".*"))


def test_resuming_a_long_run_takes_little_memory(folder):
    import tracemalloc

    from tddfa.cli.lines import Lines

    save(folder / "a.png")
    face = {"landmarks": [[k + 0.5] * 3 for k in range(600)]}
    with Path("faces.jsonl").open("w") as file:
        for k in range(3000):
            record = {"file": f"images/{k:09}.jpg", "schema": "tddfa.faces/1", "faces": [face] * (k % 3 > 0)}
            file.write(json.dumps(record) + "\n")
    size = Path("faces.jsonl").stat().st_size
    assert size > 20e6
    tracemalloc.start()
    start = time.process_time()
    with Lines.to("faces.jsonl", resume=True, check=lambda path: None) as lines:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert lines is not None
        assert "images/000000001.jpg" in lines.done
        assert "images/000003000.jpg" not in lines.done
        assert lines.done.has_no_face("images/000000000.jpg")
        assert not lines.done.has_no_face("images/000000001.jpg")
    assert peak < 300_000  # bytes
    assert time.process_time() - start < 5


@pytest.fixture
def clip(folder) -> Path:
    image = np.asarray(toys.image(120))
    return write_clip(folder / "clip.mp4", [np.roll(image, k, axis=1) for k in range(3)])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        *((["-o", kind], f"clip_{kind}.mp4") for kind in names(KINDS, video=True)),
        *((["--data", kind], f"clip.{kind}") for kind in names(TABLES, video=True)),
        (["--data", "livelink"], "clip_livelink.csv"),
        (["--data", "livelink"], "clip_livelink_2.csv"),
        (["--glb"], "clip_face_0.glb"),
        (["--report"], "clip_report.html"),
        (["--plot"], "clip_plot.png"),
    ],
)
def test_a_video_writes_over_no_file_of_others_and_over_every_file_of_ours(clip, arguments, name, capsys):
    theirs = clip.parent / "out" / name
    theirs.parent.mkdir()
    theirs.write_bytes(b"of somebody else")
    command = ["video", "clip.mp4", "-d", "out", *arguments]
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert files(theirs.parent) == {name: b"of somebody else"}
    assert main([*command, "--overwrite"]) == 0
    further = "livelink_2" in name  # of a person who is not in this clip
    assert (theirs.read_bytes() == b"of somebody else") is further
    if not further:
        ours = set(files(theirs.parent))
        assert main(command) == 0
        assert set(files(theirs.parent)) == ours


def test_an_input_of_a_run_over_videos_stays(clip, capsys):
    other = shutil.copy(clip, clip.with_name("clip_2d_sparse.mp4"))
    before = files(clip.parent)
    for arguments in (["."], ["clip.mp4", str(other)], ["*.mp4"]):
        assert main(["video", *arguments, "--overwrite"]) == 1
        assert "clip_2d_sparse.mp4: it is an input of this run" in capsys.readouterr().err
        assert files(clip.parent).items() >= before.items()
        (clip.parent / "clip_2d_sparse_2d_sparse.mp4").unlink()


def test_videos_that_tddfa_made_are_no_inputs_of_the_next_run(clip, capsys):
    assert main(["video", "."]) == 0
    once = set(files(clip.parent))
    capsys.readouterr()
    assert main(["video", "."]) == 0
    assert set(files(clip.parent)) == once
    assert "left out 1 file made by tddfa" in capsys.readouterr().err
    assert main(["video", "clip_2d_sparse.mp4"]) == 1
    assert "no video is left" in capsys.readouterr().err
    assert set(files(clip.parent)) == once


def test_a_recording_replaces_neither_its_source_nor_files_of_others(clip, capsys):
    (clip.parent / "notes.csv").write_text("mine\n")
    (clip.parent / "table.csv").hardlink_to(clip)
    for name, word in (("notes.csv", "--overwrite"), ("table.csv", "input of this run")):
        command = ["live", "--source", "clip.mp4", "--record", name]
        before = files(clip.parent)
        assert main(command) == 1
        assert word in capsys.readouterr().err
        assert files(clip.parent) == before
    command = ["live", "--source", "clip.mp4", "--record", "notes.csv"]
    assert main([*command, "--record", "./notes.csv", "--overwrite"]) == 1
    assert main([*command, "--overwrite"]) == 0
    assert main(command) == 0
    assert (clip.parent / "notes.csv").read_text().startswith("frame,")


@pytest.mark.parametrize("option", [["--per-image"], ["--worst", "3", "--sheet"]])
def test_what_a_measurement_writes_replaces_nothing(folder, option, capsys):
    (folder / "data").mkdir()
    for name in ("mine.jpg", "data/a.jpg"):
        save(folder / name)
    before = files(folder)
    command = ["eval", "aflw2000", "--data", "data", *option]
    for name, more, word in (
        ("mine.jpg", [], "--overwrite"),
        ("data/a.jpg", ["--overwrite"], "input of this run"),
        ("link.jpg", ["--overwrite"], "input of this run"),
    ):
        if name == "link.jpg":
            (folder / name).symlink_to("data/a.jpg")
        assert main([*command, name, *more]) == 1
        assert word in capsys.readouterr().err
    (folder / "link.jpg").unlink()
    assert files(folder) == before


@pytest.mark.parametrize("target", ["nowhere.csv", "x.csv"])
def test_a_link_that_leads_nowhere_is_one_line_and_may_be_replaced(folder, capfd, target):
    clip = write_clip(folder / "a.mp4", [toys.image()] * 3)
    link = folder / "x.csv"
    link.symlink_to(target)
    command = ["live", "--source", str(clip), "--record", "x.csv"]
    assert main(command) == 1
    error = capfd.readouterr().err
    assert error.startswith("tddfa: error: cannot write x.csv: it is a link to a file that is not there; ")
    assert error.count("\n") == 1
    assert main([*command, "--overwrite"]) == 0
    assert link.read_text().startswith("frame")
    assert not (folder / "nowhere.csv").exists()


def test_a_link_that_leads_nowhere_is_none_of_the_files_of_a_folder(tmp_path):
    (tmp_path / "set").mkdir()
    link = tmp_path / "loop.csv"
    link.symlink_to("loop.csv")
    assert not Places((tmp_path / "set",)).holds(link)
    (tmp_path / "set" / "loop.csv").symlink_to("loop.csv")
    assert Places((tmp_path / "set",)).holds(tmp_path / "set" / "loop.csv")
