"""The last lines of the log, kept for a crash."""

from __future__ import annotations

import json
from collections import deque

LINES_MAX = 100
# A line with a trace of a library in it is longer; its beginning says what it is about.
LINE_BYTES_MAX = 8_192


class RecentLines:
    """The newest LINES_MAX lines, each LINE_BYTES_MAX at most."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque(maxlen=LINES_MAX)

    def add(self, line: bytes) -> None:
        """Keep a line as it was rendered."""
        if len(line) > LINE_BYTES_MAX:
            # Between words: half of a password would not be known as one.
            line = line[:LINE_BYTES_MAX].rpartition(b" ")[0]
        self._lines.append(line)

    def values(self) -> list[object]:
        """The lines, the oldest first: JSON objects where they are whole ones, else text."""
        return [_value(line.decode("utf-8", "replace").rstrip("\n")) for line in self._lines]


def _value(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return line
