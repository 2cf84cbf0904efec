"""How fast and how accurate tddfa is; see docs/benchmarks.md."""
