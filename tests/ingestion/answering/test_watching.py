"""How long a watch lasts, who is told, and that messages are bounded."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import trio

from ingestion.answering.watching import LEASE_S, SEND_S, WATCHES_MAX, Watches
from ingestion.taps.taps import HELD_BYTES_MAX, PIECE_BYTES, Taps
from telemetry.chassis import clocks
from telemetry.chassis.control.messages import MESSAGE_BYTES_MAX
from telemetry.chassis.control.responder import Caller, CannotDo
from tests.support.journals import new_ingestion_journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ingestion.answering.ports import ConnectedDevice

IMEI = "356307042441013"


class NobodyConnected:
    """A roster that notes whose taps were to be looked for."""

    def __init__(self) -> None:
        self.looked: list[str] = []

    def devices(self) -> tuple[ConnectedDevice, ...]:
        return ()

    def device(self, _imei: str) -> ConnectedDevice | None:
        return None

    def look_for_tap(self, imei: str) -> None:
        self.looked.append(imei)


class Heard:
    """An operator: what it is told, and its requests."""

    def __init__(self) -> None:
        self.parts: list[Mapping[str, Any]] = []
        self.caller = Caller("0" * 32, self._take)

    async def _take(self, _request_id: str, part: Mapping[str, object]) -> None:
        await trio.lowlevel.checkpoint()
        self.parts.append(part)

    @property
    def kinds(self) -> list[str]:
        return [event["kind"] for part in self.parts for event in part["events"]]

    async def ask_again_for(self, seconds: int) -> None:
        for _ in range(seconds):
            self.caller.asked_at_s = clocks.monotonic_s()
            await trio.sleep(1)


class Instance:
    def __init__(self) -> None:
        self.taps, self.roster = Taps(), NobodyConnected()
        self.watches = Watches(self.taps, self.roster, new_ingestion_journal())


@asynccontextmanager
async def running() -> AsyncIterator[Instance]:
    instance = Instance()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(instance.watches.run)
        yield instance
        nursery.cancel_scope.cancel()


async def test_what_the_device_says_is_told_soon_and_numbered(autojump_clock: object) -> None:
    async with running() as instance:
        operator = Heard()
        begun = await instance.watches.begin(operator.caller, {"device_id": IMEI})
        assert begun == {"device": None}
        assert instance.roster.looked == [IMEI]
        tap = instance.taps.of(IMEI)
        assert tap is not None
        for _ in range(2):
            tap.received(b"\xff")
            await trio.sleep(2 * SEND_S)
        assert [each["part"] for each in operator.parts] == [1, 2]
        assert operator.kinds == ["received", "received"]


async def test_it_ends_by_itself_after_five_minutes(autojump_clock: object) -> None:
    async with running() as instance:
        operator = Heard()
        await instance.watches.begin(operator.caller, {"device_id": IMEI})
        await operator.ask_again_for(299)
        assert instance.taps.of(IMEI) is not None
        await operator.ask_again_for(2)
        assert instance.taps.of(IMEI) is None
        assert instance.roster.looked == [IMEI, IMEI]
        assert operator.kinds == ["ended"]


async def test_it_lasts_as_long_as_was_asked(autojump_clock: object) -> None:
    async with running() as instance:
        operator = Heard()
        await instance.watches.begin(operator.caller, {"device_id": IMEI, "for_s": 400})
        await operator.ask_again_for(399)
        assert operator.kinds == []
        await operator.ask_again_for(2)
        assert operator.kinds == ["ended"]


async def test_who_has_left_is_told_nothing_for_long(autojump_clock: object) -> None:
    async with running() as instance:
        left, stays = Heard(), Heard()
        for each in (left, stays):
            await instance.watches.begin(each.caller, {"device_id": IMEI})
        await stays.ask_again_for(int(LEASE_S) + 1)
        assert left.kinds == ["ended"]
        tap = instance.taps.of(IMEI)
        assert tap is not None
        tap.received(b"\xff")
        await stays.ask_again_for(1)
        assert (left.kinds, stays.kinds) == (["ended"], ["received"])


async def test_a_device_that_floods_makes_no_message_too_long_and_loses_events(
    autojump_clock: object,
) -> None:
    async with running() as instance:
        operator = Heard()
        await instance.watches.begin(operator.caller, {"device_id": IMEI})
        tap = instance.taps.of(IMEI)
        assert tap is not None
        for _ in range(2 * HELD_BYTES_MAX // PIECE_BYTES):
            tap.received(bytes(PIECE_BYTES))
            tap.noted('"\u00e9\x01' * 1_000)
        await operator.ask_again_for(20)
        assert operator.kinds[-1] == "lost"
        # The rest of an answer has its ids and names.
        assert max(len(orjson.dumps(each)) for each in operator.parts) < MESSAGE_BYTES_MAX - 4_096


async def test_so_many_watch_at_once_and_the_next_is_refused(autojump_clock: object) -> None:
    async with running() as instance:
        for _ in range(WATCHES_MAX):
            await instance.watches.begin(Heard().caller, {"device_id": IMEI})
        with pytest.raises(CannotDo, match="are being watched"):
            await instance.watches.begin(Heard().caller, {"device_id": IMEI})


@pytest.mark.parametrize(
    "arguments", [{}, {"device_id": 1}, {"device_id": IMEI, "for_s": 0}], ids=repr
)
async def test_bad_arguments_are_refused(arguments: dict[str, object]) -> None:
    instance = Instance()
    with pytest.raises(CannotDo):
        await instance.watches.begin(Heard().caller, arguments)
    assert instance.taps.count == 0
