"""The command as a person meets it: what it writes, what it says, how it ends."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tddfa
import toys
from tddfa import FaceAligner, read_image, write_image
from tddfa.cli.lines import Lines
from tddfa.cli.main import main
from timing import cpu_seconds

ALL_KINDS = [
    "2d_sparse",
    "2d_dense",
    "3d",
    "depth",
    "pncc",
    "uv_tex",
    "pose",
    "normals",
    "wireframe",
    "ply",
    "obj",
    "glb",
    "depth16",
    "json",
    "npz",
]
EXTENSIONS = {"ply": "ply", "obj": "obj", "glb": "glb", "depth16": "png", "json": "json", "npz": "npz"}


@pytest.fixture(autouse=True)
def with_toy_pack(toy_pack, packs_folder):
    shutil.copytree(toy_pack.folder, packs_folder / "3ddfa-v2-mb05")


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "in" / "photo.png"
    path.parent.mkdir()
    write_image(path, toys.image())
    return path


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def names(folder: Path) -> set[str]:
    return (
        {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} if folder.exists() else set()
    )


def test_all_kinds_are_written_under_their_names(photo, out):
    assert main(["image", str(photo), "-o", "all", "-d", str(out)]) == 0
    assert names(out) == {f"photo_{kind}.{EXTENSIONS.get(kind, 'jpg')}" for kind in ALL_KINDS}


def test_landmarks_are_drawn_when_nothing_else_is_asked_for(photo, out):
    assert main(["image", str(photo), "-d", str(out)]) == 0
    assert names(out) == {"photo_2d_sparse.jpg"}


def test_a_transparent_background_is_transparent(photo, out):
    import cv2

    assert (
        main(
            [
                "image",
                str(photo),
                "-o",
                "3d",
                "--background",
                "transparent",
                "--format",
                "png",
                "-d",
                str(out),
            ]
        )
        == 0
    )
    rgba = cv2.imread(str(out / "photo_3d.png"), cv2.IMREAD_UNCHANGED)
    assert rgba.shape == (120, 120, 4)
    assert (rgba[0, 0, 3], rgba[64, 64, 3] > 0) == (0, True)


def test_raw_depth_is_pixels_with_a_mask(photo, out):
    assert main(["image", str(photo), "-o", "depth", "--raw-depth", "-d", str(out)]) == 0
    depth = np.load(out / "photo_depth.npy", allow_pickle=False)
    mask = read_image(out / "photo_depth_mask.png")[..., 0] > 0
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(np.isfinite(depth), mask)
    # The toy face is 60 mm deep at 40 px per 70 mm of half width, in a crop of 1.58 times its box.
    assert np.nanmin(depth) == pytest.approx(-60 * 40 / 70 * int(1.58 * toys.DETECTED_SIDE) / 120, abs=0.5)


def test_16_bit_depth_is_the_depth_and_measured_once(photo, out, monkeypatch):
    from PIL import Image

    from tddfa import render

    measured = []
    once = render.depth_map
    monkeypatch.setattr(render, "depth_map", lambda *given: measured.append(once(*given)) or measured[-1])
    assert main(["image", str(photo), "-o", "depth,depth16", "--raw-depth", "-d", str(out)]) == 0
    assert len(measured) == 1
    depth = np.load(out / "photo_depth.npy", allow_pickle=False)
    with Image.open(out / "photo_depth16.png") as png:
        scale, offset = float(png.info["depth_scale"]), float(png.info["depth_offset"])
        values = np.asarray(png).astype(float)
    np.testing.assert_array_equal(values == 0, np.isnan(depth))
    np.testing.assert_allclose((offset + scale * values)[values > 0], depth[values > 0], atol=scale)


def test_each_face_can_have_its_own_files(photo, out):
    import trimesh

    two = np.hstack([toys.image(), toys.image()])
    write_image(photo, two)
    arguments = ["image", str(photo), "-o", "ply,obj,glb", "-d", str(out), "--per-face"]
    n_faces = len(FaceAligner().align(two))
    assert main(arguments) == 0
    kinds = ("ply", "obj", "glb")
    expected = {f"photo_{kind}_face_{i + 1}.{kind}" for kind in kinds for i in range(n_faces)}
    assert names(out) == expected
    assert main(arguments[:-1]) == 0
    whole = trimesh.load(out / "photo_ply.ply", process=False)
    parts = [trimesh.load(out / f"photo_ply_face_{i + 1}.ply", process=False) for i in range(n_faces)]
    np.testing.assert_array_equal(whole.vertices, np.concatenate([part.vertices for part in parts]))


def test_an_obj_can_have_a_texture(photo, out):
    import trimesh

    assert main(["image", str(photo), "-o", "obj", "--texture", "-d", str(out)]) == 0
    assert names(out) == {"photo_obj.obj", "photo_obj.mtl", "photo_obj_1.png"}
    read = trimesh.load(out / "photo_obj.obj", process=False)
    assert read.visual.material.image.size == (256, 256)


@pytest.mark.parametrize("more", [[], ["--per-face"]])
def test_a_run_that_goes_on_with_textures_writes_them(photo, out, more):
    command = ["image", str(photo), "-o", "obj", "-d", str(out), "--resume", *more]
    assert main(command) == 0
    assert main([*command, "--texture"]) == 0
    whole = names(out)
    assert sorted(Path(name).suffix for name in whole) == [".mtl", ".obj", ".png"]
    for name in whole:
        (out / name).unlink()
        assert main([*command, "--texture"]) == 0
        assert names(out) == whole


def test_a_neutral_frontal_model_is_another_file(photo, out):
    assert main(["image", str(photo), "-o", "glb", "-d", str(out)]) == 0
    as_seen = (out / "photo_glb.glb").read_bytes()
    assert main(["image", str(photo), "-o", "glb", "-d", str(out), "--neutral", "--frontal"]) == 0
    assert (out / "photo_glb.glb").read_bytes() != as_seen


def test_json_lines_hold_every_face_of_every_image(photo, out, capsys):
    second = photo.with_name("second.png")
    write_image(second, toys.image(100))
    assert main(["image", str(photo), str(second), "--json", "-"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [str(photo), str(second)]
    (face,) = lines[0]["faces"]
    assert np.array(face["landmarks"]).shape == (68, 3)
    assert np.array(face["camera"]).shape == (3, 4)
    assert (len(face["identity"]), len(face["box"])) == (40, 4)
    assert set(face["pose"]) == {"yaw_deg", "pitch_deg", "roll_deg"}
    assert lines[0]["schema"].startswith("tddfa")


def test_json_can_go_to_a_file(photo, out, tmp_path):
    assert main(["image", str(photo), "--json", str(tmp_path / "faces.jsonl")]) == 0
    assert len((tmp_path / "faces.jsonl").read_text().splitlines()) == 1


def test_folders_keep_their_structure_and_globs_match(photo, out, tmp_path):
    deeper = photo.parent / "deeper"
    deeper.mkdir()
    shutil.copy(photo, deeper / "photo.png")
    (photo.parent / "notes.txt").write_text("not a picture")
    assert main(["image", str(photo.parent), "-d", str(out)]) == 0
    assert names(out) == {"photo_2d_sparse.jpg", "deeper/photo_2d_sparse.jpg"}
    shutil.rmtree(out)
    assert main(["image", str(photo.parent / "ph*.png"), "-d", str(out)]) == 0
    assert names(out) == {"photo_2d_sparse.jpg"}


def test_images_of_one_stem_do_not_overwrite_each_other(photo, out):
    write_image(photo.with_suffix(".bmp"), toys.image())
    assert main(["image", str(photo), str(photo.with_suffix(".bmp")), "-d", str(out)]) == 0
    assert names(out) == {"photo_png_2d_sparse.jpg", "photo_bmp_2d_sparse.jpg"}


def test_a_bad_file_is_reported_and_the_rest_go_on(photo, out, capsys):
    bad = photo.with_name("bad.jpg")
    bad.write_text("text")
    assert main(["image", str(bad), str(photo), str(photo.with_name("gone.png")), "-d", str(out)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["tddfa"] * 3
    assert "bad.jpg is no image" in lines[0]
    assert "no such file" in lines[1]
    assert lines[2] == "tddfa: 1 of 3 images done; problems: 2"
    assert names(out) == {"photo_2d_sparse.jpg"}


BAD_FILES = {
    "text.jpg": b"just text",
    "empty.png": b"",
    "truncated.jpg": None,
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_end_with_one_line_code_1_and_nothing_written(tmp_path, out, capsys, name):
    import cv2

    data = BAD_FILES[name]
    if data is None:
        noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
        data = cv2.imencode(".jpg", noise)[1].tobytes()[:5000]
    (tmp_path / name).write_bytes(data)
    assert main(["image", str(tmp_path / name), "-o", "all", "-d", str(out)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("tddfa: error: ")
    assert err.count("\n") == 1
    assert name in err
    assert names(out) == set()


def test_a_face_that_is_too_small_for_the_search_is_found_with_a_larger_one(tmp_path, out, capsys):
    photo = read_image(Path(__file__).parents[2] / "examples/photos/hopper.jpg")
    image = np.full((1200, 1600, 3), 120, np.uint8)
    small = photo[::8, ::8]
    image[500 : 500 + len(small), 700 : 700 + small.shape[1]] = small
    write_image(tmp_path / "far.png", image)
    pack = Path(tddfa.__file__).parent / "packs/built_in/open"
    command = ["image", str(tmp_path / "far.png"), "-o", "json", "-d", str(out), "--pack", str(pack)]
    assert main([*command, "--search-size", "400"]) == 1
    message = capsys.readouterr().err
    assert "a face has to be about 80 px wide in this image of 1600×1200 px" in message
    assert "; --search-size 1600 finds smaller ones" in message
    assert main([*command, "--search-size", "1600"]) == 0
    assert main(command) == 0  # nobody was found at first, so the search went on
    with pytest.raises(SystemExit):
        main([*command, "--search-size", "10"])
    assert "'10' is below 32 px" in capsys.readouterr().err


def test_an_image_without_a_face_is_one_line_and_code_1(tmp_path, out, capsys, monkeypatch):
    from tddfa.detection import FaceBoxes

    monkeypatch.setattr(FaceBoxes, "detect", lambda self, image: [])
    write_image(tmp_path / "sky.png", np.full((50, 50, 3), 200, np.uint8))
    assert (
        main(["image", str(tmp_path / "sky.png"), "-o", "all", "-d", str(out), "--json", str(tmp_path / "j")])
        == 1
    )
    line = "sky.png: no face found; a face has to be about 20 px wide in this image of 50×50 px\n"
    assert capsys.readouterr().err.endswith(line)
    assert names(out) == set()
    assert json.loads((tmp_path / "j").read_text())["faces"] == []


@pytest.mark.parametrize("name", ["mit leerzeichen.png", "лицо-顔-😀.png", "-dash.png"])
def test_any_file_name_will_do(photo, out, name, monkeypatch):
    path = photo.with_name(name)
    photo.rename(path)
    monkeypatch.chdir(photo.parent)
    assert main(["image", "-d", str(out), "--", name]) == 0
    assert names(out) == {f"{path.stem}_2d_sparse.jpg"}


@pytest.mark.parametrize("mode", ["1x1", "grey", "16 bit", "rgba"])
def test_odd_images_are_aligned_or_refused_but_never_crash(tmp_path, out, mode, capsys):
    rgb = toys.image()
    grey = rgb[..., 0]
    pixels = {
        "1x1": rgb[:1, :1],
        "grey": grey,
        "16 bit": rgb.astype(np.uint16) * 257,
        "rgba": np.dstack([rgb, grey]),
    }[mode]
    write_image(tmp_path / "odd.png", pixels)
    code = main(["image", str(tmp_path / "odd.png"), "-o", "all", "-d", str(out)])
    assert code == 0 or capsys.readouterr().err.count("\n") == 1
    assert len(names(out)) == (len(ALL_KINDS) if code == 0 else 0)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that even root cannot write to")
def test_a_read_only_folder_is_one_line(photo, capsys):
    assert main(["image", str(photo), "-d", "/proc"]) == 1
    err = capsys.readouterr().err
    assert "cannot write /proc/photo_2d_sparse.jpg" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("kind", ["2d_sparse", "ply", "obj", "json", "npz", "depth"])
@pytest.mark.parametrize(("code", "reason"), [(28, "No space left on device"), (13, "Permission denied")])
def test_a_disk_that_refuses_is_one_line_and_leaves_nothing(
    photo, out, kind, capsys, monkeypatch, code, reason
):
    def refuse(self, target):
        raise OSError(code, reason)

    monkeypatch.setattr(Path, "replace", refuse)
    raw = ["--raw-depth"] if kind == "depth" else []
    assert main(["image", str(photo), "-o", kind, "-d", str(out), *raw]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert reason in err
    assert names(out) == set()


@pytest.mark.skipif(os.name == "nt", reason="Windows has other numbers for this")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_ends_a_run_over_many_and_keeps_what_is_done(photo, out, number, capsys, monkeypatch):
    from tddfa.outputs import write

    for k in range(6):
        shutil.copy(photo, photo.with_name(f"photo{k}.png"))
    whole, written = write.atomic_write, []

    def write_two(path: Path, data: bytes) -> None:
        if len(written) == 2:
            raise OSError(number, os.strerror(number))
        written.append(path)
        whole(path, data)

    monkeypatch.setattr(write, "atomic_write", write_two)
    lines = photo.parent.parent / "faces.jsonl"
    command = ["image", str(photo.parent), "-o", "3d", "-d", str(out), "--json", str(lines)]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert error.count("tddfa: error: ") == 1, "not one for each of the others"
    assert "2 of 7 images done; problems: 1" in error
    assert "stopped, since the disk takes no more; free some space, then run again with --resume" in error
    assert len(names(out)) == 2
    assert len(lines.read_text().splitlines()) == 3


def test_an_output_folder_that_is_a_file_is_one_line(photo, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("")
    shutil.copy(photo, photo.with_name("other.png"))
    for folder in (file, file / "sub"):
        assert main(["image", str(photo.parent), "-d", str(folder)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith(f"cannot write to {folder}: {file} is a file; choose another folder (-d)")
        assert main(["batch", str(photo.parent), "--out", str(folder)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith(f"cannot write to {folder}: {file} is a file; choose another folder")


@pytest.mark.parametrize(
    "arguments", [["image", "a.jpg", "-d", ""], ["video", "a.mp4", "--dir="], ["live", "-d", ""]]
)
def test_the_folder_of_the_outputs_needs_a_name(arguments, capsys):
    with pytest.raises(SystemExit) as usage:
        main(arguments)
    assert usage.value.code == 2
    assert capsys.readouterr().err.endswith(
        "-d/--dir: the name of the folder is empty; . is the current one\n"
    )


def test_the_file_of_json_needs_a_name_and_a_folder(photo, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as usage:
        main(["image", str(photo), "--json", ""])
    assert usage.value.code == 2
    assert capsys.readouterr().err.endswith("--json is empty; name a file, or - for standard output\n")
    for more in ([], ["--resume"]):
        assert main(["image", str(photo), "--json", "new/faces.jsonl", *more]) == 1
        line = capsys.readouterr().err
        assert "cannot write new/faces.jsonl: there is no folder new; make it first" in line


def test_a_broken_pack_stops_everything_with_one_line(photo, out, packs_folder, capsys):
    path = packs_folder / "3ddfa-v2-mb05" / "regressor.onnx"
    path.write_bytes(path.read_bytes()[:1000])
    assert main(["image", str(photo), str(photo), "-d", str(out)]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "is broken: regressor.onnx has 1000 bytes" in err


def test_a_missing_pack_is_one_line(photo, capsys):
    assert main(["image", str(photo), "--pack", "mb2"]) == 1
    assert "no model pack named 'mb2'; installed: 3ddfa-v2-mb05" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["image"],
        ["image", "a.jpg", "-o", "4d"],
        ["image", "a.jpg", "-o", ""],
        ["image", "a.jpg", "--max-faces", "0"],
        ["image", "a.jpg", "--max-faces", "many"],
        ["image", "a.jpg", "--background", "transparent"],
        ["nonsense"],
        [],
    ],
)
def test_wrong_usage_ends_with_code_2_and_says_what_is_right(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: tddfa" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["image", "a.jpg", "-o", "out.png"], "a folder goes to -d DIR"),
        (["image", "a.jpg", "-o", "3d,out/"], "'out/' is no kind of output"),
        (["image", "a.jpg", "-o", r"out\a.obj"], "a folder goes to -d DIR"),
        (["image", "a.jpg", "--data", "faces.csv"], "a folder goes to -d DIR"),
        (["image", "a.jpg", "-o", "there"], "a folder goes to -d DIR"),
        (["image", "a.jpg", "-o", "csv"], "for csv use --data"),
        (["image", "a.jpg", "--data", "npz"], "for npz use -o"),
        (["video", "a.mp4", "-o", "out.mp4"], "a folder goes to -d DIR"),
        (["video", "a.mp4", "--data", "./faces"], "a folder goes to -d DIR"),
        (["video", "a.mp4", "-o", "glb"], "for glb use --glb"),
        (["video", "a.mp4", "-o", "livelink"], "for livelink use --data"),
        (["batch", "a.jpg", "--out", "out", "--kinds", "a.png"], "a folder goes to --out OUT"),
        (["live", "-o", "out.mp4"], "the folder of snapshots goes to -d DIR"),
        (["webcam", "-o", "~/shots"], "the folder of snapshots goes to -d DIR"),
    ],
)
def test_a_path_in_place_of_a_kind_of_output_is_told_where_it_belongs(
    arguments, advice, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert advice in message
    assert "choose from " in message


@pytest.mark.parametrize("command", [["image", "a.jpg"], ["video", "a.mp4"], ["live"], ["webcam"]])
def test_a_wrong_kind_of_output_gets_no_advice_about_paths(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main([*command, "-o", "4d"])
    message = capsys.readouterr().err
    assert "2d_dense" in message
    assert "-d DIR" not in message.splitlines()[-1]


def test_max_faces_keeps_the_largest(photo, out, capsys, monkeypatch):
    from tddfa.detection import FaceBoxes
    from tddfa.types import BoundingBox, Detection

    boxes = [BoundingBox(40, 40, 60, 60), BoundingBox(10, 10, 100, 100), BoundingBox(20, 20, 90, 90)]
    monkeypatch.setattr(FaceBoxes, "detect", lambda self, image: [Detection(b) for b in boxes])
    assert main(["image", str(photo), "--max-faces", "2", "--json", "-"]) == 0
    faces = json.loads(capsys.readouterr().out)["faces"]
    assert [f["box"][0] for f in faces] == [10, 20]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--data", "parquet"], "writing Parquet needs the package 'pyarrow'"),
        (["--pack", "nope"], "no model pack named 'nope'"),
        (["--device", "cuda"], "cuda"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--json", "out/faces.jsonl"]])
def test_what_is_missing_shows_before_anything_is_made(
    photo, tmp_path, arguments, text, more, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["image", str(photo), "-d", "out", "-o", "3d", *arguments, *more]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line
    assert not (tmp_path / "out").exists()


def test_an_interrupt_ends_with_code_130_and_half_a_file_nowhere(photo, out, monkeypatch, capsys):
    from tddfa.detection import FaceBoxes

    def interrupt(self, image):
        raise KeyboardInterrupt

    monkeypatch.setattr(FaceBoxes, "detect", interrupt)
    assert main(["image", str(photo), "-d", str(out)]) == 130
    assert names(out) == set()


def test_an_unforeseen_error_costs_one_image_and_shows_its_traceback_with_v(photo, out, monkeypatch, capsys):
    from tddfa.detection import FaceBoxes

    detect = FaceBoxes.detect
    monkeypatch.setattr(
        FaceBoxes, "detect", lambda self, image: detect(self, image) if len(image) < 120 else 1 / 0
    )
    write_image(photo.with_name("small.png"), toys.image(100))
    command = ["image", str(photo.parent), "-d", str(out)]
    assert main(command) == 1
    assert names(out) == {"small_2d_sparse.jpg"}
    first, _ = capsys.readouterr().err.splitlines()
    assert "photo.png: unexpected ZeroDivisionError: division by zero" in first
    assert main(["-v", *command]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_photo_takes_less_than_1200_ms_from_a_cold_start(published_pack, shared, out):
    command = [sys.executable, "-m", "tddfa", "image", "-d", str(out), "--pack", str(published_pack.folder)]
    photo = shared / "reference/3ddfa_v2/examples/inputs/trump_hillary.jpg"

    assert min(cpu_seconds([*command, str(photo)]) for _ in range(3)) < 1.2


class TestManyImages:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        folder = tmp_path / "in"
        folder.mkdir()
        for k in range(5):
            write_image(folder / f"{k}.png", toys.image(100 + 10 * k))
        (folder / "broken.png").write_bytes(b"no picture")
        return folder

    @pytest.mark.parametrize("least", [64, 1], ids=["threads", "processes"])
    def test_several_at_a_time_give_what_one_after_the_other_does(
        self, folder, tmp_path, capsys, monkeypatch, least
    ):
        monkeypatch.setattr("tddfa.cli.image._MIN_PER_PROCESS", least)
        said = []
        for jobs in "1", "3":
            out = tmp_path / jobs
            command = [
                "image",
                str(folder),
                "-o",
                "2d_sparse",
                "-d",
                str(out),
                "--json",
                str(out / "f.jsonl"),
                "--pack",
                "3ddfa-v2-mb05",
            ]
            out.mkdir()
            assert main([*command, "--jobs", jobs]) == 1
            said.append(capsys.readouterr().err)
        for name in names(tmp_path / "1"):
            assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()
        assert said[0] == said[1]
        assert "tddfa: 5 of 6 images done; problems: 1" in said[0]

    def test_a_run_that_was_stopped_goes_on_where_it_was(self, folder, tmp_path, capsys):
        out, lines = tmp_path / "out", tmp_path / "out" / "f.jsonl"
        out.mkdir()
        command = ["image", str(folder), "-o", "2d_sparse", "-d", str(out), "--json", str(lines), "--resume"]
        assert main(command) == 1
        whole = lines.read_text()
        assert len(whole.splitlines()) == 5
        capsys.readouterr()

        # As after power went: a line of which half is there, a picture without its file.
        torn = whole[: whole.rindex("{") + 40]
        lines.write_text(torn)
        (out / "1_2d_sparse.jpg").unlink()
        times = {name: (out / name).stat().st_mtime_ns for name in names(out)}
        assert main(command) == 1
        assert lines.read_text() == whole
        rewritten = {name for name in names(out) if times.get(name) != (out / name).stat().st_mtime_ns}
        assert rewritten == {"1_2d_sparse.jpg", "4_2d_sparse.jpg", "f.jsonl"}
        assert "tddfa: 2 of 6 images done, 3 were done before; problems: 1" in capsys.readouterr().err

    @pytest.mark.skipif(os.name == "nt", reason="needs locks of POSIX")
    def test_a_file_that_another_run_adds_to_is_not_added_to(self, folder, tmp_path, capsys):
        command = ["image", str(folder), "--json", str(tmp_path / "f.jsonl"), "--resume"]
        with Lines.to(str(tmp_path / "f.jsonl"), resume=True, check=lambda path: None) as other:
            assert main(command) == 1
            assert "f.jsonl: another run adds to it; let it end, then resume" in capsys.readouterr().err
            other.add("1.png", '{"file": "1.png", "faces": []}')
        assert (tmp_path / "f.jsonl").read_text().count("\n") == 1
        main(command)
        assert (tmp_path / "f.jsonl").read_text().count("\n") == 6

    def test_what_cannot_be_resumed_is_a_line(self, folder, tmp_path, capsys):
        (tmp_path / "notes.txt").write_text("milk\n")
        assert main(["image", str(folder), "--json", str(tmp_path / "notes.txt"), "--resume"]) == 1
        assert "line 1 of" in capsys.readouterr().err
        assert (tmp_path / "notes.txt").read_text() == "milk\n"
        assert main(["image", str(folder), "--json", str(tmp_path / "notes.txt")]) == 1
        assert "choose another name, or replace it with --overwrite" in capsys.readouterr().err
        (tmp_path / "deep.jsonl").write_text("[" * 200_000 + "\n")
        assert main(["image", str(folder), "--json", str(tmp_path / "deep.jsonl"), "--resume"]) == 1
        assert "line 1 of" in capsys.readouterr().err
        lines = tmp_path / "lines.jsonl"
        for content in (
            b'{"file": [1], "faces": []}\n',
            b'{"file": {}, "faces": []}\n',
            b'{"file": "a.jpg"}\n',
            b'{"faces": 3, "file": "a.jpg"}\n',
            b"PAR1\n",
            b"\xff\n",
        ):
            lines.write_bytes(content)
            assert main(["image", str(folder), "--json", str(lines), "--resume"]) == 1
            error = capsys.readouterr().err
            assert "cannot resume: line 1 of" in error
            assert error.count("\n") == 1
            assert lines.read_bytes() == content
        with pytest.raises(SystemExit) as usage:
            main(["image", str(folder), "--json", "-", "--resume"])
        assert usage.value.code == 2


def test_kinds_that_are_given_one_by_one_are_all_written(photo, out):
    assert (
        main(["image", str(photo), "-o", "2d_sparse", "-o", "json,json", "-o", "2d_sparse", "-d", str(out)])
        == 0
    )
    assert sorted(path.suffix for path in out.iterdir()) == [".jpg", ".json"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_of_files_give_a_terminal_no_commands(photo, tmp_path, capfd):
    name = "new\nline \x1b[31m \x9b0m \u202egpj.jpg"
    shutil.copyfile(photo, tmp_path / name)
    assert main(["image", str(tmp_path / name), "-o", "pose", "-d", str(tmp_path / "out")]) == 0
    told = capfd.readouterr().out
    assert told.count("\n") == 1
    assert told.rstrip("\n").isprintable()
    (tmp_path / name).write_bytes(b"no image")
    assert main(["image", str(tmp_path / name), "-d", str(tmp_path / "out")]) == 1
    told = capfd.readouterr().err
    assert told.count("\n") == 1
    assert r"new\nline \x1b[31m \x9b0m \u202egpj.jpg is no image" in told


def test_the_file_of_json_may_lie_in_the_new_folder_of_the_outputs(photo, out, tmp_path, capsys):
    lines = out / "faces.jsonl"
    assert main(["image", str(photo), "-d", str(out), "-o", "3d", "--json", str(lines)]) == 0
    assert names(out) == {"photo_3d.jpg", "faces.jsonl"}
    capsys.readouterr()
    other = tmp_path / "another" / "faces.jsonl"
    assert main(["image", str(photo), "-d", str(out), "--json", str(other)]) == 1, (
        "no folder is made for a typo"
    )
    text = f"cannot write {other}: there is no folder {other.parent}; make it first"
    assert capsys.readouterr().err == f"tddfa: error: {text}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no paths of this length")
def test_a_tree_of_1200_levels_is_walked_and_written(photo, tmp_path, monkeypatch):
    root = tmp_path / "deep"
    root.mkdir()
    folders = [Path(*["d"] * depth) for depth in range(1, 1201)]
    try:
        for folder in folders:
            (root / folder).mkdir()
        shutil.copyfile(photo, root / folders[-1] / "a.png")
        monkeypatch.chdir(tmp_path)
        assert main(["image", "deep", "-d", "deep"]) == 0
        assert {path.name for path in (root / folders[-1]).iterdir()} == {"a.png", "a_2d_sparse.jpg"}
        assert main(["image", "deep", "-d", "out"]) == 0
        assert (tmp_path / "out" / folders[-1] / "a_2d_sparse.jpg").is_file()
    finally:  # pytest and shutil would reach the limit of recursion
        for top in root, tmp_path / "out":
            for path in (top / folders[-1]).glob("*"):
                path.unlink()
            for folder in reversed(folders):
                if (top / folder).is_dir():
                    (top / folder).rmdir()


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tddfa", "image", *map(str, arguments), "--pack", "3ddfa-v2-mb05"]


@pytest.mark.parametrize("unbuffered", ["", "1"])
class TestStandardOutput:
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device without room")
    @pytest.mark.parametrize("wanted", [["--json", "-"], ["-o", "2d_sparse"]])
    def test_on_a_full_disk_it_is_one_line_and_code_1(self, photo, out, wanted, unbuffered):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                command(photo, "-d", out, *wanted),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            )
        reason = "No space left on device"
        assert done.stderr == f"tddfa: error: cannot write to standard output: {reason}\n"
        assert done.returncode == 1

    @pytest.mark.skipif(os.name == "nt", reason="needs a shell of POSIX")
    def test_that_is_closed_is_one_line_where_lines_go_there(self, photo, out, unbuffered):
        def closed(*wanted: str) -> tuple[int, str]:
            shell = ["sh", "-c", 'exec "$@" >&-', "sh", *command(photo, "-d", out, *wanted)]
            environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
            done = subprocess.run(shell, stderr=subprocess.PIPE, text=True, env=environment)
            return done.returncode, done.stderr

        assert closed("--json", "-") == (
            1,
            "tddfa: error: cannot write to standard output: it is closed\n",
        )
        assert closed("-o", "2d_sparse") == (0, "")
        assert names(out) == {"photo_2d_sparse.jpg"}

    @pytest.mark.parametrize("code", [0, 1])
    def test_whose_reader_has_gone_ends_with_the_code_of_what_failed_before(self, photo, code, unbuffered):
        if code:
            (photo.parent / "broken.png").write_bytes(b"no image")
        process = subprocess.Popen(
            command(photo.parent, "--json", "-"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        error = process.stderr.read()
        process.stderr.close()
        assert process.wait() == code
        assert error.count("is no image") == code
        assert "Traceback" not in error
        assert "Exception ignored" not in error
