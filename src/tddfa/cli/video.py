"""`tddfa video`: videos in, videos and tables out."""

from __future__ import annotations

import argparse
import contextlib
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tddfa.cli.arguments import SMOOTHINGS, add_device, add_folder, add_quality, add_search_size, positive
from tddfa.cli.commands import COMMANDS
from tddfa.cli.interrupts import INTERRUPTED, interrupts
from tddfa.cli.messages import note, plain, report
from tddfa.cli.output_arguments import Listed, list_of
from tddfa.cli.overwriting import OverwriteGuard, add_overwrite
from tddfa.cli.video_inputs import VideoInputs, VideoJob, find_videos
from tddfa.errors import InputError, PackError, TddfaError
from tddfa.files import make_folder, remove_leftovers
from tddfa.kinds import KINDS, check_extras, names
from tddfa.kinds import TABLES as TABLE_KINDS
from tddfa.video.encoders import CHOICES as ENCODERS
from tddfa.video.encoders import PRESETS

if TYPE_CHECKING:
    from tddfa.alignment import FaceAligner
    from tddfa.streams import Sink, TrackedFrame
    from tddfa.tracking.smoothing import Smoother
    from tddfa.video import FrameSource

OVERLAY_KINDS = names(KINDS, video=True)
TABLES = names(TABLE_KINDS, video=True)
DATA = (*TABLES, "livelink")


_HINT = "; a face has to be about a thirtieth of the frame wide; --search-size finds smaller ones"


class _Interrupted(Exception):  # noqa: N818, nothing went wrong
    """Ctrl-C or SIGTERM came before the first frame."""


def add_parser(commands: Any) -> None:
    """Add `video` to the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "video",
        help=COMMANDS["video"].help,
        description="Follow every face of each video and write what -o and --data ask for, as "
        "DIR/<stem>_<kind>.mp4 (H.264, with the times and the sound of the source) and DIR/<stem>.<format>.",
    )
    parser.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        help="videos, folders of videos, globs, URLs, - for standard input; a folder, glob or pattern "
        "(%%04d.png) of images is one video",
    )
    parser.add_argument(
        "--fps", metavar="N", type=float, help="frames per second of a sequence of images (default: 25)"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="KINDS",
        action=Listed,
        type=list_of(OVERLAY_KINDS, elsewhere={**dict.fromkeys(DATA, "--data"), "glb": "--glb"}),
        help=f"comma list of {', '.join(OVERLAY_KINDS)}; or all (default: 2d_sparse; nothing with --data, "
        "--glb, --report, --plot)",
    )
    parser.add_argument(
        "--data",
        metavar="FORMATS",
        action=Listed,
        type=list_of(DATA, elsewhere={**dict.fromkeys(OVERLAY_KINDS, "-o"), "glb": "--glb"}),
        default=[],
        help=f"one row per face and frame: comma list of {', '.join(TABLES)}; livelink: a CSV of the Live "
        "Link Face app for each person, as <stem>_livelink.csv",
    )
    parser.add_argument(
        "--glb",
        action="store_true",
        help="an animated, textured 3D face of each person, as <stem>_face_<id>.glb",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="who is seen when, cuts, blinks and curves, as <stem>_report.html: one file, no network",
    )
    parser.add_argument("--plot", action="store_true", help="the same as an image, <stem>_plot.png")
    add_folder(parser, "the outputs")
    add_overwrite(parser)
    parser.add_argument(
        "--smooth",
        choices=SMOOTHINGS,
        default="one-euro",
        help="one-euro looks back, window looks --n-pre back and --n-next ahead (the mean of vertices, as "
        "3DDFA_V2), zero-phase sees the whole video first (default: one-euro)",
    )
    parser.add_argument("--n-pre", metavar="N", type=_count, help="frames before, with window (default: 1)")
    parser.add_argument("--n-next", metavar="N", type=_count, help="frames after, with window (default: 1)")
    parser.add_argument(
        "--start", metavar="WHEN", type=_moment, help="first frame: its number, or a time (1.5s, 2:03.5)"
    )
    parser.add_argument("--end", metavar="WHEN", type=_moment, help="stop before this frame")
    parser.add_argument("--max-faces", metavar="N", type=positive, help="follow at most N faces at a time")
    add_quality(parser)
    add_search_size(parser, "640: faces of a thirtieth of the frame")
    parser.add_argument("--pack", metavar="NAME", help="model pack, see 'tddfa packs list'")
    add_device(parser)
    parser.add_argument(
        "--background",
        choices=("photo", "black"),
        default="photo",
        help="what lies around the drawn faces (default: photo)",
    )
    parser.add_argument(
        "--encoder",
        metavar="NAME",
        choices=ENCODERS,
        default="auto",
        help="hardware (what this computer has, or software), or an encoder of FFmpeg (default: software)",
    )
    parser.add_argument(
        "--preset", choices=PRESETS, help="time that x264 takes to make files small (default: superfast)"
    )
    parser.add_argument(
        "--crf",
        metavar="N",
        type=int,
        choices=range(52),
        help="quality of written videos: 0 is lossless, 51 the smallest file (default: 22)",
    )
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Run `tddfa video`.

    Returns:
        0; 1 when an input could not be used, is damaged or has no face; 130 when interrupted.
    """
    if args.smooth != "window" and (args.n_pre is not None or args.n_next is not None):
        args.parser.error("--n-pre and --n-next need --smooth window")
    jobs, files = find_videos(args.inputs)
    for problem in files.problems:
        report(problem)
    if files.left_out:
        note(files.left_out_text())
    failed = len(files.problems)
    if not jobs:
        if not failed:
            report("no video is left")
        return 1
    guard = OverwriteGuard(VideoInputs(files, jobs), args.overwrite)
    check_extras(kind for kind in TABLE_KINDS if kind.name in args.data)

    from tddfa.alignment import FaceAligner

    aligner = FaceAligner(args.pack, search_size=args.search_size, device=args.device)
    with interrupts() as stop:
        for job in jobs:
            try:
                failed += not _process(job, args, aligner, guard, stop)
            except (PackError, ImportError):
                raise  # no other video would fare better
            except TddfaError as error:
                report(error if job.name in str(error) else f"{job.name}: {error}")
                failed += 1
            if stop.is_set():
                return INTERRUPTED
    return 1 if failed else 0


def _process(
    job: VideoJob,
    args: argparse.Namespace,
    aligner: FaceAligner,
    guard: OverwriteGuard,
    stop: threading.Event,
) -> bool:
    """Follow the faces of one video; whether all went well."""
    from tqdm import tqdm

    from tddfa.streams import follow, write_frames
    from tddfa.tracking import FaceTracker
    from tddfa.video import open_video

    if args.fps is not None and not job.is_sequence:
        raise InputError(f"--fps is for sequences of images; {job.name} has a rate of its own")
    reader = open_video(job.place, fps=args.fps, start=args.start, end=args.end)
    tracker = FaceTracker(aligner, max_faces=args.max_faces, quality=args.quality)
    sinks = _sinks(_target(args.dir / job.target), args, reader, aligner)
    guard.check_sinks(sinks)
    before = _files(sinks)
    images = any(sink.needs_image for sink in sinks)
    if images and args.smooth == "zero-phase" and not reader.repeatable:
        raise InputError(
            f"--smooth zero-phase reads a video twice, and {job.name} can be read only once; save it to a "
            "file, or choose another smoothing"
        )
    ids: set[int] = set()

    with tqdm(total=reader.n_frames, desc=job.short_name, unit=" frames", disable=None) as bar:
        frames = follow(
            reader,
            tracker,
            _smoother(args),
            images=images,
            stop=stop,
            progress=bar.update,
        )
        try:
            with contextlib.closing(frames):
                count = write_frames(_noting_ids(frames, ids, stop), *sinks)
        except _Interrupted:
            report(f"interrupted before the first frame of {job.name}; its outputs are as they were")
            return False
    after = _files(sinks)
    for path, file in after.items():
        if before.get(path) != file:
            print(f"wrote {plain(path)}")
    if kept := [plain(path) for path, file in after.items() if before.get(path) == file]:
        note(f"{', '.join(kept)}: of an earlier run; this one did not write them")
    if stop.is_set():
        first = "first frame" if count == 1 else f"first {count} frames"
        report(f"interrupted: the outputs of {job.name} hold its {first}")
        return False
    if reader.damage is not None:
        report(f"{reader.damage}; the outputs hold these")
    elif not ids:
        report(f"{job.name}: no face found{_HINT if args.search_size is None else ''}")
    return reader.damage is None and bool(ids)


def _noting_ids(
    frames: Iterable[TrackedFrame], ids: set[int], stop: threading.Event
) -> Iterator[TrackedFrame]:
    """Yield the frames and add the ids of their faces to a set.

    Raises:
        _Interrupted: `stop` was set before the first frame. Without an error, the sinks would replace earlier
            outputs by empty ones.
    """
    is_empty = True
    for frame in frames:
        is_empty = False
        yield frame
        ids.update(tracked.id for tracked in frame.faces)
    if is_empty and stop.is_set():
        raise _Interrupted


def _files(sinks: Iterable[Sink]) -> dict[Path, tuple[int, int]]:
    """Return the files of the sinks that are there, with what tells a file from one that replaces it."""
    from tddfa.streams import FileSink

    found: dict[Path, tuple[int, int]] = {}
    for path in (path for sink in sinks if isinstance(sink, FileSink) for path in sink.targets()):
        if path.is_file():
            status = path.stat()
            found[path] = status.st_ino, status.st_mtime_ns
    return found


def _sinks(target: Path, args: argparse.Namespace, reader: FrameSource, aligner: FaceAligner) -> list[Sink]:
    """Return the outputs that the arguments ask for; nothing is opened yet."""
    from tddfa.streams import AnimationSink, LiveLinkCsvSink, TableSink, TimelineSink, VideoSink

    kinds: list[str] = args.output or (
        [] if args.data or args.glb or args.report or args.plot else ["2d_sparse"]
    )
    sinks: list[Sink] = [
        VideoSink(
            target.with_name(f"{target.name}_{kind}.mp4"),
            reader,
            draw=kind,
            background=args.background,
            encoder=args.encoder,
            preset=args.preset,
            crf=args.crf,
        )
        for kind in kinds
    ]
    names = aligner.model.expression_names
    tables = [kind for kind in args.data if kind in TABLES]
    sinks += [TableSink(target.with_name(f"{target.name}.{suffix}"), names) for suffix in tables]
    if "livelink" in args.data:
        sinks.append(LiveLinkCsvSink(target.with_name(f"{target.name}_livelink.csv")))
    if args.glb:
        sinks.append(AnimationSink(target.parent, target.name))
    if args.report or args.plot:
        report = target.with_name(f"{target.name}_report.html") if args.report else None
        plot = target.with_name(f"{target.name}_plot.png") if args.plot else None
        sinks.append(TimelineSink(target.name, report=report, plot=plot))
    return sinks


def _smoother(args: argparse.Namespace) -> Smoother:
    from tddfa.tracking.smoothing import make_smoother

    given = {"n_pre": args.n_pre, "n_next": args.n_next}
    return make_smoother(args.smooth, **{name: n for name, n in given.items() if n is not None})


def _target(path: Path) -> Path:
    try:
        make_folder(path.parent)
        remove_leftovers(path.parent)
    except OSError as error:
        raise InputError(f"cannot make the folder {path.parent}: {error.strerror}") from None
    return path


def _count(text: str) -> int:
    return 0 if text == "0" else positive(text)


def _moment(text: str) -> Any:
    from tddfa.video.reader import Moment

    try:
        return Moment.parse(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
