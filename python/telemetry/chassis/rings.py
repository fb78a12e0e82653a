"""The rings of a service's tasks, of which the inner end first, and the drain that a stop request begins.

    services   HTTP endpoints, probes, signals        live longest, cancelled last
    └ guards   what keeps work in flight safe         run until the stages have ended
      └ stages   the work, fed through channels       run dry when the intake has ended
        └ intake   what brings work in                cancelled at the stop request

A stop request cancels the intake. Then the ends that feed the stages are closed, so that the rings run dry from the
inside. What is undecided is released to others. If the stages do not run dry in time they are cut, and the release
does not wait until they have unwound: a write that hangs is slow to cut. A crash in any ring unwinds all of them, and
nothing is drained or released.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import trio

from telemetry.chassis import clocks
from telemetry.chassis.lifecycle import Phase

if TYPE_CHECKING:
    from telemetry.chassis.stopping import StopRequest

# How long the release may go on behind the drain's budget. A second is granted; the rest of it is for the end of
# the process, which takes 20 ms, or 100 on a machine with seven times too much to do.
RELEASE_GRACE_MS = 700
# How long it may take after a second stop request.
RELEASE_INSISTED_MS = 500


class Service(Protocol):
    """The tasks that a service puts into the rings, and what it does when a ring begins or ends."""

    async def start(self, services: trio.Nursery) -> bool:
        """Start the services, connect and check. False: there is nothing to run, and the service ends."""

    def start_guards(self, guards: trio.Nursery) -> None:
        """Start what keeps work in flight safe."""

    def start_stages(self, stages: trio.Nursery) -> None:
        """Start the tasks that end when their channels are closed and empty."""

    def start_intake(self, intake: trio.Nursery) -> None:
        """Start the tasks that feed the stages."""

    def enter(self, phase: Phase) -> None:
        """The service is RUNNING, or DRAINING."""

    def close_intake(self) -> None:
        """The intake has ended: close the ends that feed the stages."""

    def abandon_stages(self) -> None:
        """The stages are being cut: whatever waits for one of them is to stop waiting."""

    def reserve_ms(self) -> float:
        """The part of the drain's budget that a release would need now."""

    async def release(self) -> None:
        """Give back what is undecided. Cancelled when the time is over."""

    def release_cut(self) -> None:
        """The time was over before the release was done."""

    def finish(self, steps_ms: dict[str, float]) -> None:
        """All is released: report the end, and how long each step of it took. Services still run."""


async def run_rings(service: Service, stop: StopRequest, *, drain_budget_ms: int) -> None:
    """Run a service from its start to its end. Raises what crashes a task, in an exception group."""
    drain = Drain(service, stop, drain_budget_ms)
    async with trio.open_nursery() as services:
        if await service.start(services):
            services.start_soon(drain.release, services)
            async with trio.open_nursery() as guards:
                service.start_guards(guards)
                async with trio.open_nursery() as stages:
                    service.start_stages(stages)
                    try:
                        async with trio.open_nursery() as intake:
                            service.start_intake(intake)
                            service.enter(Phase.RUNNING)
                            await stop.requested.wait()
                            service.enter(Phase.DRAINING)
                            drain.begin()
                            services.start_soon(drain.cut_in_time, stages, guards)
                            intake.cancel_scope.cancel()
                    finally:
                        service.close_intake()
                        drain.intake_ended()
                drain.stages_ended(guards)
            await drain.released.wait()
            service.finish(drain.steps_ms)
        services.cancel_scope.cancel()


class Drain:
    """The end of a service, bounded in time whatever its servers do.

    The release waits for two things: for the intake, which may still have work on its way, and for the stages, or
    the moment when there is no more time for them.
    """

    def __init__(self, service: Service, stop: StopRequest, budget_ms: int) -> None:
        self.released = trio.Event()
        self.steps_ms: dict[str, float] = {}
        self._service = service
        self._stop = stop
        self._budget_s = budget_ms / 1000
        self._ends_at = math.inf
        self._step_began_at = 0.0
        self._intake_ended = trio.Event()
        self._stages_ended = trio.Event()

    def begin(self) -> None:
        """A stop was requested: the budget begins to run."""
        self._step_began_at = clocks.monotonic_s()
        self._ends_at = self._step_began_at + self._budget_s

    async def cut_in_time(self, stages: trio.Nursery, guards: trio.Nursery) -> None:
        """Cut the stages when the rest of the budget is needed for the release, or at a second stop request."""
        while (left_s := self._left_for_stages_s) > 0 and not self._stop.insisted.is_set():
            with trio.move_on_after(left_s):
                await self._stop.insisted.wait()
        stages.cancel_scope.cancel()
        self._service.abandon_stages()
        # Work on its way is still to be taken in, and then released.
        await self._intake_ended.wait()
        self.stages_ended(guards)

    def intake_ended(self) -> None:
        """Nothing more comes in."""
        self._step_done("intake")
        self._intake_ended.set()

    def stages_ended(self, guards: trio.Nursery) -> None:
        """The stages have run dry, or are being cut: what is to be released needs no guards any longer."""
        if not self._stages_ended.is_set():
            self._step_done("stages")
            guards.cancel_scope.cancel()
            self._stages_ended.set()

    async def release(self, services: trio.Nursery) -> None:
        """Release within the rest of the budget and the grace: a server that answers needs no longer."""
        await self._stages_ended.wait()
        with trio.move_on_at(self._ends_at + RELEASE_GRACE_MS / 1000) as bound:
            services.start_soon(self._hurry, bound)
            await self._service.release()
        if bound.cancelled_caught:
            self._service.release_cut()
        self._step_done("release")
        self.released.set()

    async def _hurry(self, bound: trio.CancelScope) -> None:
        await self._stop.insisted.wait()
        hurried = clocks.monotonic_s() + RELEASE_INSISTED_MS / 1000
        bound.deadline = min(bound.deadline, hurried)

    @property
    def _left_for_stages_s(self) -> float:
        """The more the stages have decided, the less is to be released, and the later that has to begin."""
        return self._ends_at - self._service.reserve_ms() / 1000 - clocks.monotonic_s()

    def _step_done(self, name: str) -> None:
        now = clocks.monotonic_s()
        self.steps_ms[name] = round((now - self._step_began_at) * 1000, 3)
        self._step_began_at = now
