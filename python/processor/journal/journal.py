"""The one place that tasks report to: a method a fact, which counts it, logs it, or both."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from processor.journal.reading import ReadingJournal
from processor.journal.requests import RequestsJournal
from processor.journal.settling import SettlingJournal
from processor.journal.statistics import SCHEMA, Build, DrainResult
from processor.journal.writing import WritingJournal
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.core.ledger import Ledger
    from processor.journal.statistics import Statistics
    from telemetry.chassis.logs import Log


class Journal(ReadingJournal, WritingJournal, SettlingJournal, RequestsJournal):
    """The processor's journal: the facts of its rooms, and here those of its whole life.

    Owns the log and the counters. `snapshot` freezes them.
    """

    def __init__(self, log: Log, build: Build) -> None:
        super().__init__(log)
        self._build = build

    def snapshot(self) -> Statistics:
        """The statistics of this moment; later reports do not change it."""
        return self._counters.frozen(self._build, self.health())

    def postgres_connected(self, *, host: str, port: str) -> None:
        """The writers' sessions are open."""
        # Several hosts have several ports, in one text.
        shown = int(port) if port.isdecimal() else port
        self._log.info(f"Postgres connected host={host} port={port}", host=host, port=shown)

    def redis_connected(self, *, host: str, port: int | None) -> None:
        """All connections are open; for a Unix socket `host` is its path, without a port."""
        shown = f"host={host}" if port is None else f"host={host} port={port}"
        self._log.info(f"Redis connected {shown}", host=host, port=port)

    def schema_mismatch(self, *, differences: tuple[str, ...]) -> None:
        """The table is not what the contract says; the process ends."""
        self.hindered(SCHEMA, "; ".join(differences))
        self._log.fatal(
            "cannot start: the schema is not what it should be: "
            + "; ".join(differences)
            + "; Directus' db-init owns it: let it run, then start again",
            differences=list(differences),
        )

    def schema_warning(self, *, warning: str) -> None:
        """The table can be written to, but not everything is as it should be."""
        self._log.warning(f"schema: {warning}", warning=warning)

    def stream_missing(self, *, stream: str) -> None:
        """The stream did not exist: a misnamed stream must not look healthy."""
        self._log.warning(
            f"stream {stream} did not exist and was created empty: if tcp-ingestion is running, "
            "check that REDIS_TELEMETRY_STREAM names the stream that it publishes to",
            stream=stream,
        )

    def consumer_started(self, *, stream: str, group: str, consumer: str) -> None:
        """The consumer group exists and reading begins."""
        self._log.info(
            f"consumer started on stream {stream} group {group} consumer {consumer}",
            stream=stream,
            group=group,
            consumer=consumer,
        )

    def queue_seen(  # noqa: PLR0913  # as the other methods: an argument is a fact
        self,
        *,
        lag: int | None,
        pending_entries: int | None,
        oldest_id: str | None = None,
        last_id: str | None = None,
        server_ms: int | None = None,
        length: int | None = None,
        dead_letters: int | None = None,
    ) -> None:
        """What Redis says of the stream and the group; None where it does not know.

        `oldest_id` is pending, `last_id` the last one that was generated, `server_ms` the Unix time on the server,
        `length` the number of entries in the stream, `dead_letters` of those in the stream of dead letters.
        """
        counters = self._counters
        counters.oldest_pending_ms = _published_ms(oldest_id)
        counters.last_entry_ms = _published_ms(last_id)
        counters.last_id, counters.stream_length = last_id, length
        counters.dead_letters_kept = dead_letters
        if server_ms is not None:
            counters.redis_ahead_ms = server_ms - clocks.unix_ms()
        counters.lag = lag
        counters.pending_entries = pending_entries

    def not_released(self, *, error: str) -> None:
        """Redis did not answer at the end: undecided entries can be claimed only once they have been idle."""
        self._log.warning(
            f"not handed over, others have to wait until it is idle: {error}", error=error
        )

    def shutdown_starting(self, *, signal: str | None) -> None:
        """A stop was asked for: how long the drain takes is seen from now on."""
        self._counters.drain_began_s = clocks.monotonic_s()
        super().shutdown_starting(signal=signal)

    def shutdown_clean_exit(
        self, *, signal: str | None, ledger: Ledger, steps_ms: Mapping[str, float]
    ) -> None:
        """Everything that was read is decided: the ledger by class, and how long each step took."""
        self._counters.drain = DrainResult("clean", _seconds(steps_ms))
        self._log.info(
            "shutdown: clean exit", signal=signal, ledger=asdict(ledger), steps_ms=dict(steps_ms)
        )

    def shutdown_timed_out(self, *, ledger: Ledger, steps_ms: Mapping[str, float]) -> None:
        """The drain ended undecided: some entries were released for others, some were left pending."""
        self._counters.drain = DrainResult("timed_out", _seconds(steps_ms))
        released, left = ledger.released, ledger.left_pending
        self._log.error(
            f"shutdown: timed out released={released} left={left}",
            released=released,
            left=left,
            ledger=asdict(ledger),
            steps_ms=dict(steps_ms),
        )


def _published_ms(entry_id: str | None) -> int | None:
    """The Unix time at which an entry was published: its id begins with it."""
    return None if entry_id is None else int(entry_id.partition("-")[0])


def _seconds(steps_ms: Mapping[str, float]) -> float:
    return sum(steps_ms.values()) / 1000
