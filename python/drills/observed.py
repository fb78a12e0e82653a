"""Observe: the values that the servers and the service's log give, and the life that they make up."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drills.plan import Fault

CLEAN_EXIT = "shutdown: clean exit"
TIMED_OUT = "shutdown: timed out"


class PositionKey(NamedTuple):
    """What makes a row one row; `ts` as it was published."""

    device_id: str
    ts: str


@dataclass(frozen=True, slots=True)
class GroupState:
    """The drill's consumer group at one moment."""

    read: int
    """Entries delivered for the first time, ever."""
    pending: int
    undelivered: bool
    """Whether entries wait that no consumer was given yet."""
    consumers: tuple[tuple[str, int], ...]
    """Each consumer's name and its pending entries."""

    @property
    def settled(self) -> bool:
        """Everything was delivered and nothing is pending."""
        return not self.pending and not self.undelivered


@dataclass(frozen=True, slots=True)
class LeftPending:
    """The pending list of a consumer that has ended; each entry is in one class."""

    released: int = 0
    """Marked as idle for a day, so that any instance claims them at once."""
    refused: int = 0
    """With a recorded failure: their time has not come yet (contract section 4, rule 3)."""
    stranded: int = 0
    """Neither: found only after CLAIM_THRESHOLD_MS."""


@dataclass(frozen=True, slots=True)
class ReportedLedger:
    """The balance in the service's last log line (contract section 4). A class that the line leaves out is 0."""

    read: int = 0
    acked: int = 0
    dead_lettered: int = 0
    lost: int = 0
    taken_over: int = 0
    released: int = 0
    left_pending: int = 0
    released_unread: int = 0
    """Released and never read: no part of the balance."""

    @property
    def unaccounted(self) -> int:
        """Entries read that are in no class."""
        settled = self.acked + self.dead_lettered + self.lost + self.taken_over
        return self.read - settled - self.released - self.left_pending


@dataclass(frozen=True, slots=True)
class LastLine:
    """The log line with which the service ends: what it says of itself, for the servers to confirm."""

    clean: bool
    """`clean exit`, not `timed out`."""
    ledger: ReportedLedger
    has_ledger: bool
    """Without one, only `released` and `left_pending` of the ledger mean something."""
    steps_ms: Mapping[str, float]


def last_line(line: Mapping[str, Any]) -> LastLine | None:
    """The log line as a LastLine; None for any other line."""
    message = str(line.get("msg", ""))
    if not message.startswith((CLEAN_EXIT, TIMED_OUT)):
        return None
    ledger = line.get("ledger")
    counts = (
        ledger
        if isinstance(ledger, dict)
        else {"released": line.get("released"), "left_pending": line.get("left")}
    )
    names = [each.name for each in fields(ReportedLedger)]
    steps = line.get("steps_ms")
    return LastLine(
        clean=message.startswith(CLEAN_EXIT),
        ledger=ReportedLedger(**{name: int(counts.get(name) or 0) for name in names}),
        has_ledger=isinstance(ledger, dict),
        steps_ms=steps if isinstance(steps, dict) else {},
    )


@dataclass(frozen=True, slots=True)
class Life:
    """One run of the service under test, from its start to its end, as seen from outside."""

    round: int
    consumer: str
    fault: Fault | None
    """None: the last life, which is stopped after everything is settled."""
    exit_code: int
    ended_early: bool
    """It was gone before the fault came."""
    drain_ms: float | None
    """From the stop request to the end; None if there was no stop request, or no end to it."""
    last_line: LastLine | None
    left: LeftPending
    inserted: int
    """Rows inserted, by its own log lines."""
    takeover_ms: float | None = None
    """From its readiness until all released entries were claimed; None if there were none, or if it ended before."""
