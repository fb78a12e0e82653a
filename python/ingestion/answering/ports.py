"""What the answers need of the sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ingestion.taps.taps import Tap


class Connected(Protocol):
    """The connection of a device that has logged in."""

    tap: Tap | None
    """Takes what is heard and said; None: nobody watches."""

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

    def __iter__(self) -> Iterator[Connected]:
        """All of this moment, in any order."""

    def of(self, imei: str) -> Connected | None:
        """The connection that speaks for the device."""
