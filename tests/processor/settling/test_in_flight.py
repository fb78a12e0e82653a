"""The ledger's counts: every id that one life reads is in one class, and once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.statistics import Recorder
    from tests.support.redis_harness import RedisHarness


async def test_records_and_refused_entries_are_in_flight_until_each_is_settled(
    clock: MockClock, desk: RedisHarness, recorder: Recorder
) -> None:
    good, bad = desk.publish(3), desk.add_malformed()
    delivery = await desk.read()
    desk.in_flight.take(delivery)
    assert recorder.snapshot().in_flight_records == len(desk.in_flight) == 4
    assert desk.in_flight.absent([*good, bad, "9-0"]) == ["9-0"]
    desk.in_flight.acked(delivery.batch)
    desk.in_flight.left(bad, recorded=True)
    assert recorder.snapshot().in_flight_records == len(desk.in_flight) == 0
    ledger = desk.in_flight.ledger
    assert (ledger.read, ledger.acked, ledger.left_pending, ledger.unaccounted) == (4, 3, 1, 0)


async def test_an_id_that_is_read_twice_counts_once(clock: MockClock, desk: RedisHarness) -> None:
    desk.publish(2)
    delivery = await desk.read()
    desk.in_flight.take(delivery)
    desk.in_flight.take(delivery)
    desk.in_flight.acked(delivery.batch)
    desk.in_flight.acked(delivery.batch)
    ledger = desk.in_flight.ledger
    assert (ledger.read, ledger.acked, ledger.unaccounted) == (2, 2, 0)


async def test_an_entry_that_was_refused_and_is_read_again_counts_once_in_its_last_class(
    clock: MockClock, desk: RedisHarness
) -> None:
    [good], bad = desk.publish(1), desk.add_malformed()
    delivery = await desk.read()
    desk.in_flight.take(delivery)
    for entry_id in (good, bad):
        desk.in_flight.left(entry_id, recorded=True)
    assert desk.in_flight.ledger.left_pending == 2
    desk.in_flight.take_again(delivery)
    assert (desk.in_flight.ledger.read, desk.in_flight.ledger.left_pending) == (2, 0)
    desk.in_flight.acked(delivery.batch)
    desk.in_flight.dead_lettered(bad)
    ledger = desk.in_flight.ledger
    assert (ledger.read, ledger.acked, ledger.dead_lettered, ledger.unaccounted) == (2, 1, 1, 0)


async def test_what_a_group_gives_again_that_was_set_back_counts_once(
    clock: MockClock, desk: RedisHarness
) -> None:
    desk.publish(2)
    bad = desk.add_malformed()
    [held] = desk.publish(1, first_second=50)
    everything = await desk.read()
    desk.in_flight.take(everything)
    desk.in_flight.left(bad, recorded=True)
    first = everything.batch.split()[0]
    desk.in_flight.acked(first)
    assert held in desk.in_flight.held_for(0)
    before = desk.in_flight.ledger

    desk.in_flight.take(everything)
    assert (desk.in_flight.ledger.read, desk.in_flight.ledger.acked) == (before.read, before.acked)
    desk.in_flight.acked(everything.batch)
    desk.in_flight.dead_lettered(bad)
    ledger = desk.in_flight.ledger
    assert (ledger.read, ledger.acked, ledger.dead_lettered, ledger.unaccounted) == (4, 3, 1, 0)
    assert (len(desk.in_flight), desk.in_flight.undecided) == (0, 0)


async def test_a_refused_entry_that_a_peer_settles_or_that_is_lost_leaves_its_class(
    clock: MockClock, desk: RedisHarness
) -> None:
    settled, trimmed, lost = desk.publish(3)
    desk.in_flight.take(await desk.read())
    for entry_id in (settled, trimmed):
        desk.in_flight.left(entry_id, recorded=True)
    desk.in_flight.taken_over(settled)
    assert desk.in_flight.lost([trimmed]) == [trimmed]
    desk.in_flight.lost_in_flight(lost)
    ledger = desk.in_flight.ledger
    assert (ledger.read, ledger.taken_over, ledger.lost, ledger.left_pending) == (3, 1, 2, 0)
    assert ledger.unaccounted == len(desk.in_flight) == 0


async def test_an_entry_that_never_came_counts_as_read_when_it_is_lost_or_dead(
    clock: MockClock, desk: RedisHarness
) -> None:
    assert desk.in_flight.lost(["1-0", "2-0"]) == ["1-0", "2-0"]
    desk.in_flight.dead_lettered("3-0")
    desk.in_flight.lost_in_flight("4-0")
    desk.in_flight.taken_over("5-0")
    ledger = desk.in_flight.ledger
    assert (ledger.read, ledger.lost, ledger.dead_lettered, ledger.taken_over) == (4, 3, 1, 0)
    assert ledger.unaccounted == 0


async def test_an_entry_that_never_came_is_in_no_class_when_it_stays_pending(
    clock: MockClock, desk: RedisHarness
) -> None:
    desk.in_flight.left("1-0", recorded=True)
    assert (desk.in_flight.ledger.read, desk.in_flight.ledger.left_pending) == (0, 0)


async def test_what_is_in_flight_is_no_loss_though_it_was_trimmed(
    clock: MockClock, desk: RedisHarness
) -> None:
    [entry_id] = desk.publish(1)
    delivery = await desk.read()
    desk.in_flight.take(delivery)
    assert desk.in_flight.lost([entry_id, "9-0"]) == ["9-0"]
    desk.in_flight.acked(delivery.batch)
    ledger = desk.in_flight.ledger
    assert (ledger.read, ledger.acked, ledger.lost, ledger.unaccounted) == (2, 1, 1, 0)


async def test_it_knows_for_how_long_it_has_had_an_entry(
    clock: MockClock, desk: RedisHarness
) -> None:
    first = desk.publish(2)
    desk.in_flight.take(await desk.read())
    await trio.sleep(20)
    second = desk.publish(1, first_second=100)
    desk.in_flight.take(await desk.read())
    assert desk.in_flight.held_for(20) == first
    assert desk.in_flight.held_for(20.5) == []
    assert desk.in_flight.held_for(0) == [*first, *second]


async def test_it_remembers_whose_failures_are_recorded_until_the_entry_is_settled(
    clock: MockClock, desk: RedisHarness
) -> None:
    ids = desk.publish(4)
    delivery = await desk.read()
    desk.in_flight.take_again(delivery, ids[:2])
    assert sorted(desk.in_flight.attempted(delivery.batch)) == ids[:2]
    desk.in_flight.left(ids[0], recorded=True)
    assert desk.in_flight.attempted(delivery.batch) == [ids[1]]
    desk.in_flight.acked(delivery.batch)
    assert desk.in_flight.attempted(delivery.batch) == []
