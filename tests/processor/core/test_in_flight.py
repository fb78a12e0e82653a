"""The ledger's counts: every id that one life reads is in one class, and once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from tests.support.redis_harness import RedisHarness


async def test_records_and_refused_entries_are_in_flight_until_each_is_settled(
    clock: MockClock, harness: RedisHarness, journal: Journal
) -> None:
    good, bad = harness.publish(3), harness.add_malformed()
    delivery = await harness.read()
    harness.in_flight.take(delivery)
    assert journal.snapshot().in_flight_records == len(harness.in_flight) == 4
    assert harness.in_flight.absent([*good, bad, "9-0"]) == ["9-0"]
    harness.in_flight.acked(delivery.batch)
    harness.in_flight.left_pending(bad, recorded=True)
    assert journal.snapshot().in_flight_records == len(harness.in_flight) == 0
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.acked, ledger.left_pending, ledger.unaccounted) == (4, 3, 1, 0)


async def test_an_id_that_is_read_twice_counts_once(
    clock: MockClock, harness: RedisHarness
) -> None:
    harness.publish(2)
    delivery = await harness.read()
    harness.in_flight.take(delivery)
    harness.in_flight.take(delivery)
    harness.in_flight.acked(delivery.batch)
    harness.in_flight.acked(delivery.batch)
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.acked, ledger.unaccounted) == (2, 2, 0)


async def test_an_entry_that_was_refused_and_is_read_again_counts_once_in_its_last_class(
    clock: MockClock, harness: RedisHarness
) -> None:
    [good], bad = harness.publish(1), harness.add_malformed()
    delivery = await harness.read()
    harness.in_flight.take(delivery)
    for entry_id in (good, bad):
        harness.in_flight.left_pending(entry_id, recorded=True)
    assert harness.in_flight.ledger.left_pending == 2
    harness.in_flight.take_again(delivery)
    assert (harness.in_flight.ledger.read, harness.in_flight.ledger.left_pending) == (2, 0)
    harness.in_flight.acked(delivery.batch)
    harness.in_flight.dead_lettered(bad)
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.acked, ledger.dead_lettered, ledger.unaccounted) == (2, 1, 1, 0)


async def test_what_a_group_gives_again_that_was_set_back_counts_once(
    clock: MockClock, harness: RedisHarness
) -> None:
    harness.publish(2)
    bad = harness.add_malformed()
    [held] = harness.publish(1, first_second=50)
    everything = await harness.read()
    harness.in_flight.take(everything)
    harness.in_flight.left_pending(bad, recorded=True)
    first = everything.batch.split()[0]
    harness.in_flight.acked(first)
    assert held in harness.in_flight.older_than(0)
    before = harness.in_flight.ledger

    harness.in_flight.take(everything)
    assert (harness.in_flight.ledger.read, harness.in_flight.ledger.acked) == (
        before.read,
        before.acked,
    )
    harness.in_flight.acked(everything.batch)
    harness.in_flight.dead_lettered(bad)
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.acked, ledger.dead_lettered, ledger.unaccounted) == (4, 3, 1, 0)
    assert (len(harness.in_flight), harness.in_flight.undecided) == (0, 0)


async def test_a_refused_entry_that_a_peer_settles_or_that_is_lost_leaves_its_class(
    clock: MockClock, harness: RedisHarness
) -> None:
    settled, trimmed, lost = harness.publish(3)
    harness.in_flight.take(await harness.read())
    for entry_id in (settled, trimmed):
        harness.in_flight.left_pending(entry_id, recorded=True)
    harness.in_flight.taken_over(settled)
    assert harness.in_flight.missing([trimmed]) == [trimmed]
    harness.in_flight.lost(lost)
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.taken_over, ledger.lost, ledger.left_pending) == (3, 1, 2, 0)
    assert ledger.unaccounted == len(harness.in_flight) == 0


async def test_an_entry_that_never_came_counts_as_read_when_it_is_lost_or_dead(
    clock: MockClock, harness: RedisHarness
) -> None:
    assert harness.in_flight.missing(["1-0", "2-0"]) == ["1-0", "2-0"]
    harness.in_flight.dead_lettered("3-0")
    harness.in_flight.lost("4-0")
    harness.in_flight.taken_over("5-0")
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.lost, ledger.dead_lettered, ledger.taken_over) == (4, 3, 1, 0)
    assert ledger.unaccounted == 0


async def test_an_entry_that_never_came_is_in_no_class_when_it_stays_pending(
    clock: MockClock, harness: RedisHarness
) -> None:
    harness.in_flight.left_pending("1-0", recorded=True)
    assert (harness.in_flight.ledger.read, harness.in_flight.ledger.left_pending) == (0, 0)


async def test_what_is_in_flight_is_no_loss_though_it_was_trimmed(
    clock: MockClock, harness: RedisHarness
) -> None:
    [entry_id] = harness.publish(1)
    delivery = await harness.read()
    harness.in_flight.take(delivery)
    assert harness.in_flight.missing([entry_id, "9-0"]) == ["9-0"]
    harness.in_flight.acked(delivery.batch)
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.acked, ledger.lost, ledger.unaccounted) == (2, 1, 1, 0)


async def test_it_knows_for_how_long_it_has_had_an_entry(
    clock: MockClock, harness: RedisHarness
) -> None:
    first = harness.publish(2)
    harness.in_flight.take(await harness.read())
    await trio.sleep(20)
    second = harness.publish(1, first_second=100)
    harness.in_flight.take(await harness.read())
    assert harness.in_flight.older_than(20) == first
    assert harness.in_flight.older_than(20.5) == []
    assert harness.in_flight.older_than(0) == [*first, *second]


async def test_it_remembers_whose_failures_are_recorded_until_the_entry_is_settled(
    clock: MockClock, harness: RedisHarness
) -> None:
    ids = harness.publish(4)
    delivery = await harness.read()
    harness.in_flight.take_again(delivery, ids[:2])
    assert sorted(harness.in_flight.attempted(delivery.batch)) == ids[:2]
    harness.in_flight.left_pending(ids[0], recorded=True)
    assert harness.in_flight.attempted(delivery.batch) == [ids[1]]
    harness.in_flight.acked(delivery.batch)
    assert harness.in_flight.attempted(delivery.batch) == []
