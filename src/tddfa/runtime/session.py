"""A network that runs on ONNX Runtime, and the interface that another engine would have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from tddfa.errors import InputError, PackError
from tddfa.onnx_files import check_self_contained
from tddfa.runtime.devices import CPU, check_device, precision_of, providers_of
from tddfa.runtime.float_graph import Precision, float_network
from tddfa.runtime.onnxruntime import onnxruntime
from tddfa.shapes import Float32, UInt8
from tddfa.types.arguments import check_count, check_kind

ImageBatch: TypeAlias = Float32[np.ndarray, "n c h w"] | UInt8[np.ndarray, "n h w c"]
"""Input of a network: numbers made of the pixels, channel by channel, or the pixels themselves."""

# A folder that is not there: a network that names files finds none.
_NO_FOLDER = "/nowhere/tddfa/reads/no/external/data"


_MAX_THREADS = 1024


@runtime_checkable
class Network(Protocol):
    """One batch of images in, named arrays out."""

    def __call__(
        self, x: ImageBatch, numbers: Float32[np.ndarray, "n k"] | None = None
    ) -> Mapping[str, Float32[np.ndarray, "..."]]:
        """Return the outputs for the input `x`, by name; some networks read numbers beside each image."""
        ...


Engine: TypeAlias = Callable[[bytes, str], Network]
"""Turns the bytes of an ONNX file, and its name for error messages, into a network."""


class OnnxNetwork:
    """A network on ONNX Runtime.

    Args:
        model: the bytes of an ONNX file with an input of images, and perhaps one of numbers after it.
        name: name of the network in error messages.
        threads: threads of one run; 1 leaves the other cores to other images.
        providers: of ONNX Runtime, best first; the CPU when not given.

    Attributes:
        takes_batches: whether it reads any number of images in one run.

    Raises:
        PackError: the file is no network that ONNX Runtime can run, or would read other files.
        InputError: `model` is not bytes, or a provider is not in this build of ONNX Runtime, or does not
            start.
        MissingPackageError: ONNX Runtime cannot be loaded.
    """

    def __init__(
        self, model: bytes, name: str, *, threads: int = 1, providers: Sequence[str] = (CPU,)
    ) -> None:
        check_kind("model", model, bytes, "the contents of an ONNX file are needed")
        ort = onnxruntime()
        possible = ort.get_available_providers()
        unknown = [p for p in providers if p not in possible]
        if unknown:
            raise InputError(
                f"ONNX Runtime has no provider {unknown[0]!r} here; it has {', '.join(possible)}"
            )
        try:
            check_self_contained(model, for_cpu=list(providers) == [CPU])
        except PackError as error:
            raise PackError(f"{name} is refused: {error}") from None
        try:
            self._session = _session(ort, model, threads, providers)
        except Exception as error:  # ONNX Runtime raises classes of its own without a common base
            raise PackError(
                f"{name} is not a network that ONNX Runtime can run: {_first_line(error)}"
            ) from None
        # A provider whose libraries are missing is left out, with nothing but a line in a log.
        if providers[0] not in self._session.get_providers():
            raise InputError(
                f"ONNX Runtime cannot start {providers[0]!r}: its driver or libraries are missing; run "
                f"with device='cpu', or see ONNX Runtime's requirements for it"
            )
        inputs = self._session.get_inputs()
        if len(inputs) not in (1, 2):
            raise PackError(f"{name} has {len(inputs)} inputs; networks of packs have one or two")
        try:
            self._name, self._inputs = name, [value.name for value in inputs]
            self._outputs = [output.name for output in self._session.get_outputs()]
            self.takes_batches = not isinstance(inputs[0].shape[0], int)
        except (UnicodeDecodeError, IndexError):
            raise PackError(
                f"{name} has inputs or outputs without a name or a shape that can be read"
            ) from None

    @property
    def providers(self) -> tuple[str, ...]:
        """What runs it, best first."""
        return tuple(self._session.get_providers())

    def __call__(
        self, x: ImageBatch, numbers: Float32[np.ndarray, "n k"] | None = None
    ) -> Mapping[str, Float32[np.ndarray, "..."]]:
        """Return the outputs for the inputs, by name.

        Args:
            x: the images.
            numbers: beside each image, for networks with two inputs.

        Raises:
            PackError: the network does not take such inputs, or fails.
        """
        given = [x] if numbers is None else [x, numbers]
        try:
            results: Sequence[Any] = self._session.run(
                self._outputs, dict(zip(self._inputs, given, strict=True))
            )
        except Exception as error:  # ONNX Runtime raises classes of its own without a common base
            raise PackError(f"{self._name} fails: {_first_line(error)}") from None
        return dict(zip(self._outputs, results, strict=True))


def onnx_engine(
    *,
    threads: int = 1,
    device: str = "cpu",
    providers: Sequence[str] | None = None,
    precision: Precision | None = None,
) -> Engine:
    """Return the engine that makes every network an `OnnxNetwork` with these settings.

    Args:
        threads: threads of one run of a network.
        device: "cpu", "cuda", "coreml", "directml", "openvino", or "auto" for the first that is there.
            Whether it can be used shows when the first network is made.
        providers: of ONNX Runtime, best first, instead of a device.
        precision: numbers that networks compute with: "stored" (8-bit ones, in our packs), "float16" or
            "float32"; what suits the device when not given.

    Raises:
        InputError: `threads` is not from 1 to 1024, or there is no such device.
    """
    check_count("threads", threads, _MAX_THREADS)
    check_device(device)

    def make(model: bytes, name: str) -> Network:
        chosen = providers_of(device) if providers is None else tuple(providers)
        if device == "auto" and providers is None and chosen[0] != CPU:
            try:
                return network(model, name, chosen)
            except InputError:  # it is installed, but the machine has none
                chosen = (CPU,)
        return network(model, name, chosen)

    def network(model: bytes, name: str, providers: Sequence[str]) -> Network:
        model = float_network(model, name, precision or precision_of(providers[0]))
        return OnnxNetwork(model, name, threads=threads, providers=providers)

    return make


def _session(ort: Any, model: bytes, threads: int, providers: Sequence[str]) -> Any:
    """Return a session; one for the CPU where the other providers do not start."""

    def session(providers: Sequence[str]) -> Any:
        # ONNX Runtime's own way to the CPU prints to standard output, where our results may go.
        return ort.InferenceSession(
            model, _options(ort, threads), providers=list(providers), enable_fallback=0
        )

    try:
        return session(providers)
    except Exception:
        if list(providers) == [CPU]:
            raise
        return session([CPU])


def _options(ort: Any, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4  # what fails is raised; its log lines would say it twice
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NO_FOLDER)
    if threads > 1:
        # Threads that wait for work keep their cores busy, also while something else wants them: a photo took
        # half as long again with two threads as with one.
        options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
