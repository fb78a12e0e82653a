"""An entry of the telemetry stream, as its producer writes it."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """The four fields; `payload` is the Position as JSON, the others are copies for filtering."""

    ts: str
    device_id: str
    codec: str
    payload: bytes
