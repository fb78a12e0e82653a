"""Facts about devices: their logins, their frames, and how their connections end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.core.line_limit import LineLimit
from ingestion.journal.counters import CountingJournal
from ingestion.journal.statistics import KNOWN, UNKNOWN_DEVICE
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from ingestion.errors import (
        FrameError,
        HandshakeError,
        PublishOverflowError,
        RedisUnavailableError,
    )
    from telemetry.chassis.logs import Log

CRC_FAIL, UNKNOWN_CODEC, MALFORMED = "crc_fail", "unknown_codec", "malformed"


class SessionsJournal(CountingJournal):
    """What conversations and datagrams report. Lines about a single device come once a minute at most."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self._lines = LineLimit()

    def device_connected(self, imei: str, *, address: str, transport: str, is_known: bool) -> None:
        """A login was accepted."""
        self._counters.handshakes["accepted", KNOWN if is_known else UNKNOWN_DEVICE] += 1
        if self._log.writes_debug:
            self._log.debug(
                f"device connected imei={imei} address={address}",
                imei=imei,
                address=address,
                transport=transport,
                known=is_known,
            )

    def device_replaced(self, imei: str, *, address: str) -> None:
        """The device has logged in on another connection: this older one is closed."""
        self._log.debug(f"connection replaced imei={imei}", imei=imei, address=address)

    def device_disconnected(self, imei: str, *, address: str, reason: str, frames: int) -> None:
        """The connection of a device has ended."""
        if self._log.writes_debug:
            self._log.debug(
                f"device disconnected imei={imei} reason={reason}",
                imei=imei,
                address=address,
                reason=reason,
                frames=frames,
            )

    def login_refused(self, error: HandshakeError, *, address: str) -> None:
        """The device is not on the list, and only devices on it are accepted."""
        self._counters.handshakes["rejected", UNKNOWN_DEVICE] += 1
        if (suppressed := self._held_back("login", error.imei)) is not None:
            self._log.warning(
                f"login refused imei={error.imei} code={error.code}: {error}",
                imei=error.imei,
                code=error.code,
                address=address,
                suppressed=suppressed,
            )

    def login_malformed(self, error: HandshakeError, *, address: str) -> None:
        """A connection began with something else than a login."""
        self._counters.handshakes["malformed", UNKNOWN_DEVICE] += 1
        if (suppressed := self._held_back("no login", _host(address))) is not None:
            self._log.warning(
                f"no login code={error.code}: {error}",
                imei=error.imei,
                code=error.code,
                address=address,
                suppressed=suppressed,
            )

    def login_timed_out(self, *, address: str) -> None:
        """No whole login came in time."""
        self._counters.handshakes["timeout", UNKNOWN_DEVICE] += 1
        self._log.debug(f"login timed out address={address}", address=address)

    def probed(self, *, address: str) -> None:
        """A connection ended without a byte: a balancer's or a scanner's."""
        self._counters.probes += 1
        self._log.debug(f"probe address={address}", address=address)

    def pinged(self) -> None:
        """A keep-alive byte."""
        self._counters.pings += 1

    def frame_published(self, codec: str, *, records: int, duration_s: float) -> None:
        """Redis has confirmed a frame, and it is answered; `duration_s` since it was accepted."""
        self._counters.published(codec, records, duration_s)

    def frame_without_records(self, codec: str) -> None:
        """A frame of 0 records, or of commands: nothing to publish."""
        self._counters.frames[codec, "ok"] += 1

    def frame_refused(self, error: FrameError, *, codec: str, offset: int, address: str) -> None:
        """A frame was refused whole; `offset` counts bytes from its first one."""
        result = error.code if error.code in {CRC_FAIL, UNKNOWN_CODEC} else MALFORMED
        self._counters.add_frame(codec, result)
        if result == UNKNOWN_CODEC:
            self._counters.unknown_codecs += 1
        if (suppressed := self._held_back("frame", error.imei)) is not None:
            self._log.warning(
                f"frame refused imei={error.imei} code={error.code}: {error}",
                imei=error.imei,
                code=error.code,
                codec=codec,
                offset=offset,
                address=address,
                suppressed=suppressed,
            )

    def frame_overflowed(self, error: PublishOverflowError, *, codec: str) -> None:
        """The publish queue is full: the frame is dropped unanswered."""
        self._counters.add_frame(codec, "overflow")
        self._counters.overflows += 1
        if self._is_due("overflow"):
            self._log.error(f"publish queue is full: {error}", imei=error.imei, code=error.code)

    def frame_unpublished(self, error: RedisUnavailableError, *, codec: str) -> None:
        """Redis did not confirm the frame: it is dropped unanswered, and the device sends it again."""
        self._counters.add_frame(codec, "unpublished")
        if self._log.writes_debug:
            self._log.debug(f"frame unpublished: {error}", imei=error.imei, code=error.code)

    def frame_quarantined(self, error: FrameError, *, records: int) -> None:
        """A frame that cannot be decoded is kept raw, and is answered as if it had been published."""
        self._counters.quarantined += 1
        self._log.warning(
            f"frame quarantined imei={error.imei} code={error.code}: the device sent it again and again; "
            "it is kept raw and answered",
            imei=error.imei,
            code=error.code,
            records=records,
        )

    def frame_timed_out(self, *, imei: str | None, address: str) -> None:
        """The rest of a frame did not come in time."""
        if (suppressed := self._held_back("frame timed out", imei)) is not None:
            self._log.warning(
                f"frame timed out imei={imei}", imei=imei, address=address, suppressed=suppressed
            )

    def session_failed(self, error: BaseException, *, imei: str | None, address: str) -> None:
        """A fault of the program ended one connection, or cost one datagram; the others go on."""
        if (suppressed := self._held_back("fault", imei or _host(address))) is not None:
            text = f"{type(error).__name__}: {error}"
            self._log.error(
                f"session failed imei={imei}: {text}",
                imei=imei,
                address=address,
                error=text,
                suppressed=suppressed,
            )

    def _held_back(self, kind: str, subject: str | None) -> int | None:
        """How many such lines about the subject were left out since the last one; None: leave this one out, too."""
        held_back = self._lines.passes(f"{kind} {subject}", clocks.monotonic_s())
        if held_back is None:
            self._counters.suppressed_lines += 1
        return held_back


def _host(address: str) -> str:
    """Without the port, which is another for each connection."""
    return address.rpartition(":")[0]
