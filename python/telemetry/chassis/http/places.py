"""The connections that are served at once: a bounded number, of which a new one takes the place of the slowest.

A client that sends a byte a second holds its place for seconds, a scraper or a probe for milliseconds. So whoever has
waited longest for its own request to be complete makes room, and nobody has to wait.
"""

from __future__ import annotations

import resource
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES_MAX = 256
# Of the process' file descriptors: most are left to Redis, PostgreSQL, and whatever else the service opens.
SHARE_OF_DESCRIPTORS = 4


def places_max() -> int:
    """How many connections this process may serve at once."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return PLACES_MAX
    return max(1, min(PLACES_MAX, descriptors // SHARE_OF_DESCRIPTORS))


@dataclass(eq=False, slots=True)
class Place:
    """One connection that is served."""

    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    has_request: bool = False
    """Whether its request is complete, so that it is being answered."""


class Places:
    """The connections that are served now, in the order in which they came."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        # A dict keeps the order, and forgets one of its keys at once.
        self._taken: dict[Place, None] = {}

    @contextmanager
    def taken(self, *, within_s: float) -> Iterator[Place]:
        """A place for the block, which is left silently after `within_s`, or when another one needs the place."""
        if len(self._taken) >= self._count_max:
            self._make_room()
        place = Place()
        self._taken[place] = None
        place.scope.deadline = trio.current_time() + within_s
        try:
            with place.scope:
                yield place
        finally:
            self._taken.pop(place, None)

    def _make_room(self) -> None:
        """End the oldest connection whose request is not complete; the oldest of all if each is being answered."""
        slow = (place for place in self._taken if not place.has_request)
        oldest = next(slow, None) or next(iter(self._taken))
        oldest.scope.cancel()
        del self._taken[oldest]
