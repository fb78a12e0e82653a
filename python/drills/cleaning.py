"""Takes away what a drill has made, as far as the operator chose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from drills.polling import until
from drills.request import Rows

if TYPE_CHECKING:
    from drills.observed import DrillStream, DrillTable

# A killed service's last COPY may still commit; a server that is that busy is not waited for longer.
_SESSIONS_END_S_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was done."""

    rows: int
    """Rows removed or hidden."""
    sessions_left: int
    """Sessions of the service that were still there, and may write yet."""


async def clean(stream: DrillStream, table: DrillTable, rows: Rows) -> Cleaned:
    """Remove everything in Redis, and treat the rows as chosen, once no session can write more of them.

    The service must have ended. Idempotent. Raises EdgeError.
    """
    await trio.to_thread.run_sync(stream.remove)
    with trio.move_on_after(_SESSIONS_END_S_MAX):
        await until(partial(_is_gone, table))
    if rows is Rows.KEEP:
        return Cleaned(0, 0)
    changed = await (table.delete() if rows is Rows.DELETE else table.mark_faulty())
    return Cleaned(changed, await table.writers())


async def _is_gone(table: DrillTable) -> bool:
    return await table.writers() == 0
