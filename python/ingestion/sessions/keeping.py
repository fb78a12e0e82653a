"""The quarantine entry of a frame that cannot be decoded: whole and raw, for a person to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.chassis import clocks
from telemetry.chassis.redis.resp import encode
from telemetry.chassis.times import iso_of_unix_ms

if TYPE_CHECKING:
    from ingestion.errors import FrameError

SUFFIX = ":quarantine"
ENTRIES_MAX = 100_000


def quarantine_command(stream: str, frame: bytes, error: FrameError, *, instance_id: str) -> bytes:
    """The XADD that keeps `frame` in `stream`, with the fields of contract section 12."""
    return encode(
        *("XADD", stream, "MAXLEN", "~", ENTRIES_MAX, "*"),
        *("imei", error.imei or ""),
        *("hex", frame.hex()),
        *("code", error.code),
        *("error", str(error)),
        *("received_at", iso_of_unix_ms(clocks.unix_ms())),
        *("instance", instance_id),
    )
