"""Decides what of a life, and of the whole drill, breaks the contract. Pure: observations in, violations out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drills.last_words import LastWords
from drills.observed import LeftPending
from drills.plan import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from drills.drive import Tally
    from drills.observed import GroupState
    from processor.core.ledger import Ledger

RELEASE_AND_EXIT_MS = 1_000
"""What release and exit may take beyond the budget (contract section 4, rule 7)."""
# Of the shell's form for a container's end, and of the system's for a process's.
KILLED = (-9, 137)
_CLEAN, _TIMED_OUT = 0, 3


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
    last_words: LastWords | None
    left: LeftPending
    inserted: int
    """Rows that it said it inserted."""
    takeover_ms: float | None = None
    """From its readiness until all that waited released was claimed; None if nothing waited, or if it ended before."""


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
    """What this life did wrong, one sentence each."""
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
        yield from _word_faults(life)


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
    """How long each step took by its own account, which is where to look first."""
    if life.last_words is None or not life.last_words.steps_ms:
        return ""
    steps = ", ".join(f"{name} {took:.0f}" for name, took in life.last_words.steps_ms.items())
    return f" (by its own account: {steps})"


def _word_faults(life: Life) -> Iterator[str]:
    words = life.last_words
    if words is None:
        yield "ended without its last log line"
        return
    if words.clean != (life.exit_code == _CLEAN):
        said = "clean exit" if words.clean else "timed out"
        yield f"said `{said}` and ended with exit code {life.exit_code}"
    if words.has_ledger and words.ledger.unaccounted:
        yield f"its ledger does not balance: {words.ledger}"
    if words.ledger.lost:
        yield f"counted {words.ledger.lost} entries as lost"
    if life.exit_code == _CLEAN and words.ledger.released:
        yield f"ended with exit code 0 although it released {words.ledger.released} entries undecided"
    # With a frozen Redis more may be released than the service knows: it does not count an answer that comes too late.
    if life.fault is not Fault.FREEZE_REDIS:
        yield from _release_faults(life, words.ledger)


def _release_faults(life: Life, ledger: Ledger) -> Iterator[str]:
    told, found = ledger.released + ledger.released_unread, life.left.released
    if told > found:
        yield f"said that it released {told} entries, Redis has {found}"
    # What it had no time to look for may have been released by a former life.
    elif life.exit_code == _CLEAN and found > told + ledger.left_pending:
        yield f"said that it released {told} entries and ended with exit code 0, Redis has {found}"


@dataclass(frozen=True, slots=True)
class Ending:
    """What the servers hold when the drill is over."""

    tally: Tally
    inserted: int
    """Rows that all lives together said they inserted."""
    group: GroupState
    unsettled: frozenset[int]
    """Numbers of records that are pending or undelivered."""
    dead: frozenset[int]
    """Numbers of records that became dead letters."""
    dead_codes: tuple[str, ...]

    @property
    def lost(self) -> frozenset[int]:
        """Records that are nowhere: no row, no dead letter, not in the group's hands."""
        return self.tally.missing - self.unsettled - self.dead

    @property
    def written_twice(self) -> int:
        """Rows too many: in the table, or by what was said to be inserted.

        A life that is killed may take the news of its last commit with it, never the other way round.
        """
        return max(self.tally.repeated, self.inserted - self.tally.distinct, 0)


def judge_ending(ending: Ending) -> list[str]:
    """What is wrong with what is left, one sentence each."""
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
    if ending.dead:
        codes = ", ".join(sorted(set(ending.dead_codes)))
        found.append(f"{len(ending.dead)} valid records became dead letters: {codes}")
    return found


def nearest_rank(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that `percent` of all do not exceed; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]
