"""`python -m processor`: the same as the installed command `processor`."""

import sys

from processor.cli import main

if __name__ == "__main__":
    sys.exit(main())
