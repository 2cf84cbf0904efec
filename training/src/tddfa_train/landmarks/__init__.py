"""Landmarks straight from a crop: network, task, recipe."""
