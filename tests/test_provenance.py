"""Every file that the command writes is known as ours, and nothing else is."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tddfa.imaging.files import encode_image
from tddfa.provenance import MARK, is_ours, marked

VERTICES = b"".join(b"v %d.50 -1.25 0.00 0.13 0.07 1.00\n" % k for k in range(9)) + b"f 1 2 3\n"
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_marked_image_is_ours_and_the_same_image(suffix: str, tmp_path: Path) -> None:
    plain = encode_image(PIXELS, suffix)
    ours = marked(plain, suffix)
    for name, data in (("plain", plain), ("ours", ours)):
        (tmp_path / (name + suffix)).write_bytes(data)
    assert not is_ours(tmp_path / f"plain{suffix}")
    assert is_ours(tmp_path / f"ours{suffix}")
    pixels = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in (plain, ours)]
    np.testing.assert_array_equal(*pixels)


def test_an_image_that_another_program_saves_again_is_no_longer_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(marked(encode_image(PIXELS, "png"), ".png"))
    Image.open(path).convert("L").save(path)
    assert not is_ours(path)


def test_an_image_that_was_edited_is_no_longer_ours_though_it_kept_our_comment(tmp_path: Path) -> None:
    jpeg, png = tmp_path / "a.jpg", tmp_path / "a.png"
    for path in jpeg, png:
        path.write_bytes(marked(encode_image(PIXELS, path.suffix), path.suffix))
    with Image.open(jpeg) as image:
        image.load()
        image.paste((255, 0, 0), (0, 0, 9, 9))
        image.save(jpeg)  # Pillow writes the comment again
    with Image.open(png) as image:
        texts = PngInfo()
        texts.add_text("Software", image.info["Software"])
        image.convert("L").save(png, pnginfo=texts)
    for path in jpeg, png:
        assert MARK.encode() in path.read_bytes()
        assert not is_ours(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".ply", ".obj", ".mtl"])
def test_a_file_of_ours_is_no_longer_ours_with_any_byte_changed(suffix: str, tmp_path: Path) -> None:
    rest = {
        ".obj": VERTICES,
        ".mtl": b"newmtl face_1\nKd 1 1 1\n",
        ".ply": b"ply\nformat ascii 1.0\nend_header\n",
    }
    ours = marked(rest.get(suffix) or encode_image(PIXELS, suffix), suffix)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(ours)
    assert is_ours(path)
    changed = [
        ours[:k] + bytes([ours[k] ^ 1]) + ours[k + 1 :] for k in range(0, len(ours), 1 + len(ours) // 300)
    ]
    for data in (*changed, ours + b"\n", ours[:-1], ours[: len(ours) // 2]):
        path.write_bytes(data)
        assert not is_ours(path)


def test_a_mark_without_a_checksum_makes_no_file_ours(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_bytes(b"# made by tddfa\n" + VERTICES)
    assert not is_ours(tmp_path / "a.obj")


def test_an_obj_as_3ddfa_v2_writes_it_is_not_ours_and_with_a_line_in_front_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.obj"
    path.write_bytes(VERTICES)
    assert not is_ours(path)
    ours = marked(VERTICES, ".obj")
    assert ours.partition(b"\n")[2] == VERTICES
    path.write_bytes(ours)
    assert is_ours(path)


def test_meshes_are_read_with_their_mark() -> None:
    box = trimesh.creation.box()
    for kind in "ply", "obj":
        data = box.export(file_type=kind)
        ours = marked(data.encode() if isinstance(data, str) else data, f".{kind}")
        assert len(trimesh.load(io.BytesIO(ours), file_type=kind).vertices) == 8


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jpg", b""),
        ("a.jpg", b"\xff\xd8\xff"),
        ("a.png", b"made by hand"),
        ("a.json", b'{"schema": "mine"}'),
        ("a.jsonl", b'{"frame": 1}\n'),
        ("a.csv", b"frame, face_id, timestamp, confidence, success, gaze_0_x\n"),  # of OpenFace
        ("a.npz", b"PK\x03\x04"),
        ("a.npy", b"\x93NUMPY"),
        ("a.parquet", b"PAR1\xff\xff\xff\x7fPAR1"),
        ("a.obj", b"# made by hand\nv 0 0 0\n"),
        ("a.glb", b'glTF\2\0\0\0    {"asset":{"version":"2.0","generator":"COLLADA2GLTF"}}'),
        ("a.mp4", b"\0\0\0\x08moov\0\0\0\0"),
        ("a.mp4", b"\0\0\0\x01moov\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("a", b"anything"),
    ],
)
def test_files_of_others_and_damaged_ones_are_not_ours(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert not is_ours(tmp_path / name)


@pytest.mark.parametrize("compressed", [False, True])
def test_an_archive_with_any_damage_is_ours_or_not_and_nothing_worse(
    compressed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a_npz.npz"
    save = np.savez_compressed if compressed else np.savez
    save(path, schema=np.array("tddfa.faces/1"), a=np.arange(20))
    assert is_ours(path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        for value in (0, 99, 255):
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            assert is_ours(path) in (True, False)
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        assert not is_ours(path)


def test_what_is_no_file_is_not_ours_and_is_not_waited_for(tmp_path: Path) -> None:
    assert not is_ours(tmp_path)
    assert not is_ours(tmp_path / "nothing.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        assert not is_ours(tmp_path / "pipe.png")


def test_a_video_with_our_comment_is_ours(tmp_path: Path) -> None:
    import av

    for name, comment in (("ours.mp4", MARK), ("theirs.mp4", "made by somebody")):
        with av.open(str(tmp_path / name), "w") as container:
            container.metadata["comment"] = comment
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    assert [is_ours(tmp_path / name) for name in ("ours.mp4", "theirs.mp4")] == [True, False]


def test_it_loads_no_heavy_module() -> None:
    code = "import sys, tddfa.provenance, tddfa.kinds; assert not {'numpy', 'cv2', 'av'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
