"""Waits for what tells nobody when it changes: the servers' state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_PROBE_S = 0.02


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Return as soon as `holds` says so; whoever calls this bounds it."""
    while not await holds():  # noqa: ASYNC110 - there is no event on the other side
        await trio.sleep(_PROBE_S)
