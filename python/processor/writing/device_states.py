"""State by device that lives in memory: what a feature declares, and how it is restored from the database.

Restoring never holds up writing: a device whose state could not be loaded stays cold, and its rows are probed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final, Protocol, cast

from processor.edges.ports import PositionStore
from processor.errors import PostgresError
from processor.journal.journal import Journal
from telemetry._codec import Batch, DeviceStates, Keys
from telemetry.chassis import clocks

# How far back the first query looks, and how many devices each query asks for: both stay well below the store's
# time limit. In a table of a thousand chunks the second one takes 7 ms a device. Devices beyond these limits stay
# cold until a later batch.
RECENT: Final = timedelta(days=7)
RECENT_DEVICES_MAX: Final = 2_000
EVER_DEVICES_MAX: Final = 200
# After a failure: a query that is too slow would slow every batch.
PAUSE_S: Final = 10.0

# The device is compared with an array, and ordered by, so that an index on the time alone cannot serve the query:
# where devices are few the planner would choose it, and read whole chunks in vain for a silent device. `$2` excludes
# older chunks of TimescaleDB. Somebody else may have written the timestamp `infinity`: no device can pass it.
NEWEST_POSITIONS: Final = """
SELECT device.id, newest.ts_us, newest.latitude, newest.longitude
FROM unnest($1::text[]) AS device (id)
CROSS JOIN LATERAL (
    SELECT (extract(epoch FROM ts) * 1000000)::bigint AS ts_us, latitude, longitude
    FROM public.positions
    WHERE device_id = ANY (ARRAY[device.id]) AND NOT faulty AND ts >= $2::timestamptz AND isfinite(ts)
    ORDER BY device_id, ts DESC
    LIMIT 1
) newest
"""


class Accumulator(Protocol):
    """What a feature declares that keeps state by device.

    A device whose state is not in memory, after a start or an eviction, is *cold*: its state is restored
    before the first batch that holds the device is counted in. The accumulator bounds how many devices it
    keeps. It asks a batch for one value a device, such as `Batch.newest_positions`: no Python runs once a
    record.
    """

    @property
    def name(self) -> str:
        """For log lines."""

    @property
    def query(self) -> str:
        """Selects one row for each device with something to restore, the device's id in the first column.

        `$1::text[]` are the devices, `$2::timestamptz` the oldest time to look at: a bound keeps
        the query from opening every chunk of a hypertable. It runs with a recent time first, then with
        `-infinity` for the devices that were not found. It must use an index for each device.
        """

    def cold(self, batch: Batch) -> list[str]:
        """The batch's devices that are not in memory, or were never restored, each once."""

    def restore(self, device_ids: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
        """Load the query's rows for these devices. They are not cold any more, with a row or without."""

    def update(self, batch: Batch, now_ms: int) -> None:
        """Count in a batch that is about to be written; `now_ms` is Unix time."""

    def forget(self, device_id: str) -> None:
        """Drop a device's state: it is cold."""


class NewestPositions:
    """The accumulator that proves rows new: a row newer than its device's newest position is not in the table."""

    name = "newest_positions"
    query = NEWEST_POSITIONS

    def __init__(self, states: DeviceStates) -> None:
        self._states = states

    def cold(self, batch: Batch) -> list[str]:
        """The batch's devices that the LRU does not hold, or holds without having been restored."""
        return self._states.cold(batch)

    def restore(self, device_ids: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
        """Load the rows; a device without one is remembered as having none."""
        positions = cast("Sequence[tuple[str, int, float, float]]", rows)
        self._states.restore(device_ids, positions)

    def unproven(self, batch: Batch) -> Keys:
        """Keys of the rows that may be in the table; to be called before `update`."""
        return self._states.unproven(batch)

    def update(self, batch: Batch, now_ms: int) -> None:
        """Count the batch in."""
        self._states.update(batch, now_ms)

    def forget(self, device_id: str) -> None:
        """Forget the device."""
        self._states.forget(device_id)

    @property
    def size(self) -> int:
        """Devices in memory."""
        return len(self._states)

    @property
    def evictions(self) -> int:
        """Devices evicted so far to make room for others."""
        return self._states.evictions


class KnownDevices:
    """What one writer keeps of its devices: newest positions, and what other features accumulate."""

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
        journal.follow_devices(positions)
        self._accumulators = (positions, *others)
        self._rehydrations = [
            Rehydration(store, accumulator, journal=journal) for accumulator in self._accumulators
        ]

    async def prepare(self, batch: Batch) -> Keys:
        """Count a batch in before it is written. Returns the keys of its rows that may be in the table.

        Loads the state of unknown devices first. Never raises PostgresError. Cancelled, it leaves the
        devices cold.
        """
        for rehydration in self._rehydrations:
            await rehydration.restore(batch)
        unproven = self._positions.unproven(batch)
        self.update(batch)
        return unproven

    async def rehydrate(self, device_id: str) -> Rehydrated:
        """Forget a device, and restore it from the table; to be called between two batches of the writer.

        In a batch that is being written, its rows are counted in and not in the table yet: the state would be older
        than they are, and a repeat would be taken for new.
        """
        results = [await each.again(device_id) for each in self._rehydrations]
        return max(results)

    def update(self, batch: Batch) -> None:
        """Count a batch in without asking the database."""
        now_ms = clocks.unix_ms()
        for accumulator in self._accumulators:
            accumulator.update(batch, now_ms)


class Rehydrated(IntEnum):
    """What came of restoring a device; of several accumulators the highest counts."""

    EMPTY = 0
    """The table has nothing of it."""
    RESTORED = 1
    FAILED = 2
    """The table could not be read; the device's next batch tries it again."""


class Rehydration:
    """Restores the state of one accumulator, and rests for a while after a failure."""

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
        """Restore the batch's cold devices; those that could not be restored stay cold."""
        cold = self._accumulator.cold(batch)
        if not cold or clocks.monotonic_s() < self._rests_until:
            return
        asked = cold[:RECENT_DEVICES_MAX]
        try:
            silent = await self._restore_found(asked, _now() - RECENT)
            asked = silent[:EVER_DEVICES_MAX]
            unknown = await self._restore_found(asked, None)
        except PostgresError as error:
            self._rest(len(asked), error)
        else:
            self._accumulator.restore(unknown, ())
            self._journal.devices_rehydrated("empty", len(unknown))

    async def again(self, device_id: str) -> Rehydrated:
        """Forget a device, and restore it at once, also while it rests after a failure."""
        self._accumulator.forget(device_id)
        try:
            silent = await self._restore_found([device_id], _now() - RECENT)
            unknown = await self._restore_found(silent, None)
        except PostgresError as error:
            self._rest(1, error)
            return Rehydrated.FAILED
        self._accumulator.restore(unknown, ())
        self._journal.devices_rehydrated("empty", len(unknown))
        return Rehydrated.EMPTY if unknown else Rehydrated.RESTORED

    async def _restore_found(self, device_ids: list[str], since: datetime | None) -> list[str]:
        """Restore the devices that have a row since then. Returns those that have none."""
        if not device_ids:
            return []
        rows = await self._store.restore(self._accumulator.query, device_ids, since)
        with_row = {row[0] for row in rows}
        found = [device_id for device_id in device_ids if device_id in with_row]
        self._accumulator.restore(found, rows)
        self._journal.devices_rehydrated("restored", len(found))
        return [device_id for device_id in device_ids if device_id not in with_row]

    def _rest(self, devices: int, error: PostgresError) -> None:
        self._rests_until = clocks.monotonic_s() + PAUSE_S
        self._journal.rehydration_failed(
            accumulator=self._accumulator.name,
            devices=devices,
            retry_ms=round(PAUSE_S * 1000),
            sqlstate=error.sqlstate,
            error=str(error),
        )


def _now() -> datetime:
    return datetime.fromtimestamp(clocks.unix_ms() / 1000, UTC)
