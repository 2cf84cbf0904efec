"""`tddfa webcam`: faces of a camera, live in a window."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tddfa.cli.arguments import positive
from tddfa.cli.messages import report
from tddfa.cli.video import PICTURES

if TYPE_CHECKING:
    from tddfa.cli.window import Window
    from tddfa.tracking import FaceTracker
    from tddfa.tracking.smoothing import Smoother
    from tddfa.video import Frame

_KEYS = "space or 1 to 7: overlay, s: snapshot, m: mirror, q: quit"
_REMEMBERED = 0.9  # of the shown rates, from frame to frame


def add_parser(commands: Any) -> None:
    """Add `webcam` to the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "webcam",
        help="show the faces of a camera, live",
        description=f"Show the faces of a camera in a window, live. Keys are {_KEYS}.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--camera",
        metavar="N",
        default="0",
        help="number of the camera, or its name as FFmpeg has it: /dev/video2, 'video=HD Webcam', rtsp://… "
        "(default: 0)",
    )
    source.add_argument("--source", metavar="FILE", help="a video instead, at its own speed")
    parser.add_argument(
        "-o",
        "--output",
        metavar="KIND",
        choices=PICTURES,
        default="2d_sparse",
        help=f"overlay to begin with: {', '.join(PICTURES)} (default: 2d_sparse)",
    )
    parser.add_argument(
        "-d",
        "--dir",
        metavar="DIR",
        type=Path,
        default=Path(),
        help="folder for snapshots (default: the current)",
    )
    parser.add_argument(
        "--smooth", choices=("one-euro", "none"), default="one-euro", help="(default: one-euro)"
    )
    parser.add_argument("--max-faces", metavar="N", type=positive, help="follow at most N faces at a time")
    parser.add_argument("--no-mirror", action="store_true", help="show the picture as others see you")
    parser.add_argument("--pack", metavar="NAME", help="model pack, see 'tddfa packs list'")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Run `tddfa webcam`.

    Returns:
        0.
    """
    from tddfa.cli.window import PygameWindow
    from tddfa.pipeline import FaceAligner
    from tddfa.tracking import FaceTracker
    from tddfa.tracking.smoothing import make_smoother
    from tddfa.video import Camera, VideoReader

    source: Any
    if args.source is not None:
        source = VideoReader(args.source)
        frames = in_real_time(iter(source))
    else:
        number: str = args.camera
        frames = iter(Camera(int(number) if number.isdecimal() else number))
    tracker = FaceTracker(FaceAligner(args.pack), max_faces=args.max_faces)
    title = args.source or f"camera {args.camera}"
    with PygameWindow(f"tddfa: {title}") as window:
        show_live(
            frames,
            tracker,
            make_smoother(args.smooth),
            window,
            kind=args.output,
            mirrored=not args.no_mirror,
            folder=args.dir,
        )
    return 0


def show_live(
    frames: Iterator[Frame],
    tracker: FaceTracker,
    smoother: Smoother,
    window: Window,
    *,
    kind: str,
    mirrored: bool,
    folder: Path,
) -> None:
    """Show frame after frame with the overlay of its faces, until the frames or the user's patience end.

    Args:
        frames: of a camera or a file.
        tracker: finds the faces.
        smoother: one without delay.
        window: where to show them.
        kind: of overlay, to begin with.
        mirrored: show the picture as a mirror would, to begin with.
        folder: for snapshots.
    """
    from tddfa.render import OVERLAYS

    fps = latency_ms = 0.0
    before = time.perf_counter()
    for frame in frames:
        taken = time.perf_counter()
        (faces,) = smoother.push(tracker.update(frame.image), frame.time)
        seen = [tracked.face for tracked in faces if tracked.visible]
        picture = OVERLAYS[kind](frame.image, seen)
        if mirrored:
            picture = picture[:, ::-1]
        window.show(picture, f"{kind}   {fps:.0f} fps   {latency_ms:.0f} ms   faces: {len(seen)}")
        now = time.perf_counter()
        keep = _REMEMBERED if fps else 0.0
        fps = keep * fps + (1 - keep) / max(now - before, 1e-6)
        latency_ms = keep * latency_ms + (1 - keep) * 1000 * (now - taken)
        before = now
        for key in window.pressed():
            if key in ("q", "escape"):
                return
            if key == "m":
                mirrored = not mirrored
            elif key == "s":
                _snapshot(picture, folder)
            elif key == "space":
                kind = PICTURES[(PICTURES.index(kind) + 1) % len(PICTURES)]
            elif key.isdecimal() and 1 <= int(key) <= len(PICTURES):
                kind = PICTURES[int(key) - 1]


def in_real_time(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The frames of a file, each not before its time."""
    start = None
    for frame in frames:
        if start is None:
            start = time.perf_counter() - frame.time
        time.sleep(max(start + frame.time - time.perf_counter(), 0))
        yield frame


def _snapshot(picture: Any, folder: Path) -> None:
    import numpy as np

    from tddfa.errors import TddfaError
    from tddfa.imaging import write_image

    name = datetime.now().astimezone().strftime("tddfa_%Y%m%d_%H%M%S_%f.png")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, np.ascontiguousarray(picture))
    except (TddfaError, OSError) as error:
        # The show goes on.
        report(error)
    else:
        print(folder / name)
