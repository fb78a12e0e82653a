"""The fake stream's own features: faults at either moment of a call, and virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from processor.core.attempts import Failure, FailureStage, Fate, Recorded
from processor.edges.ports import STREAM_START
from telemetry.chassis.errors import RedisUnavailable
from tests.support.fakes.faults import Moment
from tests.support.fakes.redis import FakeRedis
from tests.support.fakes.stream import FakeStream
from tests.support.stream_contract import LONG_BLOCK_MS, fields, ids_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from telemetry._codec import Batch

ATTEMPTS_MAX = 3
NOON_MS = 1_777_636_800_000


class Scene:
    """A consumer with one entry that it has read."""

    def __init__(self) -> None:
        self.redis = FakeRedis(clock_ms=lambda: NOON_MS)
        self.stream = FakeStream(self.redis)
        self.entry_id = ""
        self.batch: Batch | None = None

    async def begin(self) -> None:
        await self.stream.connect()
        await self.stream.ensure_group()
        self.entry_id = self.redis.add(fields(1))
        self.batch = (await self.stream.read_new(1, LONG_BLOCK_MS)).batch

    async def ack(self) -> None:
        assert self.batch is not None
        await self.stream.ack(self.batch)

    async def record(self) -> None:
        failure = Failure(self.entry_id, NOON_MS, FailureStage.DECODE, "bad_json", "not JSON")
        await self.stream.record_failures([failure], attempts_max=ATTEMPTS_MAX)

    async def read(self) -> None:
        self.redis.add(fields(2))
        await self.stream.read_new(1, LONG_BLOCK_MS)

    async def trial(self) -> None:
        await self.stream.begin_trial(self.entry_id, attempts_max=ATTEMPTS_MAX)

    async def redeliver(self) -> None:
        await self.stream.redeliver([self.entry_id])

    def state(self) -> tuple[object, ...]:
        pending = {key: entry.deliveries for key, entry in self.redis.pending.items()}
        return pending, dict(self.redis.attempts), len(self.redis.dead_letters)


@pytest.fixture
async def scene() -> Scene:
    scene = Scene()
    await scene.begin()
    return scene


CALLS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "ack": Scene.ack,
    "record_failures": Scene.record,
    "read_new": Scene.read,
    "begin_trial": Scene.trial,
    "redeliver": Scene.redeliver,
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("moment", Moment)
async def test_a_call_fails_before_it_took_effect_or_after(
    scene: Scene, call: str, moment: Moment
) -> None:
    before = scene.state()
    store = scene.stream.faults.before if moment is Moment.BEFORE else scene.stream.faults.after
    store[call].append(scene.stream.unavailable())
    with pytest.raises(RedisUnavailable):
        await CALLS[call](scene)
    assert (scene.state() == before) == (moment is Moment.BEFORE)


async def test_an_unavailable_server_costs_the_connection_of_the_call_and_no_other(
    scene: Scene,
) -> None:
    scene.stream.faults.before["claim"].append(scene.stream.unavailable())
    with pytest.raises(RedisUnavailable):
        await scene.stream.claim(STREAM_START, 1, idle_ms=0)
    with pytest.raises(RedisUnavailable, match="not connected"):
        await scene.stream.list_pending(STREAM_START, 1)
    assert await scene.stream.renew([scene.entry_id]) == [scene.entry_id]
    await scene.read()
    await scene.stream.connect()
    assert len(await scene.stream.list_pending(STREAM_START, 10)) == 2


@pytest.mark.parametrize("moment", Moment)
async def test_a_crash_at_a_call_lets_it_arrive_or_not_and_none_after_it(
    scene: Scene, moment: Moment
) -> None:
    seen: list[tuple[str, Moment]] = []
    crashed = False

    async def crash_at_the_ack(call: str, now: Moment) -> None:
        nonlocal crashed
        seen.append((call, now))
        crashed = crashed or (call, now) == ("ack", moment)
        if crashed:
            await trio.sleep_forever()

    async def live() -> None:
        await scene.record()
        await scene.ack()
        await scene.stream.sweep_attempts()

    scene.stream.faults.intercept = crash_at_the_ack
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert seen[:2] == [("record_failures", Moment.BEFORE), ("record_failures", Moment.AFTER)]
    assert seen[-1] == ("ack", moment)
    assert bool(scene.redis.pending) == (moment is Moment.BEFORE)
    survivor = FakeStream(scene.redis, consumer="survivor")
    await survivor.connect()
    claimed = await survivor.claim(STREAM_START, 10, idle_ms=0)
    assert len(claimed.entries) == len(scene.redis.pending)


async def test_entries_grow_idle_by_virtual_time(
    autojump_clock: trio.testing.MockClock, scene: Scene
) -> None:
    assert autojump_clock.rate == 0
    other = FakeStream(scene.redis, consumer="other")
    await other.connect()
    await trio.sleep(59.999)
    assert [*(await other.claim(STREAM_START, 10, idle_ms=60_000)).entries] == []
    await trio.sleep(0.001)
    assert len((await other.claim(STREAM_START, 10, idle_ms=60_000)).entries) == 1
    assert ids_of((await other.redeliver([scene.entry_id])).delivery) == [scene.entry_id]


async def test_failures_and_dead_letters_are_dated_by_the_clock_that_is_given(scene: Scene) -> None:
    failure = Failure(scene.entry_id, NOON_MS, FailureStage.DECODE, "bad_json", "not JSON")
    scene.redis.clock_ms = lambda: 0
    recorded = await scene.stream.record_failures([failure], attempts_max=1)
    assert recorded == [Recorded(Fate.DEAD_LETTERED, 1)]
    [letter] = scene.redis.dead_letters
    assert letter["dlq_first_failed_at"] == "2026-05-01T12:00:00.000Z"
    assert letter["dlq_dead_at"] == "1970-01-01T00:00:00.000Z"
