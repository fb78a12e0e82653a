"""The end of tcp-ingestion: whether something that was accepted was left unpublished, and the last log line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.chassis.exit_codes import ExitCode

if TYPE_CHECKING:
    from ingestion.journal.journal import Journal
    from ingestion.publishing.publishers import Publishers
    from telemetry.chassis.stopping import StopRequest

# There is nothing to give back: devices keep what is not answered. It is the time to write the last line.
RESERVE_MS = 100


class Ending:
    """What the drain asks of tcp-ingestion when the rings end."""

    def __init__(self, publishers: Publishers, stop: StopRequest, journal: Journal) -> None:
        self._publishers = publishers
        self._stop = stop
        self._journal = journal
        self._unpublished_before = 0

    def begin(self) -> None:
        """A stop is requested."""
        self._unpublished_before = self._journal.unpublished_frames
        self._journal.shutdown_starting(signal=self._stop.signal_name)

    def finish(self, steps_ms: dict[str, float]) -> ExitCode:
        """Write the last line; the exit code.

        Frames that were accepted and not published are left, whether they still wait or were dropped in the drain.
        None of them was answered.
        """
        depth = self._publishers.depth
        dropped = self._journal.unpublished_frames - self._unpublished_before
        if depth.records or dropped:
            self._journal.shutdown_timed_out(
                waiting_records=depth.records, dropped_frames=dropped, steps_ms=steps_ms
            )
            return ExitCode.TIMED_OUT
        self._journal.shutdown_clean_exit(signal=self._stop.signal_name, steps_ms=steps_ms)
        return ExitCode.CLEAN
