"""`make demo`: a real vehicle's traffic to rows, on servers of its own, with figures to trust.

`command` is the command, `stage` sets the servers and the processor up, `replay` publishes and
waits, `figures` asks the servers what happened, `picture` and `rows` leave something to look at.
"""

import os
import sys
from pathlib import Path

# matplotlib would leave its settings and its list of fonts in the home directory.
os.environ.setdefault("MPLCONFIGDIR", str(Path(sys.prefix, ".matplotlib")))
