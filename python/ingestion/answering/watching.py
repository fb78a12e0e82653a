"""Has a device's conversation told to an operator while it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

import trio

from ingestion.answering.devices import described
from ingestion.taps.events import ENDED, Event, event
from telemetry.chassis import clocks
from telemetry.chassis.control.arguments import seconds_of, text_of
from telemetry.chassis.control.responder import CannotDo

if TYPE_CHECKING:
    from ingestion.answering.ports import Roster
    from ingestion.taps.taps import Taps, Watch
    from telemetry.chassis.control.messages import Values
    from telemetry.chassis.control.responder import Caller

WATCH_S_DEFAULT: Final = 300
WATCHES_MAX: Final = 16
# Whoever watches asks again every second; who has left or stands still does not.
LEASE_S: Final = 5.0
# Soon enough to look live, and seldom enough that a chatty device costs no message a frame.
SEND_S: Final = 0.2
# A message holds 64 KiB.
PART_BYTES_MAX: Final = 48 * 1024
# A device that sends more than this loses events; Redis is there for positions.
PARTS_AT_ONCE_MAX: Final = 4


class WatchJournal(Protocol):
    """Where watches are reported. Never raises."""

    def watch_began(self, *, imei: str, for_s: int) -> None:
        """Somebody watches a device."""

    def watch_ended(self, *, imei: str, why: str) -> None:
        """Nobody does any more."""


@dataclass(eq=False, slots=True)
class _Told:
    """A watch, and the caller that it is sent to."""

    watch: Watch
    caller: Caller
    ends_at_s: float
    parts: int = 0


class Watches:
    """The watches of this instance. Ends only by cancellation; then whoever watches hears no more."""

    def __init__(self, taps: Taps, roster: Roster, journal: WatchJournal) -> None:
        self._taps = taps
        self._roster = roster
        self._journal = journal
        self._told: list[_Told] = []
        self._news = trio.Event()

    async def begin(self, caller: Caller, arguments: Values) -> Values:
        """Begin to tell; what is known of the device now, or null for one that is not connected."""
        await trio.lowlevel.checkpoint()
        imei, for_s = text_of(arguments, "device_id"), seconds_of(arguments, "for_s")
        if self._taps.count == WATCHES_MAX:
            raise CannotDo(f"{WATCHES_MAX} devices are being watched on this instance already")
        for_s = for_s or WATCH_S_DEFAULT
        watch = self._taps.begin(imei)
        self._told.append(_Told(watch, caller, clocks.monotonic_s() + for_s))
        self._journal.watch_began(imei=imei, for_s=for_s)
        self._roster.look_for_tap(imei)
        self._news.set()
        device = self._roster.device(imei)
        return {"device": None if device is None else described(device)}

    async def run(self) -> NoReturn:
        """Send what the taps have, until cancelled."""
        while True:
            self._news = trio.Event()
            if not self._told:
                await self._news.wait()
            for told in list(self._told):
                await self._send(told)
                if why := self._over(told):
                    await self._end(told, why)
            await trio.sleep(SEND_S)

    async def _send(self, told: _Told) -> None:
        for _ in range(PARTS_AT_ONCE_MAX):
            events = told.watch.take(PART_BYTES_MAX)
            if not events:
                return
            await self._tell(told, events)

    async def _tell(self, told: _Told, events: list[Event]) -> None:
        told.parts += 1
        await told.caller.tell({"part": told.parts, "events": [each.values for each in events]})

    def _over(self, told: _Told) -> str | None:
        now_s = clocks.monotonic_s()
        if now_s >= told.ends_at_s:
            return "its time is over"
        return "nobody asks for it any more" if now_s - told.caller.asked_at_s > LEASE_S else None

    async def _end(self, told: _Told, why: str) -> None:
        self._told.remove(told)
        self._taps.end(told.watch)
        self._roster.look_for_tap(told.watch.imei)
        self._journal.watch_ended(imei=told.watch.imei, why=why)
        await self._tell(told, [event(clocks.unix_ms(), 0, ENDED, why=why)])
