"""The contract of pending entries: listed, claimed, redelivered, renewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.core.attempts import Attempts, PendingEntry
from processor.edges.ports import STREAM_START
from tests.support.stream_contract import LONG_BLOCK_MS, delivered, ids_of

if TYPE_CHECKING:
    from processor.edges.ports import Claim, PositionStream
    from tests.support.stream_contract import StreamHarness

THRESHOLD_MS = 60_000
LOSSES = ["destroy_group", "delete_stream"]
# More than one script call takes.
MANY = 1_203


async def whole_pass(stream: PositionStream, count: int) -> list[Claim]:
    """The steps of a claim pass."""
    steps = [await stream.claim(STREAM_START, count, idle_ms=THRESHOLD_MS)]
    while steps[-1].cursor != STREAM_START:
        steps.append(await stream.claim(steps[-1].cursor, count, idle_ms=THRESHOLD_MS))
    return steps


async def test_own_pending_entries_are_listed_behind_an_id_and_listing_counts_as_nothing(
    grouped: StreamHarness, other: PositionStream
) -> None:
    entry_ids = await delivered(grouped, 5)
    await other.read_new(1, 1)
    await grouped.stream.redeliver(entry_ids[2:3])
    for _ in range(2):
        listed = await grouped.stream.list_pending(entry_ids[0], 3)
        assert listed == [
            PendingEntry(entry_ids[1], deliveries=1, attempts=None),
            PendingEntry(entry_ids[2], deliveries=2, attempts=None),
            PendingEntry(entry_ids[3], deliveries=1, attempts=None),
        ]
    assert await grouped.stream.list_pending(entry_ids[4], 3) == []
    assert await other.list_pending(STREAM_START, 3) == []


async def test_listing_renews_no_lease(grouped: StreamHarness, other: PositionStream) -> None:
    [entry_id] = await delivered(grouped, 1)
    grouped.age(entry_id, THRESHOLD_MS)
    await grouped.stream.list_pending(STREAM_START, 10)
    claim = await other.claim(STREAM_START, 10, idle_ms=THRESHOLD_MS)
    assert [entry.entry_id for entry in claim.entries] == [entry_id]


async def test_pending_entries_come_with_their_recorded_failures(grouped: StreamHarness) -> None:
    failed, unreadable, sound = await delivered(grouped, 3)
    grouped.put_attempts(
        failed, '{"n":2,"last_failed_at":"2026-05-01T12:00:00.500Z","code":"bad_json"}'
    )
    grouped.put_attempts(unreadable, "?")
    attempts = {
        failed: Attempts(failures=2, last_failed_at_ms=1_777_636_800_500, code="bad_json"),
        unreadable: Attempts(failures=0, last_failed_at_ms=0, code=""),
        sound: None,
    }
    listed = await grouped.stream.list_pending(STREAM_START, 10)
    assert {entry.entry_id: entry.attempts for entry in listed} == attempts
    claim = await grouped.stream.claim(STREAM_START, 10, idle_ms=0)
    assert {entry.entry_id: entry.attempts for entry in claim.entries} == attempts


async def test_a_long_pending_list_is_listed_whole(grouped: StreamHarness) -> None:
    entry_ids = await delivered(grouped, MANY)
    listed = await grouped.stream.list_pending(STREAM_START, 10_000)
    assert [entry.entry_id for entry in listed] == entry_ids
    some = await grouped.stream.list_pending(entry_ids[0], MANY - 100)
    assert [entry.entry_id for entry in some] == entry_ids[1 : MANY - 99]


async def test_a_claim_takes_idle_entries_from_any_consumer(
    grouped: StreamHarness, other: PositionStream
) -> None:
    theirs, fresh = grouped.add(1), grouped.add(2)
    await other.read_new(10, LONG_BLOCK_MS)
    own = grouped.add(3)
    await grouped.stream.read_new(10, LONG_BLOCK_MS)
    for entry_id in (theirs, own):
        grouped.age(entry_id, THRESHOLD_MS)
    claim = await grouped.stream.claim(STREAM_START, 10, idle_ms=THRESHOLD_MS)
    assert claim.cursor == STREAM_START
    assert [entry.entry_id for entry in claim.entries] == [theirs, own]
    assert [*claim.lost_ids] == []
    assert (grouped.pending(), grouped.pending("other")) == ({theirs: 1, own: 1}, {fresh: 1})


async def test_a_claim_counts_no_delivery_and_renews_the_lease(
    grouped: StreamHarness, other: PositionStream
) -> None:
    [entry_id] = await delivered(grouped, 1)
    grouped.age(entry_id, THRESHOLD_MS)
    claim = await other.claim(STREAM_START, 10, idle_ms=THRESHOLD_MS)
    assert [*claim.entries] == [PendingEntry(entry_id, deliveries=1, attempts=None)]
    assert [*(await grouped.stream.claim(STREAM_START, 10, idle_ms=THRESHOLD_MS)).entries] == []
    assert grouped.pending("other") == {entry_id: 1}


async def test_a_claim_step_sees_ten_entries_for_each_it_may_take_and_a_pass_reaches_the_tail(
    grouped: StreamHarness, other: PositionStream
) -> None:
    entry_ids = await delivered(grouped, 105)
    tail = entry_ids[100:]
    for entry_id in tail:
        grouped.age(entry_id, THRESHOLD_MS)
    first, *rest = await whole_pass(other, 10)
    assert ([*first.entries], first.cursor) == ([], tail[0])
    assert [entry.entry_id for step in rest for entry in step.entries] == tail
    assert [*grouped.pending("other")] == tail


async def test_a_claim_step_takes_no_more_than_asked_for(
    grouped: StreamHarness, other: PositionStream
) -> None:
    entry_ids = await delivered(grouped, 5)
    for entry_id in entry_ids:
        grouped.age(entry_id, THRESHOLD_MS)
    steps = await whole_pass(other, 2)
    assert [[entry.entry_id for entry in step.entries] for step in steps] == [
        entry_ids[:2],
        entry_ids[2:4],
        entry_ids[4:],
    ]


async def test_a_pass_claims_a_long_pending_list_whole(
    grouped: StreamHarness, other: PositionStream
) -> None:
    entry_ids = await delivered(grouped, MANY)
    for entry_id in entry_ids:
        grouped.age(entry_id, THRESHOLD_MS)
    steps = await whole_pass(other, 5_000)
    assert [entry.entry_id for step in steps for entry in step.entries] == entry_ids
    assert grouped.pending() == {}


async def test_a_claim_names_what_was_deleted_once_however_fresh_and_it_is_pending_no_more(
    grouped: StreamHarness, other: PositionStream
) -> None:
    idle, fresh, kept = await delivered(grouped, 3)
    for entry_id in (idle, kept):
        grouped.age(entry_id, THRESHOLD_MS)
    for entry_id in (idle, fresh):
        grouped.delete(entry_id)
    claim = await other.claim(STREAM_START, 10, idle_ms=THRESHOLD_MS)
    assert [*claim.lost_ids] == [idle, fresh]
    assert [entry.entry_id for entry in claim.entries] == [kept]
    assert grouped.pending() == {}
    again = await other.claim(STREAM_START, 10, idle_ms=0)
    assert [*again.lost_ids] == []


async def test_entries_that_are_delivered_again_come_whole_and_count_as_delivered(
    grouped: StreamHarness,
) -> None:
    entry_ids = await delivered(grouped, 4)
    bad = grouped.add_malformed()
    await grouped.stream.read_new(1, LONG_BLOCK_MS)
    again = await grouped.stream.redeliver([*entry_ids[1:3], bad])
    assert ids_of(again.delivery) == entry_ids[1:3]
    assert [(each.entry_id, each.code) for each in again.delivery.rejections] == [(bad, "bad_json")]
    assert (again.delivery.entries, [*again.lost_ids]) == (3, [])
    assert (again.delivery.first_id, again.delivery.last_id) == (entry_ids[1], bad)
    assert [*grouped.pending().values()] == [1, 2, 2, 1, 2]


async def test_delivering_again_renews_the_lease(
    grouped: StreamHarness, other: PositionStream
) -> None:
    [entry_id] = await delivered(grouped, 1)
    grouped.age(entry_id, THRESHOLD_MS)
    await grouped.stream.redeliver([entry_id])
    assert [*(await other.claim(STREAM_START, 10, idle_ms=THRESHOLD_MS)).entries] == []


async def test_what_is_not_ours_any_more_is_not_delivered_again(
    grouped: StreamHarness, other: PositionStream
) -> None:
    acked, claimed, deleted, kept = await delivered(grouped, 4)
    grouped.age(claimed, THRESHOLD_MS)
    await other.claim(STREAM_START, 10, idle_ms=THRESHOLD_MS)
    await grouped.stream.ack((await grouped.stream.redeliver([acked])).delivery.batch)
    grouped.delete(deleted)
    again = await grouped.stream.redeliver(["0-1", acked, claimed, deleted, kept])
    assert ids_of(again.delivery) == [kept]
    assert [*again.lost_ids] == [deleted]
    assert (grouped.pending(), grouped.pending("other")) == ({kept: 2}, {claimed: 1})
    assert [*(await grouped.stream.redeliver([deleted])).lost_ids] == []


async def test_delivering_nothing_again_delivers_nothing(grouped: StreamHarness) -> None:
    for entry_ids in ([], ["1-1"]):
        again = await grouped.stream.redeliver(entry_ids)
        assert (again.delivery.entries, again.delivery.batch.records) == (0, 0)
        assert [*again.lost_ids] == []


async def test_many_entries_are_delivered_again_at_once(grouped: StreamHarness) -> None:
    entry_ids = await delivered(grouped, MANY)
    again = await grouped.stream.redeliver(entry_ids)
    assert ids_of(again.delivery) == entry_ids
    assert set(grouped.pending().values()) == {2}


async def test_a_renewed_lease_keeps_an_entry_from_being_claimed_and_counts_no_delivery(
    grouped: StreamHarness, other: PositionStream
) -> None:
    renewed, left = await delivered(grouped, 2)
    for entry_id in (renewed, left):
        grouped.age(entry_id, THRESHOLD_MS)
    assert await grouped.stream.renew([renewed]) == [renewed]
    claim = await other.claim(STREAM_START, 10, idle_ms=THRESHOLD_MS)
    assert [entry.entry_id for entry in claim.entries] == [left]
    assert grouped.pending() == {renewed: 1}


async def test_who_was_frozen_takes_nothing_back_from_the_peer_that_took_over(
    grouped: StreamHarness, other: PositionStream
) -> None:
    taken, kept = await delivered(grouped, 2)
    grouped.age(taken, THRESHOLD_MS)
    await other.claim(STREAM_START, 10, idle_ms=THRESHOLD_MS)
    assert await grouped.stream.renew([taken, kept]) == [kept]
    assert await grouped.stream.renew([taken]) == []
    assert grouped.pending("other") == {taken: 1}


async def test_a_lease_is_renewed_of_what_is_pending_and_in_the_stream(
    grouped: StreamHarness,
) -> None:
    acked, deleted, kept = await delivered(grouped, 3)
    await grouped.stream.ack((await grouped.stream.redeliver([acked])).delivery.batch)
    grouped.delete(deleted)
    assert await grouped.stream.renew([acked, deleted, kept]) == [kept]
    assert await grouped.stream.renew([]) == []
    assert grouped.pending() == {kept: 1}


async def test_many_leases_are_renewed_at_once(grouped: StreamHarness) -> None:
    entry_ids = await delivered(grouped, MANY)
    assert await grouped.stream.renew(entry_ids) == entry_ids


@pytest.mark.parametrize("loss", LOSSES)
async def test_without_the_group_nothing_is_pending(grouped: StreamHarness, loss: str) -> None:
    [entry_id] = await delivered(grouped, 1)
    getattr(grouped, loss)()
    assert await grouped.stream.list_pending(STREAM_START, 10) == []
    claim = await grouped.stream.claim(STREAM_START, 10, idle_ms=0)
    assert (claim.cursor, [*claim.entries], [*claim.lost_ids]) == (STREAM_START, [], [])
    again = await grouped.stream.redeliver([entry_id])
    assert (again.delivery.entries, [*again.lost_ids]) == (0, [])
    assert await grouped.stream.renew([entry_id]) == []
