"""What to do with pending entries: deliver them again, try them in isolation, or leave them for later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from processor.core.attempts import PendingEntry


@dataclass(frozen=True, slots=True)
class Triage:
    """Ids of pending entries by what is to be done with them, each list in their order."""

    take: tuple[str, ...]
    """Deliver them again."""
    attempted: tuple[str, ...]
    """Those of `take` with a recorded failure, which is forgotten when they are acknowledged."""
    suspects: tuple[str, ...]
    """Suspected poison entries: try them in isolation."""
    left: tuple[str, ...]
    """Refused not long ago: left for a later claim."""


NONE_LOST: Final[Mapping[str, int]] = MappingProxyType({})


def triage(
    entries: Iterable[PendingEntry],
    *,
    now_ms: float,
    rest_ms: float = 0,
    lost_deliveries: Mapping[str, int] = NONE_LOST,
) -> Triage:
    """Sort pending entries.

    `lost_deliveries` has how many deliveries of an entry were lost on the way to this process, which lives
    on: they are no ground for suspicion. An entry whose last recorded failure is younger than `rest_ms` at
    `now_ms` (Unix time) is left. Without a `rest_ms` no entry is left, even if a wrong clock dated its failure
    in the future.
    """
    take, attempted, suspects, left = list[str](), list[str](), list[str](), list[str]()
    for entry in entries:
        if rest_ms and entry.attempts and now_ms - entry.attempts.last_failed_at_ms < rest_ms:
            left.append(entry.entry_id)
        elif entry.is_suspect_after(lost_deliveries.get(entry.entry_id, 0)):
            suspects.append(entry.entry_id)
        else:
            take.append(entry.entry_id)
            if entry.attempts is not None:
                attempted.append(entry.entry_id)
    return Triage(tuple(take), tuple(attempted), tuple(suspects), tuple(left))
