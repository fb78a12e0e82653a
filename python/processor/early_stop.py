"""Stop requests that come before anything was started: while Python is still loading, there is nothing to drain."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Each asks the process to end."""


def leave_when_asked() -> None:
    """Have a stop request end the process at once with exit code 0, until the service listens itself."""
    for number in STOP_SIGNALS:
        signal.signal(number, _leave)


def _leave(_number: int, _frame: object) -> NoReturn:
    sys.exit(0)
