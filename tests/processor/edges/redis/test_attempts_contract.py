"""The contract of recorded attempts: each failure counts once, and the last one makes one dead letter."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest

from processor.core.attempts import NO_ANSWER, Failure, FailureStage, Fate, Recorded
from processor.edges.ports import STREAM_START
from telemetry.chassis.times import iso_of_unix_ms
from tests.support.stream_contract import INSTANCE_ID, LONG_BLOCK_MS, delivered, fields

if TYPE_CHECKING:
    from processor.edges.ports import PositionStream
    from tests.support.stream_contract import StreamHarness

THRESHOLD_MS = 60_000
ATTEMPTS_MAX = 3
LONG_AGO = "2026-05-01T12:00:00.000Z"
TAKEN_OVER, LOST = Recorded(Fate.TAKEN_OVER), Recorded(Fate.LOST)


# Each failure of its own moment, as a rule.
_ordinals = count()


def moment() -> int:
    """Now, and up to a second later, so that no two are alike."""
    return time.time_ns() // 1_000_000 + next(_ordinals) % 1_000


def failure_of(
    entry_id: str, *, on_trial: bool = False, failed_at_ms: int | None = None
) -> Failure:
    return Failure(
        entry_id,
        moment() if failed_at_ms is None else failed_at_ms,
        FailureStage.WRITE,
        "refused_by_server",
        'the server said "no"',
        sqlstate="22P05",
        on_trial=on_trial,
    )


def left(failures: int) -> Recorded:
    return Recorded(Fate.LEFT_PENDING, failures)


async def record(
    harness: StreamHarness, *failures: Failure, attempts_max: int = ATTEMPTS_MAX
) -> list[Recorded]:
    return await harness.stream.record_failures(failures, attempts_max=attempts_max)


def is_recent(text: str) -> bool:
    age = datetime.now(UTC) - datetime.fromisoformat(text)
    return (
        text.endswith("Z")
        and len(text) == len(LONG_AGO)
        and timedelta(seconds=-1) <= age < timedelta(minutes=1)
    )


def put_attempts(harness: StreamHarness, entry_id: str, n: int, code: str) -> None:
    harness.put_attempts(
        entry_id,
        f'{{"n":{n},"first_failed_at":"{LONG_AGO}","last_failed_at":"{LONG_AGO}","code":"{code}"}}',
    )


async def test_a_failure_that_is_recorded_twice_counts_once(grouped: StreamHarness) -> None:
    [entry_id] = await delivered(grouped)
    failure = failure_of(entry_id)
    # The first answer was lost on its way.
    assert [await record(grouped, failure) for _ in range(2)] == [[left(1)], [left(1)]]
    later = failure_of(entry_id, failed_at_ms=failure.failed_at_ms + 1)
    assert await record(grouped, later) == [left(2)]


async def test_a_failure_is_counted_and_its_entry_stays_pending(grouped: StreamHarness) -> None:
    failed, sound = await delivered(grouped, 2)
    assert await record(grouped, failure_of(failed)) == [left(1)]
    [(entry_id, attempts)] = grouped.attempts().items()
    assert (entry_id, attempts["n"], attempts["code"]) == (failed, 1, "refused_by_server")
    assert attempts["first_failed_at"] == attempts["last_failed_at"]
    assert is_recent(attempts["first_failed_at"])
    assert grouped.pending() == {failed: 1, sound: 1}
    assert grouped.dead_letters() == []


async def test_a_further_failure_keeps_the_time_of_the_first(grouped: StreamHarness) -> None:
    [entry_id] = await delivered(grouped)
    put_attempts(grouped, entry_id, 1, "bad_json")
    assert await record(grouped, failure_of(entry_id)) == [left(2)]
    attempts = grouped.attempts()[entry_id]
    assert (attempts["n"], attempts["first_failed_at"]) == (2, LONG_AGO)
    assert is_recent(attempts["last_failed_at"])
    assert attempts["code"] == "refused_by_server"


async def test_what_was_recorded_and_cannot_be_read_counts_as_no_failure(
    grouped: StreamHarness,
) -> None:
    for text in ("?", "[1]", "3", '{"n":null}', ""):
        entry_id = grouped.add(1)
        await grouped.stream.read_new(1, LONG_BLOCK_MS)
        grouped.put_attempts(entry_id, text)
        assert await record(grouped, failure_of(entry_id)) == [left(1)], text


async def test_the_last_failure_makes_a_dead_letter_with_all_that_is_known(
    grouped: StreamHarness,
) -> None:
    [entry_id] = await delivered(grouped)
    await grouped.stream.redeliver([entry_id])
    put_attempts(grouped, entry_id, 2, "bad_json")
    assert await record(grouped, failure_of(entry_id)) == [Recorded(Fate.DEAD_LETTERED, 3)]
    [letter] = grouped.dead_letters()
    assert is_recent(letter.pop("dlq_dead_at"))
    assert letter == {
        **fields(0),
        "dlq_source_id": entry_id,
        "dlq_stage": "write",
        "dlq_code": "refused_by_server",
        "dlq_error": 'the server said "no"',
        "dlq_sqlstate": "22P05",
        "dlq_attempts": "3",
        "dlq_deliveries": "2",
        "dlq_instance": INSTANCE_ID,
        "dlq_first_failed_at": LONG_AGO,
        "dlq_replays": "0",
    }
    assert (grouped.pending(), grouped.attempts()) == ({}, {})


async def test_where_one_failure_is_allowed_the_first_is_the_last(grouped: StreamHarness) -> None:
    [entry_id] = await delivered(grouped)
    failure = Failure(
        entry_id, moment(), FailureStage.DECODE, "bad_json", "not JSON", field="payload", offset=0
    )
    assert await record(grouped, failure, attempts_max=1) == [Recorded(Fate.DEAD_LETTERED, 1)]
    [letter] = grouped.dead_letters()
    assert (letter["dlq_stage"], letter["dlq_sqlstate"]) == ("decode", "")
    assert is_recent(letter["dlq_first_failed_at"])
    assert is_recent(letter["dlq_dead_at"])


async def test_a_dead_letter_keeps_unknown_and_broken_fields_and_takes_the_replays_over(
    grouped: StreamHarness,
) -> None:
    original: dict[str, str | bytes] = {
        "payload": b"\xff\x00",
        "dlq_replays": "2",
        "x": "",
        "ä": "unknown",
    }
    entry_id = grouped.add_fields(original)
    await grouped.stream.read_new(1, LONG_BLOCK_MS)
    await record(grouped, failure_of(entry_id), attempts_max=1)
    [letter] = grouped.dead_letters()
    assert [*letter][:4] == ["payload", "x", "ä", "dlq_source_id"]
    assert (letter["payload"], letter["x"], letter["ä"]) == ("\\xff\x00", "", "unknown")
    assert (letter["dlq_replays"], [*letter][-1]) == ("2", "dlq_replays")


async def test_the_last_failure_recorded_twice_leaves_one_dead_letter(
    grouped: StreamHarness, other: PositionStream
) -> None:
    [entry_id] = await delivered(grouped)
    failure = failure_of(entry_id)
    twice = [failure, failure]
    assert await record(grouped, *twice, attempts_max=1) == [
        Recorded(Fate.DEAD_LETTERED, 1),
        TAKEN_OVER,
    ]
    assert await other.record_failures([failure], attempts_max=1) == [TAKEN_OVER]
    assert len(grouped.dead_letters()) == 1
    assert grouped.attempts() == {}


async def test_failures_of_one_call_have_each_their_own_fate_in_their_order(
    grouped: StreamHarness,
) -> None:
    first, last, acked, deleted = await delivered(grouped, 4)
    await grouped.stream.ack((await grouped.stream.redeliver([acked])).delivery.batch)
    grouped.delete(deleted)
    put_attempts(grouped, last, 2, "bad_json")
    put_attempts(grouped, acked, 1, "bad_json")
    put_attempts(grouped, deleted, 2, "bad_json")
    recorded = await record(grouped, *map(failure_of, (deleted, last, first, acked)))
    assert recorded == [LOST, Recorded(Fate.DEAD_LETTERED, 3), left(1), TAKEN_OVER]
    assert grouped.pending() == {first: 1}
    assert [*grouped.attempts()] == [first]
    assert [letter["dlq_source_id"] for letter in grouped.dead_letters()] == [last]


async def test_many_failures_are_recorded_at_once_and_none_is_no_error(
    grouped: StreamHarness,
) -> None:
    entry_ids = await delivered(grouped, 250)
    assert await record(grouped, *map(failure_of, entry_ids)) == [left(1)] * 250
    assert await record(grouped) == []
    assert grouped.attempts().keys() == {*entry_ids}


async def test_a_failure_that_ended_a_trial_is_counted_by_the_trial(grouped: StreamHarness) -> None:
    tried, untried = await delivered(grouped, 2)
    assert await grouped.stream.begin_trial(tried, attempts_max=ATTEMPTS_MAX) == left(1)
    failures = [failure_of(tried, on_trial=True), failure_of(untried, on_trial=True)]
    assert await record(grouped, *failures) == [left(1), left(1)]
    assert {attempts["code"] for attempts in grouped.attempts().values()} == {"refused_by_server"}


async def test_a_trial_is_recorded_in_advance_and_taken_back(grouped: StreamHarness) -> None:
    [entry_id] = await delivered(grouped)
    assert await grouped.stream.begin_trial(entry_id, attempts_max=ATTEMPTS_MAX) == left(1)
    assert grouped.attempts()[entry_id]["code"] == NO_ANSWER
    [entry] = await grouped.stream.list_pending(STREAM_START, 10)
    assert entry.is_suspect()
    await grouped.stream.end_trial(entry_id)
    await grouped.stream.end_trial(entry_id)
    assert (grouped.pending(), grouped.attempts()) == ({entry_id: 1}, {})


async def test_of_two_trials_the_one_that_was_survived_is_taken_back(
    grouped: StreamHarness,
) -> None:
    [entry_id] = await delivered(grouped)
    put_attempts(grouped, entry_id, 1, NO_ANSWER)
    assert await grouped.stream.begin_trial(entry_id, attempts_max=ATTEMPTS_MAX) == left(2)
    await grouped.stream.end_trial(entry_id)
    attempts = grouped.attempts()[entry_id]
    assert (attempts["n"], attempts["first_failed_at"]) == (1, LONG_AGO)


async def test_a_trial_that_ended_in_a_failure_of_its_own_is_not_taken_back(
    grouped: StreamHarness,
) -> None:
    [entry_id] = await delivered(grouped)
    await grouped.stream.begin_trial(entry_id, attempts_max=ATTEMPTS_MAX)
    await record(grouped, failure_of(entry_id, on_trial=True))
    await grouped.stream.end_trial(entry_id)
    assert grouped.attempts()[entry_id]["n"] == 1


async def test_a_trial_renews_the_lease_and_counts_no_delivery(
    grouped: StreamHarness, other: PositionStream
) -> None:
    [entry_id] = await delivered(grouped)
    grouped.age(entry_id, THRESHOLD_MS)
    await grouped.stream.begin_trial(entry_id, attempts_max=ATTEMPTS_MAX)
    assert [*(await other.claim(STREAM_START, 10, idle_ms=THRESHOLD_MS)).entries] == []
    assert grouped.pending() == {entry_id: 1}


async def test_an_entry_whose_trials_nobody_survived_becomes_a_dead_letter(
    grouped: StreamHarness,
) -> None:
    [entry_id] = await delivered(grouped)
    for trial in range(1, ATTEMPTS_MAX + 1):
        begun = await grouped.stream.begin_trial(entry_id, attempts_max=ATTEMPTS_MAX)
        assert begun == left(trial)
    begun = await grouped.stream.begin_trial(entry_id, attempts_max=ATTEMPTS_MAX)
    assert begun == Recorded(Fate.DEAD_LETTERED, ATTEMPTS_MAX)
    [letter] = grouped.dead_letters()
    assert (letter["dlq_stage"], letter["dlq_code"]) == ("crash", NO_ANSWER)
    assert (letter["dlq_attempts"], letter["dlq_sqlstate"]) == ("3", "")
    assert letter["dlq_error"]
    assert (grouped.pending(), grouped.attempts()) == ({}, {})
    assert await grouped.stream.begin_trial(entry_id, attempts_max=ATTEMPTS_MAX) == TAKEN_OVER


async def test_there_is_no_trial_of_what_is_not_ours_or_not_there(
    grouped: StreamHarness, other: PositionStream
) -> None:
    acked, claimed, deleted = await delivered(grouped, 3)
    await grouped.stream.ack((await grouped.stream.redeliver([acked])).delivery.batch)
    grouped.age(claimed, THRESHOLD_MS)
    await other.claim(STREAM_START, 10, idle_ms=THRESHOLD_MS)
    put_attempts(grouped, claimed, 2, "bad_json")
    put_attempts(grouped, deleted, 2, "bad_json")
    grouped.delete(deleted)
    before = grouped.attempts()[claimed]
    begun = [
        await grouped.stream.begin_trial(entry_id, attempts_max=ATTEMPTS_MAX)
        for entry_id in (acked, claimed, deleted)
    ]
    assert begun == [TAKEN_OVER, TAKEN_OVER, LOST]
    assert (grouped.pending(), grouped.pending("other")) == ({}, {claimed: 1})
    assert grouped.attempts() == {claimed: before}
    assert grouped.dead_letters() == []


async def test_sweeping_forgets_what_is_not_pending_and_nothing_else(
    grouped: StreamHarness, other: PositionStream
) -> None:
    acked, kept = await delivered(grouped, 2)
    theirs = grouped.add(3)
    await other.read_new(1, LONG_BLOCK_MS)
    await grouped.stream.ack((await grouped.stream.redeliver([acked])).delivery.batch)
    for entry_id in (acked, kept, theirs, "1-1"):
        put_attempts(grouped, entry_id, 1, "bad_json")
    assert (await grouped.stream.sweep_attempts()).removed == 2
    assert sorted(grouped.attempts()) == sorted([kept, theirs])
    assert (await grouped.stream.sweep_attempts()).removed == 0


async def test_sweeping_forgets_many_and_what_is_no_id(grouped: StreamHarness) -> None:
    for number in range(1, 1_204):
        grouped.put_attempts(f"{number}-1", '{"n":1}')
    grouped.put_attempts("not-an-id", '{"n":1}')
    assert (await grouped.stream.sweep_attempts()).removed == 1_204
    assert grouped.attempts() == {}


@pytest.mark.parametrize("loss", ["destroy_group", "delete_stream"])
async def test_without_the_group_nothing_can_fail_and_everything_is_forgotten(
    grouped: StreamHarness, loss: str
) -> None:
    failed, swept = await delivered(grouped, 2)
    for entry_id in (failed, swept):
        put_attempts(grouped, entry_id, 2, "bad_json")
    getattr(grouped, loss)()
    assert await record(grouped, failure_of(failed)) == [TAKEN_OVER]
    assert await grouped.stream.begin_trial(failed, attempts_max=ATTEMPTS_MAX) == TAKEN_OVER
    assert (await grouped.stream.sweep_attempts()).removed == 1
    assert (grouped.attempts(), grouped.dead_letters()) == ({}, [])


def test_times_are_written_in_utc_with_milliseconds() -> None:
    assert iso_of_unix_ms(1_777_636_800_000) == LONG_AGO
