"""Features of a trained close-ups' network, with the labelled identity of the person in each image."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int

from tddfa.errors import InputError
from tddfa_train.data.folder import FaceFolder
from tddfa_train.expressions.batches import CloseUpBatches
from tddfa_train.expressions.given_faces import given_faces
from tddfa_train.expressions.network import CloseUpNetwork
from tddfa_train.expressions.person_labels import identity_by_embedding
from tddfa_train.landmarks.task import network_input

_SEED = 11  # other augmentations than those of the training


@dataclass(frozen=True, slots=True, eq=False)
class PersonSamples:
    """Augmented views of faces, as the network sees them.

    Attributes:
        feature: what the network computes from the views.
        mirrored: whether the views are those of the mirror image.
        identity: labelled coefficients of the face that is not mirrored.
        person: number of the person.
        image: number of the image.
        rendered: whether the image is a render, whose label is exact.
    """

    feature: Float32[np.ndarray, "n f"]
    mirrored: Bool[np.ndarray, " n"]
    identity: Float32[np.ndarray, "n i"]
    person: Int[np.ndarray, " n"]
    image: Int[np.ndarray, " n"]
    rendered: Bool[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.person)

    @property
    def n_images(self) -> Int[np.ndarray, " n"]:
        """Number of images of the person of each sample."""
        _, first = np.unique(self.image, return_index=True)
        return np.bincount(self.person[first], minlength=int(self.person.max()) + 1)[self.person]


def collect_samples(
    network: CloseUpNetwork,
    data: CloseUpBatches,
    *,
    n_crops: int,
    largest_yaw_deg: float,
    ridge: float = 1.0,
    workers: int = 0,
    device: str = "cpu",
) -> PersonSamples:
    """Compute the features of all faces with a fit, each several times with other augmentations.

    Photos with the label `embedding` get the identity that it tells, see `identity_by_embedding`; those
    without a fit take part as well.

    Args:
        network: trained; it stays as it is.
        data: faces and augmentation. Faces that it never draws are left out.
        n_crops: augmented views of each face.
        largest_yaw_deg: faces that are turned further are left out; their views show half of the face.
        ridge: see `identity_by_embedding`.
        workers: processes that load images.
        device: "cpu" or "cuda".

    Raises:
        InputError: no face is left, or there are embeddings and no fit beside one.
    """
    rows = _usable(data, largest_yaw_deg)
    if not len(rows):
        raise InputError(
            f"no face within {largest_yaw_deg:g} degrees of yaw has coefficients; add them with "
            f"'tddfa-train fit'"
        )
    feature, mirrored = _features(network, data, np.tile(rows, n_crops), workers, device)
    person = _people(data.folders)[rows]
    identity = _identity(data, rows, ridge)
    rendered = np.array([folder.is_exact for folder in data.folders])[data.rows[rows, 0]]
    return PersonSamples(
        feature,
        mirrored,
        np.tile(identity, (n_crops, 1)),
        np.tile(person, n_crops),
        np.tile(rows, n_crops),
        np.tile(rendered, n_crops),
    )


def _usable(data: CloseUpBatches, largest_yaw_deg: float) -> Int[np.ndarray, " k"]:
    """Return the faces that train, have a fit or an embedding and look ahead, as rows of `data.rows`."""
    usable = [
        (np.abs(folder.labels["yaw_deg"]) < largest_yaw_deg) & (_fitted(folder) | _embedded(folder))
        for folder in data.folders
    ]
    return np.flatnonzero(np.concatenate(usable) & (data.probability > 0))


def _fitted(folder: FaceFolder) -> Bool[np.ndarray, " n"]:
    """Return which faces of a folder have coefficients."""
    if {"identity", "fit_weight"} <= folder.labels.keys():
        return folder.labels["fit_weight"] > 0
    return np.zeros(len(folder), bool)


def _embedded(folder: FaceFolder) -> Bool[np.ndarray, " n"]:
    """Return which faces of a folder have an embedding."""
    if "embedding" in folder.labels:
        return np.array(np.isfinite(folder.labels["embedding"]).all(axis=1))
    return np.zeros(len(folder), bool)


def _identity(data: CloseUpBatches, rows: Int[np.ndarray, " n"], ridge: float) -> Float32[np.ndarray, "n i"]:
    """Return the identity of the faces in rows of `data.rows`."""
    n_identity = data.model.n_identity
    number, row = data.rows[rows].T
    identity = np.zeros((len(rows), n_identity), np.float32)
    embedding = np.zeros((len(rows), data.n_embedding), np.float32)
    fitted, embedded = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    for k, folder in enumerate(data.folders):
        own = np.flatnonzero(number == k)
        fitted[own] = _fitted(folder)[row[own]]
        if "identity" in folder.labels:
            identity[own] = folder.labels["identity"][row[own]]
        embedded[own] = _embedded(folder)[row[own]]
        if "embedding" in folder.labels:
            embedding[own] = folder.labels["embedding"][row[own]]
    if embedded.any():
        if not fitted[embedded].any():
            raise InputError(
                "no face with an embedding has a fit, so nothing says what embeddings mean; add fits with "
                "'tddfa-train fit'"
            )
        told = identity_by_embedding(identity[embedded], embedding[embedded], fitted[embedded], ridge)
        identity[embedded] = told
    return identity


def _people(folders: list[FaceFolder]) -> Int[np.ndarray, " n"]:
    """Return the number of the person of each face; without labels, each image shows somebody else."""
    numbers: list[np.ndarray] = []
    following = 0
    for folder in folders:
        labelled = folder.labels.get("person", np.arange(len(folder)))
        own = np.unique(labelled, return_inverse=True)[1].reshape(-1)
        numbers.append(following + own)
        following += len(folder)
    return np.concatenate(numbers)


@torch.no_grad()
def _features(
    network: CloseUpNetwork, data: CloseUpBatches, rows: Int[np.ndarray, " n"], workers: int, device: str
) -> tuple[Float32[np.ndarray, "n f"], Bool[np.ndarray, " n"]]:
    network = network.to(device).eval()
    features: list[np.ndarray] = []
    mirrored: list[np.ndarray] = []
    for batch in given_faces(data, rows, ("crop", "mirrored"), seed=_SEED, workers=workers):
        features.append(network.seen(network_input(batch["crop"].to(device))).float().cpu().numpy())
        mirrored.append(batch["mirrored"].numpy())
    return np.concatenate(features), np.concatenate(mirrored)
