"""What a drill of the processor would touch, and what it leaves: its stream and group, and its rows in the table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from drills.lives import until
from drills.processor.options import Rows
from drills.traces import DrillRefused, check_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from drills.identity import Identity
    from drills.processor.stream import DrillStream
    from drills.processor.table import DrillTable

# A killed service's last COPY may still commit; a server that needs longer for it is not waited for.
_SESSIONS_END_S_MAX = 10.0


@dataclass(frozen=True)
class ProcessorTraces:
    """What a drill uses and may leave; `say` writes a sentence for the operator."""

    identity: Identity
    stream: DrillStream
    table: DrillTable
    rows: Rows
    say: Callable[[str], None]

    @property
    def possible(self) -> str:
        """What to look for and remove by hand, for a message."""
        identity = self.identity
        return (
            f"what may be left: in Redis the keys {identity.stream}, {identity.dlq_stream} and {identity.attempts_key}"
            f" or the group {identity.group}; in positions the rows with device_id LIKE '{identity.imei_prefix}%'"
        )

    async def make(self) -> None:
        """Make the group, with the stream. Raises EdgeError."""
        await trio.to_thread.run_sync(self.stream.create_group)

    async def remove(self) -> None:
        """Remove everything in Redis, and treat the rows as chosen once no session can write more of them.

        The service must have ended. Idempotent. A cancellation does not wait for a statement. Raises EdgeError.
        """
        table = self.table
        await trio.to_thread.run_sync(self.stream.remove)
        with trio.move_on_after(_SESSIONS_END_S_MAX):
            await until(partial(_is_unused, table))
        if self.rows is Rows.KEEP:
            return
        change = table.delete if self.rows is Rows.DELETE else table.mark_faulty
        await trio.to_thread.run_sync(change, abandon_on_cancel=True)
        if writers := await trio.to_thread.run_sync(table.writers, abandon_on_cancel=True):
            self.say(
                f"{writers} sessions of the service are still open and may write yet; {self.possible}"
            )


async def check(traces: ProcessorTraces, *, force: bool) -> None:
    """Make sure that the drill touches and leaves only what the operator allows. Raises DrillRefused, EdgeError."""
    await check_stream(traces.stream, traces.identity.stream, force=force)
    role = await trio.to_thread.run_sync(traces.table.role_without_delete)
    if role and traces.rows is Rows.DELETE:
        raise DrillRefused(
            f"the role {role} may not delete the drill's rows afterwards. Set POSTGRES_ADMIN_URL to a role that may,"
            " or choose --rows mark-faulty (they stay, hidden from readers) or --rows keep"
        )


async def _is_unused(table: DrillTable) -> bool:
    return await trio.to_thread.run_sync(table.writers, abandon_on_cancel=True) == 0
