"""Entries as vehicles send them now: some rules look at how old a position is beside its entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.support.servers import entry

if TYPE_CHECKING:
    from tests.support.servers import Fields

# An hour before the run, so that no position lies in the future.
START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


def iso(moment: datetime) -> str:
    """The moment as a Position has it."""
    return moment.isoformat().replace("+00:00", "Z")


def live_entry(device: int, second: int, **changes: Any) -> Fields:
    """The entry that device number `device` sends `second` seconds after START."""
    moment = START + timedelta(seconds=second)
    return entry(device, 0, **{"timestamp": iso(moment), **changes})


def live(count: int, *, devices: int = 10, first_second: int = 0) -> list[Fields]:
    """Entries that make `count` distinct rows, of `devices` devices in turn."""
    return [live_entry(n % devices, first_second + n // devices) for n in range(count)]
