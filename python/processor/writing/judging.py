"""Says what is to be done about a failed write, and asks the server what has to be known for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from processor.core.evidence import Evidence
from processor.core.parts import Charge, Part
from processor.core.write_errors import (
    Case,
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


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to be done about a failed part, and why."""

    step: NextStep
    part: Part[Batch]
    """The part, with what is known of it now."""
    error: PostgresError
    """The last one: of the write, or of a question about it."""
    why: str
    """Of a HOLD or a DOUBT, in words."""
    kind: FailureKind


class Judging:
    """The questions that one session can answer, and the answers that hold until a batch is through."""

    def __init__(
        self, store: PositionStore, pauses: Pauses, *, connects_max: int | None = None
    ) -> None:
        """A canary is given up after `connects_max` tries to connect; None: it waits for the server."""
        self._store = store
        self._pauses = pauses
        self._connects_max = connects_max
        self._canary: Commit | None = None
        self._schema_stands: bool | None = None
        # By what was refused, the day of the row, and whether the batch had commits then: the table may have
        # been empty before.
        self._verdicts: dict[tuple[Charge, int, bool], Evidence] = {}

    def begin(self) -> None:
        """Another batch, or the same one again: nothing is known."""
        self._canary = None
        self._schema_stands = None
        self._verdicts.clear()

    def take_canary(self) -> Commit | None:
        """The canary that was accepted just now: what is written next comes right behind it."""
        canary, self._canary = self._canary, None
        return canary

    async def rule(
        self,
        part: Part[Batch],
        error: PostgresError,
        *,
        canary: Commit | None,
        is_suspected: bool,
        has_commits: bool,
        charge: Callable[[], bool] = lambda: False,
    ) -> Ruling:
        """Find out what to do about a part; `canary` is what it was written right behind.

        `charge` takes note of a refused row that stands alone, and says whether there are too many.
        Nothing but a canary takes a pause, in which the session is given up.
        """
        part = _after(part, error, canary)
        kind = _kind(error, part.path)
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
        ruling = Ruling(next_step(case), part, error, "", case.kind)
        while ruling.step in _QUESTIONS:
            case, ruling = await self._ask(case, ruling, canary)
            ruling = replace(ruling, step=next_step(case), kind=case.kind)
        is_held = ruling.step in {NextStep.HOLD, NextStep.DOUBT}
        return replace(ruling, why=_why(case)) if is_held else ruling

    async def _ask(self, case: Case, ruling: Ruling, canary: Commit | None) -> tuple[Case, Ruling]:
        """One question: the case with its answer, or with a failure in the place of the first one."""
        try:
            match ruling.step:
                case NextStep.ASK_SCHEMA:
                    mismatch = await self._mismatch()
                    self._schema_stands = mismatch is None
                    ruling = replace(ruling, error=mismatch or ruling.error)
                    return replace(case, schema_stands=self._schema_stands), ruling
                case NextStep.TRY_CANARY:
                    await self._try_canary(ruling)
                    return replace(case, canary_accepted=True), ruling
                case _:
                    evidence = await self._evidence(case, ruling.part, ruling.error)
                    return replace(case, evidence=evidence), ruling
        except PostgresError as error:
            if ruling.step is NextStep.TRY_CANARY:
                part = ruling.part.answered()
                return replace(case, canary_accepted=False), replace(ruling, error=error, part=part)
            part = _after(ruling.part, error, canary)
            # A question is not refused: whatever this is, it says nothing about the row.
            kind = _kind(error, WriteRoute.STAGED)
            kind = (
                FailureKind.NO_ANSWER
                if kind is FailureKind.NO_ANSWER
                else FailureKind.INFRASTRUCTURE
            )
            case = replace(
                case, kind=kind, unanswered=part.unanswered, behind_canary=part.behind_canary
            )
            return case, replace(ruling, error=error, part=part)

    async def _mismatch(self) -> PostgresError | None:
        try:
            await self._store.check_schema()
        except SchemaMismatch as mismatch:
            where = self._store.where
            return PostgresError(str(mismatch), where=where, sqlstate=None, connection_usable=True)
        return None

    async def _evidence(self, case: Case, part: Part[Batch], error: PostgresError) -> Evidence:
        _, accused = part.batch.take_out(0)
        # It has one record.
        [(_, ts_us, _, _)] = accused.newest_positions()
        matter = (charge_of(error), ts_us // DAY_US, case.has_commits)
        if (verdict := self._verdicts.get(matter)) is None:
            entry_ms = int(accused.entry_ids[0].partition("-")[0])
            verdict = await self._store.gather_evidence(accused, entry_ms=entry_ms)
            if verdict is not Evidence.CAUSE_GONE:
                self._verdicts[matter] = verdict
        return verdict

    async def _try_canary(self, ruling: Ruling) -> None:
        """Have a canary accepted on a new session, as soon as there is one. Raises PostgresError."""
        error, tries = ruling.error, 0
        while True:
            await self._pauses.after(error, rows=ruling.part.batch.rows)
            await self._store.aclose()
            tries += 1
            try:
                self._canary = await self._store.try_canary()
            except PostgresError as failure:
                if failure.session is not None or tries == self._connects_max:
                    raise
                # The server is away, or starts again: as long as it does, nothing else could be tried.
                error = failure
            else:
                return


_QUESTIONS = frozenset({NextStep.ASK_SCHEMA, NextStep.GATHER_EVIDENCE, NextStep.TRY_CANARY})


def charge_of(error: PostgresError) -> Charge:
    """What makes two refusals alike."""
    return Charge(error.sqlstate, error.constraint)


def _kind(error: PostgresError, path: WriteRoute) -> FailureKind:
    return kind_of(
        error.sqlstate,
        path=path,
        connection_usable=error.connection_usable,
        in_session=error.session is not None,
        awaits_standby=error.awaits_standby,
    )


def _after(part: Part[Batch], error: PostgresError, canary: Commit | None) -> Part[Batch]:
    """The part with what a failure adds to its tries without an answer."""
    if error.session is None:
        # It was not tried.
        return part
    if _kind(error, part.path) is not FailureKind.NO_ANSWER:
        return part if _kind(error, part.path) is FailureKind.REFUSAL else part.answered()
    is_behind = part.is_alone and canary is not None and canary.session == error.session
    return part.without_answer(behind_canary=is_behind)


def _why(case: Case) -> str:
    if case.schema_stands is False:
        return "the schema is not what it should be"
    if case.is_epidemic:
        return "most rows are refused alike"
    return "the row passes when it is tried alone: what refused it is gone, or lies in COMMIT"
