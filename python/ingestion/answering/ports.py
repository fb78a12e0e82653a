"""What the answers need of the sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class ConnectedDevice(Protocol):
    """A device that has logged in, and whose connection is open."""

    @property
    def imei(self) -> str:
        """Who it is."""

    @property
    def address(self) -> str:
        """Host and port that it comes from, as a PROXY header announced them."""

    @property
    def transport(self) -> str:
        """`tcp` or `tls`."""

    @property
    def connected_at_ms(self) -> int:
        """Unix time of its login."""

    @property
    def last_frame_at_ms(self) -> int | None:
        """Unix time at which its last whole frame came; None: none yet."""

    @property
    def frames(self) -> int:
        """Frames of this connection that were answered."""


class Roster(Protocol):
    """Who is connected."""

    def devices(self) -> Iterable[ConnectedDevice]:
        """All of this moment, in any order. Nothing is awaited while they are gone through."""

    def device(self, imei: str) -> ConnectedDevice | None:
        """One of them."""

    def look_for_tap(self, imei: str) -> None:
        """A watch of this device has begun or ended.

        If it is connected, its session asks `Taps.of` again before it next receives, at the boundary of a frame.
        """
