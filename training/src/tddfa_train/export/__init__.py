"""From checkpoints to packs: ONNX, int8, manifests."""
