"""Facts about writing: what was committed, refused, written again or left, and how PostgreSQL stands."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from processor.journal.counters import CountingJournal
from processor.journal.statistics import CONNECTION, POSTGRES, SCHEMA, WRITE_DURATION_BOUNDS_S
from telemetry.chassis.journal import IN_USE

if TYPE_CHECKING:
    from processor.journal.counters import DeviceCounts

STANDBY = "standby"
"""The reporter who sees commits wait for a standby."""
AWAITED = (
    "PostgreSQL waits for a standby to confirm a commit: look at pg_stat_replication and"
    " synchronous_standby_names on the primary"
)


class WritingJournal(CountingJournal):
    """What the writers, the trials of suspects and PostgreSQL's probe report."""

    def records_written(self, *, inserted: int, duplicates: int, discarded: int = 0) -> None:
        """Records are in the table, by a commit of ours or of somebody else, or a trigger has discarded them."""
        self._counters.position_writes["inserted"] += inserted
        self._counters.position_writes["duplicate"] += duplicates
        self._counters.position_writes["discarded"] += discarded

    def records_failed(self, records: int) -> None:
        """The server refused records for their own sake."""
        self._counters.position_writes["failed"] += records

    def write_timed(self, duration_s: float) -> None:
        """How long one COPY took, up to its commit."""
        self._counters.write_durations[bisect_left(WRITE_DURATION_BOUNDS_S, duration_s)] += 1
        self._counters.write_durations_sum_s += duration_s

    def table_takes_rows(self, *, by: str = IN_USE) -> None:
        """Something was committed, or each row was decided: PostgreSQL can be used, and so can the table."""
        # Every batch says so, and as a rule nothing was the matter.
        if self._troubles[POSTGRES]:
            self.dependency_ready(POSTGRES, by=by)
        if self._obstacles:
            self.unhindered(SCHEMA)

    def batch_written(
        self, *, inserted: int, duplicates: int, discarded: int, failed: int, duration_ms: float
    ) -> None:
        """A batch was decided: committed, except for `failed` records; triggers have swallowed `discarded`.

        PostgreSQL is ready then, whatever it decided. The committed records were counted with each commit.
        """
        self.table_takes_rows()
        self.records_failed(failed)
        if self._log.writes_debug:
            self._log.debug(
                f"batch written inserted={inserted} duplicates={duplicates} failed={failed}",
                inserted=inserted,
                duplicates=duplicates,
                discarded=discarded,
                failed=failed,
                duration_ms=round(duration_ms, 3),
            )

    def batch_retried(
        self, *, rows: int, attempt: int, retry_ms: int, sqlstate: str | None, error: str
    ) -> None:
        """A batch failed, or is held, for no record's sake; it stays in flight and is written again."""
        cause = sqlstate or CONNECTION
        self._counters.write_retries[cause] = self._counters.write_retries.get(cause, 0) + 1
        self._log.warning(
            f"batch failed and is written again rows={rows} attempt={attempt} retry_ms={retry_ms}: {error}",
            rows=rows,
            attempt=attempt,
            retry_ms=retry_ms,
            sqlstate=sqlstate,
            error=error,
        )

    def batch_held(self, reason: str, *, is_schema: bool, by: str = IN_USE) -> None:
        """Nothing is written for the table's sake. `is_schema`: PostgreSQL has said that the table is another one."""
        if is_schema:
            self.dependency_ready(POSTGRES, by=by)
            self.hindered(SCHEMA, reason)
        else:
            self.dependency_lost(POSTGRES, reason, by=by)
            self.unhindered(SCHEMA)

    def rows_discarded(self, *, n: int) -> None:
        """A trigger returned no row for some: the owner's decision. Logged once a minute at most."""
        if self._is_due("discarded"):
            self._log.warning(
                f"a trigger of the table discards rows n={n}: they are acknowledged and are not in positions",
                n=n,
            )

    def records_left(self, *, n: int, sqlstate: str | None, error: str) -> None:
        """Records stay pending without an attempt: copies of sound rows are refused in their place, too.

        Logged once a minute at most for each SQLSTATE.
        """
        if self._is_due(f"left {sqlstate}"):
            self._log.warning(
                f"records left pending for the table's sake n={n}, no attempt is counted and they are tried"
                f" again when they are claimed: {error}",
                n=n,
                sqlstate=sqlstate,
                error=error,
            )

    def keys_not_probed(self, *, error: str) -> None:
        """Which rows are in the table already could not be asked."""
        self._log.debug(f"the keys were not probed: {error}")

    def seen_rows_not_proven(self, *, error: str) -> None:
        """The commit that was to prove rows seen by a probe failed; they are written like any others."""
        self._log.debug(f"what was seen is written again: {error}")

    def follow_devices(self, devices: DeviceCounts) -> None:
        """From now on these are the devices in memory, which are counted when somebody looks."""
        self._counters.devices = devices

    def devices_rehydrated(self, result: str, devices: int) -> None:
        """Cold devices were looked for in the database; `result` is one of REHYDRATION_RESULTS."""
        self._counters.rehydrations[result] += devices

    def rehydration_failed(
        self, *, accumulator: str, devices: int, retry_ms: int, sqlstate: str | None, error: str
    ) -> None:
        """The state of cold devices could not be restored; their records are written all the same, after a probe."""
        self.devices_rehydrated("failed", devices)
        self._log.warning(
            f"rehydration failed accumulator={accumulator} devices={devices} retry_ms={retry_ms}: {error}",
            accumulator=accumulator,
            devices=devices,
            retry_ms=retry_ms,
            sqlstate=sqlstate,
            error=error,
        )

    def standby_awaited(self, *, sessions: int) -> None:
        """Commits are past their deadline, and the server says that they wait for a standby."""
        self.dependency_lost(POSTGRES, AWAITED, by=STANDBY)
        self._log.warning(
            f"Postgres waits for a standby to confirm a commit sessions={sessions}; nothing of it is acknowledged"
            " until then: look at pg_stat_replication on the primary",
            sessions=sessions,
        )

    def standby_no_longer_awaited(self, *, waited_ms: float) -> None:
        """No commit waits any more: each was answered, or given up."""
        self.dependency_ready(POSTGRES, by=STANDBY)
        self._log.info(
            f"Postgres waits for no standby any more waited_ms={waited_ms:.0f}",
            waited_ms=round(waited_ms),
        )
