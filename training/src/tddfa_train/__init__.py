"""Numbers to a face model: training code of tddfa."""
