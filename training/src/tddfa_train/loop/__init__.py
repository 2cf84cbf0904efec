"""The training loop: batches by step, optimisers, checkpoints, configs, manifests."""
