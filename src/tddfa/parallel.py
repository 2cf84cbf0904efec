"""The former name of `tddfa.concurrency`."""

from tddfa.deprecation import renamed_names

__getattr__ = renamed_names(__name__, {"in_order": "tddfa.concurrency:in_order"})
