"""Positions, and the Redis replies that carry them, byte by byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from telemetry._codec import Batch, Delivery, ReplyParser

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# When the first of the samples was recorded.
FIRST_TS_US = 1_777_627_800_000_000

DEVICE_ID = "356307042441013"

Value = TypeVar("Value")


def position(
    number: int = 0, *, device_id: str = DEVICE_ID, attributes: str = '{"239":1}', **changes: str
) -> bytes:
    """The payload of a position `number` seconds after the first; `changes` are members as JSON text."""
    minutes, seconds = divmod(number, 60)
    hours, minutes = divmod(30 + minutes, 60)
    members = {
        "device_id": f'"{device_id}"',
        "timestamp": f'"2026-05-01T{9 + hours:02}:{minutes:02}:{seconds:02}.000Z"',
        "latitude": "41.3275",
        "longitude": "19.8187",
        "altitude": "110",
        "angle": "214",
        "speed": "63",
        "satellites": "14",
        "priority": "0",
        "attributes": attributes,
    } | changes
    return ("{" + ",".join(f'"{key}":{value}' for key, value in members.items()) + "}").encode()


def bulk(text: bytes) -> bytes:
    """A bulk string."""
    return b"$%d\r\n%b\r\n" % (len(text), text)


def entry(entry_id: str, payload: bytes, codec: bytes = b"8E") -> bytes:
    """A stream entry as tcp-ingestion adds it."""
    fields = [
        (b"ts", b"2026-05-01T09:30:00.000Z"),
        (b"device_id", DEVICE_ID.encode()),
        (b"codec", codec),
        (b"payload", payload),
    ]
    pairs = b"".join(bulk(name) + bulk(value) for name, value in fields)
    return b"*2\r\n" + bulk(entry_id.encode()) + b"*%d\r\n" % (2 * len(fields)) + pairs


def read_reply(payloads: Iterable[bytes], *, first_seq: int = 0) -> bytes:
    """XREADGROUP's answer in RESP3, with ids `1-<first_seq>` onwards."""
    entries = [entry(f"1-{seq}", payload) for seq, payload in enumerate(payloads, first_seq)]
    return b"%1\r\n" + bulk(b"telemetry:teltonika") + b"*%d\r\n" % len(entries) + b"".join(entries)


def claim_reply(payloads: Iterable[bytes]) -> bytes:
    """XCLAIM's answer, with ids `1-0` onwards."""
    entries = [entry(f"1-{seq}", payload) for seq, payload in enumerate(payloads)]
    return b"*%d\r\n" % len(entries) + b"".join(entries)


def any_time_parser() -> ReplyParser:
    """A parser that takes positions under ids that are no times, such as `1-0`."""
    return ReplyParser(past_days_max=1_000_000, future_seconds_max=2**32 - 1)


def delivery(wire: bytes) -> Delivery:
    """What a fresh parser makes of XREADGROUP's answer."""
    parser = any_time_parser()
    parser.feed(wire)
    return expect(Delivery, parser.next_read())


def batch(payloads: Iterable[bytes], *, first_seq: int = 0) -> Batch:
    """The batch of these payloads, none of which may be refused."""
    decoded = delivery(read_reply(payloads, first_seq=first_seq))
    assert not decoded.rejections
    return decoded.batch


def copy_stream(rows: Batch) -> bytes:
    """A batch's whole COPY stream."""
    return b"".join(rows.copy_chunks(65_536))


def positions(*numbers: int) -> bytes:
    """Positions of known keys, as a probe answers."""
    return b"".join(number.to_bytes(4) for number in numbers)


def acked_ids(command: bytes) -> list[str]:
    """The ids that an XACK command names."""
    parser = ReplyParser()
    parser.feed(command)
    arguments: Sequence[object] = expect(list, parser.next_reply())
    assert arguments[0] == b"XACK"
    return [expect(bytes, argument).decode() for argument in arguments[3:]]


def expect(kind: type[Value], value: object) -> Value:
    """`value`, which must be of this kind."""
    assert isinstance(value, kind), value
    return value
