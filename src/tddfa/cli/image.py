"""`tddfa image`: pictures in, pictures and files out."""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import sys
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tddfa.cli.arguments import positive
from tddfa.cli.inputs import Job, find_jobs
from tddfa.cli.messages import report
from tddfa.errors import InputError, PackError, TddfaError

if TYPE_CHECKING:
    from tddfa.pipeline import FaceAligner
    from tddfa.types import Face, Image

# What `all` means, in the order of the help. The tables that make them are in tddfa.render and tddfa.export,
# which are imported when used.
PICTURES = ("2d_sparse", "2d_dense", "3d", "depth", "pncc", "uv_tex", "pose", "normals", "wireframe")
MESHES = ("ply", "obj", "glb")
FILES = (*MESHES, "depth16", "json", "npz")


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
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Run `tddfa image`.

    Returns:
        0, or 1 when an input could not be used or has no face.
    """
    if args.background == "transparent" and args.format != "png":
        args.parser.error("--background transparent needs --format png: JPEG knows no transparency")
    kinds: list[str] = args.output or ([] if args.json else ["2d_sparse"])
    jobs, problems = find_jobs(args.inputs)
    for problem in problems:
        report(problem)
    failed = len(problems)
    if not jobs:
        return 1

    from tqdm import tqdm

    from tddfa.pipeline import FaceAligner

    aligner = FaceAligner(args.pack)
    with _lines_to(args.json) as lines:
        progress = tqdm(jobs, unit="picture", disable=None if len(jobs) > 1 else True)
        for job in progress:
            try:
                _process(job, kinds, args, aligner, lines)
            except PackError:
                raise  # no other picture would fare better
            except TddfaError as error:
                progress.clear()
                report(error, of=job.path)
                failed += 1
    return 1 if failed else 0


def _process(
    job: Job, kinds: Sequence[str], args: argparse.Namespace, aligner: FaceAligner, lines: IO[str] | None
) -> None:
    from tddfa.export import picture_record
    from tddfa.imaging import read_image

    image = read_image(job.path)
    faces = aligner.align(image)
    if args.max_faces is not None and len(faces) > args.max_faces:
        largest = sorted(faces, key=lambda f: -f.detection.box.width * f.detection.box.height)[
            : args.max_faces
        ]
        faces = [face for face in faces if face in largest]
    if lines is not None:
        record = {"file": str(job.path), **picture_record(image, faces)}
        lines.write(json.dumps(record) + "\n")
    if not faces:
        raise InputError(f"{job.path}: no face found; faces should be upright and at least 20 px wide")
    textures = functools.cache(lambda: _textures(image, faces))  # several kinds may want them
    for kind in kinds:
        _write(kind, args.dir / job.target, image, faces, textures, args)


def _write(
    kind: str,
    target: Path,
    image: Image,
    faces: Sequence[Face],
    textures: Callable[[], Sequence[Image] | None],
    args: argparse.Namespace,
) -> None:
    from tddfa.export import EXPORTS, write_depth_png, write_npy
    from tddfa.imaging import write_image
    from tddfa.render import OVERLAYS, depth_map

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {target.parent}: {error.strerror}") from None
    stem = f"{target.name}_{kind}"
    if kind in MESHES:
        options: dict[str, Any] = {"neutral": args.neutral, "frontal": args.frontal} if kind == "glb" else {}
        if kind == "glb" or (kind == "obj" and args.texture):
            options["textures"] = textures()
            if kind == "obj" and options["textures"] is None:
                raise InputError("this model has no texture layout (UV): leave --texture out")
        _write_meshes(kind, target.with_name(f"{stem}.{kind}"), image, faces, options, args.per_face)
    elif kind in EXPORTS:
        EXPORTS[kind](target.with_name(f"{stem}.{kind}"), image, faces)
    elif kind == "depth16":
        write_depth_png(target.with_name(f"{stem}.png"), depth_map(image, faces)[0])
    else:
        picture = OVERLAYS[kind](image, faces, background=args.background)
        write_image(target.with_name(f"{stem}.{args.format}"), picture)
    if kind == "depth" and args.raw_depth:
        depth, mask = depth_map(image, faces)
        write_npy(target.with_name(f"{stem}.npy"), depth)
        write_image(target.with_name(f"{stem}_mask.png"), mask.astype("uint8") * 255)


def _write_meshes(
    kind: str, path: Path, image: Image, faces: Sequence[Face], options: dict[str, Any], per_face: bool
) -> None:
    from tddfa.export import EXPORTS

    if not per_face:
        EXPORTS[kind](path, image, faces, **options)
        return
    textures = options.pop("textures", None)
    for i, face in enumerate(faces):
        own = {} if textures is None else {"textures": [textures[i]]}
        EXPORTS[kind](path.with_name(f"{path.stem}_face_{i + 1}.{kind}"), image, [face], **own, **options)


def _textures(image: Image, faces: Sequence[Face]) -> list[Image] | None:
    """Textures about as fine as the photo; None for a model without a texture layout."""
    from tddfa.render import face_textures

    if any(face.mesh.topology.uv is None for face in faces):
        return None
    widest = max(max(face.detection.box.width, face.detection.box.height) for face in faces)
    size = next((size for size in (256, 512, 1024) if size >= widest), 2048)
    return [texture.image for texture in face_textures(image, faces, size=size)]


@contextlib.contextmanager
def _lines_to(name: str | None) -> Generator[IO[str] | None]:
    if name is None:
        yield None
    elif name == "-":
        yield sys.stdout
        sys.stdout.flush()
    else:
        from tddfa.files import atomic_path

        try:
            with atomic_path(name) as temporary, temporary.open("w", encoding="utf-8") as file:
                yield file
        except OSError as error:
            if isinstance(error, TddfaError):
                raise
            raise InputError(f"cannot write {name}: {error.strerror}") from None


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
