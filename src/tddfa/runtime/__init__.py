"""Networks in, arrays out; the only user of ONNX Runtime."""

from tddfa.runtime.devices import DEVICES
from tddfa.runtime.session import Engine, Network, OnnxNetwork, onnx_engine

__all__ = ["DEVICES", "Engine", "Network", "OnnxNetwork", "onnx_engine"]
