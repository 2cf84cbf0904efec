"""Which files a command may write over: its own of former runs; inputs never, others when asked."""

import argparse
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tddfa.errors import ExportFileError


@dataclass(frozen=True, slots=True)
class Output:
    """What a command writes.

    Attributes:
        argument: name of the argument that says where.
        names: patterns of the files in the folder of that name; empty when it is a file.
        made_by_us: whether a former run made what is there, given the folder or the file.
        inputs: names of the arguments that are read.
    """

    argument: str
    names: tuple[str, ...]
    made_by_us: Callable[[Path], bool]
    inputs: tuple[str, ...] = ()


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add `--overwrite`."""
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files of others; inputs are never replaced"
    )


def check_outputs(args: argparse.Namespace) -> None:
    """Refuse a command that would write over an input, or over files that are not ours unless asked.

    Raises:
        ExportFileError: it would.
    """
    output = OUTPUTS.get(args.command)
    if output is None:
        return
    target: Path = getattr(args, output.argument)
    inputs = [Path(given) for name in output.inputs if (given := getattr(args, name)) is not None]
    found = [path for name in output.names for path in sorted(target.glob(name))]
    files = [path for path in (found if output.names else [target]) if path.exists()]
    if output.names and target.exists() and not target.is_dir():
        raise ExportFileError(f"cannot write into {target}: it is a file, and a folder is needed")
    if not output.names and target.is_dir():
        raise ExportFileError(f"cannot write {target}: it is a folder, and a file is needed")
    if not output.names and not target.parent.is_dir():
        raise ExportFileError(f"cannot write {target}: there is no folder {target.parent}")
    above = next(folder for folder in target.absolute().parents if folder.exists())
    if not above.is_dir():
        raise ExportFileError(f"cannot write {target}: {above.name} is a file, and a folder is needed")
    if not os.access(target if target.is_dir() else above, os.W_OK):
        raise ExportFileError(f"cannot write {target}: the folder may not be written to")
    for path in inputs:
        if output.names and path.is_dir() and target.exists() and target.samefile(path):
            raise ExportFileError(f"cannot write into {target}: it is the input; choose another folder")
        if taken := next((file for file in files if _is_or_holds(path, file)), None):
            raise ExportFileError(
                f"cannot write {taken}: it is an input of this command; choose another name"
            )
    there = [file for file in files if file.is_dir() or file.stat().st_size]
    if there and not args.overwrite and not output.made_by_us(target):
        raise ExportFileError(
            f"cannot write {there[0]}: that file is there, and nothing says that tddfa-train made it; choose "
            "another name, or replace it with --overwrite"
        )


def _is_or_holds(given: Path, file: Path) -> bool:
    """Return whether an input is a file, or a folder in which the file is no dataset of its own."""
    if given.is_dir():
        return given.samefile(file.parent)
    return given.exists() and given.samefile(file)


def _is_dataset(folder: Path) -> bool:
    try:
        with zipfile.ZipFile(folder / "labels.npz") as labels:
            return "landmarks68.npy" in labels.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _has_record(name: str, *keys: str) -> Callable[[Path], bool]:
    """Return whether a folder holds a JSON object of ours, which has these keys."""

    def check(folder: Path) -> bool:
        try:
            record: Any = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(record, dict) and set(keys) <= {*record}  # pyright: ignore[reportUnknownVariableType]

    return check


def _never(_: Path) -> bool:
    return False  # nothing in an array or a network says who wrote it


_RUN = ("manifest.json", "last.pt", "log.jsonl")
_CARD = ("card.json", "card.md", "worst_*.jpg", "stress.jpg")
_PACK = ("manifest.json", "*.onnx", "*.npz")
_DATASET = ("images.npy", "labels.npz", "counts.json", "sheet.jpg")

OUTPUTS: Mapping[str, Output] = {
    "prepare": Output("output", _DATASET, _is_dataset, ("photos",)),
    "prepare-mat": Output("output", _DATASET, _is_dataset, ("source",)),
    "relabel": Output("output", _DATASET, _is_dataset, ("source", "checkpoint")),
    "turn": Output("output", _DATASET, _is_dataset, ("source", "backgrounds")),
    "render": Output("output", _DATASET, _is_dataset, ("backgrounds",)),
    "backgrounds": Output("output", (), _never, ("photos",)),
    "train": Output("run_folder", _RUN, _has_record("manifest.json", "recipe"), ("config",)),
    "person": Output("output", (), _never, ("config", "start", "options")),
    "place": Output("output", (), _never, ("config", "start", "options")),
    "ablate": Output("folder", ("ablation.*",), _has_record("ablation.json", "arms"), ("config",)),
    "card": Output("folder", _CARD, _has_record("card.json", "packs"), ("config",)),
    "pack": Output("output", _PACK, _has_record("manifest.json", "schema", "files"), ("config",)),
    "export": Output("output", (), _never, ("checkpoint", "int8")),
}
"""Command → what it writes; those that add to a dataset folder, `fit` and `answers`, are none."""
