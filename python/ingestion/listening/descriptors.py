"""File descriptors: as many as this process may have, and how many of them are for connections."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Final

from telemetry.chassis.http.places import places_max

if TYPE_CHECKING:
    from ingestion.journal.journal import Journal

# Logs, listeners, Redis, Trio's own, dumps and certificates: some twenty, and some more while they are renewed.
OWN_DESCRIPTORS: Final = 64
CONNECTIONS_MAX: Final = 1_000_000


def take_descriptors(configured: int | None, journal: Journal) -> int:
    """Raise RLIMIT_NOFILE's soft limit to the hard one; returns how many connections there may be at a time.

    That is what is configured, as far as descriptors are left for it; None: all that are left.
    """
    before, after = _raised()
    left = connections_left(after)
    connections_max = left if configured is None else min(left, configured)
    journal.descriptors_taken(before=before, after=after, connections_max=connections_max)
    if configured is not None and configured > left:
        journal.connections_capped(configured=configured, connections_max=connections_max)
    return connections_max


def connections_left(descriptors: int) -> int:
    """How many connections a limit leaves beside the endpoints and the service's own files."""
    if descriptors == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, max(1, descriptors - places_max() - OWN_DESCRIPTORS))


def _raised() -> tuple[int, int]:
    """The soft limit before and after."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        # The hard limit is beyond fs.nr_open, which was lowered after it was set.
        return before, before
    return before, hard
