"""Runs the demo so that Ctrl-C unwinds it at any moment, also during its imports."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

EXIT_INTERRUPTED = 130


def stop_once() -> None:
    """The first Ctrl-C, SIGTERM or hang-up unwinds everything; more of them do not disturb that."""

    def stop(_signum: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    # Raised as SIGINT, which is held back while a server is being started.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda _signum, _frame: signal.raise_signal(signal.SIGINT))


def run() -> int:
    """The demo's exit code."""
    stop_once()
    try:
        # Only now: drawing and server libraries take a second to import.
        from dev.demo.command import main  # noqa: PLC0415

        return main()
    except KeyboardInterrupt:
        print("interrupted; nothing is left running", file=sys.stderr)
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(run())
