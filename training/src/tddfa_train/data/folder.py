"""The dataset folder: images in one memory-mapped array, labels in one npz, a manifest beside them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from tddfa.errors import InputError
from tddfa.files import atomic_path


@dataclass(frozen=True, slots=True)
class FaceFolder:
    """Square face images with labels; a label that a face lacks is NaN.

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

    @property
    def is_exact(self) -> bool:
        """Whether the faces are renders, whose camera and coefficients are known without an error."""
        return "camera" in self.labels and not np.any(self.labels.get("fit_error", np.ones(1)))


def open_face_folder(folder: Path, *, in_memory: bool = False) -> FaceFolder:
    """The dataset in a folder.

    Args:
        folder: holds `images.npy` and `labels.npz`.
        in_memory: read all images now. Mapped pages cost a fault each when first touched, ten times the
            warp itself on some virtual machines, so training reads them where they fit.

    Raises:
        InputError: there is none.
    """
    try:
        with np.load(folder / "labels.npz") as stored:
            labels = {key: stored[key] for key in stored.files}
        images = np.load(folder / "images.npy", mmap_mode=None if in_memory else "r")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} is no dataset folder ({error}); 'tddfa-train prepare' makes one of a folder of photos"
        ) from None
    return FaceFolder(folder.name, images, labels)


def open_backgrounds(path: Path, *, side: int, in_memory: bool = True) -> UInt8[np.ndarray, "n s s 3"]:
    """Face-free squares from a .npy file.

    Args:
        path: of the file.
        side: how large they are at least, px.
        in_memory: as in `open_face_folder`.

    Raises:
        InputError: the file cannot be read or holds something else.
    """
    try:
        squares = np.load(path, mmap_mode=None if in_memory else "r")
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot read the backgrounds {path} ({error}); 'tddfa-train backgrounds' cuts them from photos"
        ) from None
    if (
        squares.ndim != 4
        or squares.dtype != np.uint8
        or squares.shape[3] != 3
        or min(squares.shape[1:3]) < side
    ):
        raise InputError(
            f"{path} holds {squares.dtype} {squares.shape}; backgrounds are uint8 (n, s, s, 3), s at least "
            f"{side}"
        )
    return squares


def write_face_folder(
    folder: Path, images: UInt8[np.ndarray, "n side side 3"], labels: dict[str, np.ndarray]
) -> None:
    """Writes a dataset folder; a label array of another length than the images speaks of the whole set."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / "images.npy") as partial:
        np.save(partial, images)
    with atomic_path(folder / "labels.npz") as partial:
        np.savez(partial, **labels)  # pyright: ignore[reportArgumentType]
