"""Holds stop requests back while nobody listens: before the service stands, and after it has ended.

Without that, the signal's default would end the process, whatever its exit code was to be.
"""

from __future__ import annotations

import signal

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Each asks the process to end."""


def hold() -> None:
    """Keep stop requests for later."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def deliver() -> None:
    """Let them through, those that were held first."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
