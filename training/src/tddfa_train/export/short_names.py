"""Networks without the long names of the program that they were traced from."""

from tddfa_train.export.widen import WIDE


def shortened(onnx_bytes: bytes) -> bytes:
    """Return the same network with short names inside; inputs, outputs and marks of wide cells keep theirs.

    Names of nested modules take 1 % of a small network's file; no runtime needs them.

    Args:
        onnx_bytes: of the network.
    """
    import onnx

    model = onnx.load_from_string(onnx_bytes)
    graph = model.graph
    short = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}

    def renamed(name: str) -> str:
        return short.setdefault(name, f"t{len(short)}{WIDE if name.endswith(WIDE) else ''}")

    for stored in graph.initializer:
        stored.name = renamed(stored.name)
    for number, node in enumerate(graph.node):
        node.name = f"n{number}"
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    del graph.value_info[:]
    return model.SerializeToString(deterministic=True)
