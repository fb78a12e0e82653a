"""A drill from its checks to its clean-up: a signal ends the drill at any moment, a second one the clean-up."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from drills.cleaning import clean
from drills.errors import DrillRefused
from drills.request import Rows
from telemetry.chassis.errors import EdgeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from drills.identity import Identity
    from drills.observed import DrillStream, DrillTable
    from drills.result import Result

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Session:
    """What a drill works with, and how it speaks to the operator."""

    identity: Identity
    stream: DrillStream
    table: DrillTable
    rows: Rows
    tell: Callable[[str], None]

    @property
    def what_may_be_left(self) -> str:
        """What to remove by hand."""
        identity = self.identity
        return (
            f"what may be left: in Redis the keys {identity.stream}, {identity.dlq_stream} and {identity.attempts_key}"
            f" or the group {identity.group}; in positions the rows with device_id LIKE '{identity.imei_prefix}%'"
        )


async def check(session: Session, *, force: bool) -> None:
    """Make sure that the drill touches and leaves nothing that it was not told to. Raises DrillRefused, EdgeError."""
    use = await trio.to_thread.run_sync(session.stream.in_use)
    if use and not force:
        raise DrillRefused(
            f"the stream {session.identity.stream} is in use: {use}. Leave out --stream for one of the drill's"
            " own, or add --force: then the entries of the drill stay in it, and its other groups read them too"
        )
    role = await session.table.role_without_delete()
    if role and session.rows is Rows.DELETE:
        raise DrillRefused(
            f"the role {role} may not delete the drill's rows afterwards. Set POSTGRES_ADMIN_URL to a role that may,"
            " or choose --rows mark-faulty (they stay, hidden from readers) or --rows keep"
        )


async def hold(
    session: Session,
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
                await trio.to_thread.run_sync(session.stream.create_group)
                result = await conduct()
        finally:
            with cleaning:
                await _clean_up(session)
            if cleaning.cancelled_caught:
                session.tell(f"the clean-up was interrupted; {session.what_may_be_left}")
            nursery.cancel_scope.cancel()
    return result


async def _clean_up(session: Session) -> None:
    try:
        cleaned = await clean(session.stream, session.table, session.rows)
    except EdgeError as error:
        session.tell(f"the clean-up failed: {error}; {session.what_may_be_left}")
        return
    if cleaned.sessions_left:
        session.tell(
            f"{cleaned.sessions_left} sessions of the service are still there and may write yet;"
            f" {session.what_may_be_left}"
        )


async def _cancel_in_turn(
    signals: AsyncIterator[int], scopes: tuple[trio.CancelScope, ...]
) -> None:
    remaining = iter(scopes)
    async for _ in signals:
        next(remaining, scopes[-1]).cancel()
