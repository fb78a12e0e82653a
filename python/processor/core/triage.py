"""What to do with pending entries that somebody left: take them, try them alone, or leave them for later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from processor.core.attempts import PendingEntry


@dataclass(frozen=True, slots=True)
class Triage:
    """Ids of pending entries by what is to become of them, each list in their order."""

    take: tuple[str, ...]
    """Deliver them again."""
    attempted: tuple[str, ...]
    """Of `take`, those with a recorded failure: it goes when they are acknowledged."""
    suspects: tuple[str, ...]
    """Try them alone."""
    left: tuple[str, ...]
    """Refused not long ago: left for a later claim."""


NOTHING_SURVIVED: Final[Mapping[str, int]] = MappingProxyType({})


def triage(
    entries: Iterable[PendingEntry],
    *,
    now_ms: float,
    rest_ms: float = 0,
    survived: Mapping[str, int] = NOTHING_SURVIVED,
) -> Triage:
    """Sort pending entries out.

    `survived` says how often an entry was delivered and lost on its way to a process that lives on:
    that is no ground for suspicion.
    One whose last recorded failure is younger than `rest_ms` at `now_ms` (Unix time) is left. Without
    a `rest_ms` none is, whatever the clocks of those who dated the failures said.
    """
    take, attempted, suspects, left = list[str](), list[str](), list[str](), list[str]()
    for entry in entries:
        if rest_ms and entry.attempts and now_ms - entry.attempts.last_failed_at_ms < rest_ms:
            left.append(entry.entry_id)
        elif entry.is_suspect_after(survived.get(entry.entry_id, 0)):
            suspects.append(entry.entry_id)
        else:
            take.append(entry.entry_id)
            if entry.attempts is not None:
                attempted.append(entry.entry_id)
    return Triage(tuple(take), tuple(attempted), tuple(suspects), tuple(left))
