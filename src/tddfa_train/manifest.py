"""The record of a run: what was trained, on what, from which code, for how long."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tddfa.files import atomic_write


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


def data_record(folders: Sequence[str]) -> list[dict[str, Any]]:
    """Name, number of faces and checksum of the labels of each dataset folder."""
    import numpy as np

    records: list[dict[str, Any]] = []
    for folder in map(Path, folders):
        digest = hashlib.sha256((folder / "labels.npz").read_bytes()).hexdigest()
        count = len(np.load(folder / "images.npy", mmap_mode="r"))
        records.append({"name": folder.name, "faces": count, "labels_sha256": digest})
    return records


def write_manifest(
    folder: Path, *, recipe: str, config: Any, data: Sequence[str], step: int, samples: int, hours: float
) -> None:
    """Writes `manifest.json` into the folder of a run.

    Args:
        folder: of the run.
        recipe: its name.
        config: as plain values.
        data: dataset folders.
        step: steps done.
        samples: pictures seen.
        hours: spent in the loop.
    """
    record = {
        "recipe": recipe,
        "config": config,
        "data": data_record(data),
        "code": code_version(),
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "steps": step,
        "samples": samples,
        "hours": round(hours, 3),
    }
    atomic_write(folder / "manifest.json", (json.dumps(record, indent=2) + "\n").encode())
