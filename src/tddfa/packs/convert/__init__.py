"""Weights of 3DDFA_V2 → pack: done once, by `tddfa packs install`; needs the `convert` extra."""
