"""Batches for tests, decoded by the real codec from the reply that Redis would send."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from telemetry._codec import Delivery, ReplyParser

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telemetry._codec import Batch

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def position(device: int, second: int, **changes: Any) -> dict[str, Any]:
    """A Position of device number `device`, `second` seconds after noon."""
    return {
        "device_id": f"{356307042441000 + device}",
        "timestamp": (NOON + timedelta(seconds=second)).isoformat().replace("+00:00", "Z"),
        "latitude": 41.3275,
        "longitude": 19.8187,
        "altitude": 110,
        "angle": 214,
        "speed": 63,
        "satellites": 14,
        "priority": 0,
        "attributes": {"239": 1, "66": 12710, "78": {"__bigint": "18446744073709551615"}},
        **changes,
    }


def batch_of(positions: Iterable[dict[str, Any]]) -> Batch:
    """The batch that these positions make, as entries 1-0, 2-0, ... of a stream."""
    numbered = enumerate(positions, start=1)
    delivery = _delivery((f"{number}-0", value) for number, value in numbered)
    # Such an id has no time: only the server's clock decides.
    delivery = delivery.judged(int(NOON.timestamp() * 1_000_000))
    assert not delivery.rejections
    return delivery.batch


def published(value: dict[str, Any]) -> Batch:
    """The batch of one position that was published at noon, by its entry's id."""
    return _delivery([(f"{int(NOON.timestamp() * 1_000)}-0", value)]).batch


def rows(count: int, *, devices: int = 10, first_second: int = 0) -> Batch:
    """A batch of `count` distinct rows, of `devices` devices in turn."""
    return batch_of(position(n % devices, first_second + n // devices) for n in range(count))


def _delivery(entries: Iterable[tuple[str, dict[str, Any]]]) -> Delivery:
    """The delivery that a read of these entries gives: id and position of each."""
    replied = [
        [entry_id, ["codec", "8E", "payload", json.dumps(value)]] for entry_id, value in entries
    ]
    parser = ReplyParser()
    parser.feed(_resp([["stream", replied]]))
    delivery = parser.next_read()
    assert isinstance(delivery, Delivery)
    return delivery


def _resp(value: str | list[Any]) -> bytes:
    if isinstance(value, str):
        return b"$%d\r\n%b\r\n" % (len(value.encode()), value.encode())
    return b"*%d\r\n" % len(value) + b"".join(map(_resp, value))
