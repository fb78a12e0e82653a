"""What the answers need of the sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class ConnectedDevice(Protocol):
    """The connection of a device that has logged in."""

    @property
    def imei(self) -> str:
        """The device."""

    @property
    def address(self) -> str:
        """Host and port that it comes from."""

    @property
    def transport(self) -> str:
        """`tcp` or `tls`."""

    @property
    def connected_at_ms(self) -> int:
        """Unix time."""

    @property
    def last_frame_at_ms(self) -> int | None:
        """Unix time at which a frame was answered last; None: none yet."""

    @property
    def frames(self) -> int:
        """Frames that were answered."""


class Roster(Protocol):
    """Who is connected: one connection for each device."""

    def devices(self) -> Iterable[ConnectedDevice]:
        """All of this moment, in any order."""

    def device(self, imei: str) -> ConnectedDevice | None:
        """The connection that speaks for the device."""

    def look_for_tap(self, imei: str) -> None:
        """A watch of this device has begun or ended: its conversation asks for its tap again."""
