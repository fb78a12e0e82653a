"""The ages of a stream's records: device and time for each record number. Only `resent` has a key twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

FLEET_DEVICES = 300
FLEET_START = datetime(2026, 5, 1, tzinfo=UTC)
# A fleet that sends four records a second fills one day, one chunk of the hypertable, with 345,600.
FLEET_INTERVAL = timedelta(milliseconds=250)
CROWD_INTERVAL = timedelta(milliseconds=50)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)

MONTH_DAYS = 30
STRAY_DAYS = 330
RECORDS_A_STRAY = 1_000
RECORDS_A_REPEAT, REPEATED_WITHIN = 10, 40_000

Ages: TypeAlias = "Callable[[random.Random, int], tuple[int, datetime]]"
"""The (number of the device, time) of each record number."""


def live(rng: random.Random, number: int) -> tuple[int, datetime]:
    """Each device's records in the order of time: all of them are provably new."""
    return rng.randrange(FLEET_DEVICES), FLEET_START + number * FLEET_INTERVAL


def month(rng: random.Random, number: int) -> tuple[int, datetime]:
    """Stored records of a month, the days in any order: each batch is of all days."""
    device, moment = live(rng, number)
    return device, moment - rng.randrange(MONTH_DAYS) * DAY


def strays(rng: random.Random, number: int) -> tuple[int, datetime]:
    """Live records, and one in a thousand from any of the last 330 days."""
    device, moment = live(rng, number)
    is_stray = number % RECORDS_A_STRAY == RECORDS_A_STRAY - 1
    return device, moment - rng.randrange(1, STRAY_DAYS + 1) * DAY * is_stray


def backwards(_rng: random.Random, number: int) -> tuple[int, datetime]:
    """The newest first, all devices in the same seconds: none is provably new, and the table has no statistics."""
    turn, device = divmod(number, FLEET_DEVICES)
    return device, FLEET_START + DAY - (turn + 1) * SECOND


def resent(rng: random.Random, number: int) -> tuple[int, datetime]:
    """Live, and every tenth record was sent before, among the last 40,000: most of these are in the table already."""
    if number % RECORDS_A_REPEAT == RECORDS_A_REPEAT - 1:
        turns = min(number, REPEATED_WITHIN) // RECORDS_A_REPEAT
        # The records just before a repeat are none themselves.
        number -= 1 + RECORDS_A_REPEAT * rng.randrange(turns + 1)
    # The device follows from the number alone, so that a repeat is of the same one.
    return number * 7919 % FLEET_DEVICES, FLEET_START + number * FLEET_INTERVAL


def of_devices(devices: int) -> Ages:
    """Live records of that many devices; a million of them are of one day."""

    def ages(rng: random.Random, number: int) -> tuple[int, datetime]:
        return rng.randrange(devices), FLEET_START + number * CROWD_INTERVAL

    return ages


DAYS_STORED: Mapping[str, int] = {"month": MONTH_DAYS, "strays": STRAY_DAYS + 1}
"""Days of which the table has a row before a run, so that their chunks exist, as they do for late records."""

AGES: Mapping[str, Ages] = {
    "live": live,
    "month": month,
    "strays": strays,
    "backwards": backwards,
    "resent": resent,
}
