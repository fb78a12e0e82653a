"""The processor's end: what is undecided is released, and the last log line has the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from processor.core.in_flight import InFlight
from processor.edges.ports import PositionStream
from processor.errors import LedgerImbalance
from processor.journal.journal import Journal
from processor.settling.release import Release, reserve_ms
from telemetry.chassis.errors import RedisError
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.stopping import StopRequest

# One message to Redis, whose answer is not waited for. A server that has just taken the releases takes it at once.
_CALL_S_MAX = 0.1


class Ending:
    """What the drain asks of the processor when the rings end."""

    def __init__(  # noqa: PLR0913  # everything that an end touches, one by one
        self,
        stream: PositionStream,
        in_flight: InFlight,
        stop: StopRequest,
        journal: Journal,
        *,
        call_peers: Callable[[], Awaitable[None]],
        budget_ms: int,
    ) -> None:
        """`call_peers`: have the other instances look at once for what they can claim; raises nothing."""
        self._stream = stream
        self._in_flight = in_flight
        self._stop = stop
        self._journal = journal
        self._call_peers = call_peers
        self._budget_ms = budget_ms

    def begin(self) -> None:
        """A stop was requested."""
        self._journal.shutdown_starting(signal=self._stop.signal_name)

    def reserve_ms(self) -> float:
        """The part of the budget that the release of all that is in flight would need."""
        return reserve_ms(len(self._in_flight), budget_ms=self._budget_ms)

    async def release(self) -> None:
        """Release what is undecided, and acknowledge what is committed; a failure of Redis is logged.

        The other instances hear of it. Where they do not, they find it in their next pass.
        """
        release = Release(self._stream, self._in_flight)
        try:
            await release.run()
        except RedisError as error:
            self._journal.not_released(error=str(error))
        if release.has_released:
            with trio.move_on_after(_CALL_S_MAX):
                await self._call_peers()

    def release_cut(self) -> None:
        """The time for the release is over."""
        if self._in_flight.undecided:
            self._journal.not_released(error="Redis did not answer in time")

    def finish(self, steps_ms: dict[str, float]) -> ExitCode:
        """Write the last line; the exit code. Raises LedgerImbalance."""
        ledger = self._in_flight.ledger.closed(self._in_flight.undecided)
        if ledger.unaccounted:
            raise LedgerImbalance(ledger)
        undecided = self._in_flight.undecided + ledger.released
        if undecided:
            self._journal.shutdown_timed_out(ledger=ledger, steps_ms=steps_ms)
            return ExitCode.TIMED_OUT
        signal_name = self._stop.signal_name
        self._journal.shutdown_clean_exit(signal=signal_name, ledger=ledger, steps_ms=steps_ms)
        return ExitCode.CLEAN
