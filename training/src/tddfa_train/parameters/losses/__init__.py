"""Losses of 3DDFA_V2, one idea a file, and their combinations."""

from tddfa_train.parameters.losses.face_basis import FaceBasis
from tddfa_train.parameters.losses.parameters import fwpdc, fwpdc_weights, wpdc, wpdc_weights
from tddfa_train.parameters.losses.vertices import vdc

__all__ = ["FaceBasis", "fwpdc", "fwpdc_weights", "vdc", "wpdc", "wpdc_weights"]
