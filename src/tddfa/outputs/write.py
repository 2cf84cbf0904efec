"""Write the files of an image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tddfa.errors import ExportFileError
from tddfa.files import atomic_write, make_folder
from tddfa.kinds import Kind, OutputOptions, load
from tddfa.outputs.scene import Scene
from tddfa.outputs.target import Target
from tddfa.provenance import is_ours, marked
from tddfa.types.arguments import as_text, check_kind


def expected_files(kinds: Sequence[Kind], stem: Path, options: OutputOptions) -> list[Path]:
    """Return the files that are there when everything has been written.

    Of a file per face the first is written last; side files are written before their main file.

    Args:
        kinds: kinds of output.
        stem: folder and beginning of the names of the files.
        options: how they are written.
    """
    found: list[Path] = []
    for kind in kinds:
        target = _target(kind, stem.name, options)
        own = _of_face(target, 0) if kind.per_face and options.per_face else target
        sides = load(kind.sides)(own, 0) if kind.sides else []
        found += [stem.with_name(name) for name in (own.name, *sides)]
        for option, ends in kind.parts.items():
            if getattr(options, option):
                found += [stem.with_name(target.stem + end) for end in ends]
    return found


def earlier_files(kinds: Sequence[Kind], stem: Path, options: OutputOptions, n_faces: int) -> list[Path]:
    """Return the files that are there of an earlier run which found more faces in the image.

    Args:
        kinds: kinds of output.
        stem: folder and beginning of the names of the files.
        options: how files are written.
        n_faces: faces that are found now; with 0, the files of all faces are of an earlier run.
    """
    found = [] if n_faces else [path for path in expected_files(kinds, stem, options) if is_ours(path)]
    for kind in kinds:
        target, index = _target(kind, stem.name, options), n_faces
        while there := [
            path for name in _of_one_face(kind, target, index) if is_ours(path := stem.with_name(name))
        ]:
            found += there
            index += 1
    return list(dict.fromkeys(found))


def write_outputs(
    kinds: Sequence[Kind],
    stem: Path,
    scene: Scene,
    options: OutputOptions,
    check: Callable[[Path], None] = lambda path: None,
) -> list[Path]:
    """Write every kind of output of one image, and return the files.

    Args:
        kinds: kinds of output.
        stem: folder and beginning of the names of the files.
        scene: the image and its faces, at least one.
        options: how the files are written.
        check: raises an error for a file that must not be written over.

    Raises:
        InputError: a kind cannot be made of these faces.
        ExportFileError: a file or folder cannot be written.
    """
    for path in expected_files(kinds, stem, options):
        check(path)  # before anything is drawn or written
    try:
        make_folder(stem.parent)
    except OSError as error:
        raise ExportFileError(f"cannot make the folder {stem.parent}: {error.strerror}") from error
    written: list[Path] = []
    for kind in kinds:
        files = [
            (stem.with_name(name), data) for name, data in encode_output(kind, stem.name, scene, options)
        ]
        for path, _ in files:
            check(path)
        for path, data in files:
            _write(path, data)
            written.append(path)
    return written


def encode_output(kind: Kind, stem: str, scene: Scene, options: OutputOptions) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of each file of one kind of output; nothing is written.

    Args:
        kind: kind of output.
        stem: beginning of the names of the files.
        scene: the image and its faces, at least one.
        options: how the files are encoded.

    Raises:
        InputError: the kind cannot be made of these faces.
    """
    check_kind("kind", kind, Kind, "tddfa.kinds.KINDS has all")
    check_kind("scene", scene, Scene, "make one of an image and its faces")
    check_kind("options", options, OutputOptions, "tddfa.kinds.OutputOptions() are the usual ones")
    for name, data in _encode(kind, as_text("stem", stem), scene, options):
        yield name, marked(data, Path(name).suffix)


def _encode(kind: Kind, stem: str, scene: Scene, options: OutputOptions) -> Iterator[tuple[str, bytes]]:
    encode = load(kind.files)
    target = _target(kind, stem, options)
    if not (kind.per_face and options.per_face):
        yield from encode(scene, target)
        return
    for index in reversed(range(len(scene.faces))):
        yield from encode(scene.of_face(index), _of_face(target, index))


def _target(kind: Kind, stem: str, options: OutputOptions) -> Target:
    own = stem if kind.bare else f"{stem}_{kind.name}"
    return Target(kind.name, own, kind.suffix or f".{options.format}", options)


def _of_face(target: Target, index: int) -> Target:
    return Target(target.kind, f"{target.stem}_face_{index + 1}", target.suffix, target.options)


def _of_one_face(kind: Kind, target: Target, index: int) -> list[str]:
    """Return the names of the files that are there for the sake of one face."""
    if kind.per_face and target.options.per_face:
        own = _of_face(target, index)
        return [own.name, *(load(kind.sides)(own, 0) if kind.sides else [])]
    return load(kind.sides)(target, index)[:1] if kind.sides else []


def _write(path: Path, data: bytes) -> None:
    try:
        atomic_write(path, data)
    except OSError as error:
        raise ExportFileError(f"cannot write {os.fspath(path)}: {error.strerror}") from error
