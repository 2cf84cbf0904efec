"""Every kind of output, once: its name, its files, and the options it takes.

A new kind is a module and a line here. The command derives its choices, its help and its checks from this
table, `tddfa.render.OVERLAYS` and `tddfa.export.EXPORTS` their functions. Nothing is imported to read it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import field, fields
from typing import Any

from tddfa.dataclass import dataclass
from tddfa.errors import require_extra
from tddfa.lazy import LazyFunctions


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of output.

    Attributes:
        name: name on the command line.
        files: function `(scene, target) -> iterator of (file name, bytes)` for `tddfa image`, as
            "module:function"; empty for kinds of videos alone.
        suffix: suffix of the file; empty for an image in the format that `--format` names.
        options: names of the options that it takes, keys of `OPTIONS`.
        draw: overlay `(image, faces, *, background=…) -> image`.
        write: function `(path, image, faces, **options)` that writes a file.
        per_face: whether `--per-face` gives a file for each face.
        video: whether `tddfa video` has this kind.
        bare: whether the name of the kind is left out of the names of its files.
        parts: option → what follows the stem and the kind in the names of the files that it adds.
        sides: function `(target, index) -> names` of the files that belong to one face in a file with all, as
            "module:function"; empty where there are none.
        extra: extra that the kind needs, and a package of it; None where it needs none.
    """

    name: str
    files: str = ""
    suffix: str = ""
    options: tuple[str, ...] = ()
    draw: str = ""
    write: str = ""
    per_face: bool = False
    video: bool = False
    bare: bool = False
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    sides: str = ""
    extra: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the command that some kinds take.

    Attributes:
        help: what it does.
        default: value when it is not given.
        choices: possible values; empty for a flag.
    """

    help: str
    default: str | bool
    choices: tuple[str, ...] = ()


def _option(help: str, default: Any = False, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"option": Option(help, default, choices)})


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How files are written: a value for each option that some kinds take."""

    format: str = _option("format of images", "jpg", ("jpg", "png"))
    background: str = _option(
        "what lies around the drawn faces; transparent needs --format png",
        "photo",
        ("photo", "black", "transparent"),
    )
    raw_depth: bool = _option("add _depth.npy, float32 px, NaN where there is no face, and its mask as PNG")
    per_face: bool = _option("a file per face, <stem>_<kind>_face_<n>, instead of one with all")
    texture: bool = _option("a texture (.mtl and a PNG per face) instead of colours of vertices")
    neutral: bool = _option("set all expression weights to 0 (blendshapes stay)")
    crop: str = _option(
        "how much of each head: the face, or the whole head in the skin's colour", "face", ("face", "head")
    )
    frontal: bool = _option("place every face at the origin, looking at the viewer")
    full_mesh: bool = _option("store all vertices, also where the face is flat: three times the size")


OPTIONS: Mapping[str, Option] = {f.name: f.metadata["option"] for f in fields(OutputOptions)}
"""Name of an option → what it does; on the command line it has - for _."""


def _overlay(name: str, function: str, *, video: bool = True, **more: Any) -> Kind:
    more.setdefault("files", "tddfa.outputs.encoders:overlay")
    more.setdefault("options", ("format", "background"))
    return Kind(name, draw=f"tddfa.render.{function}", video=video, **more)


def _file(name: str, suffix: str, write: str, *options: str, per_face: bool = False, sides: str = "") -> Kind:
    options = (*options, "per_face") if per_face else options
    files = f"tddfa.outputs.encoders:{name}"
    return Kind(name, files, suffix, options, write=write, per_face=per_face, sides=sides)


def _table(name: str, *, image: bool = True, extra: tuple[str, str] | None = None) -> Kind:
    files = "tddfa.outputs.encoders:table" if image else ""
    return Kind(name, files, f".{name}", video=True, bare=True, extra=extra)


KINDS: tuple[Kind, ...] = (
    _overlay("2d_sparse", "landmarks:draw_landmarks"),
    _overlay("2d_dense", "dense:draw_dense"),
    _overlay("3d", "shaded:draw_shaded"),
    _overlay(
        "depth",
        "depth:draw_depth",
        files="tddfa.outputs.encoders:depth",
        options=("format", "background", "raw_depth"),
        parts={"raw_depth": (".npy", "_mask.png")},
    ),
    _overlay("pncc", "pncc:draw_pncc"),
    _overlay("uv_tex", "uv_texture:draw_uv_texture", video=False),
    _overlay("pose", "pose:draw_pose"),
    _overlay("normals", "normals:draw_normals"),
    _overlay("wireframe", "wireframe:draw_wireframe"),
    _file("ply", ".ply", "tddfa.export.ply:write_ply", "crop", per_face=True),
    _file(
        "obj",
        ".obj",
        "tddfa.export.obj:write_obj",
        "texture",
        "crop",
        per_face=True,
        sides="tddfa.outputs.encoders:obj_sides",
    ),
    _file(
        "glb", ".glb", "tddfa.export.glb:write_glb", "neutral", "crop", "frontal", "full_mesh", per_face=True
    ),
    _file("depth16", ".png", ""),
    _file("json", ".json", "tddfa.export.record:write_json"),
    _file("npz", ".npz", "tddfa.export.npz:write_npz"),
)
"""Kinds of `tddfa image -o`, in the order of the help; those of videos are among them."""

TABLES: tuple[Kind, ...] = (
    _table("csv"),
    _table("jsonl"),
    _table("npz", image=False),
    _table("parquet", extra=("parquet", "pyarrow")),
)
"""Kinds of `--data`: tables with a row per face, written to <stem><suffix>."""


def names(kinds: Iterable[Kind], *, video: bool | None = None, image: bool | None = None) -> tuple[str, ...]:
    """Return the names of kinds.

    Args:
        kinds: `KINDS` or `TABLES`.
        video: only those that `tddfa video` has.
        image: only those that `tddfa image` has.
    """
    return tuple(
        kind.name
        for kind in kinds
        if (video is None or kind.video is video) and (image is None or bool(kind.files) is image)
    )


def check_extras(kinds: Iterable[Kind]) -> None:
    """Refuse kinds of output whose packages are not installed, before anything is done.

    Raises:
        MissingExtraError: one is not.
    """
    for kind in kinds:
        if kind.extra is None:
            continue
        extra, package = kind.extra
        try:
            importlib.import_module(package)
        except ImportError:
            raise require_extra(f"writing {kind.name.capitalize()}", extra, package) from None


def load(reference: str) -> Any:
    """Return the function that "module:function" names."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def functions(attribute: str) -> LazyFunctions:
    """Return the functions of the kinds that have one under an attribute, `draw` or `write`."""
    return LazyFunctions({kind.name: path for kind in KINDS if (path := getattr(kind, attribute))})


# How the stems of our own outputs end; the textures of names with spaces have digits that tell them apart.
_OUTPUT_NAME = re.compile(
    rf"_({'|'.join(re.escape(kind.name) for kind in KINDS)})(_mask|_\d+|_face_\d+|-[0-9a-f]{{8}})*$"
)


def is_output_name(stem: str) -> bool:
    """Return whether the stem of a file's name is like those of outputs: the file is worth opening."""
    return _OUTPUT_NAME.search(stem) is not None
