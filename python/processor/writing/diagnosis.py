"""Finds out whose fault a failed write is, and decides what to do about it.

Poison records are decided here: `processor.core.write_errors.TABLE` has the rules, and this module asks the server
what the rules need to know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from processor.core.bisection import Charge, Part
from processor.core.write_errors import (
    Case,
    Evidence,
    FailureKind,
    NextStep,
    WriteRoute,
    kind_of,
    next_step,
    speaks_of_table,
)
from processor.edges.ports import Commit, PositionStore
from processor.errors import PostgresError, SchemaMismatch
from processor.writing.pausing import Pauses
from telemetry._codec import Batch

DAY_US = 86_400_000_000
SCHEMA_DIFFERS = "the schema is not what it should be"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a part of a batch that could not be written, and why."""

    step: NextStep
    part: Part[Batch]
    """The part, with its tries so far."""
    error: PostgresError
    """The last one: of the write, or of a question about it."""
    why: str
    """The reason for a HOLD or a DOUBT, in words; else empty."""
    kind: FailureKind


class Diagnosis:
    """Asks the server about failed writes of one batch, and remembers the answers until the batch is decided."""

    def __init__(
        self, store: PositionStore, pauses: Pauses, *, connects_max: int | None = None
    ) -> None:
        """A canary is given up after `connects_max` tries to connect; None: it waits as long as it takes."""
        self._store = store
        self._pauses = pauses
        self._connects_max = connects_max
        self._canary: Commit | None = None
        self._schema_stands: bool | None = None
        # By the kind of refusal, the day of the row, and whether the batch had commits by then: before its first
        # commit the table may have been empty.
        self._evidence: dict[tuple[Charge, int, bool], Evidence] = {}

    def begin(self) -> None:
        """Forget all answers: another batch begins, or the same one begins again."""
        self._canary = None
        self._schema_stands = None
        self._evidence.clear()

    def take_canary(self) -> Commit | None:
        """The canary that was accepted just now, if any, for the write that follows it directly."""
        canary, self._canary = self._canary, None
        return canary

    async def decide(
        self,
        part: Part[Batch],
        error: PostgresError,
        *,
        canary: Commit | None,
        is_suspected: bool,
        has_commits: bool,
        charge: Callable[[], bool] = lambda: False,
    ) -> Decision:
        """Decide what to do about a part that could not be written.

        `canary` was accepted directly before that write. `charge` records a row that was refused alone, and
        returns whether too many rows were refused alike. Pauses only before a canary, which also closes
        the session.
        """
        part = _after(part, error, canary)
        kind = _kind(error, part.route)
        case = Case(
            kind=kind,
            is_alone=part.is_alone,
            has_commits=has_commits,
            speaks_of_table=speaks_of_table(error.sqlstate),
            schema_stands=self._schema_stands,
            is_epidemic=kind is FailureKind.REFUSAL and part.is_alone and charge(),
            unanswered=part.unanswered,
            is_suspected=is_suspected,
            behind_canary=part.behind_canary,
        )
        decision = Decision(next_step(case), part, error, "", case.kind)
        while decision.step in _QUESTIONS:
            case, decision = await self._ask(case, decision, canary)
            decision = replace(decision, step=next_step(case), kind=case.kind)
        is_held = decision.step in {NextStep.HOLD, NextStep.DOUBT}
        return replace(decision, why=_why(case)) if is_held else decision

    async def _ask(
        self, case: Case, decision: Decision, canary: Commit | None
    ) -> tuple[Case, Decision]:
        """Ask one question. Returns the case with the answer, or with the question's own failure in its place."""
        try:
            match decision.step:
                case NextStep.ASK_SCHEMA:
                    mismatch = await self._mismatch()
                    self._schema_stands = mismatch is None
                    decision = replace(decision, error=mismatch or decision.error)
                    return replace(case, schema_stands=self._schema_stands), decision
                case NextStep.TRY_CANARY:
                    await self._try_canary(decision)
                    return replace(case, canary_accepted=True), decision
                case _:
                    evidence = await self._examine(case, decision.part, decision.error)
                    return replace(case, evidence=evidence), decision
        except PostgresError as error:
            return _after_question(case, replace(decision, error=error), canary)

    async def _mismatch(self) -> PostgresError | None:
        try:
            await self._store.check_schema()
        except SchemaMismatch as mismatch:
            where = self._store.where
            return PostgresError(str(mismatch), where=where, sqlstate=None, connection_usable=True)
        return None

    async def _examine(self, case: Case, part: Part[Batch], error: PostgresError) -> Evidence:
        """Evidence against the part's only row; refusals alike, on one day, are examined once."""
        _, accused = part.batch.take_out(0)
        # It has one record.
        [(_, ts_us, _, _)] = accused.newest_positions()
        alike = (charge_of(error), ts_us // DAY_US, case.has_commits)
        if (evidence := self._evidence.get(alike)) is None:
            entry_ms = int(accused.entry_ids[0].partition("-")[0])
            evidence = await self._store.gather_evidence(accused, entry_ms=entry_ms)
            if evidence is not Evidence.CAUSE_GONE:
                self._evidence[alike] = evidence
        return evidence

    async def _try_canary(self, decision: Decision) -> None:
        """Try a canary on a new session, as soon as the server accepts one. Raises PostgresError."""
        error, tries = decision.error, 0
        while True:
            await self._pauses.after(error, rows=decision.part.batch.rows)
            await self._store.aclose()
            tries += 1
            try:
                self._canary = await self._store.try_canary()
            except PostgresError as failure:
                if failure.session is not None or tries == self._connects_max:
                    raise
                # The server is away, or restarts: nothing else could be tried meanwhile.
                error = failure
            else:
                return


_QUESTIONS = frozenset({NextStep.ASK_SCHEMA, NextStep.GATHER_EVIDENCE, NextStep.TRY_CANARY})


def charge_of(error: PostgresError) -> Charge:
    """The kind of a refusal: two errors with the same charge are alike."""
    return Charge(error.sqlstate, error.constraint)


def _kind(error: PostgresError, route: WriteRoute) -> FailureKind:
    return kind_of(
        error.sqlstate,
        route=route,
        connection_usable=error.connection_usable,
        in_session=error.session is not None,
        awaits_standby=error.awaits_standby,
    )


def _after(part: Part[Batch], error: PostgresError, canary: Commit | None) -> Part[Batch]:
    """The part after a failure: its tries without an answer are counted."""
    if error.session is None:
        # Without a session it was not tried.
        return part
    if _kind(error, part.route) is not FailureKind.NO_ANSWER:
        return part if _kind(error, part.route) is FailureKind.REFUSAL else part.answered()
    is_behind = part.is_alone and canary is not None and canary.session == error.session
    return part.without_answer(behind_canary=is_behind)


def _after_question(case: Case, decision: Decision, canary: Commit | None) -> tuple[Case, Decision]:
    """The case after a question that failed with the decision's error."""
    if decision.step is NextStep.TRY_CANARY:
        part = decision.part.answered()
        return replace(case, canary_accepted=False), replace(decision, part=part)
    part = _after(decision.part, decision.error, canary)
    kind = _kind(decision.error, WriteRoute.INSERT_NEW)
    if kind is not FailureKind.NO_ANSWER:
        # No question is refused for the row's sake: such an error says nothing about it.
        kind = FailureKind.INFRASTRUCTURE
    case = replace(case, kind=kind, unanswered=part.unanswered, behind_canary=part.behind_canary)
    return case, replace(decision, part=part)


def _why(case: Case) -> str:
    if case.schema_stands is False:
        return SCHEMA_DIFFERS
    if case.is_epidemic:
        return "most rows are refused alike"
    return "the row passes when it is tried alone: what refused it is gone, or lies in COMMIT"
