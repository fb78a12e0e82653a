"""What a failed write means, and what the writer does about it: one table, read from the top.

It is rule 2 of the delivery rules. A failure belongs to a record, to the table, or to the infrastructure,
and evidence decides: a SQLSTATE alone does not, since 54000 is a row too large and transaction ids used
up, 23514 a value out of range and a missing partition. Classes are those of PostgreSQL's documentation,
appendix A, "PostgreSQL Error Codes".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class FailureKind(Enum):
    """What a failure can be about."""

    LOST_RACE = "lost_race"
    """Somebody else committed one of the keys first."""
    INFRASTRUCTURE = "infrastructure"
    """The server, the network or another transaction failed. Nothing is known about the batch."""
    NO_ANSWER = "no_answer"
    """No answer, a lost session, or a limit of time or memory: the infrastructure's, unless a canary is accepted."""
    REFUSAL = "refusal"
    """The server is there, and refuses: the record's or the table's."""


class Evidence(Enum):
    """What the server did with copies of sound rows in the place of a refused row, and with that row beside them."""

    RECORD = "record"
    """A copy was accepted at the refused row's time, and the row was refused beside it."""
    TIME = "time"
    """Copies were refused at the refused row's time and accepted at their own, and the row is old: its ts is to
    blame."""
    TABLE = "table"
    """Every copy was refused."""
    CAUSE_GONE = "cause_gone"
    """A copy was accepted, and the row too: the cause is gone, or lies in COMMIT."""


class WriteRoute(Enum):
    """How a batch is written."""

    DIRECT = "direct"
    """By COPY: one key that is in the table fails all of it."""
    INSERT_NEW = "insert_new"
    """By INSERT, which leaves out keys that are in the table."""


class NextStep(Enum):
    """What the writer does with a part that was not committed. The first three ask something, and then ask again."""

    ASK_SCHEMA = "ask_schema"
    """Look whether the table is still what it should be."""
    GATHER_EVIDENCE = "gather_evidence"
    """Have the server judge copies of sound rows beside the only row."""
    TRY_CANARY = "try_canary"
    """After a pause and on a new session, see whether the server takes a row and confirms a commit."""
    INSERT_NEW = "insert_new"
    """Write it again at once by INSERT, which leaves out keys that are in the table."""
    SPLIT = "split"
    """Write its halves apart."""
    TRY_AGAIN = "try_again"
    """Write its only row again, at once and on the canary's session."""
    REFUSE = "refuse"
    """Count a failure of its only record."""
    SET_ASIDE = "set_aside"
    """The table's fault: leave the record pending without an attempt if a neighbour commits, else hold all."""
    DOUBT = "doubt"
    """No culprit is found, and it was refused: the others first, then once more after a pause, never counted."""
    RETRY = "retry"
    """Write it again after a pause, and behind the others if the infrastructure failed it."""
    HOLD = "hold"
    """Count nothing; after a pause write all that is not committed again, and what waits beside it."""


INFRASTRUCTURE_CLASSES: Final = frozenset(
    {
        "08",  # connection exception
        "25",  # invalid transaction state: a standby is read-only
        "28",  # invalid authorization specification
        "3D",  # invalid catalog name: the database is unknown
        "40",  # transaction rollback: deadlock, serialization
        "53",  # insufficient resources
        "55",  # object not in prerequisite state: a lock is not available
        "57",  # operator intervention: shutdown, cancelled statement
        "58",  # system error
    }
)
"""The classes that are never about a row, with the exceptions below."""

CONTENTION_CLASSES: Final = ("40", "55")
"""Another transaction was in the way; the session is as good as before."""

CONNECTION_CLASS: Final = "08"
TABLE_CLASS: Final = "42"
"""Syntax error or access rule violation: the owner may be migrating."""

PROTOCOL_VIOLATION: Final = "08P01"
UNIQUE_VIOLATION: Final = "23505"

LIMITS: Final = frozenset({"57014", "53200", "53400"})
"""Failures that a smaller batch may avoid: the statement took too long, memory was short, or a limit was exceeded,
such as the one on tuples to decompress."""
ENDED_SESSIONS: Final = frozenset({"57P01", "57P02"})
"""The session was ended by an operator, or by a crash of another session. The rows being written may be the cause."""

UNANSWERED_MAX: Final = 3
"""Tries in a row without an answer before a part is suspected, and behind canaries before a row is convicted."""


def kind_of(
    sqlstate: str | None,
    *,
    route: WriteRoute,
    connection_usable: bool,
    in_session: bool,
    awaits_standby: bool = False,
) -> FailureKind:
    """What a failure can be about; `sqlstate` is None when the connection was lost or time ran out.

    `in_session` is False if no session could be opened. That never blames a batch, and neither does waiting
    for a standby.
    """
    if not in_session or awaits_standby:
        return FailureKind.INFRASTRUCTURE
    if sqlstate is None or sqlstate in LIMITS:
        return FailureKind.NO_ANSWER
    if not connection_usable:
        return (
            FailureKind.INFRASTRUCTURE if _cannot_be_the_rows(sqlstate) else FailureKind.NO_ANSWER
        )
    if sqlstate == UNIQUE_VIOLATION and route is WriteRoute.DIRECT:
        # COPY knows no ON CONFLICT: the key is in the table, which is no fault of the record.
        return FailureKind.LOST_RACE
    return FailureKind.REFUSAL if is_refusal(sqlstate) else FailureKind.INFRASTRUCTURE


def is_refusal(sqlstate: str) -> bool:
    """Whether a server that is still answering refused what it was sent, and is not in trouble itself."""
    # 08P01: a binary field of the wrong size. The server refused the row, the conversation goes on.
    return sqlstate == PROTOCOL_VIOLATION or sqlstate[:2] not in INFRASTRUCTURE_CLASSES


def _cannot_be_the_rows(sqlstate: str) -> bool:
    """Whether the server ended the session for a reason that no row can cause."""
    is_lost = sqlstate.startswith(CONNECTION_CLASS) or sqlstate in ENDED_SESSIONS
    return sqlstate[:2] in INFRASTRUCTURE_CLASSES and not is_lost


@dataclass(frozen=True, slots=True)
class Case:
    """A failed part of a batch, and what is known about it. None: not asked yet."""

    kind: FailureKind
    is_alone: bool
    """It is one row."""
    has_commits: bool = False
    """Neighbours of the same batch were committed."""
    speaks_of_table: bool = False
    """The error is one that a changed table or a missing privilege causes."""
    schema_stands: bool | None = None
    is_epidemic: bool = False
    """Most rows so far were refused alike, of several devices."""
    evidence: Evidence | None = None
    unanswered: int = 0
    """Tries of this part without an answer in a row, this one included."""
    is_suspected: bool = False
    """Its size is under suspicion already: the last one that was too large is not long ago."""
    behind_canary: int = 0
    """As `unanswered`, right behind a canary that was accepted on the same session."""
    canary_accepted: bool | None = None

    @property
    def may_pass(self) -> bool:
        """Whether it is too soon to suspect the part: the trouble may pass, and the part is tried as it is."""
        return not self.is_suspected and self.unanswered < UNANSWERED_MAX

    @property
    def is_convicted(self) -> bool:
        """Whether it had no answer often enough while the server was well."""
        return self.behind_canary >= UNANSWERED_MAX


_REFUSAL, _NO_ANSWER = FailureKind.REFUSAL, FailureKind.NO_ANSWER

TABLE: Final[tuple[tuple[FailureKind, Mapping[str, object], NextStep], ...]] = (
    (FailureKind.LOST_RACE, {}, NextStep.INSERT_NEW),
    (FailureKind.INFRASTRUCTURE, {}, NextStep.RETRY),
    # Is it the size, or a row that nothing survives? A canary before and after each try shows which.
    (_NO_ANSWER, {"is_alone": True, "is_convicted": True}, NextStep.REFUSE),
    (_NO_ANSWER, {"canary_accepted": False}, NextStep.RETRY),
    (_NO_ANSWER, {"canary_accepted": True, "is_alone": False}, NextStep.SPLIT),
    (_NO_ANSWER, {"canary_accepted": True}, NextStep.TRY_AGAIN),
    (_NO_ANSWER, {"may_pass": True}, NextStep.RETRY),
    (_NO_ANSWER, {}, NextStep.TRY_CANARY),
    # Is it the table as a whole, or this row?
    (_REFUSAL, {"schema_stands": False}, NextStep.HOLD),
    (_REFUSAL, {"schema_stands": None, "speaks_of_table": True}, NextStep.ASK_SCHEMA),
    (_REFUSAL, {"is_alone": False}, NextStep.SPLIT),
    (_REFUSAL, {"schema_stands": None, "has_commits": False}, NextStep.ASK_SCHEMA),
    (_REFUSAL, {"is_epidemic": True}, NextStep.HOLD),
    (_REFUSAL, {"evidence": None}, NextStep.GATHER_EVIDENCE),
    (_REFUSAL, {"evidence": Evidence.CAUSE_GONE}, NextStep.DOUBT),
    (_REFUSAL, {"evidence": Evidence.TABLE}, NextStep.SET_ASIDE),
    (_REFUSAL, {"evidence": Evidence.RECORD}, NextStep.REFUSE),
    (_REFUSAL, {"evidence": Evidence.TIME}, NextStep.REFUSE),
)
"""What a failure is about, what else must hold, and what is done: the first row that fits."""


def next_step(case: Case) -> NextStep:
    """What to do about a failed part, by the table."""
    return next(
        step
        for kind, conditions, step in TABLE
        if case.kind is kind
        and all(getattr(case, name) == value for name, value in conditions.items())
    )


def speaks_of_table(sqlstate: str | None) -> bool:
    """Whether the error suggests that the table has changed, perhaps in a migration."""
    return sqlstate is not None and sqlstate.startswith(TABLE_CLASS)


def wants_new_session(sqlstate: str | None) -> bool:
    """Whether the failure may be this session's: a server that became read-only stays so for it."""
    return sqlstate is None or sqlstate[:2] not in CONTENTION_CLASSES
