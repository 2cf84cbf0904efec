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

from tddfa.imaging.files import encode_image
from tddfa.provenance import is_ours, marked

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


def test_meshes_are_read_with_their_mark() -> None:
    ply = marked(trimesh.creation.box().export(file_type="ply"), ".ply")
    assert len(trimesh.load(io.BytesIO(ply), file_type="ply").vertices) == 8


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


def test_what_is_no_file_is_not_ours_and_is_not_waited_for(tmp_path: Path) -> None:
    assert not is_ours(tmp_path)
    assert not is_ours(tmp_path / "nothing.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        assert not is_ours(tmp_path / "pipe.png")


def test_a_video_with_our_comment_is_ours(tmp_path: Path) -> None:
    import av

    from tddfa.provenance import MARK

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
