"""The errors of tcp-ingestion: each has the device, where it is known, and a stable code."""

from __future__ import annotations

from telemetry.chassis.errors import TelemetryError


class IngestionError(TelemetryError):
    """Base of the errors that end a login or leave a frame unanswered."""

    def __init__(self, message: str, *, imei: str | None, code: str) -> None:
        super().__init__(message)
        self.imei = imei
        """None before the login."""
        self.code = code


class HandshakeError(IngestionError):
    """What a connection begins with is no login, or none that is accepted."""


class FrameError(IngestionError):
    """A frame that is refused whole."""


class PublishOverflowError(IngestionError):
    """The publish queue is full: the frame is dropped, unanswered."""


class RedisUnavailableError(IngestionError):
    """Redis did not confirm the frame's records; `code` is that of Redis' refusal, or `connection`."""
