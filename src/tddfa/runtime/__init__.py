"""Networks in, arrays out; the only user of ONNX Runtime."""

from tddfa.runtime.deferred import DeferredNetwork
from tddfa.runtime.devices import DEVICES
from tddfa.runtime.session import Engine, Network, OnnxNetwork, onnx_engine

__all__ = ["DEVICES", "DeferredNetwork", "Engine", "Network", "OnnxNetwork", "onnx_engine"]
