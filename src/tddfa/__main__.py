"""`python -m tddfa` is the command `tddfa`."""

from tddfa.cli.main import run_process

run_process()
