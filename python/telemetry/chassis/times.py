"""Times as JSON has them: ISO-8601 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def iso_utc(moment: datetime) -> str:
    """To the millisecond, and to the microsecond where there are some."""
    timespec = "microseconds" if moment.microsecond % 1_000 else "milliseconds"
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def iso_of_unix_us(unix_us: int) -> str:
    """Of Unix time in microseconds."""
    return iso_utc(EPOCH + timedelta(microseconds=unix_us))


def iso_of_unix_ms(unix_ms: int) -> str:
    """Of Unix time in milliseconds."""
    return iso_of_unix_us(unix_ms * 1_000)
