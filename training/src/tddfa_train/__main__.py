"""`python -m tddfa_train`."""

import sys

from tddfa_train.cli import main

sys.exit(main())
