"""Facts about settling: what is in flight, acknowledged, refused or dead-lettered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.journal.counters import CountingJournal
from processor.journal.statistics import Refusals

if TYPE_CHECKING:
    from processor.core.attempts import Failure
    from processor.journal.counters import InFlightCounts


class SettlingJournal(CountingJournal):
    """What the acker, the recorder of failures and the renewal of leases report."""

    def follow_in_flight(self, in_flight: InFlightCounts) -> None:
        """From now on these are the entries in flight. Each batch changes them; they are counted when asked for."""
        self._counters.in_flight = in_flight

    def records_acked(self, records: int) -> None:
        """An XACK that named this many ids was answered."""
        self._counters.acks += records

    def command_repeated(self, *, what: str, error: str, retry_ms: int) -> None:
        """Redis refused or did not answer a command, which is sent again. Everything in flight stays so meanwhile."""
        self._log.warning(f"{what} failed and is repeated: {error}", error=error, retry_ms=retry_ms)

    def leases_renewed(self, *, n: int, taken_over: int) -> None:
        """Entries have been in flight for long; a peer thought `taken_over` of them abandoned, and has claimed them."""
        fields = {"n": n, "taken_over": taken_over}
        if taken_over:
            self._log.warning(f"leases renewed n={n} taken_over={taken_over}", **fields)
        else:
            self._log.debug(f"leases renewed n={n}", **fields)

    def record_refused(self, failure: Failure) -> None:
        """The first failure of a record: not a Position, or a row that the server refuses. It stays pending."""
        known = self._counters.refusals.get(failure.code)
        self._counters.refusals[failure.code] = Refusals(
            1 if known is None else known.records + 1,
            failure.entry_id,
            failure.failed_at_ms,
            failure.sqlstate,
        )
        where = "" if failure.field is None else f" field={failure.field}"
        self._log.warning(
            f"record refused entry_id={failure.entry_id} code={failure.code}{where}",
            **_shown(failure),
        )

    def dead_lettered(self, failure: Failure, *, failures: int) -> None:
        """The last failure of a record: it is in the dead-letter stream, and no longer pending."""
        dead_letters = self._counters.dead_letters
        dead_letters[failure.code] = dead_letters.get(failure.code, 0) + 1
        self._log.error(
            f"dead letter entry_id={failure.entry_id} code={failure.code} attempts={failures}",
            **_shown(failure),
            stage=failure.stage.value,
            attempts=failures,
        )

    def failures_not_recorded(self, *, n: int, error: str) -> None:
        """Redis refuses to count failures; the records stay pending and are tried again when they are claimed."""
        self._log.error(f"failures not recorded n={n}: {error}", n=n, error=error)


def _shown(failure: Failure) -> dict[str, object]:
    return {
        "entry_id": failure.entry_id,
        "device_id": failure.device_id,
        "code": failure.code,
        "field": failure.field,
        "offset": failure.offset,
        "sqlstate": failure.sqlstate,
        "error": failure.error,
    }
