"""What a failed write means, by SQLSTATE: whose fault it was, and what the writer does next.

The table is rule 2 of the delivery rules. Classes are those of PostgreSQL's documentation,
appendix A, "PostgreSQL Error Codes".
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import Final


class Cause(Enum):
    """Whose failure it was."""

    RECORD = "record"
    """The server refuses a record for its own sake; only this counts towards the dead letter."""
    WORLD = "world"
    """Nothing is known about the records: the batch stays in hand."""
    LOST_RACE = "lost_race"
    """Somebody else committed one of the keys first."""
    UNDECIDED = "undecided"
    """The record's if a neighbour of the same batch commits, else the world's."""


class Path(Enum):
    """How the batch was being written."""

    DIRECT = "direct"
    STAGED = "staged"


class Step(Enum):
    """What the writer does with a batch that was not committed."""

    RETRY = "retry"
    """Write it again after a back-off, on a new connection if the old one is lost."""
    STAGE = "stage"
    """Write it again at once through the staging table."""
    SPLIT = "split"
    """Write its halves apart: the neighbours of a refused row are committed."""
    REFUSE = "refuse"
    """Record the failure of its only row, and leave that pending."""
    DOUBT = "doubt"
    """Set its only row aside until it is known whether a neighbour commits."""


_R, _W, _U = Cause.RECORD, Cause.WORLD, Cause.UNDECIDED

CAUSE_BY_CLASS: Final = MappingProxyType(
    {
        "00": _U,  # successful completion
        "01": _U,  # warning
        "02": _U,  # no data
        "03": _U,  # SQL statement not yet complete
        "08": _W,  # connection exception
        "09": _U,  # triggered action exception
        "0A": _U,  # feature not supported
        "0B": _U,  # invalid transaction initiation
        "0F": _U,  # locator exception
        "0L": _U,  # invalid grantor
        "0P": _U,  # invalid role specification
        "0Z": _U,  # diagnostics exception
        "10": _U,  # XQuery error
        "20": _U,  # case not found
        "21": _U,  # cardinality violation
        "22": _R,  # data exception
        "23": _R,  # integrity constraint violation
        "24": _U,  # invalid cursor state
        "25": _W,  # invalid transaction state: a standby is read-only
        "26": _U,  # invalid SQL statement name
        "27": _U,  # triggered data change violation
        "28": _W,  # invalid authorization specification
        "2B": _U,  # dependent privilege descriptors still exist
        "2D": _U,  # invalid transaction termination
        "2F": _U,  # SQL routine exception
        "34": _U,  # invalid cursor name
        "38": _U,  # external routine exception
        "39": _U,  # external routine invocation exception
        "3B": _U,  # savepoint exception
        "3D": _W,  # invalid catalog name: the database is unknown
        "3F": _U,  # invalid schema name
        "40": _W,  # transaction rollback: deadlock, serialization
        "42": _W,  # syntax error or access rule violation: the owner may be migrating
        "44": _U,  # WITH CHECK OPTION violation
        "53": _W,  # insufficient resources
        "54": _R,  # program limit exceeded
        "55": _W,  # object not in prerequisite state: a lock is not available
        "57": _W,  # operator intervention: shutdown, cancelled statement
        "58": _W,  # system error
        "72": _U,  # snapshot failure
        "F0": _U,  # configuration file error
        "HV": _U,  # foreign data wrapper error
        "P0": _R,  # PL/pgSQL error: a trigger raised it
        "XX": _U,  # internal error
    }
)

PROTOCOL_VIOLATION: Final = "08P01"
UNIQUE_VIOLATION: Final = "23505"

CONTENTION_CLASSES: Final = ("40", "55")
"""Another transaction was in the way; the session is as good as before."""

SCHEMA_DOUBTS: Final = frozenset({"42P01", "42703", "42P10", "42501"})
"""No such table, no such column, no key for ON CONFLICT, no privilege."""

SIZE_BOUND: Final = frozenset({"57014", "53200", "53400"})
"""The world's failures that a smaller batch may escape: the statement took too long, memory was short,
or a limit was exceeded, such as the one on tuples to decompress."""
FAILURES_BEFORE_HALVING: Final = 3
"""In a row: a stall that passes is waited for with the batch as it is."""


def cause_of(sqlstate: str | None, *, path: Path, connection_usable: bool) -> Cause:
    """Whose failure it was; `sqlstate` is None when the connection was lost or time ran out."""
    if sqlstate is None:
        return Cause.WORLD
    if sqlstate == UNIQUE_VIOLATION and path is Path.DIRECT:
        # COPY knows no ON CONFLICT: the key is in the table, which is no fault of the record.
        return Cause.LOST_RACE
    if sqlstate == PROTOCOL_VIOLATION and connection_usable:
        # A binary field of the wrong size: the server refused the row, the conversation goes on.
        return Cause.RECORD
    return CAUSE_BY_CLASS.get(sqlstate[:2], Cause.UNDECIDED)


def next_step(cause: Cause, *, rows: int) -> Step:
    """What to do with a failed batch of `rows` rows."""
    match cause:
        case Cause.WORLD:
            return Step.RETRY
        case Cause.LOST_RACE:
            return Step.STAGE
        case Cause.RECORD:
            return Step.SPLIT if rows > 1 else Step.REFUSE
        case Cause.UNDECIDED:
            return Step.SPLIT if rows > 1 else Step.DOUBT


def doubts_the_schema(sqlstate: str | None) -> bool:
    """Whether the table may have changed under us: the owner may be migrating it."""
    return sqlstate in SCHEMA_DOUBTS


def is_halved(sqlstate: str | None, *, failures: int, rows: int) -> bool:
    """Whether a batch that is to be retried after so many failures in a row is retried in halves."""
    return sqlstate in SIZE_BOUND and failures >= FAILURES_BEFORE_HALVING and rows > 1


def wants_new_session(sqlstate: str | None) -> bool:
    """Whether the world's failure may be this session's: a server that became read-only stays so for it."""
    return sqlstate is None or sqlstate[:2] not in CONTENTION_CLASSES
