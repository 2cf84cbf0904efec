"""Evaluation sets on disk → arrays and pictures."""
