"""Published weights → pack: done once, by `tddfa packs install`; needs the `convert` extra."""
