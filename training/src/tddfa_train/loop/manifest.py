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

from tddfa.files import atomic_write
from tddfa_train.loop.train import CHECKPOINT, Progress

FILE_NAME = "manifest.json"


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
) -> Generator[None]:
    """Keeps `manifest.json` in the folder of a run while the block trains; a resumed run has several parts.

    The file is there from the first moment on, so that a run that is killed has a record too. What the part
    did is read from the checkpoint that it left.

    Args:
        folder: of the run.
        recipe: its name.
        config: a dataclass.
        data: dataset folders.
        options: of the command line that changed the config.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    start = _progress(folder)
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
    for key, value in recorded.items():
        if parts and before[key] != value:  # the whole record speaks of the last part
            parts[-1][key] = before[key]
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

    write()
    try:
        yield
        part["ended"] = "finished"
    except BaseException as error:
        part["ended"] = type(error).__name__
        raise
    finally:
        write()


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _progress(folder: Path) -> Progress:
    """What the checkpoint of a run says of itself."""
    last = folder / CHECKPOINT
    if not last.exists():
        return Progress(0, 0, 0.0)
    saved = torch.load(last, map_location="cpu", weights_only=True, mmap=True)
    return Progress(int(saved["step"]), int(saved.get("samples", 0)), float(saved["hours"]))
