"""`make demo`: a real vehicle's traffic to rows, on servers that it starts, with figures that are checked.

`command` is the command, `system` starts the servers and the services, `replay` sends and
waits, `figures` asks the servers for the result, `picture` and `rows` leave files to look at.
"""

import os
import sys
from pathlib import Path

# matplotlib would leave its settings and its list of fonts in the home directory.
os.environ.setdefault("MPLCONFIGDIR", str(Path(sys.prefix, ".matplotlib")))
