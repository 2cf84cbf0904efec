"""Kinds of arguments that several commands take."""

import argparse

from tddfa.errors import InputError


def not_negative(text: str) -> int:
    """Return a whole number of at least 0."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return value


def check_device(name: str) -> None:
    """Refuse a device that this machine cannot train on, before anything else is done.

    Raises:
        InputError: there is no such device.
    """
    if name == "cpu":
        return
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError):  # the latter where torch is built without CUDA
        raise InputError(
            f"torch {torch.__version__} cannot use the device {name!r} on this machine; train with --device "
            "cpu, or with cuda where there is such a GPU and a torch that is built for it"
        ) from None
