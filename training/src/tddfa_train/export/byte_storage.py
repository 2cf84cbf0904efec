"""Weights that are stored as bytes and are floats again when a network is loaded."""

import numpy as np

_LARGEST = 127


def byte_storage(onnx_bytes: bytes, name: str) -> bytes:
    """Return the same network with a matrix stored as signed bytes and a scale for each row.

    The runtime multiplies once, when the network is loaded; nothing that it computes runs on integers.

    Args:
        onnx_bytes: a network in which `half_precision_storage` stored the matrix.
        name: of the matrix; a network without it comes back as it is.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(onnx_bytes)
    graph = model.graph
    half = next((value for value in graph.initializer if value.name == f"{name}.half"), None)
    if half is None:
        return onnx_bytes
    values = numpy_helper.to_array(half).astype(np.float32)
    scale = np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-12) / _LARGEST
    half.CopyFrom(numpy_helper.from_array(np.rint(values / scale).astype(np.int8), f"{name}.bytes"))
    graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"))
    cast = next(node for node in graph.node if list(node.output) == [name])
    cast.input[0], cast.output[0] = f"{name}.bytes", f"{name}.integers"
    product = helper.make_node("Mul", [f"{name}.integers", f"{name}.scale"], [name])
    graph.node.insert(list(graph.node).index(cast) + 1, product)
    onnx.checker.check_model(model)
    return model.SerializeToString()
