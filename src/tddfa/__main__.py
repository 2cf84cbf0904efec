"""`python -m tddfa` is the command `tddfa`."""

import sys

from tddfa.cli.main import main

sys.exit(main())
