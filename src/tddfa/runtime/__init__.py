"""Networks in, arrays out; the only user of ONNX Runtime."""

from tddfa.runtime.session import Engine, Network, OnnxNetwork, onnx_engine

__all__ = ["Engine", "Network", "OnnxNetwork", "onnx_engine"]
