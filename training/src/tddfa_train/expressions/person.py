"""The identity of a person: a head for a trained close-ups' network, fitted on its features.

The identity that corrects the first answer fits the mesh to one image, and differs from image to image of
the same person by nearly as much as people differ. This head reads the views alone, learns from people with
several images, and is fitted after the network, whose other answers stay as they are.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from tddfa.morphable import open_face_model
from tddfa_train.expressions.batches import CloseUpBatches
from tddfa_train.expressions.person_fit import PersonConfig, consistency, fit_person_head
from tddfa_train.expressions.person_samples import collect_samples
from tddfa_train.expressions.recipe import CloseUpRecipe, started_network
from tddfa_train.loop.schedule import n_threads
from tddfa_train.weights import read_weights, write_weights


def write_person_head(
    recipe: CloseUpRecipe, target: Path, config: PersonConfig, *, device: str = "cpu"
) -> Mapping[str, tuple[int, float]]:
    """Fit the head, and write the weights of the network with `person.weight` and `person.bias`.

    Args:
        recipe: data, augmentation and network; `start` names the trained weights.
        target: the .safetensors file.
        config: numbers of the fit.
        device: where features are computed, "cpu" or "cuda".

    Returns:
        By kind of image: how many people were compared, and standard deviation within / between them.

    Raises:
        InputError: weights or labels are missing.
    """
    torch.set_num_threads(n_threads(recipe.loop))
    model = open_face_model(level=0, crop="head")
    sign = model.identity_mirror_sign
    assert sign is not None
    network, start = started_network(recipe, model)
    data = CloseUpBatches(recipe.data, recipe.view, recipe.loop.n_steps, model)
    samples = collect_samples(
        network,
        data,
        n_crops=config.crops,
        largest_yaw_deg=config.largest_yaw_deg,
        ridge=config.embedding_ridge,
        workers=recipe.loop.workers,
        device=device,
    )
    head = fit_person_head(samples, sign, config)
    weights = read_weights(start) | {f"person.{key}": value for key, value in head.state_dict().items()}
    about = {
        "network": "expressions",
        "start": Path(start).name,
        "folders": [folder.name for folder in data.folders],
        "person": asdict(config),
    }
    write_weights(target, weights, about)
    return consistency(head, samples, sign, config)
