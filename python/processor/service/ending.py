"""The end of a life, from the stop request to the last word: bounded in time, whatever the servers do."""

from __future__ import annotations

import math

import trio

from processor.config import Config
from processor.edges.ports import PositionStream
from processor.errors import LedgerImbalance
from processor.journal.journal import Journal
from processor.service.pipeline import Pipeline
from processor.settling.release import Release, reserve_ms
from telemetry.chassis import clocks
from telemetry.chassis.errors import RedisError
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.lap_timer import LapTimer
from telemetry.chassis.stopping import StopRequest

# How long after the budget the hand-over may go on: of the second that is granted, the rest is for the end
# of the process, which takes 20 ms, and on a machine with seven times too much to do 100.
HAND_OVER_MS = 700
# How long it may take when nobody wants to wait.
HAND_OVER_INSISTED_MS = 500


class Ending:
    """What a stop request sets off, beside the rings that run dry.

    Two things are waited for before anything is handed over: the intake, which may still have a delivery
    on its way, and the stages, or the moment when there is no more time for them.
    """

    def __init__(
        self,
        config: Config,
        stream: PositionStream,
        pipeline: Pipeline,
        stop: StopRequest,
        journal: Journal,
    ) -> None:
        self._budget_ms = config.drain_budget_ms
        self._stream = stream
        self._pipeline = pipeline
        self._stop = stop
        self._journal = journal
        self._steps = LapTimer()
        self._drain_ends_at = math.inf
        self._intake_over = trio.Event()
        self._stages_over = trio.Event()

    def begin(self) -> None:
        """A stop was asked for: the budget runs."""
        self._journal.shutdown_starting(signal=self._stop.signal_name)
        self._steps.begin()
        self._drain_ends_at = clocks.elapsing_s() + self._budget_ms / 1000

    async def cut_in_time(self, stages: trio.Nursery, leases: trio.Nursery) -> None:
        """End the stages when the rest of the budget is needed to hand over, or when nobody wants to wait."""
        while (left_s := self._left_for_stages_s) > 0 and not self._stop.insisted.is_set():
            with trio.move_on_after(left_s):
                await self._stop.insisted.wait()
        stages.cancel_scope.cancel()
        self._pipeline.abandon_intake()
        # What it has on its way is still to be taken in flight, and handed over.
        await self._intake_over.wait()
        self.stages_over(leases)

    def intake_over(self) -> None:
        """Nothing more will come in."""
        self._steps.done("intake")
        self._intake_over.set()

    def stages_over(self, leases: trio.Nursery) -> None:
        """They have run dry, or are being cut: no lease is renewed any longer of what is to be released."""
        if not self._stages_over.is_set():
            self._steps.done("stages")
            leases.cancel_scope.cancel()
            self._stages_over.set()

    async def hand_over(self, services: trio.Nursery) -> None:
        """Within what is left of the budget and a moment more: a Redis that answers needs no longer."""
        await self._stages_over.wait()
        in_flight, failure = self._pipeline.in_flight, ""
        with trio.move_on_at(self._drain_ends_at + HAND_OVER_MS / 1000) as bound:
            services.start_soon(self._hurry, bound)
            try:
                await Release(self._stream, in_flight).run()
            except RedisError as error:
                failure = str(error)
        if bound.cancelled_caught and in_flight.undecided:
            failure = "Redis did not answer in time"
        if failure:
            self._journal.not_handed_over(error=failure)
        self._steps.done("hand_over")

    def say(self) -> ExitCode:
        """Write the last line; the exit code. Raises LedgerImbalance."""
        in_flight = self._pipeline.in_flight
        ledger = in_flight.ledger.closed(in_flight.undecided)
        if ledger.unaccounted:
            raise LedgerImbalance(ledger)
        steps_ms = self._steps.ms
        undecided = in_flight.undecided + ledger.released
        if undecided:
            self._journal.shutdown_timed_out(ledger=ledger, steps_ms=steps_ms)
            return ExitCode.TIMED_OUT
        signal_name = self._stop.signal_name
        self._journal.shutdown_clean_exit(signal=signal_name, ledger=ledger, steps_ms=steps_ms)
        return ExitCode.CLEAN

    @property
    def _left_for_stages_s(self) -> float:
        """The more is decided, the less is to be handed over, and the later that has to begin."""
        reserved_ms = reserve_ms(len(self._pipeline.in_flight), budget_ms=self._budget_ms)
        return self._drain_ends_at - reserved_ms / 1000 - clocks.elapsing_s()

    async def _hurry(self, bound: trio.CancelScope) -> None:
        await self._stop.insisted.wait()
        hurried = clocks.elapsing_s() + HAND_OVER_INSISTED_MS / 1000
        bound.deadline = min(bound.deadline, hurried)
