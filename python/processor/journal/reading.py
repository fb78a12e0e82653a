"""Facts about reading: what Redis delivered, what was claimed or lost, which suspects are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.journal.counters import CountingJournal
from processor.journal.statistics import CONSUMER, REDIS
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

READING = "reading"
"""The reporter who reads the stream. It reports Redis as ready again only once a read was answered."""
# In one line; more ids take several lines.
IDS_SHOWN_MAX = 500


class ReadingJournal(CountingJournal):
    """What the consumer, the reclaimer, the intake and the suspects' trials report."""

    def read_answered(self, *, entries: int) -> None:
        """One XREADGROUP was answered; without an entry its result is `empty`, and nothing is undelivered then."""
        self._reading()
        self._counters.reads["ok" if entries else "empty"] += 1
        if not entries:
            self._counters.lag = 0

    def read_failed(
        self, *, error: str, count: int, retry_ms: int, is_group_gone: bool = False
    ) -> None:
        """Redis did not answer a read, or refused it; a read of `count` entries follows, on a new connection if needed.

        The new connection alone does not make Redis ready: a server that has become a replica accepts it, and
        refuses to deliver. `is_group_gone`: Redis is well, and has no stream or no group of the name.
        """
        self._counters.reads["error"] += 1
        if is_group_gone:
            self.hindered(CONSUMER, error)
        else:
            self.dependency_lost(REDIS, error, by=READING)
        self._log.warning(
            f"read failed and is repeated: {error}", error=error, count=count, retry_ms=retry_ms
        )

    def _reading(self) -> None:
        # Every read says so, and as a rule nothing was the matter.
        if self._troubles[REDIS]:
            self.dependency_ready(REDIS, by=READING)
        if self._obstacles:
            self.unhindered(CONSUMER)

    def group_gone(self, *, error: str) -> None:
        """The consumer group was destroyed, or the stream deleted, while it was being read."""
        self._log.error(
            "consumer group is gone and is created again at id 0: entries may have been lost, "
            f"and those still in the stream are read again: {error}",
            error=error,
        )

    def batch_consumed(
        self,
        *,
        n: int,
        first_id: str | None,
        last_id: str | None,
        redelivered: bool,
        refused: Iterable[str] = (),
    ) -> None:
        """`n` entries were read, or pending ones delivered once more.

        `refused` has the code of each entry that is not a Position.
        """
        self._reading()
        self._counters.last_record_ms = clocks.unix_ms()
        self._counters.records_read += n
        for code in refused:
            self._counters.decode_errors[code] = self._counters.decode_errors.get(code, 0) + 1
        if self._log.writes_debug:
            self._log.debug(
                f"batch consumed n={n}",
                n=n,
                first_id=first_id,
                last_id=last_id,
                redelivered=redelivered,
            )

    def entries_claimed(self, entries: int) -> None:
        """Pending entries were taken over from others."""
        self._counters.entries_claimed += entries

    def claim_failed(self, *, error: str, retry_ms: int) -> None:
        """A pass over the entries that others left idle was interrupted; it begins again."""
        self._log.warning(f"claim failed and is repeated: {error}", error=error, retry_ms=retry_ms)

    def entries_lost(self, entry_ids: Sequence[str]) -> None:
        """Pending entries are no longer in the stream: trimmed or deleted before they were written."""
        self._counters.entries_lost += len(entry_ids)
        for start in range(0, len(entry_ids), IDS_SHOWN_MAX):
            shown = list(entry_ids[start : start + IDS_SHOWN_MAX])
            self._log.error(
                f"entries lost n={len(shown)}: deleted or trimmed from the stream before they were"
                " written; raise its MAXLEN",
                n=len(shown),
                first_id=shown[0],
                last_id=shown[-1],
                entry_ids=shown,
            )

    def trial_begun(self, *, entry_id: str) -> None:
        """An entry that may have killed its consumers is tried in isolation."""
        self._log.warning(
            f"crash suspect is tried alone entry_id={entry_id}: it was delivered again and again"
            " without an answer",
            entry_id=entry_id,
        )

    def trials_lack_a_session(self, *, error: str, waits: bool) -> None:
        """PostgreSQL serves the writers and accepts no session for crash suspects. Logged once a minute at most."""
        if self._is_due("trials"):
            then = (
                "they wait until one is free or a writer is"
                if waits
                else "a writer's session is used"
            )
            self._log.warning(
                f"no session for the trials of crash suspects, {then}: {error}", error=error
            )

    def reader_stopped(self, *, task: str) -> None:
        """The stages ended before the consumer or the reclaimer did."""
        self._log.debug(f"{task} stopped: the writers are gone")
