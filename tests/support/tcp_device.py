"""A device as tcp-ingestion sees it: it logs in, sends one frame at a time, and again what was not answered."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.support.conversations import login_of

IMEI = "356307042441013"
ANSWER_BYTES = 4
WAIT_S_MAX = 10.0

Frames: TypeAlias = Callable[[], bytes]


@dataclass
class TcpDevice:
    """A device at `address`, host and port, whose next frame is that of `frames`.

    It has no thread: whoever holds it calls `live`, which returns at once but for a connection that is opened.
    """

    address: str
    frames: Frames
    imei: str = IMEI
    answer_timeout_s: float = 1.0
    """The device's own setting: without an answer for so long it closes the connection and sends again."""
    answered: int = 0
    _socket: socket.socket | None = None
    _frame: bytes = b""
    _received: bytearray = field(default_factory=bytearray)
    _sent_s: float = 0.0

    def live(self) -> None:
        """Take an answer, if one has come; send the next frame, or the same again over a new connection."""
        with suppress(OSError):
            if self._socket is None:
                self._connect()
            elif self._frame and not self._is_answered():
                if time.monotonic() - self._sent_s > self.answer_timeout_s:
                    self.close()
            else:
                self._frame = self.frames()
                self._send()
            return
        self.close()

    def close(self) -> None:
        """Close the connection; the frame that was not answered stays."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> None:
        host, _, port = self.address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=WAIT_S_MAX)
        self._socket.sendall(login_of(self.imei))
        if self._socket.recv(1) != b"\x01":
            raise ConnectionError("the login was refused")
        self._socket.settimeout(0)
        self._received.clear()
        if self._frame:
            self._send()

    def _send(self) -> None:
        assert self._socket is not None
        self._socket.sendall(self._frame)
        self._sent_s = time.monotonic()

    def _is_answered(self) -> bool:
        """Raises OSError when the connection has ended."""
        assert self._socket is not None
        with suppress(BlockingIOError):
            if not (data := self._socket.recv(ANSWER_BYTES)):
                raise ConnectionError("the service has closed the connection")
            self._received += data
        if len(self._received) < ANSWER_BYTES:
            return False
        self._received.clear()
        self.answered += 1
        self._frame = b""
        return True
