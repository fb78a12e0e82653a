"""Failures and dead letters on a real server: keys of another type, counts and fields without end."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from processor.core.attempts import Failure, FailureStage, Fate, Recorded
from processor.edges.ports import STREAM_START
from telemetry.chassis.errors import RedisRefused
from tests.support.stream_contract import (
    GROUP,
    LONG_BLOCK_MS,
    RealStreamHarness,
    delivered,
    lag_of,
    names_of,
)

if TYPE_CHECKING:
    from redis import Redis


# Fields that one command of a script takes, with those of the dead letter.
FIELDS_KEPT = 3_500


# Each failure of its own moment.
moments = count(1)


def failure_of(entry_id: str) -> Failure:
    return Failure(entry_id, next(moments), FailureStage.DECODE, "bad_json", "not JSON")


async def test_a_dead_letter_that_redis_refuses_leaves_its_entry_pending_and_the_others_recorded(
    real: RealStreamHarness, redis_client: Redis, stream_name: str
) -> None:
    redis_client.set(f"{stream_name}:dlq", "no stream")
    last, first = await delivered(real, 2)
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
    [entry_id] = await delivered(real, 1)
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
    [entry_id] = await delivered(real, 1)
    await real.stream.begin_trial(entry_id, attempts_max=1)
    failure = replace(failure_of(entry_id), on_trial=True)
    with pytest.raises(RedisRefused):
        await real.stream.record_failures([failure], attempts_max=1)
    [left] = await real.stream.list_pending(STREAM_START, 1)
    assert not left.is_suspect()


async def test_a_field_of_the_attempts_hash_that_is_no_text_is_removed(
    real: RealStreamHarness, redis_client: Redis, stream_name: str
) -> None:
    redis_client.hset(f"{stream_name}:{GROUP}:attempts", b"\xff", "?")
    assert (await real.stream.sweep_attempts()).removed == 1


async def test_an_attempts_key_of_another_type_is_refused_by_its_code(
    real: RealStreamHarness, redis_client: Redis, stream_name: str
) -> None:
    [entry_id] = await delivered(real, 1)
    redis_client.set(names_of(stream_name, "own").attempts, "no hash")
    again = await real.stream.redeliver([entry_id])
    batch = again.delivery.batch
    for call in (
        lambda: real.stream.list_pending(STREAM_START, 10),
        lambda: real.stream.claim(STREAM_START, 10, idle_ms=0),
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
    assert await lag_of(real.stream) == (0, 0)


async def test_a_stream_key_of_another_type_is_refused_and_no_attempt_is_removed(
    real: RealStreamHarness, redis_client: Redis, stream_name: str
) -> None:
    [entry_id] = await delivered(real, 1)
    real.put_attempts(entry_id, '{"n":1}')
    redis_client.set(stream_name, "no stream")
    for call in (
        lambda: real.stream.list_pending(STREAM_START, 10),
        lambda: real.stream.claim(STREAM_START, 10, idle_ms=0),
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
    [entry_id] = await delivered(real, 1)
    redis_client.xclaim(stream_name, GROUP, "own", 0, [entry_id], retrycount=2**63 - 1, justid=True)
    [listed] = await real.stream.list_pending(STREAM_START, 10)
    [claimed] = (await real.stream.claim(STREAM_START, 10, idle_ms=0)).entries
    assert listed.is_suspect()
    assert claimed.is_suspect()
    await real.stream.record_failures([failure_of(entry_id)], attempts_max=1)
    [letter] = real.dead_letters()
    assert int(letter["dlq_deliveries"]) > 1_000_000


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
