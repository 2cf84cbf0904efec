"""`tddfa image`: pictures in, pictures and files out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tddfa.cli.arguments import positive
from tddfa.cli.image_files import FILES, PICTURES, FileOptions, files_of, write_files
from tddfa.cli.inputs import Job, find_jobs
from tddfa.cli.lines import Lines
from tddfa.cli.messages import report
from tddfa.errors import InputError, PackError, TddfaError

if TYPE_CHECKING:
    from tddfa.alignment import FaceAligner
    from tddfa.types import Face, Image


def add_parser(commands: Any) -> None:
    """Add `image` to the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "image",
        help="align the faces of pictures, draw and export them",
        description="Find every face of each picture and write what -o asks for, as DIR/<stem>_<kind>.<ext>.",
    )
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help="pictures, folders of pictures, or globs")
    parser.add_argument(
        "-o",
        "--output",
        metavar="KINDS",
        type=_kinds,
        help=f"comma list of {', '.join(PICTURES + FILES)}; or all (default: 2d_sparse; nothing with --json)",
    )
    parser.add_argument(
        "-d",
        "--dir",
        metavar="DIR",
        type=Path,
        default=Path(),
        help="folder for the outputs (default: the current)",
    )
    parser.add_argument("--pack", metavar="NAME", help="model pack, see 'tddfa packs list'")
    parser.add_argument("--format", choices=("jpg", "png"), default="jpg", help="of pictures (default: jpg)")
    parser.add_argument(
        "--background",
        choices=("photo", "black", "transparent"),
        default="photo",
        help="what lies around the drawn faces; transparent needs --format png (default: photo)",
    )
    parser.add_argument(
        "--max-faces", metavar="N", type=positive, help="only the N largest faces of a picture"
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="one JSON object per picture and line, to a file or - for standard output",
    )
    parser.add_argument(
        "--raw-depth",
        action="store_true",
        help="with depth: also <stem>_depth.npy, float32 px, NaN where there is no face, and its mask as PNG",
    )
    parser.add_argument(
        "--per-face",
        action="store_true",
        help="with ply, obj, glb: a file per face, <stem>_<kind>_face_<n>, instead of one with all",
    )
    parser.add_argument(
        "--texture",
        action="store_true",
        help="with obj: a texture (.mtl and a PNG per face) instead of colours of vertices, as glb has it",
    )
    parser.add_argument(
        "--neutral", action="store_true", help="with glb: all expression weights at 0 (blendshapes stay)"
    )
    parser.add_argument(
        "--frontal", action="store_true", help="with glb: every face at the origin, looking at the viewer"
    )
    parser.add_argument(
        "-j",
        "--jobs",
        metavar="N",
        type=positive,
        default=1,
        help="pictures at a time, each by a thread of its own (default: 1)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on where an earlier run with --resume stopped: skip pictures whose files are all there, and "
        "add to the file of --json, which grows line by line",
    )
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Run `tddfa image`.

    Returns:
        0, or 1 when an input could not be used or has no face.
    """
    if args.background == "transparent" and args.format != "png":
        args.parser.error("--background transparent needs --format png: JPEG knows no transparency")
    if args.resume and args.json == "-":
        args.parser.error("--resume needs a file for --json: what went to standard output is not known")
    kinds: list[str] = args.output or ([] if args.json else ["2d_sparse"])
    jobs, problems = find_jobs(args.inputs)
    for problem in problems:
        report(problem)
    if not jobs:
        return 1

    with Lines.to(args.json, args.resume) as lines:
        before = lines.before if lines is not None else {}
        todo = [job for job in jobs if not (args.resume and _is_done(job, kinds, args, before))]
        failed = len(problems) + (_run_all(todo, kinds, args, lines) if todo else 0)
    if len(jobs) > 1 and (failed or args.resume):
        done = len(todo) - (failed - len(problems))
        skipped = f", {len(jobs) - len(todo)} were done before" if args.resume else ""
        print(f"tddfa: {done} of {len(jobs)} pictures done{skipped}; problems: {failed}", file=sys.stderr)
    return 1 if failed else 0


def _run_all(jobs: Sequence[Job], kinds: Sequence[str], args: argparse.Namespace, lines: Lines | None) -> int:
    """Work on all pictures, and say how many had a problem."""
    from tqdm import tqdm

    from tddfa.alignment import FaceAligner
    from tddfa.concurrency import in_order

    aligner = FaceAligner(args.pack)

    def work(job: Job) -> tuple[Job, str | None, TddfaError | None]:
        line: str | None = None
        try:
            image, faces = _faces(job, args, aligner)
            if lines is not None:
                line = _line(job, image, faces)
            if not faces:
                raise InputError(
                    f"{job.path}: no face found; faces should be upright and at least 20 px wide"
                )
            if kinds:
                write_files(kinds, args.dir / job.target, image, faces, _file_options(args))
        except PackError:
            raise  # no other picture would fare better
        except TddfaError as error:
            return job, line, error
        return job, line, None

    failed = 0
    outcomes = in_order(work, jobs, args.jobs)
    progress = tqdm(outcomes, total=len(jobs), unit="picture", disable=None if len(jobs) > 1 else True)
    for job, line, error in progress:
        if line is not None and lines is not None:
            lines.add(str(job.path), line)
        if error is not None:
            progress.clear()
            report(error, of=job.path)
            failed += 1
    return failed


def _faces(job: Job, args: argparse.Namespace, aligner: FaceAligner) -> tuple[Image, list[Face]]:
    from tddfa.imaging import read_image

    image = read_image(job.path)
    faces = aligner.align(image)
    if args.max_faces is not None and len(faces) > args.max_faces:
        by_size = sorted(faces, key=lambda f: -f.detection.box.width * f.detection.box.height)
        largest = by_size[: args.max_faces]
        faces = [face for face in faces if face in largest]
    return image, faces


def _line(job: Job, image: Image, faces: Sequence[Face]) -> str:
    from tddfa.export import picture_record

    return json.dumps({"file": str(job.path), **picture_record(image, faces)})


def _is_done(job: Job, kinds: Sequence[str], args: argparse.Namespace, before: Mapping[str, int]) -> bool:
    """Whether an earlier run has left nothing to do: no file, and no line."""
    if args.json is not None and str(job.path) not in before:
        return False
    if before.get(str(job.path)) == 0:
        return True  # nobody is there
    options = _file_options(args)
    return all(path.is_file() for kind in kinds for path in files_of(kind, args.dir / job.target, options))


def _kinds(text: str) -> list[str]:
    known = PICTURES + FILES
    kinds = [kind.strip() for kind in text.split(",") if kind.strip()]
    if "all" in kinds:
        return list(known)
    unknown = [kind for kind in kinds if kind not in known]
    if unknown or not kinds:
        raise argparse.ArgumentTypeError(
            f"{unknown[0] if unknown else text!r} is no kind of output; choose from {', '.join(known)}, all"
        )
    return list(dict.fromkeys(kinds))


def _file_options(args: argparse.Namespace) -> FileOptions:
    """What the arguments say about files."""
    return FileOptions(
        format=args.format,
        background=args.background,
        raw_depth=args.raw_depth,
        per_face=args.per_face,
        texture=args.texture,
        neutral=args.neutral,
        frontal=args.frontal,
    )
