"""Faults of a fake's calls: before the call takes effect, or after."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeAlias

from telemetry.chassis.errors import RedisError


class Moment(Enum):
    """When a call fails."""

    BEFORE = "before"
    """It never reaches the server."""
    AFTER = "after"
    """It takes effect, and its answer is lost."""


Interception: TypeAlias = Callable[[str, Moment], Awaitable[None]]
"""Gets a call's name and raises, waits, or lets it pass."""


class Faults:
    """Failures of future calls, by the port's method names.

    Each call raises the next one of `before` or `after`. `intercept` is called at both moments of every
    call: a test that counts them can cut a run at each, and let no call through from then on, which
    looks like a crash from outside.
    """

    def __init__(self) -> None:
        self.before: defaultdict[str, deque[RedisError]] = defaultdict(deque)
        self.after: defaultdict[str, deque[RedisError]] = defaultdict(deque)
        self.intercept: Interception | None = None

    async def prepare(self, call: str, moment: Moment) -> None:
        """Raise the failure for this moment of the call, if there is one."""
        if self.intercept is not None:
            await self.intercept(call, moment)
        if failures := (self.before if moment is Moment.BEFORE else self.after)[call]:
            raise failures.popleft()
