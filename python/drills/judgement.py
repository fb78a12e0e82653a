"""Judge: what in a life breaks the contract. Pure: observations in, violations out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drills.plan import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from drills.observed import Life, ReportedLedger

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
    return [f"{who}: {what}" for what in faults_of(life, bounds)]


def faults_of(life: Life, bounds: Bounds) -> Iterator[str]:
    """The same without its name."""
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


def nearest_rank(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that `percent` of all do not exceed; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]
