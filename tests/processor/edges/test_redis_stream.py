"""What only a real server can do to a stream: keys of another type, missing rights, an exchange cut off."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import trio

from processor.core.attempts import Failure, FailureStage, Fate, Recorded
from processor.edges.ports import FIRST_ID
from processor.edges.redis import scripts
from processor.edges.redis.pending import PendingEntries
from processor.edges.redis.scripts import IDS_MAX, Script
from processor.edges.redis.stream import RedisPositionStream
from telemetry._codec import ReplyParser
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.errors import RedisRefused, RedisUnavailable
from telemetry.chassis.redis.commands import RIGHTS
from tests.support.stream_contract import GROUP, LONG_BLOCK_MS, RealStreamHarness, ids_of, names_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from redis import Redis

    from dev.servers import RedisServer

PASSWORD = "s3cret"
SCRIPTS = [value for value in vars(scripts).values() if isinstance(value, Script)]
# Fields that one command of a script takes, with those of the dead letter.
FIELDS_KEPT = 3_500


# Each failure of its own moment.
moments = count(1)


def failure_of(entry_id: str) -> Failure:
    return Failure(entry_id, next(moments), FailureStage.DECODE, "bad_json", "not JSON")


@pytest.fixture
async def real(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> AsyncIterator[RealStreamHarness]:
    """A connected stream with its group."""
    harness = RealStreamHarness(redis_server.url, redis_client, stream_name)
    await harness.stream.connect()
    await harness.stream.ensure_group()
    yield harness
    await harness.stream.aclose()


@asynccontextmanager
async def connected_as(
    user: str, server: RedisServer, stream_name: str
) -> AsyncIterator[RedisPositionStream]:
    stream = RedisPositionStream(
        redis_target(f"redis://{user}:{PASSWORD}@{server.host}:{server.port}/0"),
        names_of(stream_name, "own"),
        instance_id=stream_name,
        new_parser=ReplyParser,
    )
    try:
        await stream.connect()
        yield stream
    finally:
        await stream.aclose()


class Account:
    """A user of the server whose rights a test decides."""

    def __init__(self, client: Redis, stream_name: str) -> None:
        self.name = stream_name.replace(":", "-")
        self._client = client
        self._keys = (stream_name, f"{stream_name}:*")

    def grant(self, *commands: str) -> None:
        keys = [f"~{key}" for key in self._keys]
        self._acl(
            "SETUSER", "reset", "on", f">{PASSWORD}", *keys, *(f"+{each}" for each in commands)
        )

    def deny(self, command: str) -> None:
        self._acl("SETUSER", f"-{command}")

    def remove(self) -> None:
        self._acl("DELUSER")

    def _acl(self, action: str, *rules: str) -> None:
        self._client.execute_command("ACL", action, self.name, *rules)  # type: ignore[no-untyped-call]


@pytest.fixture
def account(redis_client: Redis, stream_name: str) -> Iterator[Account]:
    """A user with the documented rights, and no others."""
    account = Account(redis_client, stream_name)
    account.grant(*RIGHTS)
    yield account
    account.remove()


async def read(harness: RealStreamHarness, count: int) -> list[str]:
    entry_ids = [harness.add(number) for number in range(count)]
    await harness.stream.read_new(count, LONG_BLOCK_MS)
    return entry_ids


def between_lease_and_delivery(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have `act` come between the two exchanges of a redelivery."""
    lease = PendingEntries._lease

    async def lease_and_act(*arguments: Any) -> Any:
        leased = await lease(*arguments)
        act()
        return leased

    monkeypatch.setattr(PendingEntries, "_lease", lease_and_act)


async def test_a_dead_letter_that_redis_refuses_leaves_its_entry_pending_and_the_others_recorded(
    real: RealStreamHarness, redis_client: Redis, stream_name: str
) -> None:
    redis_client.set(f"{stream_name}:dlq", "no stream")
    last, first = await read(real, 2)
    real.put_attempts(last, '{"n":2}')
    with pytest.raises(RedisRefused, match=f"1 of 2 failures .* {last}") as caught:
        await real.stream.record_failures([failure_of(last), failure_of(first)], attempts_max=3)
    assert caught.value.code == "WRONGTYPE"
    assert "script" not in str(caught.value)
    assert real.pending() == {last: 1, first: 1}
    assert {entry_id: each["n"] for entry_id, each in real.attempts().items()} == {
        last: 2,
        first: 1,
    }
    redis_client.delete(f"{stream_name}:dlq")
    assert await real.stream.record_failures([failure_of(last)], attempts_max=3) == [
        Recorded(Fate.DEAD_LETTERED, 3)
    ]
    assert len(real.dead_letters()) == 1


async def test_a_trials_dead_letter_that_redis_refuses_leaves_its_entry_pending(
    real: RealStreamHarness, redis_client: Redis, stream_name: str
) -> None:
    redis_client.set(f"{stream_name}:dlq", "no stream")
    [entry_id] = await read(real, 1)
    real.put_attempts(entry_id, '{"n":3,"code":"no_answer"}')
    with pytest.raises(RedisRefused) as caught:
        await real.stream.begin_trial(entry_id, attempts_max=3)
    assert caught.value.code == "WRONGTYPE"
    assert "script" not in str(caught.value)
    assert real.pending() == {entry_id: 1}
    assert real.attempts()[entry_id]["n"] == 3


async def test_a_failure_on_trial_is_known_though_redis_refuses_its_dead_letter(
    real: RealStreamHarness, redis_client: Redis, stream_name: str
) -> None:
    redis_client.set(f"{stream_name}:dlq", "no stream")
    [entry_id] = await read(real, 1)
    await real.stream.begin_trial(entry_id, attempts_max=1)
    failure = replace(failure_of(entry_id), on_trial=True)
    with pytest.raises(RedisRefused):
        await real.stream.record_failures([failure], attempts_max=1)
    [left] = await real.stream.list_pending(FIRST_ID, 1)
    assert not left.is_suspect


async def test_a_recorded_name_that_is_no_text_is_forgotten(
    real: RealStreamHarness, redis_client: Redis, stream_name: str
) -> None:
    redis_client.hset(f"{stream_name}:{GROUP}:attempts", b"\xff", "?")
    assert (await real.stream.sweep_attempts()).forgotten == 1


async def test_an_attempts_key_of_another_type_is_refused_by_its_code(
    real: RealStreamHarness, redis_client: Redis, stream_name: str
) -> None:
    [entry_id] = await read(real, 1)
    redis_client.set(names_of(stream_name, "own").attempts, "no hash")
    again = await real.stream.redeliver([entry_id])
    batch = again.delivery.batch
    for call in (
        lambda: real.stream.list_pending(FIRST_ID, 10),
        lambda: real.stream.claim(FIRST_ID, 10, idle_ms=0),
        lambda: real.stream.record_failures([failure_of(entry_id)], attempts_max=1),
        lambda: real.stream.begin_trial(entry_id, attempts_max=1),
        lambda: real.stream.end_trial(entry_id),
        real.stream.sweep_attempts,
    ):
        with pytest.raises(RedisRefused) as caught:
            await call()
        assert caught.value.code == "WRONGTYPE"
    assert real.dead_letters() == []
    # What is sound is not held up, and the connections are in step.
    assert await real.stream.ack(batch, attempted=[entry_id]) == 1
    assert await real.stream.lag() == (0, 0)


async def test_a_stream_key_of_another_type_is_refused_and_forgets_nothing(
    real: RealStreamHarness, redis_client: Redis, stream_name: str
) -> None:
    [entry_id] = await read(real, 1)
    real.put_attempts(entry_id, '{"n":1}')
    redis_client.set(stream_name, "no stream")
    for call in (
        lambda: real.stream.list_pending(FIRST_ID, 10),
        lambda: real.stream.claim(FIRST_ID, 10, idle_ms=0),
        lambda: real.stream.redeliver([entry_id]),
        lambda: real.stream.renew([entry_id]),
        lambda: real.stream.record_failures([failure_of(entry_id)], attempts_max=1),
        lambda: real.stream.begin_trial(entry_id, attempts_max=1),
        real.stream.sweep_attempts,
    ):
        with pytest.raises(RedisRefused) as caught:
            await call()
        assert caught.value.code == "WRONGTYPE"
    assert real.attempts() == {entry_id: {"n": 1}}


async def test_the_highest_count_of_deliveries_that_there_is_makes_a_suspect(
    real: RealStreamHarness, redis_client: Redis, stream_name: str
) -> None:
    [entry_id] = await read(real, 1)
    redis_client.xclaim(stream_name, GROUP, "own", 0, [entry_id], retrycount=2**63 - 1, justid=True)
    [listed] = await real.stream.list_pending(FIRST_ID, 10)
    [claimed] = (await real.stream.claim(FIRST_ID, 10, idle_ms=0)).entries
    assert listed.is_suspect
    assert claimed.is_suspect
    await real.stream.record_failures([failure_of(entry_id)], attempts_max=1)
    [letter] = real.dead_letters()
    assert int(letter["dlq_deliveries"]) > 1_000_000


async def test_no_script_is_given_more_ids_than_redis_handles_without_holding_others_up(
    real: RealStreamHarness,
) -> None:
    entry_ids = await read(real, IDS_MAX + 1)
    step = await real.stream.claim(FIRST_ID, 10_000, idle_ms=0)
    assert [entry.entry_id for entry in step.entries] == entry_ids[:IDS_MAX]
    assert step.cursor == entry_ids[IDS_MAX]


@pytest.mark.parametrize("loss", ["destroy_group", "delete_stream"])
async def test_a_group_that_goes_while_entries_are_delivered_again_leaves_nothing_pending(
    real: RealStreamHarness, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    [entry_id] = await read(real, 1)
    between_lease_and_delivery(monkeypatch, getattr(real, loss))
    again = await real.stream.redeliver([entry_id])
    assert (again.delivery.entries, [*again.lost_ids]) == (0, [])


async def test_entries_that_are_deleted_while_they_are_delivered_again_are_lost(
    real: RealStreamHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, deleted = await read(real, 2)
    bad = real.add_malformed()
    await real.stream.read_new(1, LONG_BLOCK_MS)
    between_lease_and_delivery(monkeypatch, lambda: real.delete(deleted))
    again = await real.stream.redeliver([kept, deleted, bad])
    assert (ids_of(again.delivery), again.delivery.entries) == ([kept], 2)
    assert [*again.lost_ids] == [deleted]
    assert real.pending() == {kept: 2, bad: 2}


async def test_entries_that_others_settle_while_they_are_delivered_again_are_no_losses(
    real: RealStreamHarness, redis_client: Redis, stream_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, settled = await read(real, 2)
    between_lease_and_delivery(monkeypatch, lambda: redis_client.xack(stream_name, GROUP, settled))
    again = await real.stream.redeliver([kept, settled])
    assert (ids_of(again.delivery), [*again.lost_ids]) == ([kept], [])


async def test_an_entry_with_more_fields_than_a_script_can_pass_on_is_a_dead_letter_that_says_so(
    real: RealStreamHarness,
) -> None:
    fields: dict[str, str | bytes] = {f"field-{number}": "value" for number in range(20_000)}
    whole: dict[str, str | bytes] = dict([*fields.items()][:FIELDS_KEPT])
    for each in (fields, whole):
        entry_id = real.add_fields(each)
        await real.stream.read_new(1, LONG_BLOCK_MS)
        recorded = await real.stream.record_failures([failure_of(entry_id)], attempts_max=1)
        assert recorded == [Recorded(Fate.DEAD_LETTERED, 1)]
    cut, uncut = real.dead_letters()
    assert cut["dlq_error"] == "not JSON (of its 20000 fields only the first 3500 are kept here)"
    assert uncut["dlq_error"] == "not JSON"
    for letter in (cut, uncut):
        originals = {name: value for name, value in letter.items() if not name.startswith("dlq_")}
        assert originals == whole
        assert len(letter) == FIELDS_KEPT + 11


@pytest.mark.parametrize("protocol", ["resp3", "resp2"])
async def test_the_documented_rights_suffice_for_everything(
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
    account: Account,
    protocol: str,
) -> None:
    if protocol == "resp2":
        account.deny("hello")
    harness = RealStreamHarness(redis_server.url, redis_client, stream_name)
    async with connected_as(account.name, redis_server, stream_name) as stream:
        assert (await stream.ensure_group()).stream_was_missing
        good, tried, bad = harness.add(1), harness.add(2), harness.add_malformed()
        delivery = await stream.read_new(10, LONG_BLOCK_MS)
        assert await stream.record_failures([failure_of(bad)], attempts_max=2) == [
            Recorded(Fate.LEFT_PENDING, 1)
        ]
        listed = await stream.list_pending(FIRST_ID, 10)
        assert [entry.attempts is None for entry in listed] == [True, True, False]
        claim = await stream.claim(FIRST_ID, 10, idle_ms=0)
        assert len(claim.entries) == 3
        assert ids_of((await stream.redeliver([good])).delivery) == [good]
        assert await stream.renew([good, tried]) == [good, tried]
        assert (await stream.begin_trial(tried, attempts_max=2)).fate is Fate.LEFT_PENDING
        await stream.end_trial(tried)
        assert await stream.record_failures([failure_of(bad)], attempts_max=2) == [
            Recorded(Fate.DEAD_LETTERED, 2)
        ]
        assert await stream.ack(delivery.batch, attempted=[tried]) == 2
        harness.put_attempts(good, '{"n":1}')
        assert (await stream.sweep_attempts()).forgotten == 1
        await stream.keep_alive()
        assert await stream.lag() == (0, 0)
    assert len(harness.dead_letters()) == 1


async def test_a_missing_right_is_refused_by_name_and_changes_nothing(
    redis_server: RedisServer, redis_client: Redis, stream_name: str, account: Account
) -> None:
    harness = RealStreamHarness(redis_server.url, redis_client, stream_name)
    async with connected_as(account.name, redis_server, stream_name) as stream:
        await stream.ensure_group()
        entry_id = harness.add_malformed()
        await stream.read_new(10, LONG_BLOCK_MS)
        account.deny("xadd")
        with pytest.raises(RedisRefused) as caught:
            await stream.record_failures([failure_of(entry_id)], attempts_max=1)
        assert caught.value.code in {"NOPERM", "ERR"}
        assert harness.pending() == {entry_id: 1}
        account.deny("hdel")
        again = await stream.redeliver([entry_id])
        assert again.delivery.entries == 1
        good = harness.add(1)
        batch = (await stream.read_new(10, LONG_BLOCK_MS)).batch
        harness.put_attempts(good, '{"n":1}')
        assert await stream.ack(batch, attempted=[good]) == 1
        assert harness.pending() == {entry_id: 2}
        with pytest.raises(RedisRefused):
            await stream.sweep_attempts()
        assert good in harness.attempts()


async def test_an_exchange_about_pending_entries_that_is_cut_off_costs_no_other_connection(
    real: RealStreamHarness, redis_server: RedisServer
) -> None:
    entry_ids = await read(real, 3)
    stream: Any = real.stream
    redis_server.process.freeze()
    with trio.move_on_after(0.02) as scope:
        await stream.redeliver(entry_ids)
    redis_server.process.thaw()
    assert scope.cancelled_caught
    assert await stream.renew(entry_ids) == entry_ids
    assert (await stream.read_new(1, 1)).entries == 0
    with pytest.raises(RedisUnavailable):
        await stream.list_pending(FIRST_ID, 10)
    await stream.connect()
    assert ids_of((await stream.redeliver(entry_ids)).delivery) == entry_ids


async def test_several_tasks_may_ask_about_pending_entries_at_a_time(
    real: RealStreamHarness,
) -> None:
    entry_ids = await read(real, 50)
    delivered: list[list[str]] = []

    async def redeliver(some: list[str]) -> None:
        delivered.append(ids_of((await real.stream.redeliver(some)).delivery))

    async with trio.open_nursery() as nursery:
        for start in range(0, 50, 5):
            nursery.start_soon(redeliver, entry_ids[start : start + 5])
            nursery.start_soon(real.stream.list_pending, FIRST_ID, 50)
    assert sorted(delivered) == sorted(entry_ids[start : start + 5] for start in range(0, 50, 5))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_says_its_job_its_keys_its_arguments_and_its_reply(script: Script) -> None:
    own = Script(script.name).text
    assert own.startswith("-- ")
    for word in ("KEYS:", "ARGV:", "-- Reply:"):
        assert word in own
