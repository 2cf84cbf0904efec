"""Readers of evaluation sets: files → arrays and images."""
