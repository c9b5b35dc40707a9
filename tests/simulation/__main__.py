"""``python -m tests.simulation --seeds N``."""

import sys

from tests.simulation.many import main

# A child process does not import a package's `__main__` again, so the work is in a module of its own.
if __name__ == "__main__":
    sys.exit(main())
