"""OpenCV, or one line that says what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tddfa.packages import load_package

if TYPE_CHECKING:
    import cv2 as cv2
else:
    cv2 = load_package("cv2", "remap")
