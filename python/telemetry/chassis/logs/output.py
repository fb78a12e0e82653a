"""Writes lines to a file descriptor, and never holds up the event loop for long."""

from __future__ import annotations

import os
import select
import sys

# A pipe that polls as writable takes this much at once (POSIX: PIPE_BUF; 4096 on Linux).
CHUNK_BYTES = select.PIPE_BUF
# How long a slow reader is waited for; after that, lines are dropped until it reads again.
PATIENCE_MS = 20


def standard_output() -> int:
    """The descriptor of standard output, or of the null device if the process was started without one."""
    if sys.stdout is None:
        return os.open(os.devnull, os.O_WRONLY)
    return sys.stdout.fileno()


class BoundedOutput:
    """Lines in order, each whole or not at all. A stuck or absent reader costs lines, never the service.

    Not thread-safe: logging handlers are called under their lock.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._rest = b""
        self._stuck = False
        self._lost = 0

    def write(self, line: bytes) -> int:
        """Write one line that ends in a line feed, or count it as lost.

        Returns how many lines were lost before this one was accepted; 0 if it is lost itself.
        """
        try:
            accepted = self._push(self._rest)
            if accepted:
                self._push(line)
        except OSError:  # The reader has gone, or the disk is full.
            accepted = False
        if not accepted:
            self._lost += 1
            return 0
        lost, self._lost = self._lost, 0
        return lost

    def _push(self, data: bytes) -> bool:
        """Write as much as the reader takes in time; keep the rest for the next call. True if nothing is left."""
        self._rest = data
        while self._rest:
            if not self._poll.poll(0 if self._stuck else PATIENCE_MS):
                self._stuck = True
                return False
            written = os.write(self._fd, self._rest[:CHUNK_BYTES])
            self._rest = self._rest[written:]
            self._stuck = False
        return True
