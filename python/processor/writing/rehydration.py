"""Restores what is kept of cold devices from the database, and never holds up writing when it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from processor.edges.ports import PositionStore
from processor.errors import PostgresError
from processor.journal.journal import Journal
from processor.writing.accumulators import Accumulator
from processor.writing.newest_positions import NewestPositions
from telemetry._codec import Batch, Keys
from telemetry.chassis import clocks

# How far back to look, and for how many devices at a time, so that neither look comes near the store's
# limit: in a table of a thousand chunks the second takes 7 ms a device. The others stay cold, and
# their turn comes with a later batch.
RECENT: Final = timedelta(days=7)
RECENT_DEVICES_MAX: Final = 2_000
EVER_DEVICES_MAX: Final = 200
# After a failure: a query that is too slow would slow every batch.
PAUSE_S: Final = 10.0


class KnownDevices:
    """What one writer keeps of its devices: newest positions, and whatever other features accumulate."""

    def __init__(
        self,
        store: PositionStore,
        positions: NewestPositions,
        *,
        journal: Journal,
        others: Sequence[Accumulator] = (),
    ) -> None:
        """`store` is the writer's own; no other writer may be given records of the same devices."""
        self._positions = positions
        self._journal = journal
        self._accumulators = (positions, *others)
        self._rehydrations = [
            Rehydration(store, accumulator, journal=journal) for accumulator in self._accumulators
        ]

    async def prepare(self, batch: Batch) -> Keys:
        """Take a batch in before it is written; the keys of its rows that may be in the table.

        What the database has of cold devices is restored first. Raises none of PostgreSQL's errors.
        Cancelled, it leaves the devices cold.
        """
        for rehydration in self._rehydrations:
            await rehydration.restore(batch)
        unproven = self._positions.unproven(batch)
        self.update(batch)
        return unproven

    def update(self, batch: Batch) -> None:
        """Take a batch in without asking the database."""
        now_ms = clocks.unix_ms()
        for accumulator in self._accumulators:
            accumulator.update(batch, now_ms)
        self._journal.devices_seen(size=self._positions.size, evictions=self._positions.evictions)


class Rehydration:
    """The restoring of one accumulator, which rests for a while after a failure."""

    def __init__(
        self,
        store: PositionStore,
        accumulator: Accumulator,
        *,
        journal: Journal,
    ) -> None:
        self._store = store
        self._accumulator = accumulator
        self._journal = journal
        self._rests_until = -float("inf")

    async def restore(self, batch: Batch) -> None:
        """Restore the batch's cold devices; what could not be restored stays cold."""
        if clocks.elapsing_s() < self._rests_until:
            return
        asked = self._accumulator.cold(batch)[:RECENT_DEVICES_MAX]
        try:
            silent = await self._restore_found(asked, _now() - RECENT)
            asked = silent[:EVER_DEVICES_MAX]
            unknown = await self._restore_found(asked, None)
        except PostgresError as error:
            self._rest(len(asked), error)
        else:
            self._accumulator.restore(unknown, ())
            self._journal.devices_rehydrated("empty", len(unknown))

    async def _restore_found(self, device_ids: list[str], since: datetime | None) -> list[str]:
        """Restore the devices that have a row since then; those that have none."""
        if not device_ids:
            return []
        rows = await self._store.restore(self._accumulator.query, device_ids, since)
        with_row = {row[0] for row in rows}
        found = [device_id for device_id in device_ids if device_id in with_row]
        self._accumulator.restore(found, rows)
        self._journal.devices_rehydrated("restored", len(found))
        return [device_id for device_id in device_ids if device_id not in with_row]

    def _rest(self, devices: int, error: PostgresError) -> None:
        self._rests_until = clocks.elapsing_s() + PAUSE_S
        self._journal.rehydration_failed(
            accumulator=self._accumulator.name,
            devices=devices,
            retry_ms=round(PAUSE_S * 1000),
            sqlstate=error.sqlstate,
            error=str(error),
        )


def _now() -> datetime:
    return datetime.fromtimestamp(clocks.unix_ms() / 1000, UTC)
