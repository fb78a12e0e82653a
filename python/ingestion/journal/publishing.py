"""Facts about Redis: what it refused or left unanswered, and which devices it says are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.core.line_limit import LineLimit
from ingestion.journal.counters import CONNECTION, CountingJournal
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from telemetry.chassis.logs import Log


class PublishingJournal(CountingJournal):
    """What the publishers and the list of known devices report.

    Each frame may fail while Redis does: there is one line a minute for each code, and one for the list.
    """

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self._redis_lines = LineLimit()
        # Streams that the log calls lost: each such line is followed by one that says when it is over.
        self._said_lost: set[str] = set()

    def frame_refused_by_redis(self, *, stream: str, code: str, error: str) -> None:
        """Redis has refused a record at least, so the frame is dropped unanswered."""
        self._count_redis_errors(code, 1)
        if (suppressed := self._held_back_line(code)) is not None:
            self._said_lost.add(stream)
            self._log.error(
                f"Redis refuses frames code={code}: {error}",
                stream=stream,
                code=code,
                error=error,
                suppressed=suppressed,
            )

    def connection_lost(self, *, stream: str, error: str, frames: int) -> None:
        """The connection was lost or silent: the frames that were on it are dropped unanswered."""
        self._count_redis_errors(CONNECTION, frames)
        if (suppressed := self._held_back_line("lost")) is not None:
            self._said_lost.add(stream)
            self._log.error(
                f"Redis connection lost: {error}",
                stream=stream,
                code=CONNECTION,
                error=error,
                frames=frames,
                suppressed=suppressed,
            )

    def frames_overdue(self, *, stream: str, error: str, frames: int) -> None:
        """These frames waited too long for a connection that takes them, and are dropped unanswered."""
        self._count_redis_errors(CONNECTION, frames)
        if (suppressed := self._held_back_line("overdue")) is not None:
            self._said_lost.add(stream)
            self._log.error(
                f"frames not sent to Redis: {error}",
                stream=stream,
                code=CONNECTION,
                error=error,
                frames=frames,
                suppressed=suppressed,
            )

    def stream_found(self, *, stream: str) -> None:
        """Redis confirms what it is sent, or would. No more lines than those that say the contrary."""
        if stream in self._said_lost:
            self._said_lost.remove(stream)
            self._log.info(f"Redis confirms again stream={stream}", stream=stream)

    def devices_read(self, *, key: str, devices: int) -> None:
        """The list of known devices was read."""
        self._log.debug(f"devices read key={key} devices={devices}", key=key, devices=devices)

    def devices_not_read(self, *, key: str, error: str, kept: int | None) -> None:
        """The list could not be read; `kept` devices of the last one stay known, None if there was none."""
        if (suppressed := self._held_back_line("devices not read")) is not None:
            consequence = (
                "every device counts as unknown"
                if kept is None
                else "the last list that was read goes on"
            )
            self._log.warning(
                f"devices not read key={key}: {error}; {consequence}",
                key=key,
                error=error,
                kept=kept,
                suppressed=suppressed,
            )

    def _count_redis_errors(self, code: str, frames: int) -> None:
        errors = self._counters.redis_errors
        errors[code] = errors.get(code, 0) + frames

    def _held_back_line(self, subject: str) -> int | None:
        """How many such lines were left out since the last one; None: leave this one out, too."""
        return self._redis_lines.passes(subject, clocks.monotonic_s())
