"""The kinds of output of `tddfa image`: what their files are called, and how they are written."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tddfa.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from tddfa.types import Face, Image

# What `all` means, in the order of the help. The tables that make them are in tddfa.render and tddfa.export,
# which are imported when used.
PICTURES = ("2d_sparse", "2d_dense", "3d", "depth", "pncc", "uv_tex", "pose", "normals", "wireframe")
MESHES = ("ply", "obj", "glb")
FILES = (*MESHES, "depth16", "json", "npz")


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How files are written: the options of `tddfa image` that have these names."""

    format: str = "jpg"
    background: str = "photo"
    raw_depth: bool = False
    per_face: bool = False
    texture: bool = False
    neutral: bool = False
    frontal: bool = False


def files_of(kind: str, target: Path, options: FileOptions) -> list[Path]:
    """The files of a kind; where they are, all of it is: of a file per face, the first is written last."""
    stem = f"{target.name}_{kind}"
    if kind in MESHES and options.per_face:
        return [_of_face(target.with_name(f"{stem}.{kind}"), 1)]
    if kind in FILES:
        return [target.with_name(f"{stem}.{'png' if kind == 'depth16' else kind}")]
    paths = [target.with_name(f"{stem}.{options.format}")]
    if kind == "depth" and options.raw_depth:
        paths += [target.with_name(f"{stem}.npy"), target.with_name(f"{stem}_mask.png")]
    return paths


def write_files(
    kinds: Sequence[str], target: Path, image: Image, faces: Sequence[Face], options: FileOptions
) -> None:
    """Write every kind of output of one picture.

    Args:
        kinds: of `PICTURES` and `FILES`.
        target: folder and stem of the files.
        image: RGB.
        faces: at least one.
        options: how.

    Raises:
        InputError: a file or folder cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {target.parent}: {error.strerror}") from None
    # Several kinds may want them.
    textures = functools.cache(lambda: _textures(image, faces))
    depth = functools.cache(lambda: _depth(image, faces))
    for kind in kinds:
        _write(kind, target, image, faces, textures, depth, options)


def _write(
    kind: str,
    target: Path,
    image: Image,
    faces: Sequence[Face],
    textures: Callable[[], Sequence[Image] | None],
    depth: Callable[[], tuple[np.ndarray, np.ndarray]],
    options: FileOptions,
) -> None:
    from tddfa.export import EXPORTS, write_depth_png, write_npy
    from tddfa.imaging import write_image
    from tddfa.render import OVERLAYS

    path, *more = files_of(kind, target, options)
    if kind in MESHES:
        _write_meshes(kind, target.with_name(f"{target.name}_{kind}.{kind}"), image, faces, textures, options)
    elif kind in EXPORTS:
        EXPORTS[kind](path, image, faces)
    elif kind == "depth16":
        write_depth_png(path, depth()[0])
    else:
        write_image(path, OVERLAYS[kind](image, faces, background=options.background))
    if more:
        measured, mask = depth()
        write_npy(more[0], measured)
        write_image(more[1], mask.astype("uint8") * 255)


def _write_meshes(
    kind: str,
    path: Path,
    image: Image,
    faces: Sequence[Face],
    textures: Callable[[], Sequence[Image] | None],
    options: FileOptions,
) -> None:
    from tddfa.export import EXPORTS

    own: dict[str, Any] = {"neutral": options.neutral, "frontal": options.frontal} if kind == "glb" else {}
    images = textures() if kind == "glb" or (kind == "obj" and options.texture) else None
    if kind == "obj" and options.texture and images is None:
        raise InputError("this model has no texture layout (UV): leave --texture out")
    if not options.per_face:
        EXPORTS[kind](path, image, faces, **own, **({} if images is None else {"textures": images}))
        return
    for i in reversed(range(len(faces))):
        textured = {} if images is None else {"textures": [images[i]]}
        EXPORTS[kind](_of_face(path, i + 1), image, [faces[i]], **own, **textured)


def _of_face(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}_face_{number}{path.suffix}")


def _depth(image: Image, faces: Sequence[Face]) -> tuple[np.ndarray, np.ndarray]:
    from tddfa.render import depth_map

    return depth_map(image, faces)


def _textures(image: Image, faces: Sequence[Face]) -> list[Image] | None:
    """Textures about as fine as the photo; None for a model without a texture layout."""
    from tddfa.render import face_textures

    if any(face.mesh.topology.uv is None for face in faces):
        return None
    widest = max(max(face.detection.box.width, face.detection.box.height) for face in faces)
    size = next((size for size in (256, 512, 1024) if size >= widest), 2048)
    return [texture.image for texture in face_textures(image, faces, size=size)]
