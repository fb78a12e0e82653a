"""Waits for what a server does not announce: asks it, often and with a bound."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dev.servers.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_BOUND_S = 30.0
POLL_S = 0.01


def poll(
    holds: Callable[[], object],
    what: str,
    *,
    within_s: float = POLL_BOUND_S,
    every_s: float = POLL_S,
) -> None:
    """Return as soon as `holds()` is true. Raises ServerError with `what` after `within_s`."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise ServerError(f"did not come true within {within_s:.0f} s: {what}")
        time.sleep(every_s)
