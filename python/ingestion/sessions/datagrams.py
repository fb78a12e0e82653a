"""One datagram: its records are published, and it is answered for what Redis has confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ingestion.errors import (
    FrameError,
    HandshakeError,
    PublishOverflowError,
    RedisUnavailableError,
)
from telemetry._codec import (
    AcceptedFrame,
    EmptyFrame,
    RefusedFrame,
    decode_datagram,
)
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from ingestion.sessions.parts import Parts

# A connection has one frame in hand, and a datagram's sender has none to wait for: whatever comes by UDP leaves at
# least this part of the publish queue to connections.
QUEUE_PART = 0.5


async def serve_datagram(data: bytes, address: str, parts: Parts) -> bytes | None:
    """The answer to a datagram; None if it gets none: it is refused, or not published.

    A fault of the program ends this datagram alone: a stranger could send it again and again.
    """
    try:
        return await _answer_to(data, address, parts)
    except (trio.Cancelled, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as fault:  # noqa: BLE001  # of one datagram alone, also if the codec panics
        parts.journal.session_failed(fault, imei=None, address=address)
        return None


async def _answer_to(data: bytes, address: str, parts: Parts) -> bytes | None:
    frame = decode_datagram(data, parts.writers)
    journal = parts.journal
    if isinstance(frame, RefusedFrame):
        error = FrameError(f"{frame.code} at byte {frame.offset}", imei=frame.imei, code=frame.code)
        journal.frame_refused(error, codec=frame.codec, offset=frame.offset, address=address)
        return None
    imei = frame.imei
    assert imei is not None, "a datagram that is not refused names its device"
    if not parts.devices.verdict(imei).is_accepted:
        unlisted = HandshakeError("the device is not on the list", imei=imei, code="not_listed")
        journal.login_refused(unlisted, address=address)
        return None
    if isinstance(frame, AcceptedFrame):
        return await _published(frame, parts)
    journal.frame_without_records(frame.codec)
    return frame.answer if isinstance(frame, EmptyFrame) else None


async def _published(frame: AcceptedFrame, parts: Parts) -> bytes | None:
    began_s = clocks.monotonic_s()
    try:
        confirmation = await parts.publishers.publish(frame, part=QUEUE_PART)
    except PublishOverflowError as overflow:
        parts.journal.frame_overflowed(overflow, codec=frame.codec)
    except RedisUnavailableError as error:
        parts.journal.frame_unpublished(error, codec=frame.codec)
    else:
        parts.journal.frame_published(
            frame.codec, records=frame.records, duration_s=clocks.monotonic_s() - began_s
        )
        return frame.answer(confirmation)
    return None
