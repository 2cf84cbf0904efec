"""Photos of mixed kinds under kill −9: python tests/fuzz/killed_runs.py [--photos N] [--kills N] [--seed N].

`tddfa image --resume` works through a folder of good, damaged and hostile files, is killed again and again at
random moments, and goes on. What is there at the end has to be what one undisturbed run leaves: nothing lost,
doubled or half-written. Prints the counts as JSON; ends with 1 when something is not as it has to be.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import image_bytes  # noqa: E402

PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "hopper.jpg"
_SIDE = 96  # px of the longer side of a photo: small, so that many take little time
_LINE_BYTES = 4000  # of the line of an image with one face, about
_CUT = 0.6  # part of a truncated file that is left


def photo_kinds() -> dict[str, Callable[[], tuple[str, bytes | None]]]:
    """Return what makes each kind of file: its suffix and its bytes, or None for a pipe."""
    with Image.open(PHOTO) as file:
        small = file.convert("RGB")
        small.thumbnail((_SIDE, _SIDE))
    image = np.asarray(small)

    def encoded(kind: str, orientation: int = 1, **options: Any) -> bytes:
        return image_bytes.pillow(image, kind, orientation, **options)

    jpeg = encoded("JPEG", quality=90)
    png = encoded("PNG")
    movie = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\xff\xd9\xff\xd8" * 500
    turned = encoded("JPEG", 6)
    bomb = bytearray(png)
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2  # a width and a height that no camera has
    grid = image_bytes.heif_grid([image], columns=1, width=image.shape[1], height=image.shape[0], turns=0)
    plain = io.BytesIO()
    small.convert("L").save(plain, "GIF")
    empty_scene = image_bytes.pillow(np.full_like(image, 90), "JPEG")
    return {
        "JPEG": lambda: (".jpg", jpeg),
        "JPEG, turned": lambda: (".jpeg", turned),
        "PNG": lambda: (".png", png),
        "WebP": lambda: (".webp", encoded("WEBP")),
        "AVIF": lambda: (".avif", encoded("AVIF")),
        "HEIC": lambda: (".heic", grid),
        "TIFF of floats": lambda: (".tif", image_bytes.tiff(image.astype(np.float32) / 255)),
        "BMP": lambda: (".bmp", encoded("BMP")),
        "GIF": lambda: (".gif", plain.getvalue()),
        "motion photo": lambda: (".jpg", jpeg + movie),
        "wrong suffix": lambda: (".png", jpeg),
        "truncated JPEG": lambda: (".jpg", jpeg[: int(_CUT * len(jpeg))]),
        "truncated PNG": lambda: (".png", png[: int(_CUT * len(png))]),
        "bomb": lambda: (".png", bytes(bomb)),
        "no face": lambda: (".jpg", empty_scene),
        "text": lambda: (".jpg", b"this is no image\n"),
        "empty": lambda: (".jpg", b""),
        "pipe": lambda: (".jpg", None),
    }


def make_photos(folder: Path, n_photos: int, seed: int) -> Counter[str]:
    """Fill a folder, in sub-folders and under names of all sorts; return how many of each kind there are."""
    rng, counts = random.Random(seed), Counter[str]()
    made = {name: make() for name, make in photo_kinds().items()}
    common = ["JPEG", "JPEG, turned", "PNG", "WebP", "motion photo"]
    for number in range(n_photos):
        kind = list(made)[number] if number < len(made) else rng.choice([*made, *common * 2])
        suffix, data = made[kind]
        stem = rng.choice(["IMG_", "a b ", "été ", "写真", "x" * 100, "-o", "%d", "b'ytes\udcff\udcfe"])
        path = folder / rng.choice(["", "one", "one/two", "three \udce9"]) / f"{stem}{number}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            os.mkfifo(path)
        else:
            path.write_bytes(data)
        counts[kind] += 1
    return counts


def run(
    photos: Path, out: Path, *, kill_after: tuple[float, float] | None = None, jobs: int = 2
) -> int | None:
    """Run the command; return its exit code, or None when it was killed.

    Args:
        photos: folder of inputs.
        out: folder of outputs.
        kill_after: how many lines the run writes before it is killed, about, and for how much longer it
            works then, s.
        jobs: images at a time.
    """
    command = [sys.executable, "-m", "tddfa", "image", str(photos), "-d", str(out), "--resume"]
    command += ["-o", "2d_sparse,ply", "--json", str(out / "faces.jsonl"), "--pack", "open:small"]
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen([*command, "-j", str(jobs)], stdout=messages, stderr=messages)
        if kill_after is not None:
            _wait_for_work(process, out, *kill_after)
            if process.poll() is None:
                process.kill()
                process.wait()
                return None
        code = process.wait()
        messages.seek(0)
        said = messages.read()
        assert b"Traceback" not in said, said.decode(errors="replace")
    return code


def _wait_for_work(process: subprocess.Popen[bytes], out: Path, lines: float, seconds: float) -> None:
    """Wait until a run has written some lines, at least one, and for some time more."""
    end = _size(out) + lines * _LINE_BYTES
    while process.poll() is None and _size(out) <= end:
        time.sleep(0.002)
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)


def _size(out: Path) -> int:
    with contextlib.suppress(OSError):
        return (out / "faces.jsonl").stat().st_size
    return 0


def files_in(folder: Path) -> dict[bytes, bytes]:
    """Return the contents of the files in a folder by name, without the lines, which come in any order."""
    return {
        os.fsencode(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".jsonl"
    }


def problems(killed: Path, undisturbed: Path) -> list[str]:
    """Return what a run that was killed left otherwise than one that was not."""
    found: list[str] = []
    lines = [sorted((folder / "faces.jsonl").read_text().splitlines()) for folder in (killed, undisturbed)]
    names = [Counter(json.loads(line)["file"] for line in each) for each in lines]
    found += [f"{n} lines of {name!r}" for name, n in names[0].items() if n > 1]
    found += [f"no line of {name!r}" for name in names[1].keys() - names[0].keys()]
    if lines[0] != lines[1]:
        found.append("the lines differ")
    files = [files_in(folder) for folder in (killed, undisturbed)]
    found += [f"lost: {name!r}" for name in files[1].keys() - files[0].keys()]
    found += [f"too many: {name!r}" for name in files[0].keys() - files[1].keys()]
    found += [
        f"other bytes: {name!r}" for name in files[0].keys() & files[1] if files[0][name] != files[1][name]
    ]
    return found


def killed_runs(folder: Path, *, n_photos: int, n_kills: int, seed: int) -> dict[str, Any]:
    """Return what came of a folder of photos whose runs were killed."""
    photos = folder / "photos"
    counts = make_photos(photos, n_photos, seed)
    before = {os.fsencode(p): p.read_bytes() for p in photos.rglob("*") if p.is_file()}
    rng = random.Random(seed)
    n_killed, done_at = 0, []
    for _ in range(n_kills):
        moment = rng.uniform(0, 1.5 * n_photos / (n_kills + 1)), rng.uniform(0, 0.1)
        if run(photos, folder / "killed", kill_after=moment) is None:
            n_killed += 1
        done_at.append((folder / "killed" / "faces.jsonl").read_bytes().count(b"\n"))
    code = run(photos, folder / "killed")
    again = run(photos, folder / "killed")
    expected = run(photos, folder / "undisturbed")
    after = {os.fsencode(p): p.read_bytes() for p in photos.rglob("*") if p.is_file()}
    found = problems(folder / "killed", folder / "undisturbed")
    if before != after:
        found.append("the photos changed")
    if not code == again == expected == 1:
        found.append(f"exit codes {code}, {again}, {expected}; damaged files make it 1")
    left = [p.name for p in (folder / "killed").rglob(".tddfa-*")]
    return {
        "photos": n_photos,
        "kinds": dict(counts),
        "kills": n_killed,
        "lines_at_each_kill": done_at,
        "lines": len((folder / "killed" / "faces.jsonl").read_bytes().splitlines()),
        "files": len(files_in(folder / "killed")),
        "temporary_files_left": len(left),
        "problems": found,
    }


def main() -> int:
    """Run it; 1 when something was lost, doubled or half-written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=2000, help="(default: 2000)")
    parser.add_argument("--kills", type=int, default=10, help="(default: 10)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        result = killed_runs(Path(name), n_photos=args.photos, n_kills=args.kills, seed=args.seed)
    print(json.dumps(result), flush=True)
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
