"""XREADGROUP replies as Redis writes them, in the pieces that a socket hands out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from telemetry.stream.entry import Entry

STREAM = "telemetry:teltonika"
GROUP = "processor"
# As many entries as one read of the service asks for: BATCH_SIZE.
ENTRIES_PER_REPLY = 5000
PIECE_BYTES = 64 * 1024
# When Redis took the entries, as far as the window of time is concerned: after the newest of them.
TAKEN = datetime(2026, 6, 1, tzinfo=UTC)
FIRST_ID_MS = round(TAKEN.timestamp() * 1000)

Reply = list[bytes]
"""One whole reply, in pieces."""


def as_replies(entries: Sequence[Entry]) -> list[Reply]:
    """The replies that hold `entries`, in order, with ids that ascend."""
    return [
        _pieces(read_reply(entries[first : first + ENTRIES_PER_REPLY], first))
        for first in range(0, len(entries), ENTRIES_PER_REPLY)
    ]


def read_reply(entries: Sequence[Entry], first: int = 0) -> bytes:
    """One RESP2 reply to XREADGROUP of one stream; `first` numbers the first entry."""
    encoded = b"".join(_entry(number, entry) for number, entry in enumerate(entries, start=first))
    return b"*1\r\n*2\r\n%b*%d\r\n%b" % (_bulk(STREAM.encode()), len(entries), encoded)


def _entry(number: int, entry: Entry) -> bytes:
    fields = b"".join(map(_bulk, _fields(entry)))
    return b"*2\r\n%b*8\r\n%b" % (_bulk(b"%d-0" % (FIRST_ID_MS + number)), fields)


def _fields(entry: Entry) -> Iterator[bytes]:
    yield from (b"ts", entry.ts.encode(), b"device_id", entry.device_id.encode())
    yield from (b"codec", entry.codec.encode(), b"payload", entry.payload)


def _bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def _pieces(reply: bytes) -> Reply:
    return [reply[at : at + PIECE_BYTES] for at in range(0, len(reply), PIECE_BYTES)]
