"""Judge: what in a life, or in the whole drill, breaks the contract. Pure: observations in, violations out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drills.plan import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from drills.observed import GroupState, Life, ReportedLedger

RELEASE_AND_EXIT_MS = 1_000
"""What release and exit may take beyond the budget (contract section 4, rule 7)."""
# A process has the negative number of the signal, a container 128 and that number.
KILLED = (-9, 137)
_CLEAN, _TIMED_OUT = 0, 3


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a drain may take; `tolerance_ms` is for the engine's and the machine's own delays."""

    budget_ms: int
    tolerance_ms: int

    @property
    def drain_ms_max(self) -> int:
        """From the stop request to the end of the process."""
        return self.budget_ms + RELEASE_AND_EXIT_MS + self.tolerance_ms


def judge_life(life: Life, bounds: Bounds) -> list[str]:
    """What this life did wrong, a sentence for each violation."""
    who = f"round {life.round + 1} ({life.consumer})"
    return [f"{who}: {what}" for what in _faults_of(life, bounds)]


def _faults_of(life: Life, bounds: Bounds) -> Iterator[str]:
    if life.ended_early:
        yield f"ended by itself with exit code {life.exit_code}"
    elif life.fault is Fault.KILL9:
        if life.exit_code not in KILLED:
            yield f"was killed and ended with exit code {life.exit_code}"
    else:
        yield from _drain_faults(life, bounds)
        yield from _last_line_faults(life)


def _drain_faults(life: Life, bounds: Bounds) -> Iterator[str]:
    if life.drain_ms is None:
        yield "did not end after the stop request, and was killed"
        return
    if life.drain_ms > bounds.drain_ms_max:
        yield f"took {life.drain_ms:.0f} ms to end, allowed are {bounds.drain_ms_max} ms{_steps(life)}"
    if life.exit_code not in {_CLEAN, _TIMED_OUT}:
        yield f"ended with exit code {life.exit_code}"
    # Nobody can release through a server that does not answer.
    if life.left.stranded and life.fault is not Fault.FREEZE_REDIS:
        yield f"left {life.left.stranded} entries pending and not released"


def _steps(life: Life) -> str:
    """How long each step took by the service's own account, which shows where to look first."""
    if life.last_line is None or not life.last_line.steps_ms:
        return ""
    steps = ", ".join(f"{name} {took:.0f}" for name, took in life.last_line.steps_ms.items())
    return f" (by its own account: {steps})"


def _last_line_faults(life: Life) -> Iterator[str]:
    said = life.last_line
    if said is None:
        yield "ended without its last log line"
        return
    if said.clean != (life.exit_code == _CLEAN):
        words = "clean exit" if said.clean else "timed out"
        yield f"said `{words}` and ended with exit code {life.exit_code}"
    if said.has_ledger and said.ledger.unaccounted:
        yield f"its ledger does not balance: {said.ledger}"
    if said.ledger.lost:
        yield f"counted {said.ledger.lost} entries as lost"
    if life.exit_code == _CLEAN and said.ledger.released:
        yield f"ended with exit code 0 although it released {said.ledger.released} entries undecided"
    # With a frozen Redis more may be released than the service knows: it does not count an answer that comes too late.
    if life.fault is not Fault.FREEZE_REDIS:
        yield from _release_faults(life, said.ledger)


def _release_faults(life: Life, ledger: ReportedLedger) -> Iterator[str]:
    said, found = ledger.released + ledger.released_unread, life.left.released
    if said > found:
        yield f"said that it released {said} entries, Redis has {found}"
    # Entries that it had no time to look for may have been released by an earlier life.
    elif life.exit_code == _CLEAN and found > said + ledger.left_pending:
        yield f"said that it released {said} entries and ended with exit code 0, Redis has {found}"


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each published record was found in the table."""

    published: int
    rows: int
    """Rows with the drill's devices."""
    missing: frozenset[int]
    """Numbers of records without a row."""
    repeated: int
    """Rows beyond the first of a key: a table without its unique index has them."""
    foreign: int
    """Rows that nobody published."""

    @property
    def distinct(self) -> int:
        """Published records that are in the table."""
        return self.published - len(self.missing)


def tally(published: int, numbers: Iterable[int]) -> Tally:
    """Count the rows, given by their records' numbers, against what was published."""
    times = bytearray(published)
    rows = foreign = repeated = 0
    for number in numbers:
        rows += 1
        if not 0 <= number < published:
            foreign += 1
        elif times[number]:
            repeated += 1
        else:
            times[number] = 1
    missing = frozenset(number for number, seen in enumerate(times) if not seen)
    return Tally(published, rows, missing, repeated, foreign)


@dataclass(frozen=True, slots=True)
class FinalState:
    """What the servers hold when the drill is over."""

    tally: Tally
    inserted: int
    """Rows inserted, by the log lines of all lives."""
    group: GroupState
    unsettled: frozenset[int]
    """Numbers of records that are pending or undelivered."""
    dead_lettered: frozenset[int]
    """Numbers of records that became dead letters."""
    dead_letter_codes: tuple[str, ...]

    @property
    def lost(self) -> frozenset[int]:
        """Records that are nowhere: no row, no dead letter, neither pending nor undelivered."""
        return self.tally.missing - self.unsettled - self.dead_lettered

    @property
    def written_twice(self) -> int:
        """Rows too many: in the table, or by the rows that the log says were inserted.

        A life that is killed may not have logged its last commit; nothing is logged that was not committed.
        """
        return max(self.tally.repeated, self.inserted - self.tally.distinct, 0)


def judge_ending(ending: FinalState) -> list[str]:
    """What is wrong in the end, a sentence for each violation."""
    found = []
    if ending.lost:
        found.append(f"{len(ending.lost)} records are lost, the first is number {min(ending.lost)}")
    if ending.written_twice:
        found.append(f"{ending.written_twice} rows were written twice")
    if ending.tally.foreign:
        found.append(f"{ending.tally.foreign} rows of the drill's devices were never published")
    if not ending.group.settled:
        holders = ", ".join(
            f"{name} {pending}" for name, pending in ending.group.consumers if pending
        )
        waiting = "some entries undelivered" if ending.group.undelivered else "all delivered"
        found.append(
            f"not settled: {ending.group.pending} pending ({holders or 'nobody'}), {waiting}"
        )
    if ending.dead_lettered:
        codes = ", ".join(sorted(set(ending.dead_letter_codes)))
        found.append(f"{len(ending.dead_lettered)} valid records became dead letters: {codes}")
    return found


def nearest_rank(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that `percent` of all do not exceed; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]
