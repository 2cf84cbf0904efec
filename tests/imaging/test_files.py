import base64
import os
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from tddfa import decode_image, read_image, write_image
from tddfa.errors import ImageFileError, InputError
from tddfa.imaging.files import encode_image
from tddfa.imaging.reading import file_bytes


@pytest.fixture
def rgb() -> np.ndarray:
    """A smooth picture, wider than high, whose corners differ: orientation and channel order show."""
    y, x = np.mgrid[0:40, 0:64].astype(np.float32)
    return np.stack([x * 4, y * 6, 255 - x * 4], axis=-1).clip(0, 255).astype(np.uint8)


def jpeg_with_orientation(rgb: np.ndarray, orientation: int) -> bytes:
    jpeg = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    tiff = b"MM\x00*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "jpg"])
def test_what_is_written_is_read_back(tmp_path, rgb, suffix):
    path = tmp_path / f"a.{suffix}"
    write_image(path, rgb, quality=100)
    loss = 0 if suffix in ("png", "bmp", "tiff") else 12
    assert np.abs(read_image(path).astype(int) - rgb).max() <= loss


@pytest.mark.parametrize("name", ["mit leerzeichen.png", "лицо-顔.png", "a'b&c.png"])
def test_any_file_name_will_do(tmp_path, rgb, name):
    write_image(tmp_path / name, rgb)
    np.testing.assert_array_equal(read_image(tmp_path / name), rgb)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda p: p),
        (2, np.fliplr),
        (3, lambda p: np.rot90(p, 2)),
        (4, np.flipud),
        (6, lambda p: np.rot90(p, 3)),
        (8, np.rot90),
    ],
)
def test_exif_orientation_is_applied(tmp_path, rgb, orientation, upright):
    path = tmp_path / "phone.jpg"
    path.write_bytes(jpeg_with_orientation(rgb, orientation))
    read = read_image(path)
    assert read.shape == upright(rgb).shape
    assert np.abs(read.astype(int) - upright(rgb)).max() <= 12


def test_grey_alpha_palette_and_16_bits_become_rgb(tmp_path, rgb):
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    write_image(tmp_path / "grey.png", grey)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), np.repeat(grey[..., None], 3, 2))

    write_image(tmp_path / "rgba.png", np.dstack([rgb, np.full(grey.shape, 7, np.uint8)]))
    np.testing.assert_array_equal(read_image(tmp_path / "rgba.png"), rgb)

    write_image(tmp_path / "deep.png", rgb.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png"), rgb)

    import PIL.Image

    few = PIL.Image.fromarray(rgb).quantize(64)
    few.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png"), np.asarray(few.convert("RGB")))


def test_cmyk_jpeg_becomes_rgb(tmp_path, rgb):
    import PIL.Image

    PIL.Image.fromarray(rgb).convert("CMYK").save(tmp_path / "print.jpg", quality=98)
    assert np.abs(read_image(tmp_path / "print.jpg").astype(int) - rgb).mean() < 6


def test_an_animation_gives_its_first_frame(tmp_path):
    import PIL.Image

    first, second = (PIL.Image.new("RGB", (20, 10), color) for color in ((255, 0, 0), (0, 0, 255)))
    first.save(tmp_path / "moving.gif", save_all=True, append_images=[second])
    read = read_image(tmp_path / "moving.gif")
    assert read.shape == (10, 20, 3)
    assert (read == [255, 0, 0]).all()


def test_one_pixel_is_an_image(tmp_path):
    write_image(tmp_path / "dot.png", np.array([[[1, 2, 3]]], np.uint8))
    assert read_image(tmp_path / "dot.png").tolist() == [[[1, 2, 3]]]


def truncated(rgb: np.ndarray, suffix: str) -> bytes:
    data = cv2.imencode(suffix, rgb)[1].tobytes()
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"this is text\n" * 20, "is no image; readable are JPEG, PNG"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\xff\xd8\xff\xe0 nothing more", "truncated JPEG"),
        (b"\x89PNG\r\n\x1a\n", "damaged or truncated PNG"),
    ],
)
def test_what_is_no_image_is_refused_in_a_line(tmp_path, content, message):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match=message) as error:
        read_image(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_half_an_image_is_refused(tmp_path, rgb, suffix):
    noisy = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    path = tmp_path / f"half{suffix}"
    path.write_bytes(truncated(noisy, suffix))
    with pytest.raises(ImageFileError, match="truncated"):
        read_image(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ImageFileError, match="no such file"):
        read_image(tmp_path / "gone.jpg")
    (tmp_path / "file.jpg").write_bytes(b"")
    with pytest.raises(ImageFileError, match="no such file"):
        read_image(tmp_path / "file.jpg" / "a.jpg")
    with pytest.raises(ImageFileError, match="is a folder"):
        read_image(tmp_path)
    with pytest.raises(OSError, match="no such file"):  # an ImageFileError is an OSError too
        read_image(tmp_path / "gone.jpg")


def test_144_million_pixels_are_read(tmp_path):
    side = 12_000
    ok, data = cv2.imencode(".png", np.zeros((side, side), np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert ok
    (tmp_path / "huge.png").write_bytes(data.tobytes())
    assert read_image(tmp_path / "huge.png").shape == (side, side, 3)


def test_a_format_that_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, rgb):
    with pytest.raises(InputError, match="cannot write images as 'docx'"):
        write_image(tmp_path / "a.docx", rgb)
    with pytest.raises(ImageFileError, match="cannot write"):
        write_image(tmp_path / "no such folder" / "a.png", rgb)
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        *("https://example.org/a.jpg", "HTTP://example.org/a.jpg", "s3://bucket/a.png", "ftp://host/a.bmp"),
        *("file:///home/a.jpg", "data:image/png;base64,iVBORw0KGgo=", "gs://b/a.webp", "sftp://host/a.jpg"),
        *("abfss://c@a/b.jpg", "ipfs://Qm/a.jpg", Path("https://example.org/a.jpg")),
    ],
)
def test_urls_are_refused_in_a_line_that_says_what_to_do(url):
    with pytest.raises(
        ImageFileError, match=r"is a URL, and images are not downloaded.*decode_image"
    ) as error:
        read_image(url)
    assert "\n" not in str(error.value)


def test_a_name_with_a_colon_is_no_url(tmp_path, rgb, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image("12:30.png", rgb)
    np.testing.assert_array_equal(read_image("12:30.png"), rgb)
    with pytest.raises(ImageFileError, match=r"no such file: C:/a\.jpg"):
        read_image("C:/a.jpg")


def test_bytes_of_any_kind_are_decoded_and_base64_text_after_its_decoding(rgb):
    data = cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()
    for given in (data, bytearray(data), memoryview(data), base64.b64decode(base64.b64encode(data))):
        np.testing.assert_array_equal(decode_image(given), rgb)


def test_what_is_neither_path_nor_bytes_is_refused_in_a_line():
    # In a process of its own, as the type checks of the tests would speak up first.
    program = """
import base64, io
import numpy as np
from tddfa import decode_image, read_image, write_image
from tddfa.errors import TddfaError
image = np.zeros((40, 64, 3), np.uint8)
def refused(text, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except TddfaError as error:
        assert text in str(error) and len(str(error)) < 250 and chr(10) not in str(error), str(error)
        return
    raise AssertionError(f"not refused: {text}")
write_image("a.png", image)
data = open("a.png", "rb").read()
assert (decode_image(np.frombuffer(data, np.uint8)) == image).all()
text = base64.b64encode(data * 50).decode()
refused("needs bytes, not str; decode base64 text first", decode_image, text)
refused("for the bytes of a file use tddfa.decode_image", read_image, text)
for odd in (None, 3, ["a"], io.BytesIO(data), image):
    refused("give the bytes of a file", decode_image, odd)
    refused("read_image needs a path", read_image, odd)
    refused("path is a", write_image, odd, image)
for given in (data, bytearray(data), memoryview(data)):
    refused("for the bytes of a file use tddfa.decode_image", read_image, given)
for quality in (0, 101, 1.5, "95", None, True, np.array([90, 90]), np.array([90])):
    refused("quality=", write_image, "a.jpg", image, quality=quality)
for limit in (0, -1, "many", float("nan"), float("inf"), [], image):
    refused("max_pixels is", read_image, "a.png", max_pixels=limit)
"""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no FIFO")
def test_a_pipe_is_read_to_its_end_and_one_without_a_writer_is_given_up(tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    data = encode_image(np.full((90, 120, 3), 7, np.uint8), "png") + bytes(200_000)  # more than a pipe holds
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    assert read_image(pipe).shape == (90, 120, 3)
    writer.join()
    with pytest.raises(ImageFileError, match=r"pipe\.png is a pipe that gave no data for 0\.05 s$"):
        file_bytes(str(pipe), silence_s=0.05)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/random"])
def test_a_device_is_no_image_and_is_not_read(device, tmp_path):
    if not Path(device).exists():
        pytest.skip("needs the devices of Linux")
    link = tmp_path / "photo.jpg"
    link.symlink_to(device)
    with pytest.raises(ImageFileError, match=r"photo\.jpg is a device, not an image$"):
        read_image(link)
