"""Which connection speaks for which device: the newest one that has logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingestion.sessions.conversation import Conversation


class Roster:
    """The conversations of devices that have logged in, one for each device."""

    def __init__(self) -> None:
        self._by_imei: dict[str, Conversation] = {}

    def devices(self) -> Iterable[Conversation]:
        """All of this moment, in any order."""
        return self._by_imei.values()

    def device(self, imei: str) -> Conversation | None:
        """The conversation that speaks for the device."""
        return self._by_imei.get(imei)

    def look_for_tap(self, imei: str) -> None:
        """A watch of this device has begun or ended."""
        if (conversation := self._by_imei.get(imei)) is not None:
            conversation.look_for_tap()

    def enter(self, imei: str, conversation: Conversation) -> Conversation | None:
        """From now on this one speaks for the device; the older one whose place it takes."""
        older = self._by_imei.get(imei)
        self._by_imei[imei] = conversation
        return None if older is conversation else older

    def leave(self, imei: str, conversation: Conversation) -> None:
        """The conversation has ended: the device's entry goes, unless a newer one has it."""
        if self._by_imei.get(imei) is conversation:
            del self._by_imei[imei]
