"""``python -m minires`` is the command ``minires``."""

import sys

from minires_command import main

if __name__ == "__main__":
    sys.exit(main())
