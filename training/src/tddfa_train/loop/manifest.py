"""The record of a run: what was trained, on what, from which code, for how long."""

import dataclasses
import hashlib
import json
import platform
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from tddfa.errors import InputError
from tddfa.files import atomic_write
from tddfa_train.loop.train import CHECKPOINT, Progress, read_checkpoint

FILE_NAME = "manifest.json"

_OVERFIT = "--overfit"


def code_version() -> str | None:
    """The commit of the training code, with "+" when files were changed; None outside a repository."""
    folder = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--", str(folder)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changed else "")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def data_record(folders: Sequence[str]) -> list[dict[str, Any]]:
    """Name, number of faces and checksums of each dataset folder."""
    import numpy as np

    records: list[dict[str, Any]] = []
    for folder in map(Path, folders):
        images = folder / "images.npy"
        count = len(np.load(images, mmap_mode="r"))
        sums = {"labels_sha256": _sha256(folder / "labels.npz"), "images_sha256": _sha256(images)}
        records.append({"name": folder.name, "faces": count} | sums)
    return records


@contextmanager
def recorded(
    folder: Path, *, recipe: str, config: Any, data: Sequence[str], options: Sequence[str] = ()
) -> Generator[Progress]:
    """Keeps `manifest.json` in the folder of a run while the block trains; a resumed run has several parts.

    The file is there from the first moment on, so that a run that is killed has a record too. What the part
    did is read from the checkpoint that it left. A start that is refused, or finds nothing to do, leaves the
    record as it was. The block gets how far the run has come before.

    Args:
        folder: of the run.
        recipe: its name.
        config: a dataclass.
        data: dataset folders.
        options: of the command line that changed the config.

    Raises:
        InputError: the folder holds a run of another recipe, or what `--overfit` left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    kept = path.read_bytes() if path.exists() else None
    before = _record(kept)
    start = _progress(folder)
    if start.step:
        _check_same_run(folder, before, recipe, options)
    part: dict[str, Any] = {
        "started": _now(),
        "code": code_version(),
        "torch": torch.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "options": list(options),
        "from_step": start.step,
        "ended": None,
    }
    # As JSON gives it back: lists for tuples.
    recorded = json.loads(json.dumps({"config": dataclasses.asdict(config), "data": data_record(data)}))
    parts: list[dict[str, Any]] = before.get("parts", [])
    if parts and parts[-1].get("ended", "") is None:  # what it did, it could not write down
        hours = start.hours - sum(part.get("hours", 0) for part in parts[:-1])
        parts[-1].update(to_step=start.step, hours=round(hours, 4), ended="killed")
    for key, value in recorded.items():
        if parts and before.get(key) != value:  # the whole record speaks of the last part
            parts[-1][key] = before.get(key)
    record: dict[str, Any] = {
        "recipe": recipe,
        "seed": recorded["config"].get("seed"),
        **recorded,
        **{key: part[key] for key in ("code", "torch", "machine")},
        "parts": [*parts, part],
    }

    def write() -> None:
        now = _progress(folder)
        record.update(steps=now.step, samples=now.samples, hours=round(now.hours, 4))
        part.update(to_step=now.step, hours=round(now.hours - start.hours, 4), until=_now())
        atomic_write(path, (json.dumps(record, indent=2) + "\n").encode())

    def end(how: str, *, in_vain: bool) -> None:
        part["ended"] = how
        if not in_vain or _progress(folder).step != start.step:
            write()
        elif kept is None:
            path.unlink(missing_ok=True)
        else:
            atomic_write(path, kept)

    write()
    try:
        yield start
    except BaseException as error:
        end(type(error).__name__, in_vain=isinstance(error, InputError))
        raise
    end("finished", in_vain=True)


def _record(content: bytes | None) -> dict[str, Any]:
    """Return a record that was read; an empty one where there is none, or what `--overwrite` gives up."""
    try:
        record: Any = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _check_same_run(folder: Path, before: dict[str, Any], recipe: str, options: Sequence[str]) -> None:
    """Refuse to go on with the weights of something else.

    Raises:
        InputError: the run is of another recipe, or of one batch where this one is of all, or the reverse.
    """
    if before.get("recipe", recipe) != recipe:
        raise InputError(
            f"{folder} holds a run of the recipe {before['recipe']}; train {recipe} in another folder"
        )
    parts = before.get("parts") or [{}]
    if (_OVERFIT in parts[-1].get("options", ())) != (_OVERFIT in options):
        with_it = "with" if _OVERFIT not in options else "without"
        raise InputError(
            f"{folder} holds a run {with_it} {_OVERFIT}, which teaches one batch alone; train in another "
            "folder"
        )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _progress(folder: Path) -> Progress:
    """What the checkpoint of a run says of itself."""
    last = folder / CHECKPOINT
    if not last.exists():
        return Progress(0, 0, 0.0)
    saved = read_checkpoint(last, mmap=True)
    return Progress(int(saved["step"]), int(saved.get("samples", 0)), float(saved["hours"]))
