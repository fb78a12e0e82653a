"""One datagram: its records are published, and it is answered for what Redis has confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.errors import FrameError, PublishOverflowError, RedisUnavailableError
from telemetry._codec import (
    AcceptedFrame,
    CommandFrame,
    EmptyFrame,
    decode_datagram,
)
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from ingestion.sessions.parts import Parts


async def serve_datagram(data: bytes, address: str, parts: Parts) -> bytes | None:
    """The answer to a datagram; None if it gets none: it is refused, or not published."""
    frame = decode_datagram(data, parts.writers)
    journal = parts.journal
    if isinstance(frame, AcceptedFrame):
        return (
            await _published(frame, parts)
            if parts.devices.verdict(frame.imei).is_accepted
            else None
        )
    if isinstance(frame, CommandFrame):
        journal.frame_without_records(frame.codec)
        return None
    if isinstance(frame, EmptyFrame):
        if frame.imei is None or not parts.devices.verdict(frame.imei).is_accepted:
            return None
        journal.frame_without_records(frame.codec)
        return frame.answer
    error = FrameError(f"{frame.code} at byte {frame.offset}", imei=frame.imei, code=frame.code)
    journal.frame_refused(error, codec=frame.codec, offset=frame.offset, address=address)
    return None


async def _published(frame: AcceptedFrame, parts: Parts) -> bytes | None:
    began_s = clocks.monotonic_s()
    try:
        confirmation = await parts.publishers.publish(frame)
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
