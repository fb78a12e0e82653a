"""Run, one life of the service under test: started, struck by the round's fault, and followed to its end."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import trio

from drills.observed import LeftPending, Life
from drills.plan import Fault, Round
from drills.service import DrillFailed, RunningService
from telemetry.chassis.errors import ConfigError
from telemetry.chassis.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from drills.launch import Launcher
    from drills.relay import Relay

# A busy machine takes seconds to load Python, an engine as long to make a container.
_READY_S_MAX = 60.0
# Beyond SHUTDOWN_TIMEOUT_MS, when the service should have ended itself.
_END_S_MAX = 3.0
_PROBE_S = 0.02


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Return as soon as `holds` is true; the caller bounds the wait."""
    while not await holds():  # noqa: ASYNC110 - the servers announce no change
        await trio.sleep(_PROBE_S)


@dataclass(frozen=True, slots=True)
class Stop:
    """How a life was brought to its end."""

    ended_early: bool = False
    """It had ended before anything was done to it."""
    drain_ms: float | None = None
    """From the stop request to its end; None without a stop request, or when it had to be killed."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One of the names under which the service lives."""

    consumer: str
    environment: Mapping[str, str]


class PendingLists(Protocol):
    """What consumers of the stream have not settled. Blocks."""

    def released(self) -> bool:
        """Whether a released entry waits to be claimed."""

    def left_by(self, consumer: str) -> LeftPending:
        """What is pending under the name of a consumer that has ended."""


class NothingPending:
    """The pending lists of a service that consumes nothing."""

    def released(self) -> bool:
        """Nothing is ever released."""
        return False

    def left_by(self, _consumer: str) -> LeftPending:
        """Nothing is ever left."""
        return LeftPending()


class Lives:
    """Starts the service again and again. `relay` stands before the server that freezes; None if no server does."""

    def __init__(
        self,
        launcher: Launcher,
        pending: PendingLists,
        relay: Relay | None,
        *,
        shutdown_timeout_ms: int,
    ) -> None:
        self._launcher = launcher
        self._pending = pending
        self._relay = relay
        self.was_ready = trio.Event()
        """Set once the first life is ready."""
        self.has_load = trio.Event()
        """No life is struck before: set it where the load begins behind the first life's readiness."""
        self._end_s_max = shutdown_timeout_ms / 1000 + _END_S_MAX

    async def of_round(self, plan: Round, instance: Instance, fault: Fault) -> Life:
        """A life that ends by the round's fault.

        Raises DrillFailed when it does not become ready, ConfigError when its configuration is why.
        """

        async def strike(service: RunningService) -> Stop:
            return await self._strike(service, plan, fault)

        return await self._live(plan.number, instance, fault, strike)

    async def last(
        self, number: int, instance: Instance, settled: Callable[[], Awaitable[object]]
    ) -> Life:
        """A life that is stopped after `settled` has returned."""

        async def stop(service: RunningService) -> Stop:
            async with trio.open_nursery() as waiting:
                waiting.start_soon(_cancel_at_the_end, service, waiting.cancel_scope)
                await settled()
                waiting.cancel_scope.cancel()
            if service.ended.is_set():
                return Stop(ended_early=True)
            return await self._signal(service, signal.SIGTERM)

        return await self._live(number, instance, None, stop)

    async def _live(
        self,
        number: int,
        instance: Instance,
        fault: Fault | None,
        end: Callable[[RunningService], Awaitable[Stop]],
    ) -> Life:
        is_waiting = await trio.to_thread.run_sync(self._pending.released)
        service = RunningService(
            self._launcher, f"{instance.consumer}-life-{number}", instance.environment
        )
        takeover = _Takeover(self._pending)
        async with trio.open_nursery() as living:
            living.start_soon(service.run)
            await until_ready(service)
            self.was_ready.set()
            if is_waiting:
                living.start_soon(takeover.watch)
            try:
                stop = await end(service)
            finally:
                if self._relay:
                    self._relay.thaw()
            living.cancel_scope.cancel()
        return Life(
            round=number,
            consumer=instance.consumer,
            fault=fault,
            exit_code=service.exit_code,
            ended_early=stop.ended_early,
            drain_ms=stop.drain_ms,
            last_line=service.last_line,
            left=await trio.to_thread.run_sync(self._pending.left_by, instance.consumer),
            inserted=service.inserted,
            takeover_ms=takeover.took_ms,
        )

    async def _strike(self, service: RunningService, plan: Round, fault: Fault) -> Stop:
        async with trio.open_nursery() as waiting:
            waiting.start_soon(_cancel_at_the_end, service, waiting.cancel_scope)
            await self.has_load.wait()
            waiting.cancel_scope.cancel()
        await _pause(service, plan.fault_after_ms)
        if fault.freezes:
            assert self._relay is not None
            self._relay.freeze()
            await _pause(service, plan.signal_after_ms)
        if service.ended.is_set():
            return Stop(ended_early=True)
        if fault is Fault.KILL9:
            await service.send(signal.SIGKILL)
            await service.ended.wait()
            return Stop()
        async with trio.open_nursery() as thawing:
            if plan.thaw_after_ms is not None:
                thawing.start_soon(self._thaw, plan.thaw_after_ms)
            stop = await self._signal(service, signal.SIGTERM)
            thawing.cancel_scope.cancel()
        return stop

    async def _signal(self, service: RunningService, number: signal.Signals) -> Stop:
        asked_at = trio.current_time()
        await service.send(number)
        with trio.move_on_after(self._end_s_max) as patience:
            await service.ended.wait()
        if patience.cancelled_caught:
            await service.send(signal.SIGKILL)
            await service.ended.wait()
            return Stop()
        return Stop(drain_ms=(service.ended_at - asked_at) * 1000)

    async def _thaw(self, after_ms: float) -> None:
        await trio.sleep(after_ms / 1000)
        assert self._relay is not None
        self._relay.thaw()


class _Takeover:
    """Measures how long released entries wait until they are claimed."""

    def __init__(self, pending: PendingLists) -> None:
        self._pending = pending
        self.took_ms: float | None = None

    async def watch(self) -> None:
        """From now until no released entry waits any more."""
        started = trio.current_time()
        await until(self._all_claimed)
        self.took_ms = (trio.current_time() - started) * 1000

    async def _all_claimed(self) -> bool:
        return not await trio.to_thread.run_sync(self._pending.released)


async def until_ready(service: RunningService) -> None:
    """Return once it is ready. Raises DrillFailed, and ConfigError when its configuration is why it is not."""
    with trio.move_on_after(_READY_S_MAX) as patience:
        async with trio.open_nursery() as waiting:
            waiting.start_soon(_cancel_at_the_end, service, waiting.cancel_scope)
            await service.ready.wait()
            waiting.cancel_scope.cancel()
    if service.ready.is_set():
        return
    what = (
        f"was not ready within {_READY_S_MAX:.0f} s"
        if patience.cancelled_caught
        else f"ended with exit code {service.exit_code} before it was ready"
    )
    message = f"the service under test {what}; the end of its output:\n{service.tail}"
    if service.ended.is_set() and service.exit_code == ExitCode.BAD_CONFIGURATION:
        raise ConfigError(message)
    raise DrillFailed(message)


async def _cancel_at_the_end(service: RunningService, scope: trio.CancelScope) -> None:
    await service.ended.wait()
    scope.cancel()


async def _pause(service: RunningService, ms: float) -> None:
    """Wait for this long, or until the service ends."""
    with trio.move_on_after(ms / 1000):
        await service.ended.wait()
