"""Views of given faces, one after the other, for what is fitted on the features of a trained network."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Int
from torch.utils.data import DataLoader
from tqdm import tqdm

from tddfa_train.data.batches import Batch
from tddfa_train.expressions.batches import CloseUpBatches

_CHUNK = 96


class _GivenFaces:
    """Batches of given faces, in order; for a `DataLoader` with `batch_size=None`."""

    def __init__(
        self, data: CloseUpBatches, rows: Int[np.ndarray, " n"], keys: tuple[str, ...], seed: int
    ) -> None:
        self.data, self.rows, self.keys, self.seed = data, rows, keys, seed

    def __len__(self) -> int:
        return -(-len(self.rows) // _CHUNK)

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.data.config.seed, self.seed, step))
        rows = self.rows[step * _CHUNK : (step + 1) * _CHUNK]
        samples = [self.data.sample(int(row), rng) for row in rows]
        return {key: np.stack([sample[key] for sample in samples]) for key in self.keys}


def given_faces(
    data: CloseUpBatches, rows: Int[np.ndarray, " n"], keys: tuple[str, ...], *, seed: int, workers: int
) -> Iterable[Any]:
    """Return batches of augmented views of given faces, as tensors.

    Args:
        data: faces and augmentation.
        rows: the faces, as rows of `data.rows`; one may be there several times.
        keys: what of a batch is kept.
        seed: of the augmentation, beside that of the data.
        workers: processes that load images.
    """
    faces = _GivenFaces(data, rows, keys, seed)
    loader: Iterable[Any] = DataLoader(
        faces,  # pyright: ignore[reportArgumentType]
        batch_size=None,
        sampler=range(len(faces)),
        num_workers=workers,
    )
    return tqdm(loader, total=len(faces), desc="features", unit="batch", disable=None)
