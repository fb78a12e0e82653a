"""What the table and the running instances have of one device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import trio

from processor.core.requests import HELD_DEVICE, REHYDRATE
from processor.edges.postgres.operator_session import open_operator_session
from processor.errors import PostgresError, SchemaMismatch
from telemetry.chassis.operating.requests import Replies, request

if TYPE_CHECKING:
    from datetime import datetime

    from processor.config.postgres_target import PostgresTarget
    from processor.operating.access import StreamAccess

COLUMNS: Final = (
    "ts", "latitude", "longitude", "altitude", "angle", "speed", "satellites", "priority", "codec", "ingested_at",
)  # fmt: skip
# The device is compared with an array, so that the index by device is used where devices are few (see
# processor/writing/device_states.py). Somebody else may have written the timestamp `infinity`.
NEWEST: Final = f"""
SELECT {", ".join(COLUMNS)}
FROM public.positions
WHERE device_id = ANY (%s) AND NOT faulty AND pg_catalog.isfinite(ts)
ORDER BY device_id, ts DESC
LIMIT 1
"""  # noqa: S608  # the columns are written above
# Every row of the device is looked at: no index knows the faulty ones.
FAULTY: Final = """
SELECT pg_catalog.count(*), pg_catalog.max(ts) FILTER (WHERE pg_catalog.isfinite(ts))
FROM public.positions
WHERE device_id = ANY (%s) AND faulty
"""
FAULTY_MS_MAX: Final = 60_000

# No such table, no such column, no right to read it.
SCHEMA_STATES: Final = frozenset({"42P01", "42703", "42501"})

REHYDRATED: Final = ("restored", "empty", "failed")


@dataclass(frozen=True, slots=True)
class DeviceRows:
    """What the table has of a device."""

    newest: dict[str, Any] | None
    """COLUMNS of the newest row that is not faulty."""
    faulty: int
    newest_faulty_ts: datetime | None


def read_device(target: PostgresTarget, device_id: str) -> DeviceRows:
    """Look into the table. Raises PostgresError, and SchemaMismatch if it is missing or closed to us."""
    try:
        return trio.run(_read_device, target, device_id)
    except PostgresError as error:
        if error.sqlstate in SCHEMA_STATES:
            raise SchemaMismatch((str(error),)) from error
        raise


async def _read_device(target: PostgresTarget, device_id: str) -> DeviceRows:
    async with open_operator_session(target) as session:
        newest = await session.fetch(NEWEST, ([device_id],))
        [(faulty, faulty_ts)] = await session.fetch(FAULTY, ([device_id],), limit_ms=FAULTY_MS_MAX)
    row = dict(zip(COLUMNS, newest[0], strict=True)) if newest else None
    return DeviceRows(row, faulty, faulty_ts)


def held_by_instances(access: StreamAccess, device_id: str) -> Replies:
    """What each instance holds of the device."""
    return request(access, HELD_DEVICE, {"device_id": device_id})


def rehydrate(access: StreamAccess, device_id: str, instance_id: str | None) -> Replies:
    """Have every instance, or one, forget the device and restore it from the table."""
    return request(access, REHYDRATE, {"device_id": device_id}, instance_id=instance_id)


def rehydration_results(replies: Replies) -> list[tuple[str, str]]:
    """Instance and result, one of REHYDRATED; what an instance refused, or did not end in time, has failed."""
    results = [(each.instance_id, str(each.result.get("result"))) for each in replies.done]
    results += [(each.instance_id, "failed") for each in replies.failed]
    return sorted(
        (instance_id, result if result in REHYDRATED else "failed")
        for instance_id, result in results
    )
