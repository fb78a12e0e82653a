"""What goes wrong with the calls of a fake, and when: before a call took effect, or after."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeAlias

from telemetry.chassis.errors import RedisError


class Moment(Enum):
    """Where a call is cut."""

    BEFORE = "before"
    """It never reaches the server."""
    AFTER = "after"
    """It took effect, and its answer is lost."""


Interception: TypeAlias = Callable[[str, Moment], Awaitable[None]]
"""Is given a call's name and raises, waits, or lets it pass."""


class Faults:
    """Failures for the calls to come, by the port's method names.

    Those of `before` and `after` are raised one by each call. `intercept` is asked at both moments of
    every call: who counts them can cut a run at each, and from then on let none through, which is
    how a crash looks from outside.
    """

    def __init__(self) -> None:
        self.before: defaultdict[str, deque[RedisError]] = defaultdict(deque)
        self.after: defaultdict[str, deque[RedisError]] = defaultdict(deque)
        self.intercept: Interception | None = None

    async def prepare(self, call: str, moment: Moment) -> None:
        """Raise what is in store for this moment of the call."""
        if self.intercept is not None:
            await self.intercept(call, moment)
        if failures := (self.before if moment is Moment.BEFORE else self.after)[call]:
            raise failures.popleft()
