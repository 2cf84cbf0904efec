"""Pictures in and out, warps and drawing; the only user of OpenCV."""

from tddfa.imaging.files import read_image, write_image

__all__ = ["read_image", "write_image"]
