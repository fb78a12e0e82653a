"""Sorts pending entries: those to deliver again, suspects to try in isolation, and those to leave for later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from processor.core.attempts import PendingEntry


@dataclass(frozen=True, slots=True)
class Triage:
    """Ids of pending entries, sorted by what to do with them. Each list keeps their order."""

    take: tuple[str, ...]
    """Deliver them again."""
    attempted: tuple[str, ...]
    """Those of `take` with a recorded failure, which is deleted when they are acknowledged."""
    suspects: tuple[str, ...]
    """Suspected poison entries: try them in isolation."""
    left: tuple[str, ...]
    """Refused recently: left for a later claim."""


NONE_LOST: Final[Mapping[str, int]] = MappingProxyType({})


def triage(
    entries: Iterable[PendingEntry],
    *,
    now_ms: float,
    rest_ms: float = 0,
    lost_deliveries: Mapping[str, int] = NONE_LOST,
) -> Triage:
    """Sort pending entries.

    `lost_deliveries` is how often an entry was delivered and lost on its way to a process that is still
    running. Such deliveries are no reason for suspicion. An entry whose last recorded failure is younger
    than `rest_ms` at `now_ms` (Unix time) is left. With `rest_ms` 0 none is left, whatever the clocks
    of the instances that recorded the failures were.
    """
    take, attempted, suspects, left = list[str](), list[str](), list[str](), list[str]()
    for entry in entries:
        if rest_ms and entry.attempts and now_ms - entry.attempts.last_failed_at_ms < rest_ms:
            left.append(entry.entry_id)
        elif entry.is_suspect(lost_deliveries.get(entry.entry_id, 0)):
            suspects.append(entry.entry_id)
        else:
            take.append(entry.entry_id)
            if entry.attempts is not None:
                attempted.append(entry.entry_id)
    return Triage(tuple(take), tuple(attempted), tuple(suspects), tuple(left))
