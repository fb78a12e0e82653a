"""What becomes of a refused frame: it is reported, and kept raw if its device sends nothing else any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.errors import FrameError
from telemetry.chassis import clocks
from telemetry.chassis.redis.resp import encode
from telemetry.chassis.times import iso_of_unix_ms

if TYPE_CHECKING:
    from ingestion.sessions.answering import Answering
    from ingestion.sessions.parts import Parts
    from ingestion.taps.taps import Tap
    from telemetry._codec import RefusedFrame, Session

SUFFIX = ":quarantine"
ENTRIES_MAX = 100_000


class RefusedFrames:
    """The refused frames of one conversation."""

    def __init__(self, session: Session, answers: Answering, parts: Parts) -> None:
        self._session = session
        self._answers = answers
        self._parts = parts

    async def take(self, refused: RefusedFrame, *, address: str, tap: Tap | None) -> bool:
        """Report a frame, and keep it if that is due; whether the conversation goes on."""
        parts, imei = self._parts, self._session.imei or ""
        error = FrameError(f"{refused.code} at byte {refused.offset}", imei=imei, code=refused.code)
        parts.journal.frame_refused(
            error, codec=refused.codec, offset=refused.offset, address=address
        )
        if tap is not None:
            tap.noted(f"frame refused: {error}", codec=refused.codec)
        if refused.frame is None:
            parts.quarantine.forget(imei)
        elif parts.quarantine.is_due(imei, refused.frame):
            await self._keep(refused, refused.frame, error)
            return True
        return not refused.closes

    async def _keep(self, refused: RefusedFrame, frame: bytes, error: FrameError) -> None:
        parts, imei = self._parts, self._session.imei or ""
        index = parts.writers.stream_of(imei)
        command = quarantine_command(
            parts.quarantine_streams[index], frame, error, instance_id=parts.instance_id
        )
        kept = self._session.keep(refused, command, index)
        if (answer := await self._answers.confirmed(kept)) is not None:
            parts.quarantine.forget(imei)
            parts.journal.frame_quarantined(error, records=kept.records)
            await self._answers.answer(answer)
        self._session.settle()


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
