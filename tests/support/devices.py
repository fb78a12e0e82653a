"""What devices send and Redis answers, for tests of the codec: logins, frames, datagrams and confirmations."""

from __future__ import annotations

from telemetry._codec import (
    AcceptedFrame,
    Confirmation,
    Login,
    ReplyCounter,
    Session,
    SessionLimits,
    StreamWriters,
)
from tests.support.wire import DEVICE_ID, expect

ENTRY_ID_REPLY = b"$15\r\n1777627800000-0\r\n"
WRITERS = StreamWriters(["telemetry:teltonika"], entries_max=1_000_000)
LIMITS = SessionLimits(
    frame_bytes_max=65_535,
    login_timeout_ms=30_000,
    frame_timeout_ms=30_000,
    idle_timeout_ms=1_800_000,
)


def login_of(imei: str) -> bytes:
    """What a device sends first."""
    return b"\x00\x0f" + imei.encode()


def frame_of(data: bytes) -> bytes:
    """A data field with header and checksum."""
    return bytes(4) + len(data).to_bytes(4) + data + _crc_16_ibm(data).to_bytes(4)


def datagram_of(data: bytes, imei: str = DEVICE_ID) -> bytes:
    """A data field as it is sent over UDP; packet id CAFE, AVL packet id 5."""
    rest = b"\xca\xfe\x01\x05\x00\x0f" + imei.encode() + data
    return len(rest).to_bytes(2) + rest


def _crc_16_ibm(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    return crc


def new_session(*, now_ms: int = 0) -> Session:
    """Of a connection that was just accepted."""
    return Session(LIMITS, WRITERS, now_ms=now_ms)


def admitted_session(imei: str = DEVICE_ID) -> Session:
    """Of a device that has logged in at 0 ms."""
    session = new_session()
    expect(Login, session.feed(login_of(imei), 0))
    session.admit()
    return session


def confirmation_of(frame: AcceptedFrame) -> Confirmation:
    """What a counter makes of Redis' replies to the frame's commands."""
    counter = ReplyCounter()
    counter.expect(frame, None)
    counter.feed(ENTRY_ID_REPLY * frame.replies)
    ((_, confirmation),) = counter.settled()
    return expect(Confirmation, confirmation)
