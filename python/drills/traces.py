"""Check before a drill what it would touch, and clean up after it, however it ends.

A signal ends the drill at any moment, a second one the clean-up.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from drills.lives import until
from drills.plan import Rows
from telemetry.chassis.errors import EdgeError, RedisRefused, TelemetryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from drills.identity import Identity
    from drills.result import Result
    from drills.stream import DrillStream
    from drills.table import DrillTable

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A killed service's last COPY may still commit; a server that needs longer for it is not waited for.
_SESSIONS_END_S_MAX = 10.0


class DrillRefused(TelemetryError):
    """The drill would touch what is not its own, or leave something behind, and the operator did not allow it."""


@dataclass(frozen=True)
class Traces:
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


async def check(traces: Traces, *, force: bool) -> None:
    """Make sure that the drill touches and leaves only what the operator allows. Raises DrillRefused, EdgeError."""
    try:
        use = await trio.to_thread.run_sync(traces.stream.in_use)
    except RedisRefused as error:
        if error.code != "NOPERM":
            raise
        raise DrillRefused(
            f"{error}. The drill makes and deletes a stream of its own, which the service's user may not: set"
            " REDIS_ADMIN_URL to a user that may, as in deploy/redis/drill.acl"
        ) from None
    if use and not force:
        raise DrillRefused(
            f"the stream {traces.identity.stream} is in use: {use}. Leave out --stream for one of the drill's"
            " own, or add --force: then the entries of the drill stay in it, and its other groups read them too"
        )
    role = await trio.to_thread.run_sync(traces.table.role_without_delete)
    if role and traces.rows is Rows.DELETE:
        raise DrillRefused(
            f"the role {role} may not delete the drill's rows afterwards. Set POSTGRES_ADMIN_URL to a role that may,"
            " or choose --rows mark-faulty (they stay, hidden from readers) or --rows keep"
        )


async def hold(
    traces: Traces,
    conduct: Callable[[], Awaitable[Result]],
    signals: AsyncIterator[int],
) -> Result | None:
    """Conduct the drill and clean up after it, however it ends; None if it was interrupted.

    Raises what `conduct` raises.
    """
    drilling, cleaning = trio.CancelScope(), trio.CancelScope(shield=True)
    result: Result | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_in_turn, signals, (drilling, cleaning))
        try:
            with drilling:
                await trio.to_thread.run_sync(traces.stream.create_group)
                result = await conduct()
        finally:
            with cleaning:
                await _clean_up(traces)
            if cleaning.cancelled_caught:
                traces.say(f"the clean-up was interrupted; {traces.possible}")
            nursery.cancel_scope.cancel()
    return result


async def _clean_up(traces: Traces) -> None:
    try:
        await _remove(traces)
    except EdgeError as error:
        traces.say(f"the clean-up failed: {error}; {traces.possible}")


async def _remove(traces: Traces) -> None:
    """Remove everything in Redis, and treat the rows as chosen once no session can write more of them.

    The service must have ended. Idempotent. A cancellation does not wait for a statement. Raises EdgeError.
    """
    table = traces.table
    await trio.to_thread.run_sync(traces.stream.remove)
    with trio.move_on_after(_SESSIONS_END_S_MAX):
        await until(partial(_is_unused, table))
    if traces.rows is Rows.KEEP:
        return
    change = table.delete if traces.rows is Rows.DELETE else table.mark_faulty
    await trio.to_thread.run_sync(change, abandon_on_cancel=True)
    if writers := await trio.to_thread.run_sync(table.writers, abandon_on_cancel=True):
        traces.say(
            f"{writers} sessions of the service are still open and may write yet; {traces.possible}"
        )


async def _is_unused(table: DrillTable) -> bool:
    return await trio.to_thread.run_sync(table.writers, abandon_on_cancel=True) == 0


async def _cancel_in_turn(
    signals: AsyncIterator[int], scopes: tuple[trio.CancelScope, ...]
) -> None:
    remaining = iter(scopes)
    async for _ in signals:
        next(remaining, scopes[-1]).cancel()
