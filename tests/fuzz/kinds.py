"""What is fuzzed: for each kind, good files to begin with, and what must hold for any bytes.

A check returns a word for what came of an input ("read", "refused"), and raises when a promise is broken.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pack_kinds
import PIL.Image

import image_bytes
from clips import sample_images, write_clip
from icc_profiles import DISPLAY_P3, PROFILES
from tddfa.errors import TddfaError, VideoFileError

_MAX_PIXELS = 1 << 20  # so that an absurd size costs no time
_MAX_FRAMES = 60


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes:
        seeds: makes the good files.
        check: reads bytes; raises when a promise is broken.
        refuses_seeds: whether some of the seeds are refused already, as redirects to nowhere are.
    """

    seeds: Callable[[], list[bytes]]
    check: Callable[[bytes], str]
    refuses_seeds: bool = False


def image_seeds() -> list[bytes]:
    image = image_bytes.corners()
    grey = image[..., 0]
    out = [image_bytes.pillow(image, kind, 6) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")]
    out += [image_bytes.pillow(image, "TIFF", compression=c) for c in ("tiff_lzw", "jpeg", "tiff_deflate")]
    out += [image_bytes.pillow(image, "JPEG", progressive=True) + b"\0\0\0\x18ftypmp42" * 20]
    out += [
        image_bytes.tiff(samples)
        for samples in (image.astype(np.uint16), image.astype(np.float32) / 255, grey)
    ]
    out += [
        image_bytes.heif_grid([image[:20], image[20:]], columns=1, width=64, height=40, turns=1, mirror=0)
    ]
    out += [
        image_bytes.pillow(image, kind, icc_profile=DISPLAY_P3)
        for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
    ]
    for kind, mode in (
        ("GIF", "P"),
        ("BMP", "RGB"),
        ("PPM", "RGB"),
        ("JPEG2000", "RGB"),
        ("PNG", "P"),
        ("PNG", "1"),
    ):
        file = io.BytesIO()
        PIL.Image.fromarray(image).convert(mode).save(file, kind)
        out.append(file.getvalue())
    moving = io.BytesIO()
    frames = [PIL.Image.fromarray(np.roll(image, k, axis=1)) for k in range(3)]
    frames[0].save(moving, "WEBP", save_all=True, append_images=frames[1:])
    return [*out, moving.getvalue()]


def check_profile(data: bytes) -> str:
    """Any bytes are a profile that changes colours, or one that does not."""
    from tddfa.imaging.icc import as_srgb

    image = image_bytes.corners()
    out = as_srgb(image, data)
    assert (out.shape, out.dtype) == (image.shape, image.dtype)
    return "unchanged" if out is image else "converted"


def check_image(data: bytes) -> str:
    """Any bytes are an image, or are refused in one line."""
    from tddfa.imaging import decode_image, image_size

    size = image_size(data)
    try:
        image = decode_image(data, max_pixels=_MAX_PIXELS)
    except TddfaError as error:
        return _refused(error)
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert image.flags.c_contiguous
    assert size is not None, "what is decoded has a size"
    assert image.size <= 3 * _MAX_PIXELS
    return "read"


def video_seeds() -> list[bytes]:
    out: list[bytes] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, options in (
            ("a.mp4", {"sound": "aac", "rotation": 90}),
            ("b.mkv", {"sound": "libmp3lame"}),
            ("c.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
            ("d.ts", {"sound": "aac"}),
            ("e.avi", {"options": {"crf": "30", "bf": "2"}}),
            ("f.webm", {"codec": "libvpx", "options": {"deadline": "realtime", "b": "50k"}}),
            ("g.mov", {"codec": "mjpeg", "options": {}}),
            ("h.mkv", {"options": {"crf": "30", "x264-params": "tff=1:interlaced=1"}}),
            ("i.mp4", {"times": [0, 0.1, 0.13, 0.5, 0.6, 0.61]}),
            ("j.h264", {}),
        ):
            n = len(options["times"]) if "times" in options else 8
            try:
                out.append(write_clip(folder / file, sample_images(n), **options).read_bytes())  # type: ignore[arg-type]
            except ValueError:  # this build of FFmpeg has no such encoder
                continue
        out.append(out[3] * 2)
    return out


def check_video(data: bytes) -> str:
    """Any bytes give frames whose times grow, or are refused in one line; copying them never fails either."""
    from tddfa.video import VideoReader, VideoWriter

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "input"
        path.write_bytes(data)
        try:
            reader = VideoReader(path, max_pixels=_MAX_PIXELS)
            before, n = -1.0, 0
            with VideoWriter(
                Path(name) / "out.mp4", rate=reader.rate, sound_of=reader, preset="ultrafast"
            ) as writer:
                for frame in reader:
                    assert frame.time > before, "times grow"
                    assert frame.index == n
                    assert frame.image.dtype == np.uint8
                    assert frame.image.ndim == 3
                    assert frame.image.size <= 16 * 3 * _MAX_PIXELS
                    if frame.image.size < 1 << 18:
                        writer.write(frame.image, frame.time, frame)
                    before, n = frame.time, n + 1
                    if n == _MAX_FRAMES:
                        break
        except VideoFileError as error:
            return _refused(error)
        assert reader.damage is None or "\n" not in reader.damage
        return "damaged" if reader.damage else "read"


def _refused(error: TddfaError) -> str:
    text = str(error)
    assert text, "a refusal has a reason"
    assert "\n" not in text, "a refusal is one line"
    return "refused"


KINDS = {
    "image": Kind(image_seeds, check_image),
    "profile": Kind(lambda: list(PROFILES.values()), check_profile),
    "video": Kind(video_seeds, check_video),
    "manifest": Kind(pack_kinds.manifest_seeds, pack_kinds.check_manifest),
    "npz": Kind(pack_kinds.arrays_seeds, pack_kinds.check_arrays),
    "onnx": Kind(pack_kinds.network_seeds, pack_kinds.check_network),
    "pickle": Kind(pack_kinds.pickle_seeds, pack_kinds.check_pickle),
    "http": Kind(pack_kinds.answer_seeds, pack_kinds.check_answer, refuses_seeds=True),
    "kernel": Kind(pack_kinds.call_seeds, pack_kinds.check_call, refuses_seeds=True),
}
