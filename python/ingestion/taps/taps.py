"""Which devices are watched, and what their sessions hand over; nothing is done for any other device.

A conversation asks `Taps.of` at the login of its device, and again when a watch begins or ends. Without a tap, being
watched costs it nothing. With one, the bytes pass through Python on their way to the session's machine; that is slower,
and only for this device.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Final

from ingestion.taps.events import (
    CLOSED,
    LOST,
    NOTED,
    OPENED,
    RECEIVED,
    SENT,
    TEXT_CHARACTERS_MAX,
    Event,
    event,
)
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from collections.abc import Iterator

# Hex of it is a quarter of a message.
PIECE_BYTES: Final = 8 * 1024
# In messages. A watch that cannot be sent as fast as the device talks loses events, and says so.
HELD_BYTES_MAX: Final = 2 * 1024 * 1024


class Watch:
    """What one operator has not been sent yet of one device's conversation. Bounded."""

    def __init__(self, imei: str) -> None:
        self.imei = imei
        self._events: deque[Event] = deque()
        self._held_bytes = 0
        self._lost = 0

    def add(self, each: Event) -> None:
        """Keep an event, or count it as lost where too much is held."""
        if self._held_bytes + each.size_bytes > HELD_BYTES_MAX:
            self._lost += 1
            return
        self._held_bytes += each.size_bytes
        self._events.append(each)

    def take(self, bytes_max: int) -> list[Event]:
        """The oldest events, of so many bytes together at most, but one at least if there is one."""
        taken, taken_bytes = list[Event](), 0
        while self._events:
            taken_bytes += self._events[0].size_bytes
            if taken and taken_bytes > bytes_max:
                return taken
            taken.append(self._events.popleft())
            self._held_bytes -= taken[-1].size_bytes
        if self._lost:
            taken.append(event(clocks.unix_ms(), 0, LOST, events=self._lost))
            self._lost = 0
        return taken


class Tap:
    """One connection of a device that is watched. Never waits, never raises.

    Every call may be made when the watch has ended: then nothing is kept.
    """

    def __init__(self, watches: list[Watch], connection: int) -> None:
        self._watches = watches
        self._connection = connection

    def opened(self, *, address: str, transport: str, is_login: bool) -> None:
        """The first call. `is_login`: the device has just logged in; else it was connected before the watch began."""
        self._add(OPENED, address=address, transport=transport, login=is_login)

    def received(self, data: bytes) -> None:
        """Bytes came from the device. Unless it has just logged in, the first ones begin a message."""
        self._add_bytes(RECEIVED, data)

    def sent(self, data: bytes) -> None:
        """Bytes went to the device."""
        self._add_bytes(SENT, data)

    def noted(self, what: str, **facts: object) -> None:
        """Something happened, as a sentence; facts: whatever helps, as `codec`."""
        self._add(NOTED, what=what[:TEXT_CHARACTERS_MAX], **facts)

    def closed(self, why: str) -> None:
        """The connection is over: the last call."""
        self._add(CLOSED, why=why[:TEXT_CHARACTERS_MAX])

    def _add_bytes(self, kind: str, data: bytes) -> None:
        for start in range(0, len(data), PIECE_BYTES):
            self._add(kind, hex=data[start : start + PIECE_BYTES].hex())

    def _add(self, kind: str, **facts: object) -> None:
        if self._watches:
            seen = event(clocks.unix_ms(), self._connection, kind, **facts)
            for watch in self._watches:
                watch.add(seen)


class Taps:
    """The watches of this instance, by device."""

    def __init__(self) -> None:
        self._watches: dict[str, list[Watch]] = {}
        self._connections: Iterator[int] = count(1)

    def of(self, imei: str) -> Tap | None:
        """For a connection of the device, if somebody watches it."""
        watches = self._watches.get(imei)
        return None if watches is None else Tap(watches, next(self._connections))

    def begin(self, imei: str) -> Watch:
        """Watch a device from now on."""
        watch = Watch(imei)
        self._watches.setdefault(imei, []).append(watch)
        return watch

    def end(self, watch: Watch) -> None:
        """Watch it no more."""
        watches = self._watches[watch.imei]
        watches.remove(watch)
        if not watches:
            # Taps that are still held have this list, and find it empty.
            del self._watches[watch.imei]

    @property
    def count(self) -> int:
        """How many watches there are."""
        return sum(map(len, self._watches.values()))
