"""The identity of the people in photos, as a network that recognises people knows it."""

import numpy as np
from jaxtyping import Bool, Float, Float32


def identity_by_embedding(
    identity: Float[np.ndarray, "n i"],
    embedding: Float[np.ndarray, "n k"],
    fitted: Bool[np.ndarray, " n"],
    ridge: float,
) -> Float32[np.ndarray, "n i"]:
    """Return the identity that embeddings tell: a ridge regression of fitted coefficients on them.

    A fit to one image takes light, lens and expression for the shape of the person. The embedding does not
    know of them, and what differs between photos of people who look alike averages out.

    Args:
        identity: coefficients that were fitted to each image.
        embedding: by which another network tells people apart.
        fitted: images whose coefficients teach.
        ridge: variance that is added to each number of the embedding, in parts of their mean variance.
    """
    x, y = embedding[fitted].astype(np.float64), identity[fitted].astype(np.float64)
    middle, usual = x.mean(0), y.mean(0)
    x -= middle
    gram = x.T @ x / len(x)
    gram += ridge * np.trace(gram) / len(gram) * np.eye(len(gram))
    weights = np.linalg.solve(gram, x.T @ (y - usual) / len(x))
    return ((embedding - middle) @ weights + usual).astype(np.float32)
