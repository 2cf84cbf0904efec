"""Float weights of networks, kept as safetensors: those that ship, and those of your own runs."""

import json
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from tddfa.deprecation import warn_renamed
from tddfa.errors import InputError
from tddfa.files import atomic_path

KEPT = (
    "open",
    "open:verifier",
    "open:expressions",
    "open:following",
    "open:detector",
)
"""Names of the weights that come with this package: networks of the pack `open`, and their successors."""


def read_weights(source: str | Path) -> dict[str, Tensor]:
    """Read float weights.

    Args:
        source: a name of `KEPT`, a .safetensors file, or a run's checkpoint (`last.pt`: averaged weights).

    Raises:
        InputError: there is no such name or file, or it holds no weights.
    """
    if str(source) == "open:first-look":
        warn_renamed("the weights 'open:first-look'", "'open:verifier'")
        source = "open:verifier"
    if str(source) in KEPT:
        name = str(source).replace(":", "/").replace("open/", "open-") + ".safetensors"
        with as_file(files("tddfa_train.weights") / name) as path:
            return read_weights(path)
    path = Path(source)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return {key: value.float() for key, value in load_file(path).items()}
        return torch.load(path, map_location="cpu", weights_only=True)["average"]
    except (OSError, LookupError, RuntimeError, UnpicklingError, ValueError, EOFError) as error:
        # Torch's own words advise to unpickle what it does not know.
        reason = getattr(error, "strerror", None) or "it is damaged, cut off, or no file of weights"
        raise InputError(
            f"cannot read the weights {source}: {reason}. Give a run's last.pt, a .safetensors file, or one "
            f"of: {', '.join(KEPT)}"
        ) from None


def write_weights(path: Path, weights: Mapping[str, Tensor], about: Mapping[str, object]) -> None:
    """Write float weights as safetensors, matrices in half precision.

    Vectors stay in single precision: what the head adds to its outputs, such as the middle of the crop, would
    lose its decimals.

    Args:
        path: of the file.
        weights: by name.
        about: where they come from; kept in the file as JSON.
    """
    from safetensors.torch import save

    stored = {
        key: (value.half() if value.ndim > 1 and value.is_floating_point() else value).contiguous()
        for key, value in weights.items()
    }
    with atomic_path(path) as partial:
        # `save_file` would make a file that nobody else can read.
        partial.write_bytes(save(stored, metadata={"about": json.dumps(about, sort_keys=True)}))


def load_weights(network: nn.Module, source: str | Path) -> list[str]:
    """Copy weights into a network where names and shapes agree.

    Args:
        network: receives them.
        source: as in `read_weights`.

    Returns:
        Names of the network's own weights that the source did not have.

    Raises:
        InputError: it holds no weights, or none that the network could take.
    """
    return take_weights(network, read_weights(source), source)


def take_weights(network: nn.Module, saved: Mapping[str, Tensor], source: str | Path) -> list[str]:
    """Copy weights that were read into a network, as `load_weights` does.

    Args:
        network: receives them.
        saved: by name.
        source: where they are from.

    Returns:
        Names of the network's own weights that `saved` did not have.

    Raises:
        InputError: the network could take none of them.
    """
    own = network.state_dict()
    fitting = {key: value for key, value in saved.items() if key in own and own[key].shape == value.shape}
    if not fitting:
        raise InputError(
            f"no weight of {source} fits this network; 'open' and 'open:verifier' are of the recipe "
            f"'alignment' with the trunks 'dense-folded' and 'dense-light', 'open:expressions' of the recipe "
            f"'expressions'"
        )
    network.load_state_dict(fitting, strict=False)
    # How many batches a norm has seen says nothing about the answers.
    return sorted(key for key in set(own) - set(fitting) if not key.endswith("num_batches_tracked"))
