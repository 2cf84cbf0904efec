"""`tddfa live`: the faces of a camera or a file, as they come, to windows, files and other programs."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tddfa.cli.arguments import Once, add_device, add_folder, add_quality, add_search_size, positive
from tddfa.cli.avatar import (
    add_avatar_arguments,
    avatar_of,
    check_avatar_arguments,
    smoother_of,
    warn_without_expressions,
)
from tddfa.cli.commands import COMMANDS
from tddfa.cli.interrupts import INTERRUPTED, interrupts
from tddfa.cli.messages import note, plain, report
from tddfa.cli.output_arguments import overlay_of
from tddfa.cli.overwriting import OverwriteGuard, Places, add_overwrite
from tddfa.cli.video import OVERLAY_KINDS, TABLES
from tddfa.errors import InputError, TddfaError
from tddfa.files import remove_leftovers

if TYPE_CHECKING:
    from tddfa.alignment import FaceAligner
    from tddfa.streams import NewestFrames, RealTimeFrames, Sink, TrackedFrame
    from tddfa.streams.destinations import Destination
    from tddfa.video import Frame, VideoReader


_STREAMING = ("rtsp", "rtsps", "rtmp", "rtmps", "udp", "tcp", "srt", "rtp")  # endless: cameras, not files


class _NoFrame(Exception):  # noqa: N818, its reason is told
    """The source ended before its first frame, or it was interrupted."""


def add_parser(commands: Any) -> None:
    """Add `live` to the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "live",
        help=COMMANDS["live"].help,
        description="Follow the faces of a camera or a video in real time, and send, record or show them. "
        "Without --to and --record, a window shows them. Always the newest frame is taken: frames that come "
        "while another one is worked on are dropped, never queued.",
    )
    add_source_arguments(parser)
    parser.add_argument("--loop", action="store_true", help="with --source FILE: play it again and again")
    parser.add_argument(
        "--to",
        metavar="URL",
        action="append",
        type=_destination,
        default=[],
        help="send every frame to livelink://HOST[:11111], vmc://HOST[:39539], osf://HOST[:11573], or to "
        "whoever connects to ws://ADDRESS[:8765]; may be given several times",
    )
    parser.add_argument(
        "--record",
        metavar="FILE",
        action="append",
        type=_table,
        default=[],
        help=f"also write a table, as 'tddfa video --data' does: FILE ends in .{', .'.join(TABLES)}",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="KIND",
        type=overlay_of(OVERLAY_KINDS),
        choices=OVERLAY_KINDS,
        help=f"show a window with this overlay: {', '.join(OVERLAY_KINDS)}",
    )
    add_overwrite(parser)
    parser.add_argument(
        "--mirror", action="store_true", help="show the image and move the avatar as a mirror would"
    )
    add_tracking_arguments(parser)
    add_avatar_arguments(parser)
    parser.set_defaults(run=run, parser=parser)


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--camera` and `--source`."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--camera",
        metavar="N",
        action=Once,
        help="number of the camera, or its name as FFmpeg has it: /dev/video2, 'video=HD Webcam', rtsp://… "
        "(default: 0)",
    )
    source.add_argument(
        "--source",
        metavar="FILE|URL",
        action=Once,
        help="a video instead, played once at its own speed; or a stream's URL",
    )


def add_tracking_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the live commands share beside their source."""
    add_folder(parser, "snapshots")
    parser.add_argument(
        "--smooth", choices=("one-euro", "none"), default="one-euro", help="(default: one-euro)"
    )
    parser.add_argument("--max-faces", metavar="N", type=positive, help="follow at most N faces at a time")
    add_quality(parser)
    add_search_size(parser, "640: faces of a thirtieth of the frame")
    parser.add_argument("--pack", metavar="NAME", help="model pack, see 'tddfa packs list'")
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Run `tddfa live`.

    Returns:
        0 at the end of a file or when the window is closed; 1 when the source or a sink fails, or the file is
        damaged; 130 when interrupted.
    """
    source: str | None = args.source
    if args.loop and source is None:
        args.parser.error("--loop needs --source")
    if args.loop and source is not None and _is_stream(source):
        args.parser.error(
            f"--loop plays files, and {plain(source)} is a stream, which is followed until it ends; leave "
            "--loop out"
        )
    check_avatar_arguments(args)
    if not (args.to or args.record or args.output):
        args.output = "2d_sparse"
    if args.mirror and not (args.to or args.output):
        args.parser.error("--mirror changes what is shown and sent; it needs -o or --to")
    if args.dir != Path() and not args.output:
        args.parser.error("--dir is where snapshots of the window go; it needs -o")
    return play(args)


def play(args: argparse.Namespace) -> int:
    """Play the source that the arguments name, into the sinks that they name."""
    from tddfa.alignment import FaceAligner
    from tddfa.streams import TableSink, WindowSink, follow, write_frames
    from tddfa.streams.destinations import open_sink
    from tddfa.streams.live import UntilError
    from tddfa.tracking import FaceTracker

    _check_source(args)
    inputs = Places(() if args.source is None else (Path(args.source),))
    guard = OverwriteGuard(inputs, args.overwrite, elsewhere="choose another name")
    guard.check_sinks(TableSink(path) for path in args.record)
    for folder in {path.parent for path in args.record}:
        remove_leftovers(folder)
    avatar = avatar_of(args) if args.to else None
    sinks: list[Sink] = [open_sink(destination, avatar=avatar) for destination in args.to]
    smoother = smoother_of(args)
    with interrupts() as stop:
        file = _file_of(args)
        paced = _paced(args, file, stop)
        frames = UntilError(paced)
        aligner = FaceAligner(args.pack, search_size=args.search_size, device=args.device)
        _warm_up(aligner)
        if args.to:
            warn_without_expressions(aligner.model.expression_names)
        tracker = FaceTracker(aligner, max_faces=args.max_faces, quality=args.quality)
        latency = LatencyMeter()
        sinks.append(latency)
        sinks += [TableSink(path, aligner.model.expression_names) for path in args.record]
        window: WindowSink | None = None
        if args.output:
            title = f"tddfa: {args.source or f'camera {args.camera or 0}'}"
            window = WindowSink(
                title, draw=args.output, mirrored=args.mirror, folder=args.dir, on_snapshot=_snapshot
            )
            sinks.append(window)
        images = any(sink.needs_image for sink in sinks)
        tracked = follow(frames, tracker, smoother, images=images, stop=stop)
        try:
            write_frames(_until_closed(tracked, window), *sinks)
        except _NoFrame:
            pass  # the source says why
        else:
            for path in args.record:
                print(plain(path))
            print(f"tddfa: {latency.summary(paced.dropped)}", file=sys.stderr)
    if avatar is not None and avatar.calibrating:
        _warn_uncalibrated()
    if frames.error is not None:
        report(frames.error)
        return 1
    if stop.is_set():
        return INTERRUPTED
    return 1 if file is not None and file.is_damaged else 0


class PlayedFile:
    """The frames of a file, which may be played again and again; its damage is reported once.

    Args:
        reader: of the file. It knows of damage at the end of each pass, and forgets it when the next begins.

    Attributes:
        is_damaged: whether damage was reported.
    """

    def __init__(self, reader: VideoReader) -> None:
        self._reader = reader
        self.is_damaged = False

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames."""
        yield from self._reader
        if self._reader.damage is not None and not self.is_damaged:
            self.is_damaged = True
            report(self._reader.damage)


class LatencyMeter:
    """A sink that measures how long frames take from the camera to the sinks before it."""

    needs_image = False

    def __init__(self) -> None:
        # One count per 0.1 ms: a camera may run for days.
        self._counts: dict[int, int] = {}
        self._n = 0

    def __enter__(self) -> LatencyMeter:
        return self

    def write(self, frame: TrackedFrame) -> None:
        """Measure a frame."""
        self._n += 1
        if frame.captured is not None:
            bin = int(10_000 * (time.perf_counter() - frame.captured))
            self._counts[bin] = self._counts.get(bin, 0) + 1

    def __exit__(self, *_: object) -> None:
        pass

    def quantile_ms(self, part: float) -> float:
        """Return the latency, ms, that `part` of the frames do not exceed; 0 without frames."""
        left = part * sum(self._counts.values())
        for bin in sorted(self._counts):
            left -= self._counts[bin]
            if left <= 0:
                return (bin + 0.5) / 10
        return 0.0

    def summary(self, dropped: int) -> str:
        """Return one line: frames, dropped frames, latency."""
        median, slowest = self.quantile_ms(0.5), self.quantile_ms(0.99)
        return (
            f"{self._n} frames, {dropped} dropped; latency from capture to sink {median:.1f} ms (median), "
            f"{slowest:.1f} ms (99 %)"
        )


def _check_source(args: argparse.Namespace) -> None:
    """Refuse the number of a camera as a file, and a file as a camera.

    Raises:
        InputError: it is one of these; the message names the option that is meant.
    """
    source, camera = args.source, args.camera
    if source is not None and source.isdecimal() and not os.path.exists(source):  # noqa: PTH110
        raise InputError(f"no such file: {source}; the camera of that number is --camera {source}")
    if camera is not None and not camera.isdecimal() and os.path.isfile(camera):  # noqa: PTH113
        raise InputError(f"{camera} is a file, not a camera; play it with --source")


def _file_of(args: argparse.Namespace) -> PlayedFile | None:
    """Return the file that is played; None where a camera or a stream is followed.

    Raises:
        InputError: it is to be played again and again, and can be read only once.
    """
    from tddfa.video import VideoReader

    if args.source is None or _is_stream(args.source):
        return None
    reader = VideoReader(args.source)
    if args.loop and not reader.repeatable:
        raise InputError(
            f"--loop plays files, and {reader.source.name} can be read only once; save it to a file"
        )
    return PlayedFile(reader)


def _is_stream(source: str) -> bool:
    """Return whether a source comes in real time, as from a camera."""
    scheme, separator, _ = source.partition("://")
    return bool(separator) and scheme.lower() in _STREAMING


def _paced(
    args: argparse.Namespace, file: PlayedFile | None, stop: threading.Event
) -> NewestFrames | RealTimeFrames:
    from tddfa.streams import NewestFrames, RealTimeFrames
    from tddfa.video import Camera

    if file is not None:
        return RealTimeFrames(file, loop=args.loop, stop=stop)
    name: str = (args.camera or "0") if args.source is None else args.source
    return NewestFrames(Camera(int(name) if name.isdecimal() else name), stop)


def _warn_uncalibrated() -> None:
    from tddfa.streams.avatar import CALIBRATION_S

    note(
        f"the face at rest was not measured, and no calibration is saved: --calibrate needs a face that is "
        f"visible for {CALIBRATION_S:g} seconds"
    )


def _warm_up(aligner: FaceAligner) -> None:
    """Load the networks before the first frame: it would be 60 ms late, and count among the slowest."""
    import gc

    import numpy as np

    blank = np.zeros((360, 640, 3), np.uint8)
    aligner.align(blank)
    aligner.align(blank, boxes=[(220.0, 80.0, 420.0, 280.0)])
    # What was loaded stays: to look at all of it takes the garbage collector 25 ms, between two frames.
    gc.collect()
    gc.freeze()


def _until_closed(frames: Iterable[TrackedFrame], window: Any) -> Iterator[TrackedFrame]:
    """Yield the frames until the window is closed.

    Raises:
        _NoFrame: there was none. Without an error, an earlier table would be replaced by an empty one.
    """
    is_empty = True
    for frame in frames:
        is_empty = False
        yield frame
        if window is not None and window.closed:
            return
    if is_empty:
        raise _NoFrame


def _snapshot(outcome: Path | OSError | TddfaError) -> None:
    if isinstance(outcome, Path):
        print(plain(outcome))
    else:
        report(outcome)


def _destination(text: str) -> Destination:
    from tddfa.streams.destinations import Destination

    try:
        return Destination.parse(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _table(text: str) -> Path:
    path = Path(text)
    if path.suffix.removeprefix(".") not in TABLES:
        raise argparse.ArgumentTypeError(f"{text!r} is no table; its name ends in .{', .'.join(TABLES)}")
    return path
