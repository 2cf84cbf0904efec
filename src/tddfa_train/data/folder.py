"""The dataset folder: pictures in one memory-mapped array, labels in one npz, a manifest beside them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from tddfa.files import atomic_path


@dataclass(frozen=True, slots=True)
class FaceFolder:
    """Square face pictures with labels; a label that a face lacks is NaN.

    Attributes:
        name: name of the folder.
        images: RGB, memory-mapped.
        labels: arrays of `labels.npz`; those that speak of faces have one row a face (docs/training.md).
    """

    name: str
    images: UInt8[np.ndarray, "n side side 3"]
    labels: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.images)


def open_face_folder(folder: Path, *, in_memory: bool = False) -> FaceFolder:
    """The dataset in a folder.

    Args:
        folder: holds `images.npy` and `labels.npz`.
        in_memory: read all pictures now. Mapped pages cost a fault each when first touched, ten times the
            warp itself on some virtual machines, so training reads them where they fit.
    """
    with np.load(folder / "labels.npz") as stored:
        labels = {key: stored[key] for key in stored.files}
    images = np.load(folder / "images.npy", mmap_mode=None if in_memory else "r")
    return FaceFolder(folder.name, images, labels)


def write_face_folder(
    folder: Path, images: UInt8[np.ndarray, "n side side 3"], labels: dict[str, np.ndarray]
) -> None:
    """Writes a dataset folder; a label array of another length than the pictures speaks of the whole set."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / "images.npy") as partial:
        np.save(partial, images)
    with atomic_path(folder / "labels.npz") as partial:
        np.savez(partial, **labels)  # pyright: ignore[reportArgumentType]
