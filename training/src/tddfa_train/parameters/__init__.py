"""The recipe of 3DDFA_V2 for any morphable model: network, losses, task, recipe."""
