"""Hold a drill, and clean up after it, however it ends.

A signal ends the drill at any moment, a second one the clean-up.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Protocol, TypeVar

import trio

from telemetry.chassis.errors import EdgeError, RedisRefused, TelemetryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Result = TypeVar("Result")


class DrillRefused(TelemetryError):
    """The drill would touch what is not its own, or leave something behind, and the operator did not allow it."""


class OwnStream(Protocol):
    """The stream of a drill. Blocks."""

    def in_use(self) -> str | None:
        """What is on the stream already, for a message; None if nothing. Raises EdgeError."""


class Traces(Protocol):
    """What a drill uses and may leave."""

    @property
    def possible(self) -> str:
        """What to look for and remove by hand, for a message."""

    @property
    def say(self) -> Callable[[str], None]:
        """Write a sentence for the operator."""

    async def make(self) -> None:
        """Make what the drill needs. Raises EdgeError."""

    async def remove(self) -> None:
        """Remove what the drill made; the service must have ended. Idempotent. Raises EdgeError."""


async def check_stream(stream: OwnStream, name: str, *, force: bool) -> None:
    """Make sure that the stream is the drill's own, or may be used all the same. Raises DrillRefused, EdgeError."""
    try:
        use = await trio.to_thread.run_sync(stream.in_use)
    except RedisRefused as error:
        if error.code != "NOPERM":
            raise
        raise DrillRefused(
            f"{error}. The drill makes and deletes a stream of its own, which the service's user may not: set"
            " REDIS_ADMIN_URL to a user that may, as in deploy/redis/drill.acl"
        ) from None
    if use and not force:
        raise DrillRefused(
            f"the stream {name} is in use: {use}. Leave out --stream for one of the drill's"
            " own, or add --force: then the entries of the drill stay in it, and its other groups read them too"
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
                await traces.make()
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
        await traces.remove()
    except EdgeError as error:
        traces.say(f"the clean-up failed: {error}; {traces.possible}")


async def _cancel_in_turn(
    signals: AsyncIterator[int], scopes: tuple[trio.CancelScope, ...]
) -> None:
    remaining = iter(scopes)
    async for _ in signals:
        next(remaining, scopes[-1]).cancel()
