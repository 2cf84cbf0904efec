"""Where networks run: names of devices, and what ONNX Runtime needs for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.runtime.float_graph import Precision
from tddfa.runtime.onnxruntime import onnxruntime

CPU = "CPUExecutionProvider"


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of processor.

    Attributes:
        provider: the part of ONNX Runtime that uses it.
        package: the distribution of ONNX Runtime that has this part.
        precision: numbers that networks compute with there: 8-bit ones where there are kernels for them.
    """

    provider: str
    package: str
    precision: Precision = "stored"


DEVICES = {
    "cpu": Device(CPU, "onnxruntime"),
    "cuda": Device("CUDAExecutionProvider", "onnxruntime-gpu", "float16"),
    "coreml": Device("CoreMLExecutionProvider", "onnxruntime, on macOS", "float16"),
    "directml": Device("DmlExecutionProvider", "onnxruntime-directml, on Windows", "float16"),
    "openvino": Device("OpenVINOExecutionProvider", "onnxruntime-openvino"),
}
"""Devices by the name that `device=` and `--device` take; "auto" is the first of `AUTO` that is there."""

AUTO = ("cuda", "coreml", "directml", "openvino", "cpu")
"""Order in which "auto" looks for a device: those that are fastest first."""


def precision_of(provider: str) -> Precision:
    """Return the numbers that networks compute with on a provider of ONNX Runtime."""
    for device in DEVICES.values():
        if device.provider == provider:
            return device.precision
    return "stored"


def check_device(device: Any) -> None:
    """Refuse a name that no device has.

    Raises:
        InputError: there is no such device.
    """
    if not isinstance(device, str) or (device != "auto" and device not in DEVICES):
        from tddfa.types.arguments import shown  # the command's help needs no NumPy

        raise InputError(f"device={shown(device)}; choose one of auto, {', '.join(DEVICES)}")


def providers_of(device: str) -> tuple[str, ...]:
    """Return the providers of ONNX Runtime for a device, best first.

    The CPU comes last: it runs what the device cannot.

    Args:
        device: "auto" or a key of `DEVICES`.

    Raises:
        InputError: there is no such device, or the ONNX Runtime that is installed cannot use it.
    """
    check_device(device)
    ort = onnxruntime()
    present: Sequence[str] = ort.get_available_providers()
    if device == "auto":
        device = next(name for name in AUTO if DEVICES[name].provider in (*present, CPU))
    chosen = DEVICES[device]
    if chosen.provider not in present:
        known = ", ".join(name for name, other in DEVICES.items() if other.provider in present) or "none"
        raise InputError(
            f"device {device!r} is not in the installed ONNX Runtime {ort.__version__}, which has {known}; "
            f"install {chosen.package}"
        )
    return (chosen.provider,) if chosen.provider == CPU else (chosen.provider, CPU)
