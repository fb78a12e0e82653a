"""The newest position of each device, restored from the table itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from telemetry._codec import Batch, DeviceStates, Keys

# The device is asked for as a member of an array, and ordered by, so that no index on the time alone will do:
# where devices are few the planner takes it, and then reads whole chunks in vain for a silent device.
# Of TimescaleDB's chunks, `$2` leaves those out that are older. A timestamp that is no point in time,
# `infinity`, which somebody else may have written, is not one that a device can pass.
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


class NewestPositions:
    """The accumulator that proves rows new: what is newer than a device's newest position is not in the table."""

    name = "newest_positions"
    query = NEWEST_POSITIONS

    def __init__(self, states: DeviceStates) -> None:
        self._states = states

    def cold(self, batch: Batch) -> list[str]:
        """The batch's devices that the LRU does not hold, or holds without having been restored."""
        return self._states.cold(batch)

    def restore(self, device_ids: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
        """Take in the rows; a device without one is remembered as such."""
        positions = cast("Sequence[tuple[str, int, float, float]]", rows)
        self._states.restore(device_ids, positions)

    def unproven(self, batch: Batch) -> Keys:
        """Keys of the rows that may be in the table, to be asked before `update`."""
        return self._states.unproven(batch)

    def update(self, batch: Batch, now_ms: int) -> None:
        """Take the batch in."""
        self._states.update(batch, now_ms)

    @property
    def size(self) -> int:
        """Devices held."""
        return len(self._states)

    @property
    def evictions(self) -> int:
        """Devices forgotten so far for want of room."""
        return self._states.evictions
