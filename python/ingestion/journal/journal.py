"""The one place that tasks report to: a method a fact, which counts it, logs it, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.journal.listening import ListeningJournal
from ingestion.journal.publishing import PublishingJournal
from ingestion.journal.requests import RequestsJournal
from ingestion.journal.sessions import SessionsJournal
from ingestion.journal.statistics import Build, DrainResult, Load
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ingestion.journal.statistics import Statistics
    from telemetry.chassis.logs import Log


class Journal(ListeningJournal, PublishingJournal, SessionsJournal, RequestsJournal):
    """The journal of tcp-ingestion: the facts of its rooms, and here those of its whole life."""

    def __init__(self, log: Log, build: Build) -> None:
        super().__init__(log)
        self._build = build
        self._load: Callable[[], Load] = Load

    def measure(self, load: Callable[[], Load]) -> None:
        """From now on this says what the service holds at a moment."""
        self._load = load

    def snapshot(self) -> Statistics:
        """The statistics of this moment; later reports do not change it."""
        return self._counters.frozen(self._build, self.health(), self._load())

    def redis_connected(self, *, host: str, port: int | None) -> None:
        """Every stream has its connection; for a Unix socket `host` is its path, without a port."""
        shown = f"host={host}" if port is None else f"host={host} port={port}"
        self._log.info(f"Redis connected {shown}", host=host, port=port)

    def ingestion_ready(self, *, addresses: Mapping[str, str | None], metrics: str) -> None:
        """Devices can connect: host and port of each listener, None where there is no such one."""
        self._log.info(f"{self._service} ready", **addresses, metrics=metrics)

    def shutdown_starting(self, *, signal: str | None) -> None:
        """A stop was asked for, and its delay is over: how long the drain takes is seen from now on."""
        self._counters.drain_began_s = clocks.monotonic_s()
        super().shutdown_starting(signal=signal)

    def leaving(self, *, signal: str | None, delay_ms: int) -> None:
        """A stop was asked for: not ready, and still accepting, until the delay is over."""
        self._log.info(
            f"shutdown: announced, accepting for another {delay_ms} ms",
            signal=signal,
            delay_ms=delay_ms,
        )

    def shutdown_clean_exit(self, *, signal: str | None, steps_ms: Mapping[str, float]) -> None:
        """Every accepted frame was published: what was done in this life, and how long each step took."""
        self._counters.drain = DrainResult("clean", _seconds(steps_ms))
        self._log.info(
            "shutdown: clean exit", signal=signal, steps_ms=dict(steps_ms), **self._done()
        )

    def shutdown_timed_out(
        self, *, waiting_records: int, dropped_frames: int, steps_ms: Mapping[str, float]
    ) -> None:
        """Accepted frames were left unpublished, all of them unanswered: the devices send them again.

        `waiting_records` wait still; `dropped_frames` were dropped since the stop request.
        """
        self._counters.drain = DrainResult("timed_out", _seconds(steps_ms))
        self._log.error(
            f"shutdown: timed out waiting={waiting_records} dropped={dropped_frames}: "
            "none of it was answered, and the devices send it again",
            waiting_records=waiting_records,
            dropped_frames=dropped_frames,
            steps_ms=dict(steps_ms),
            **self._done(),
        )

    @property
    def unpublished_frames(self) -> int:
        """Frames so far that Redis did not confirm."""
        frames = self._counters.frames
        return sum(count for (_, result), count in frames.items() if result == "unpublished")

    def _done(self) -> dict[str, object]:
        counters = self._counters
        frames = sum(count for (_, result), count in counters.frames.items() if result == "ok")
        return {"frames": frames, "records": sum(counters.records_published.values())}


def _seconds(steps_ms: Mapping[str, float]) -> float:
    return sum(steps_ms.values()) / 1000
