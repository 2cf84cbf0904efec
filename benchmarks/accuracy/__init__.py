"""Accuracy of every pack by the protocols of `tddfa eval`."""
