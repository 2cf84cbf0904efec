"""Camera and coefficients of the open face model: network, task, recipe."""
