"""What `status` shows of the table, over one session."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import trio

from processor.edges.postgres.operator_session import OperatorLimits, open_operator_session
from processor.errors import PostgresError
from processor.operating.status.facts import TableFacts

if TYPE_CHECKING:
    from processor.config.postgres_target import PostgresTarget
    from processor.edges.postgres.operator_session import OperatorSession

# The index on ts has it at once; without that index it would be a look at every row.
_NEWEST: Final = "SELECT max(ts) FROM public.positions WHERE NOT faulty"
_NEWEST_MS_MAX: Final = 1_500


def look_at_table(target: PostgresTarget, *, within_s: float) -> TableFacts:
    """Compare the table with the contract, and find its newest row. Raises PostgresError."""
    return trio.run(_look, target, within_s)


async def _look(target: PostgresTarget, within_s: float) -> TableFacts:
    with trio.move_on_after(within_s):
        async with open_operator_session(target, OperatorLimits()) as session:
            findings = await session.table_findings()
            return TableFacts(differences=findings.differences, newest_ts=await _newest(session))
    return TableFacts(error=f"{target.where}: no answer within {within_s:.0f} s")


async def _newest(session: OperatorSession) -> datetime | None:
    """None for an empty table, and where it cannot be read, or not quickly."""
    try:
        [(newest_ts,)] = await session.fetch(_NEWEST, limit_ms=_NEWEST_MS_MAX)
    except PostgresError:
        return None
    return newest_ts if isinstance(newest_ts, datetime) else None
