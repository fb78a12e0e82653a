"""The names in the group: which of them somebody answers for, and the removal of those that nobody needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from processor.edges.redis.scripts import IDS_MAX, LOOK_AT_CONSUMERS, PRUNE_CONSUMERS
from processor.operating.names import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from processor.operating.access import StreamAccess
    from telemetry.chassis.operating.instances import Instance

# For the script: remove nothing, and name all.
_LOOK_ONLY: Final = -1


@dataclass(frozen=True, slots=True)
class Consumer:
    """A name in the group."""

    name: str
    pending: int
    idle_ms: int
    """Since it last asked Redis for something."""
    live: bool
    """An instance answers for the name."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A name that was not removed."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a removal did, or would do."""

    removed: list[str]
    kept: list[Kept]


def list_consumers(access: StreamAccess, instances: Iterable[Instance]) -> list[Consumer]:
    """All names, sorted; none without the group. Raises what the client raises."""
    live = {each.consumer for each in instances}
    rows = access.run(LOOK_AT_CONSUMERS, (access.names.stream,), access.names.group)
    found = [
        Consumer(shown(name), pending, idle_ms, shown(name) in live)
        for name, pending, idle_ms in rows
    ]
    return sorted(found, key=lambda each: each.name)


def prune(
    access: StreamAccess,
    instances: Iterable[Instance],
    *,
    min_idle_ms: int,
    dry_run: bool,
    report: Callable[[int], None] = lambda _removed: None,
) -> Pruned:
    """Remove names with nothing pending that have been idle for so long, and that no instance answers for.

    In steps of IDS_MAX names, each of which judges and removes at once. `report` gets the number removed so far.
    Raises what the client raises; what was removed by then stays removed.
    """
    names = access.names
    live = sorted({each.consumer for each in instances if each.consumer is not None})
    removed: list[str] = []
    while True:
        most = _LOOK_ONLY if dry_run else IDS_MAX
        found, kept = access.run(
            PRUNE_CONSUMERS, (names.stream,), names.group, min_idle_ms, most, *live
        )
        removed += map(shown, found)
        report(len(removed))
        if dry_run or len(found) < IDS_MAX:
            return Pruned(sorted(removed), [_kept(row) for row in sorted(kept)])


def _kept(row: list[Any]) -> Kept:
    name, why, pending, idle_ms = row
    reasons = {
        b"live": "an instance answers for it",
        b"pending": f"{pending} pending",
        b"idle": f"idle for {idle_ms} ms only",
    }
    return Kept(shown(name), reasons[why])
