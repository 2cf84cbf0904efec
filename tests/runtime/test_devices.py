"""Devices are chosen by name; one that is not there is one line."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import toys
from tddfa import FaceAligner
from tddfa.errors import InputError, PackError
from tddfa.runtime import DEVICES, OnnxNetwork, devices, onnx_engine, session
from tddfa.runtime.devices import AUTO, CPU, providers_of


def runtime_with(*providers: str) -> SimpleNamespace:
    """An ONNX Runtime that was built with these providers."""
    return SimpleNamespace(__version__="1.99", get_available_providers=lambda: [*providers, CPU])


def test_every_device_is_looked_for_by_auto_and_the_cpu_comes_last():
    assert sorted(AUTO) == sorted(DEVICES)
    assert AUTO[-1] == "cpu"


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_is_its_provider_with_the_cpu_for_what_it_cannot_run(monkeypatch, device):
    provider = DEVICES[device].provider
    monkeypatch.setattr(devices, "onnxruntime", lambda: runtime_with(provider))
    assert providers_of(device) == ((CPU,) if device == "cpu" else (provider, CPU))


def test_auto_is_the_first_device_that_is_there(monkeypatch):
    for present, chosen in [((), "cpu"), (("openvino",), "openvino"), (("openvino", "cuda"), "cuda")]:
        runtime = runtime_with(*(DEVICES[name].provider for name in present))
        monkeypatch.setattr(devices, "onnxruntime", lambda runtime=runtime: runtime)
        assert providers_of("auto")[0] == DEVICES[chosen].provider


@pytest.mark.parametrize("device", sorted(set(DEVICES) - {"cpu"}))
def test_a_device_that_is_not_there_is_a_line_that_names_the_package(monkeypatch, device):
    monkeypatch.setattr(devices, "onnxruntime", runtime_with)
    with pytest.raises(InputError) as error:
        providers_of(device)
    assert str(error.value) == (
        f"device {device!r} is not in the installed ONNX Runtime 1.99, which has cpu; "
        f"install {DEVICES[device].package}"
    )


@pytest.mark.parametrize("device", ["gpu", "", "CUDA"])
def test_an_unknown_device_is_a_line_before_anything_is_loaded(device):
    with pytest.raises(InputError, match="choose one of auto, cpu, cuda, coreml, directml, openvino"):
        onnx_engine(device=device)


def test_threads_below_one_are_a_line():
    with pytest.raises(InputError, match="threads=0; it takes a whole number from 1"):
        onnx_engine(threads=0)


def test_auto_takes_the_cpu_where_a_device_does_not_start_and_by_name_it_is_a_line(monkeypatch, toy_pack):
    # ONNX Runtime leaves out a provider whose libraries are missing; another provider stands for it here.
    real = session.onnxruntime()
    made: list[list[str]] = []

    class Session:
        def __init__(
            self, model: bytes, options: object, providers: list[str], *, enable_fallback: int
        ) -> None:
            assert not enable_fallback, "ONNX Runtime's own fallback prints to standard output"
            made.append(providers)
            self._session = real.InferenceSession(model, options, providers=[CPU])

        def __getattr__(self, name: str) -> object:
            return getattr(self._session, name)

    runtime = SimpleNamespace(
        __version__="1.99",
        get_available_providers=lambda: ["CUDAExecutionProvider", CPU],
        SessionOptions=real.SessionOptions,
        GraphOptimizationLevel=real.GraphOptimizationLevel,
        InferenceSession=Session,
    )
    monkeypatch.setattr(session, "onnxruntime", lambda: runtime)
    monkeypatch.setattr(devices, "onnxruntime", lambda: runtime)
    model = toy_pack.read("regressor.onnx")
    network = onnx_engine(device="auto")(model, "it")
    assert isinstance(network, OnnxNetwork)
    assert network.providers == (CPU,)
    assert made == [["CUDAExecutionProvider", CPU], [CPU]]
    with pytest.raises(InputError, match="cannot start 'CUDAExecutionProvider': its driver or libraries are"):
        onnx_engine(device="cuda")(model, "it")


def test_the_same_faces_are_found_on_the_device_that_auto_finds_and_with_any_number_of_threads(toy_pack):
    image = toys.image()
    expected = FaceAligner(toy_pack).align(image)
    for options in ({"device": "cpu"}, {"device": "auto"}, {"threads": 2}):
        found = FaceAligner(toy_pack, **options).align(image)
        assert len(found) == len(expected) == 1
        np.testing.assert_allclose(found[0].landmarks, expected[0].landmarks, atol=1e-3)


def test_threads_that_wait_leave_their_cores_to_others():
    ort = session.onnxruntime()
    one, two = (session._options(ort, threads) for threads in (1, 2))
    assert two.get_session_config_entry("session.force_spinning_stop") == "1"
    assert two.intra_op_num_threads == 2
    with pytest.raises(RuntimeError):
        one.get_session_config_entry("session.force_spinning_stop")


def test_an_input_that_a_network_does_not_take_is_one_line(toy_pack):
    network = OnnxNetwork(toy_pack.read("regressor.onnx"), "the regressor")
    with pytest.raises(PackError, match="the regressor fails: ") as error:
        network(np.zeros((1, 3, 7, 7), np.float32))
    assert "\n" not in str(error.value)


def test_the_path_of_a_network_is_none():
    # In a process of its own, as the type checks of the tests would speak up first.
    code = "from tddfa.runtime import OnnxNetwork\nOnnxNetwork('regressor.onnx', 'the regressor')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.endswith(
        "InputError: model is a str, not a bytes; the contents of an ONNX file are needed\n"
    )
