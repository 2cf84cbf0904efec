"""Face detectors, trained from scratch on mosaics."""
