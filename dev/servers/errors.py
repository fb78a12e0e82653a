"""The one error that the launchers raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LOG_TAIL_LINES = 15


class ServerError(Exception):
    """A server is not there, did not start or did not stop; the message says what to do."""


def log_tail(log: Path) -> str:
    """The last lines of a server's log, indented to stand below a message."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "  (it wrote no log)"
    return "\n".join(f"  {line}" for line in lines[-LOG_TAIL_LINES:]) or "  (its log is empty)"
