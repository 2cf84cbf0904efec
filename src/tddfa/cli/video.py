"""`tddfa video`: videos in, videos and tables out."""

from __future__ import annotations

import argparse
import contextlib
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tddfa.cli.arguments import positive
from tddfa.cli.inputs import VIDEO_SUFFIXES, Job, find_jobs
from tddfa.cli.messages import report
from tddfa.errors import InputError, MissingExtraError, PackError, TddfaError

if TYPE_CHECKING:
    from tddfa.pipeline import FaceAligner
    from tddfa.tracking import FaceTracker, TrackedFace
    from tddfa.tracking.smoothing import Smoother
    from tddfa.types import Image
    from tddfa.video import VideoReader

# Tables of what there is are in tddfa.render and tddfa.tracking, which are imported when used.
PICTURES = ("2d_sparse", "2d_dense", "3d", "depth", "pncc", "pose", "normals")
TABLES = ("csv", "jsonl", "npz", "parquet")
SMOOTHINGS = ("one-euro", "none", "window", "zero-phase")

INTERRUPTED = 130

_READ_AHEAD = 8  # frames
_WRITE_BEHIND = 8


def add_parser(commands: Any) -> None:
    """Add `video` to the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "video",
        help="follow the faces of videos, draw and export them",
        description="Follow every face of each video and write what -o and --data ask for, as "
        "DIR/<stem>_<kind>.mp4 (H.264, with the times and the sound of the source) and DIR/<stem>.<format>.",
    )
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help="videos, folders of videos, or globs")
    parser.add_argument(
        "-o",
        "--output",
        metavar="KINDS",
        type=_list_of(PICTURES),
        help=f"comma list of {', '.join(PICTURES)}; or all (default: 2d_sparse; nothing with --data, --glb)",
    )
    parser.add_argument(
        "--data",
        metavar="FORMATS",
        type=_list_of(TABLES),
        default=[],
        help=f"one row per face and frame: comma list of {', '.join(TABLES)}",
    )
    parser.add_argument(
        "--glb",
        action="store_true",
        help="an animated, textured 3D face of each person, as <stem>_face_<id>.glb",
    )
    parser.add_argument(
        "-d",
        "--dir",
        metavar="DIR",
        type=Path,
        default=Path(),
        help="folder for the outputs (default: the current)",
    )
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
    parser.add_argument("--pack", metavar="NAME", help="model pack, see 'tddfa packs list'")
    parser.add_argument(
        "--background",
        choices=("photo", "black"),
        default="photo",
        help="what lies around the drawn faces (default: photo)",
    )
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Run `tddfa video`.

    Returns:
        0; 1 when an input could not be used, is damaged or has no face; 130 when interrupted.
    """
    if args.smooth != "window" and (args.n_pre is not None or args.n_next is not None):
        args.parser.error("--n-pre and --n-next need --smooth window")
    jobs, problems = find_jobs(args.inputs, suffixes=VIDEO_SUFFIXES, noun="videos")
    for problem in problems:
        report(problem)
    failed = len(problems)
    if not jobs:
        return 1

    from tddfa.pipeline import FaceAligner

    aligner = FaceAligner(args.pack)
    with _interrupts() as stop:
        for job in jobs:
            try:
                failed += not _process(job, args, aligner, stop)
            except (PackError, MissingExtraError):
                raise  # no other video would fare better
            except TddfaError as error:
                report(error, of=job.path)
                failed += 1
            if stop.is_set():
                return INTERRUPTED
    return 1 if failed else 0


@dataclass(frozen=True, slots=True, eq=False)
class _Done:
    """A frame that is ready to be written; without its picture where none is drawn."""

    index: int
    time: float
    image: Image | None
    faces: list[TrackedFace]


def _process(job: Job, args: argparse.Namespace, aligner: FaceAligner, stop: threading.Event) -> bool:
    """Follow the faces of one video; whether all went well."""
    from tqdm import tqdm

    from tddfa.tracking import FaceTracker
    from tddfa.video import VideoReader

    reader = VideoReader(job.path, start=args.start, end=args.end)
    tracker = FaceTracker(aligner, max_faces=args.max_faces)
    kinds: list[str] = args.output or ([] if args.data or args.glb else ["2d_sparse"])
    people: set[int] = set()
    count = 0
    bar = tqdm(total=reader.n_frames, desc=job.path.name, unit=" frames", disable=None)
    with contextlib.ExitStack() as stack:
        stack.enter_context(bar)
        outputs = [_picture_output(stack, kind, job, args, reader) for kind in kinds]
        outputs += [_table_output(stack, kind, job, args, aligner) for kind in args.data]
        outputs += [_animation_output(stack, job, args)] if args.glb else []
        pictures = bool(kinds) or args.glb
        frames = _followed(reader, tracker, _smoother(args), stop, pictures, bar.update)
        stack.enter_context(contextlib.closing(frames))
        for done in frames:
            for output in outputs:
                output(done)
            people.update(tracked.id for tracked in done.faces)
            count += 1
    if stop.is_set():
        report(f"interrupted: the outputs of {job.path} hold its first {count} frames")
        return False
    if reader.damage is not None:
        report(f"{reader.damage}; the outputs hold these")
    elif not people:
        report(f"{job.path}: no face found; faces should be upright and at least 20 px wide")
    return reader.damage is None and bool(people)


def _smoother(args: argparse.Namespace) -> Smoother:
    from tddfa.tracking.smoothing import make_smoother

    given = {"n_pre": args.n_pre, "n_next": args.n_next}
    return make_smoother(args.smooth, **{name: n for name, n in given.items() if n is not None})


def _followed(
    reader: VideoReader,
    tracker: FaceTracker,
    smoother: Smoother,
    stop: threading.Event,
    pictures: bool,
    progress: Callable[[], object],
) -> Generator[_Done]:
    """The frames of a video with their smoothed faces, as soon as these are known."""
    from tddfa.video import ahead

    waiting: deque[tuple[int, float, Image | None]] = deque()
    keep_pictures = pictures and smoother.delay is not None
    with contextlib.closing(ahead(reader, _READ_AHEAD)) as frames:
        for frame in frames:
            if stop.is_set():
                break
            waiting.append((frame.index, frame.time, frame.image if keep_pictures else None))
            for faces in smoother.push(tracker.update(frame.image), frame.time):
                yield _Done(*waiting.popleft(), faces)
            progress()
    left = smoother.flush()
    if not pictures or keep_pictures:
        yield from (_Done(*waiting.popleft(), faces) for faces in left)
        return
    # The whole video had to be seen before the first frame was ready: its pictures are read once more.
    damage = reader.damage
    with contextlib.closing(ahead(reader, _READ_AHEAD)) as frames:
        for faces, frame in zip(left, frames, strict=False):
            yield _Done(frame.index, frame.time, frame.image, faces)
    reader.damage = damage


def _picture_output(
    stack: contextlib.ExitStack, kind: str, job: Job, args: argparse.Namespace, reader: VideoReader
) -> Callable[[_Done], None]:
    from tddfa.render import OVERLAYS
    from tddfa.video import Behind, VideoWriter

    target = _target(args.dir / job.target)
    writer = stack.enter_context(
        VideoWriter(
            target.with_name(f"{target.name}_{kind}.mp4"),
            rate=reader.rate,
            time_base=reader.time_base,
            sound_of=reader,
        )
    )
    draw = OVERLAYS[kind]

    def write(done: _Done) -> None:
        faces = [tracked.face for tracked in done.faces if tracked.visible]
        writer.write(draw(done.image, faces, background=args.background), done.time)

    behind = stack.enter_context(Behind(write, _WRITE_BEHIND))
    return behind.put


def _table_output(
    stack: contextlib.ExitStack, kind: str, job: Job, args: argparse.Namespace, aligner: FaceAligner
) -> Callable[[_Done], None]:
    from tddfa.tracking.table import TableWriter

    target = _target(args.dir / job.target)
    table = stack.enter_context(
        TableWriter(target.with_name(f"{target.name}.{kind}"), aligner.model.expression_names)
    )
    return lambda done: table.write(done.faces, done.index, done.time)


def _animation_output(
    stack: contextlib.ExitStack, job: Job, args: argparse.Namespace
) -> Callable[[_Done], None]:
    from tddfa.tracking.animation import AnimationWriter

    target = _target(args.dir / job.target)
    animations = stack.enter_context(AnimationWriter(target.parent, target.name))

    def write(done: _Done) -> None:
        assert done.image is not None  # frames keep theirs when animations are asked for
        animations.write(done.image, done.faces, done.time)

    return write


def _target(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path.parent}: {error.strerror}") from None
    return path


@contextlib.contextmanager
def _interrupts() -> Generator[threading.Event]:
    """An event that Ctrl-C sets, so that open files can be finished; a second Ctrl-C ends at once."""
    stop = threading.Event()

    def interrupted(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _list_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if "all" in names:
            return list(known)
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise argparse.ArgumentTypeError(
                f"{unknown[0] if unknown else text!r} is unknown; choose from {', '.join(known)}, all"
            )
        return list(dict.fromkeys(names))

    return parse


def _count(text: str) -> int:
    return 0 if text == "0" else positive(text)


def _moment(text: str) -> Any:
    from tddfa.video.reader import Moment

    try:
        return Moment.parse(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
