"""Accuracy of a pack by named, versioned protocols: `evaluate(protocol, aligner, data)` → `Report`."""

from tddfa.evaluation.contact_sheet import contact_sheet
from tddfa.evaluation.protocols import PROTOCOLS, evaluate
from tddfa.evaluation.report import Report

__all__ = ["PROTOCOLS", "Report", "contact_sheet", "evaluate"]
