"""The command `tddfa`: parse → call → print."""
