"""Holds stop signals back while nobody listens: before the service runs, and after it has ended.

Otherwise the signal's default action would end the process, whatever its exit code was to be. This is a module
beside `stopping` so that signals are held before Trio and the clients of the servers are loaded.
"""

from __future__ import annotations

import signal

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Each asks the process to end."""


def hold() -> None:
    """Keep stop signals for later."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def deliver() -> None:
    """Let stop signals through, beginning with those that were held."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
