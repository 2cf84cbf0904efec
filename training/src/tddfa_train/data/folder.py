"""The dataset folder: images in one memory-mapped array, labels in one npz, a manifest beside them."""

import zipfile
import zlib
from collections.abc import Sequence
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


def check_folders(folders: Sequence[str], weights: Sequence[float]) -> None:
    """Refuse a config without dataset folders, or with weights that do not belong to them.

    Raises:
        InputError: there is no folder, or not one weight of at least 0 for each, some of them above 0.
    """
    if not folders:
        raise InputError("data.folders is empty; name at least one dataset folder")
    if weights and len(weights) != len(folders):
        raise InputError(
            f"data.folder_weights has {len(weights)} numbers for {len(folders)} folders; give one for each "
            "folder, or leave them out"
        )
    if weights and (min(weights) < 0 or max(weights) == 0):
        raise InputError("data.folder_weights are shares; give numbers of at least 0, and one that is more")


def open_face_folder(folder: Path, *, in_memory: bool = False) -> FaceFolder:
    """The dataset in a folder.

    Args:
        folder: holds `images.npy` and `labels.npz`.
        in_memory: read all images now. Mapped pages cost a fault each when first touched, ten times the
            warp itself on some virtual machines, so training reads them where they fit.

    Raises:
        InputError: there is none, or its images and labels do not belong together.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is no dataset folder: it is not there; 'tddfa-train prepare' makes one of a folder of "
            "photos"
        )
    labels = _read_array(folder / "labels.npz")
    images = _read_array(folder / "images.npy", in_memory=in_memory)
    if not isinstance(labels, dict) or isinstance(images, dict):
        raise InputError(
            f"{folder} is no dataset folder: images.npy has one array, labels.npz several by name"
        )
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] != 3:
        raise InputError(
            f"{folder / 'images.npy'} holds {images.dtype} {images.shape}; images are uint8 (n, s, s, 3)"
        )
    for name in ("landmarks68", "landmarks68_std", "yaw_deg"):
        n_labels = len(labels[name]) if name in labels and labels[name].ndim else None
        if n_labels != len(images):
            has = "no label" if n_labels is None else f"{n_labels} labels"
            raise InputError(f"{folder} has {len(images)} images and {has} {name!r}; a face has one of each")
    bare = np.flatnonzero(~np.isfinite(labels["landmarks68"][..., :2]).all(axis=-1).any(axis=-1))
    if len(bare):
        raise InputError(f"{folder}: face {bare[0]}, counted from 0, has no landmark in landmarks68")
    return FaceFolder(folder.name, images, labels)


def _read_array(path: Path, *, in_memory: bool = True) -> np.ndarray | dict[str, np.ndarray]:
    """Return the array of a .npy file, or those of a .npz file by name.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    try:
        stored = np.load(path, mmap_mode=None if in_memory else "r")
        if isinstance(stored, np.ndarray):
            return stored
        with stored:
            return {key: stored[key] for key in stored.files}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or 'it is cut off'}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        # Numpy's own words advise to unpickle what it does not know.
        raise InputError(f"cannot read {path}: it is damaged, cut off, or no file of numpy arrays") from None


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
        squares = _read_array(path, in_memory=in_memory)
    except InputError as error:
        raise InputError(f"{error}; 'tddfa-train backgrounds' cuts backgrounds from photos") from None
    if isinstance(squares, dict):
        raise InputError(f"{path} holds arrays by name; 'tddfa-train backgrounds' writes a single one (.npy)")
    if (
        squares.ndim != 4
        or squares.dtype != np.uint8
        or squares.shape[3] != 3
        or len(squares) == 0
        or min(squares.shape[1:3]) < side
    ):
        raise InputError(
            f"{path} holds {squares.dtype} {squares.shape}; backgrounds are uint8 (n, s, s, 3), n at least 1 "
            f"and s at least {side}"
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
