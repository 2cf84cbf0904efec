"""Every format that is read: upright, in eight bits, and refused in one line where it is broken."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

import image_bytes
from image_bytes import corners, pillow, tiff
from tddfa.errors import ImageFileError, InputError
from tddfa.imaging import decode_image, image_size
from tddfa.imaging.orientation import apply_orientation, orientation_of_matrix

RGB = corners()
PILLOW = {
    "JPEG": ({"quality": 98}, 12),
    "PNG": ({}, 0),
    "WEBP": ({"lossless": True}, 0),
    "TIFF": ({}, 0),
    "TIFF, LZW": ({"compression": "tiff_lzw"}, 0),
    "AVIF": ({"quality": 98}, 24),
    "HEIC": ({"quality": 98, "chroma": 444}, 12),
}


def close(image: np.ndarray, expected: np.ndarray, tolerance: int) -> bool:
    return image.shape == expected.shape and np.abs(image.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", PILLOW)
def test_all_eight_orientations_are_applied_in_every_format_that_has_them(kind, orientation):
    if kind == "HEIC":
        pytest.importorskip("pillow_heif", reason="writes the files of this test")
    options, tolerance = PILLOW[kind]
    data = pillow(RGB, kind.partition(",")[0], orientation, **options)
    assert close(decode_image(data), RGB, tolerance)
    assert image_size(data) == (64, 40)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("kind", "scale"),
    [
        (np.uint8, 1),
        (np.uint16, 257),
        (np.uint32, 2**24),
        (np.uint32, 257),
        (np.uint32, 1),
        (np.int32, 257),
        (np.int32, 1),
        (np.int16, 128.5),
        (np.float32, 1 / 255),
        (np.float64, 1 / 255),
        (np.float32, 1),
        (np.float32, 257),
    ],
)
def test_tiff_samples_of_every_type_become_eight_bits_upright(kind, scale, order):
    for orientation in (1, 6):
        samples = (RGB.astype(np.float64) * scale).astype(kind)
        assert close(decode_image(tiff(samples, orientation, order=order)), RGB, 1)
    grey = decode_image(tiff((RGB[..., 0].astype(np.float64) * scale).astype(kind), order=order))
    assert close(grey, np.repeat(RGB[..., :1], 3, axis=2), 1)


def test_floats_that_are_no_numbers_are_black():
    samples = np.full((4, 4), 0.5, np.float32)
    samples[0] = np.nan, np.inf, -np.inf, -1
    image = decode_image(tiff(samples))
    assert image[0].max() == 0
    assert set(image[1:].ravel()) == {128}


def test_exif_that_imagemagick_hides_in_a_png_text_is_honoured():
    stored = np.ascontiguousarray(np.rot90(RGB))
    plain = cv2.imencode(".png", stored[..., ::-1])[1].tobytes()
    raw = image_bytes.exif(6).tobytes()
    text = b"\nexif\n%8d\n" % len(raw) + raw.hex().encode() + b"\n"
    chunk = image_bytes.png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))
    np.testing.assert_array_equal(decode_image(plain[:33] + chunk + plain[33:]), RGB)


def test_a_heif_grid_is_joined_turned_and_cut():
    """Phones store large photos as tiles, the last of which reach beyond the image."""
    tiles = [RGB[y : y + 16, x : x + 32] for y in (0, 16, 24) for x in (0, 32)]
    tiles[4:] = [np.vstack([t[8:], t[:8]]) for t in tiles[4:]]  # rows 32 to 40, then what is not shown
    grid = image_bytes.heif_grid(tiles, columns=2, width=64, height=40)
    assert close(decode_image(grid), RGB, 30)
    turned = image_bytes.heif_grid(tiles, columns=2, width=64, height=40, turns=1, mirror=1)
    assert close(decode_image(turned), np.fliplr(np.rot90(RGB)), 30)
    assert image_size(turned) == (40, 64)


def test_a_ten_bit_image_of_high_dynamic_range_is_tone_mapped():
    """Dark and middle tones keep their light relative to white (203 cd/m²); 1000 cd/m² is white."""
    from tddfa.imaging.tone import pq_code

    middle = 255 * 0.18 ** (1 / 2.4)
    for light, low, high in (
        (0.0, 0, 2),
        (203 * 0.18, middle - 2, middle + 2),
        (203, 215, 245),
        (1000, 253, 255),
    ):
        code = round(1023 * float(pq_code(np.array([float(light)]))[0]))
        image = decode_image(image_bytes.avif_10_bit(code, primaries=9, transfer=16, matrix=9))
        assert low <= image[8, 8, 0] <= high
        assert np.ptp(image[8, 8].astype(int)) <= 4, "grey stays grey"


@pytest.mark.parametrize(
    ("kind", "options"),
    [("WEBP", {"save_all": True}), ("PNG", {"save_all": True}), ("GIF", {"save_all": True})],
)
def test_an_animation_gives_its_first_frame(kind, options):
    first, second = (PIL.Image.new("RGB", (20, 10), color) for color in ((255, 0, 0), (0, 0, 255)))
    out = io.BytesIO()
    first.save(out, kind, append_images=[second], lossless=True, **options)
    image = decode_image(out.getvalue())
    assert image.shape == (10, 20, 3)
    assert (image == [255, 0, 0]).all()


@pytest.mark.parametrize("suffix", [".ppm", ".pgm", ".pfm", ".hdr", ".jp2", ".ras", ".webp", ".bmp"])
def test_rarer_formats_are_read_and_know_their_size(suffix):
    image = RGB[..., ::-1] if suffix != ".pgm" else RGB[..., 0]
    if suffix in (".pfm", ".hdr"):
        image = image.astype(np.float32) / 255
    data = cv2.imencode(suffix, image)[1].tobytes()
    expected = RGB if suffix != ".pgm" else np.repeat(RGB[..., :1], 3, axis=2)
    assert image_size(data) == (64, 40)
    assert np.abs(decode_image(data).astype(int) - expected).mean() < 4


def test_a_motion_photo_is_a_photo():
    """Phones write the photo, then a video, in whose bytes any marker may occur."""
    photo = pillow(RGB, "JPEG", quality=98)
    for video in (b"\0\0\0\x18ftypmp42" + b"\xff\xda" * 50, b"\xff\xd8\xff\xe1\xff\xff", b"\0" * 4096):
        assert close(decode_image(photo + video), RGB, 12)


def test_a_cut_jpeg_is_refused_although_its_thumbnail_is_whole():
    thumbnail = pillow(RGB[::4, ::4], "JPEG")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    photo = pillow(noise, "JPEG", progressive=True)
    whole = photo[:2] + image_bytes.jpeg_segment(0xE1, b"Exif\0\0" + thumbnail) + photo[2:]
    assert decode_image(whole).shape == (64, 64, 3)
    for cut in (len(whole) - 2, len(whole) * 2 // 3, len(thumbnail) + 40, 30):
        with pytest.raises(ImageFileError, match="truncated JPEG"):
            decode_image(whole[:cut])


@given(st.integers(1, 2000))
def test_no_cut_of_a_png_is_read_as_whole(cut):
    data = pillow(RGB, "PNG")
    with pytest.raises(ImageFileError):
        decode_image(data[: -min(cut, len(data) - 9)])


def gif_of(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0" * 6 + b";"


def png_of(width: int, height: int, bits: int = 1, body: bytes = b"\x78\x9c") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(image_bytes.png_chunk(*chunk) for chunk in chunks)


BOMBS = {
    "gif": gif_of(60_000, 60_000),
    "png": png_of(100_000, 100_000),
    "png, one bit": png_of(30_000, 30_000, 1, zlib.compress(b"\0" * 100)),
    "bmp": b"BM"
    + struct.pack("<IHHIIiiHHIIIIII", 54, 0, 0, 54, 40, 50_000, -50_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "ppm": b"P6\n# a comment\n70000 70000\n255\n" + b"\0" * 100,
    "webp": b"RIFF"
    + struct.pack("<I", 40)
    + b"WEBPVP8X"
    + struct.pack("<I4s", 10, b"")
    + (99_999).to_bytes(3, "little") * 2
    + b"VP8L"
    + struct.pack("<I", 10)
    + b"\x2f" * 10,
    "tiff": tiff(np.zeros((4, 4), np.uint8))
    .replace(struct.pack("<HHIHH", 256, 3, 1, 4, 0), struct.pack("<HHIHH", 256, 3, 1, 65_000, 0))
    .replace(struct.pack("<HHIHH", 257, 3, 1, 4, 0), struct.pack("<HHIHH", 257, 3, 1, 65_000, 0)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_by_their_header(name):
    with pytest.raises(ImageFileError, match="pixels, more than the limit of 268435456"):
        decode_image(BOMBS[name])


def test_a_chunk_that_claims_more_than_the_file_is_refused_before_it_is_allocated():
    data = png_of(10, 10)
    at = data.index(b"IDAT")
    with pytest.raises(ImageFileError, match="truncated PNG"):
        decode_image(data[: at - 4] + b"\x7f\xff\xff\xff" + data[at:])


def test_the_limit_can_be_set(monkeypatch):
    data = pillow(RGB, "PNG")
    with pytest.raises(
        ImageFileError, match=r"64 × 40 pixels, more than the limit of 100; .*TDDFA_MAX_PIXELS"
    ):
        decode_image(data, max_pixels=100)
    monkeypatch.setenv("TDDFA_MAX_PIXELS", "2559")
    with pytest.raises(ImageFileError, match="limit of 2559"):
        decode_image(data)
    monkeypatch.setenv("TDDFA_MAX_PIXELS", "2560")
    assert decode_image(data).shape == RGB.shape
    for bad in ("0", "many"):
        monkeypatch.setenv("TDDFA_MAX_PIXELS", bad)
        with pytest.raises(InputError, match="TDDFA_MAX_PIXELS is"):
            decode_image(data)


def test_a_lack_of_memory_is_not_called_damage(monkeypatch):
    def no_memory(*_: object) -> None:
        raise MemoryError

    data = pillow(RGB, "PNG")
    monkeypatch.setattr(np, "empty", no_memory)
    with pytest.raises(ImageFileError, match="not enough memory to decode image"):
        decode_image(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"%PDF-1.7 ...", "a PDF file"),
        (b"\xff\x0a\x00\x00", "a JPEG XL image"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"\n <html><body>404</body></html>", "a web page"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a video; use 'tddfa video'"),
        (b"BM is how this text begins", "no image"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
    ],
)
def test_what_is_no_image_is_named(data, text):
    with pytest.raises(ImageFileError) as caught:
        decode_image(data, "a.jpg")
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_camera_raw_files_are_named_and_their_thumbnail_is_not_taken_for_them():
    data = tiff(np.zeros((4, 4), np.uint8))
    raw = data.replace(struct.pack("<HHI", 278, 3, 1), struct.pack("<HHI", 50706, 3, 1))
    with pytest.raises(ImageFileError, match="camera raw file; develop it"):
        decode_image(raw)


def test_a_twelve_bit_jpeg_is_named():
    data = pillow(RGB, "JPEG")
    at = data.index(b"\xff\xc0")
    with pytest.raises(ImageFileError, match="12-bit JPEG, which cannot be read"):
        decode_image(data[: at + 4] + b"\x0c" + data[at + 5 :])


@pytest.mark.parametrize(
    "threads",
    ["1", pytest.param("4", marks=pytest.mark.skipif(sys.platform == "win32", reason="one thread only"))],
)
def test_decoders_write_nothing_to_standard_error(tmp_path, threads):
    noisy = pillow(RGB, "JPEG")
    middle = len(noisy) - 60
    bad_data = png_of(64, 40, 8, zlib.compress(b"\7" * 3000))
    profile = image_bytes.png_chunk(b"iCCP", b"x\0\0" + zlib.compress(b"no profile"))
    png = pillow(RGB, "PNG")
    images = (
        noisy[:middle] + b"\0\xff\x00" * 10 + noisy[middle:],
        noisy[:-2] + b"\x12\x34\x56\xff\xd9",
        bad_data,
        png[:33] + profile + png[33:],
        tiff(RGB.astype(np.float16)),
        tiff(np.array([[-3e38, 0.5], [3e38, 1.0]], np.float32)),
        tiff(RGB)[:-50],
        b"RIFF\x1a\0\0\0WEBPVP8 \x0e\0\0\0" + b"\x10\0\0\x9d\x01\x2a\x10\0\x10\0\0\0\0\0",
    )
    code = (
        "import contextlib, pathlib, sys, tddfa\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def decode(path):\n"
        "    with contextlib.suppress(tddfa.TddfaError):\n"
        "        tddfa.decode_image(pathlib.Path(path).read_bytes())\n"
        "threads, *paths = sys.argv[1:]\n"
        "with ThreadPoolExecutor(int(threads)) if threads != '1' else contextlib.nullcontext() as pool:\n"
        "    list((pool.map if pool else map)(decode, paths * 20))\n"
        "print(len(paths))\n"
        "print('what others write arrives', file=sys.stderr)\n"
    )
    paths = [tmp_path / f"{number}.bin" for number in range(len(images))]
    for path, data in zip(paths, images, strict=True):
        path.write_bytes(data)
    command = [sys.executable, "-c", code, threads, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(images)}\n"
    assert done.stderr == "what others write arrives\n"


@given(st.integers(1, 8))
def test_a_display_matrix_and_exif_agree(orientation):
    """The pixel at (x, y) is shown at (x', y') = M (x, y), shifted into the image."""
    stored = np.ascontiguousarray(image_bytes.STORED[orientation](RGB))
    matrices = [
        (a, b, c, d) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1) for d in (-1, 0, 1)
        if abs(a * d - b * c) == 1 and abs(a) + abs(b) == 1 and abs(c) + abs(d) == 1
    ]  # fmt: skip
    (matrix,) = [m for m in matrices if orientation_of_matrix(*m) == orientation]
    shown = apply_orientation(stored, orientation)
    np.testing.assert_array_equal(shown, RGB)
    h, w = stored.shape[:2]
    xx, xy, yx, yy = matrix
    x0 = sum(min(k, 0) * (n - 1) for k, n in ((xx, w), (xy, h)))
    y0 = sum(min(k, 0) * (n - 1) for k, n in ((yx, w), (yy, h)))
    for x, y in ((0, 0), (w - 1, 0), (3, 5), (w - 2, h - 4)):
        np.testing.assert_array_equal(shown[yx * x + yy * y - y0, xx * x + xy * y - x0], stored[y, x])


@pytest.mark.parametrize(
    ("kind", "numbers"), [("P1", "01" * 8), ("P2 4 4 255", "7 " * 16), ("P3 4 4 255", "7 " * 48)]
)
@pytest.mark.parametrize("end", ["", "\n"])
def test_numbers_in_ascii_may_end_with_the_file(kind, numbers, end):
    header = kind if kind != "P1" else "P1 4 4"
    assert decode_image(f"{header}\n{numbers.strip()}{end}".encode()).shape == (4, 4, 3)


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("full", [False, True])
def test_a_grey_frame_has_the_range_that_it_names(full, tagged, bits):
    """As decoders return monochrome AVIF and HEIC."""
    import av

    from tddfa.imaging.yuv import ColorTags, frame_to_rgb

    kind = np.uint8 if bits == 8 else np.uint16
    for luma in (0, 16, 100, 235, 255):
        frame = av.VideoFrame(16, 16, "gray" if bits == 8 else f"gray{bits}le")
        n = frame.planes[0].buffer_size // np.dtype(kind).itemsize
        frame.planes[0].update(np.full(n, luma << bits - 8, kind).tobytes())
        frame.color_range = 0 if tagged else 2 if full else 1
        image = frame_to_rgb(frame, tags=ColorTags(1, 1, 1, full) if tagged else None)
        expected = luma if full else min(max(255 * (luma - 16) / 219, 0), 255)
        assert np.abs(image - expected).max() <= 1.5


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>',
    b"<x:xmpmeta><rdf:Description><tiff:Orientation>%d</tiff:Orientation></rdf:Description></x:xmpmeta>",
)


def with_xmp(kind: str, xmp: bytes, exif: int | None) -> bytes:
    """A file whose pixels are stored for orientation 6, with XMP and perhaps with an orientation in EXIF."""
    stored = PIL.Image.fromarray(np.ascontiguousarray(image_bytes.STORED[6](RGB)))
    options = {"JPEG": {"quality": 98}, "PNG": {}, "WEBP": {"lossless": True, "xmp": xmp}}[kind]
    if exif is not None:
        options["exif"] = image_bytes.exif(exif)
    out = io.BytesIO()
    stored.save(out, kind, **options)
    data = out.getvalue()
    if kind == "JPEG":
        return data[:2] + image_bytes.jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp) + data[2:]
    if kind == "PNG":
        return data[:33] + image_bytes.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp) + data[33:]
    return data


@pytest.mark.parametrize("xmp", XMP)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_in_xmp_counts_where_exif_names_none(kind, xmp):
    assert close(decode_image(with_xmp(kind, xmp % 6, None)), RGB, 12)
    assert close(decode_image(with_xmp(kind, xmp % 3, 6)), RGB, 12)
    assert decode_image(with_xmp(kind, xmp % 6, 1)).shape == (64, 40, 3)
    assert decode_image(with_xmp(kind, xmp % 9, None)).shape == (64, 40, 3)


RADIANCE = {
    "-Y 40 +X 64": lambda p: p,
    "-Y 40 -X 64": lambda p: p[:, ::-1],
    "+Y 40 -X 64": lambda p: p[::-1, ::-1],
    "+Y 40 +X 64": lambda p: p[::-1],
    "+X 64 -Y 40": lambda p: p.swapaxes(0, 1),
    "-X 64 -Y 40": lambda p: p[:, ::-1].swapaxes(0, 1),
    "-X 64 +Y 40": lambda p: p[::-1, ::-1].swapaxes(0, 1),
    "+X 64 +Y 40": lambda p: p[::-1].swapaxes(0, 1),
}


@pytest.mark.parametrize("order", RADIANCE)
@pytest.mark.parametrize(
    "head", ["#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "#?RGBE\n# a\nGAMMA=1\n", "#?AUTOPANO11\n"]
)
def test_a_radiance_file_may_begin_at_any_corner(head, order):
    rgbe = np.dstack([RGB, np.full(RGB.shape[:2], 128, np.uint8)])  # value / 256
    data = f"{head}\n{order}\n".encode() + RADIANCE[order](rgbe).tobytes()
    assert close(decode_image(data), np.rint(RGB * (255 / 256)), 1)
    assert image_size(data) == (64, 40)
    with pytest.raises(ImageFileError, match="damaged or truncated Radiance HDR"):
        decode_image(data[:-1])


def test_runs_of_the_old_kind_are_read_in_radiance_files():
    rgbe = np.dstack([RGB, np.full(RGB.shape[:2], 128, np.uint8)])
    rgbe[10:30] = rgbe[10, 0]
    pixels = rgbe.reshape(-1, 4)
    start, n = 10 * 64, 20 * 64
    body = (
        pixels[: start + 1].tobytes()
        + bytes([1, 1, 1, (n - 1) & 255, 1, 1, 1, n - 1 >> 8])
        + pixels[start + n :].tobytes()
    )
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 40 +X 64\n"
    expected = decode_image(head + pixels.tobytes())
    np.testing.assert_array_equal(decode_image(head + body), expected)
    for damaged in (body[:-4], body + bytes(4), bytes([1, 1, 1, 9]) + body[4:], body[: 4 * start], b"abc"):
        with pytest.raises(ImageFileError, match="damaged or truncated Radiance HDR"):
            decode_image(head + damaged)


def test_a_radiance_file_of_other_colours_is_named():
    data = b"#?RADIANCE\nFORMAT=32-bit_rle_xyze\n\n-Y 1 +X 1\n\1\1\1\1"
    with pytest.raises(
        ImageFileError, match="of XYZ colours, which cannot be read; save it with RGB colours"
    ):
        decode_image(data)


@pytest.mark.parametrize("space", ["\n", " ", "\r\n"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_header_of_a_pfm_may_have_any_white_space(space, order):
    values = (RGB[::-1] / 255).astype(order + "f4")
    scale = "-1.0" if order == "<" else "1.0"
    data = f"PF{space}64 40{space}{scale}{space}".encode() + values.tobytes()
    assert close(decode_image(data), RGB, 1)


def test_a_gif_whose_background_is_no_colour_of_it_is_read():
    image = PIL.Image.fromarray(RGB).quantize(16)
    out = io.BytesIO()
    image.save(out, "GIF")
    data = bytearray(out.getvalue())
    data[11] = 255
    np.testing.assert_array_equal(decode_image(bytes(data)), np.asarray(image.convert("RGB")))


def gif_with(canvas: tuple[int, int], at: tuple[int, int] = (0, 0), n_frames: int = 1) -> bytes:
    """A GIF of frames of 64 × 40 px; the later ones lie at `at` beyond the first."""
    out = io.BytesIO()
    frames = [PIL.Image.fromarray(np.roll(RGB, k, axis=1)).quantize(16) for k in range(n_frames)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], include_color_table=True)
    data = bytearray(out.getvalue())
    struct.pack_into("<HH", data, 6, *canvas)
    frame = data.index(struct.pack("<BHHHH", 0x2C, 0, 0, 64, 40))
    if n_frames > 1:
        frame = data.rindex(b"\x2c\0\0\0\0")
    struct.pack_into("<HH", data, frame + 1, *at)
    return bytes(data)


@pytest.mark.parametrize("canvas", [(64, 40), (10, 50), (64, 1), (0, 0), (90, 70)])
@pytest.mark.parametrize("at", [(0, 0), (20, 0), (3, 30)])
def test_a_gif_whose_frame_reaches_beyond_its_canvas_is_read_as_pillow_reads_it(canvas, at):
    data = gif_with(canvas, at)
    read = decode_image(data)
    whole = np.asarray(PIL.Image.fromarray(RGB).quantize(16).convert("RGB"))
    size = max(canvas[0], at[0] + 64), max(canvas[1], at[1] + 40)
    assert (read.shape[1], read.shape[0]) == image_size(data) == size
    np.testing.assert_array_equal(read[at[1] : at[1] + 40, at[0] : at[0] + 64], whole)


def test_of_an_animated_gif_the_first_frame_alone_counts():
    whole = gif_with((64, 40), n_frames=3)
    still = decode_image(whole)
    assert still.shape == (40, 64, 3)
    np.testing.assert_array_equal(decode_image(gif_with((64, 40), (500, 300), n_frames=3)), still)
    np.testing.assert_array_equal(decode_image(whole[:-200]), still)
    with pytest.raises(ImageFileError, match="image is a damaged or truncated GIF file"):
        decode_image(gif_with((64, 40))[:-100])


def test_a_side_longer_than_the_decoder_takes_is_not_called_damage():
    side = (1 << 20) + 1
    for data in (
        png_of(side, 1),
        b"P5 %d 1 255\n" % side + bytes(side),
        b"P5 1 %d 255\n" % side + bytes(side),
    ):
        with pytest.raises(
            ImageFileError, match="and a side longer than 1048576 is not read; cut it into parts"
        ):
            decode_image(data)


def test_fewer_rows_than_the_file_names_are_damage():
    """A fax that ends early, of which libtiff returns what there is."""
    whole = PIL.Image.fromarray(RGB).convert("1")
    out = io.BytesIO()
    whole.save(out, "TIFF", compression="group4")
    data = bytearray(out.getvalue())
    tags = PIL.Image.open(io.BytesIO(bytes(data))).tag_v2
    assert tags[257] == 40
    for tag in (257, 278):
        at = next(k for k in range(len(data) - 12) if data[k : k + 2] == struct.pack("<H", tag)
                  and data[k + 4 : k + 8] == b"\1\0\0\0")  # fmt: skip
        struct.pack_into("<HII", data, at + 2, 4, 1, 5000)
    try:
        assert decode_image(bytes(data)).shape == (5000, 64, 3)
    except ImageFileError as error:
        assert "damaged or truncated TIFF" in str(error)  # noqa: PT017  # either is right


def test_a_jpeg_ls_is_named():
    frame = b"\xff\xf7\0\x0b\x08\0\x28\0\x40\1\1\x11\0" + b"\xff\xda\0\x08\1\1\0\0\0\0" + b"\xff\x7f" * 40
    with pytest.raises(
        ImageFileError, match="a JPEG-LS image, which cannot be read; save it as a usual JPEG"
    ):
        decode_image(b"\xff\xd8" + frame + b"\xff\xd9")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"II\xbc\x01\x20\0\0\0", "is a JPEG XR image; readable are"),
        (b"qoif\0\0\0\x40", "is a QOI image; readable are"),
        (b"P7\nWIDTH 4\n", "is a PAM image; readable are"),
        (bytes(128) + b"DICM", "is a DICOM file; readable are"),
        (b"\0\0\0\x10ftypmif3heic", "is a HEIF image with a small header .mif3.; readable are"),
        (b"\x1f\x8b\x08", "is a gzip archive; readable are"),
        (
            b"\x59\xa6\x6a\x95" + struct.pack(">7I", 4, 4, 24, 48, 3, 0, 0),
            "a Sun raster file of type 3, which",
        ),
    ],
)
def test_formats_that_are_not_read_are_named(data, text):
    with pytest.raises(ImageFileError, match=text):
        decode_image(data)
