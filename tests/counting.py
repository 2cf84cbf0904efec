"""Which networks of a pack run, and how often."""

from tddfa.runtime import OnnxNetwork


class CountingEngine:
    """Makes networks of ONNX Runtime.

    Attributes:
        runs: sizes of the batches that each network was given, by its file.
    """

    def __init__(self):
        self.runs = {}

    def __call__(self, model, name):
        network, sizes = OnnxNetwork(model, name), self.runs.setdefault(name.split(" ")[0], [])

        def run(x, *numbers):
            sizes.append(len(x))
            return network(x, *numbers)

        return run

    def taken(self):
        """The batches since the last call."""
        taken = {name: list(sizes) for name, sizes in self.runs.items()}
        for sizes in self.runs.values():
            sizes.clear()
        return taken
