"""A network that runs on ONNX Runtime, and the interface that another engine would have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from tddfa.errors import InputError, PackError
from tddfa.shapes import Float32, UInt8

PictureBatch: TypeAlias = Float32[np.ndarray, "n c h w"] | UInt8[np.ndarray, "n h w c"]
"""What a network is given: numbers made of the pixels, channel by channel, or the pixels themselves."""


@runtime_checkable
class Network(Protocol):
    """One picture batch in, named arrays out."""

    def __call__(self, x: PictureBatch) -> Mapping[str, Float32[np.ndarray, "..."]]:
        """The outputs for the input `x`, by name."""
        ...


Engine: TypeAlias = Callable[[bytes, str], Network]
"""Turns the bytes of an ONNX file, and its name for error messages, into a network."""


class OnnxNetwork:
    """A network on ONNX Runtime.

    Args:
        model: the bytes of an ONNX file with one input.
        name: what error messages call it.
        threads: for one run; 1 is fastest for networks this small, and leaves the other cores to others.
        providers: of ONNX Runtime, best first.

    Raises:
        PackError: the file is no network that ONNX Runtime can run.
        InputError: a provider is not in this build of ONNX Runtime.
    """

    def __init__(
        self,
        model: bytes,
        name: str,
        *,
        threads: int = 1,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        import onnxruntime as ort

        possible = ort.get_available_providers()
        unknown = [p for p in providers if p not in possible]
        if unknown:
            raise InputError(
                f"ONNX Runtime has no provider {unknown[0]!r} here; it has {', '.join(possible)}"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(model, options, providers=list(providers))
        except Exception as error:  # ONNX Runtime raises classes of its own without a common base
            raise PackError(
                f"{name} is not a network that ONNX Runtime can run: {_first_line(error)}"
            ) from None
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, x: PictureBatch) -> Mapping[str, Float32[np.ndarray, "..."]]:
        """The outputs for the input `x`, by name."""
        results: Sequence[Any] = self._session.run(self._outputs, {self._input: x})
        return dict(zip(self._outputs, results, strict=True))


def onnx_engine(*, threads: int = 1, providers: Sequence[str] = ("CPUExecutionProvider",)) -> Engine:
    """The engine that makes every network an `OnnxNetwork` with these settings.

    Raises:
        InputError: `threads` is below 1.
    """
    if threads < 1:
        raise InputError(f"threads={threads}; it takes 1 or more")
    return lambda model, name: OnnxNetwork(model, name, threads=threads, providers=providers)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
