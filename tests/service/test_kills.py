"""`kill -9` in the middle of work: the next life of the same consumer finishes what it finds pending."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.service.world import GROUP, drive

if TYPE_CHECKING:
    from tests.service.conftest import Run
    from tests.service.world import World

ENTRIES = 8_000
ROUNDS = 5


def test_lives_that_are_killed_at_random_moments_lose_nothing_and_write_nothing_twice(
    run: Run, world: World
) -> None:
    moments = random.Random(20260501)
    world.publish(drive(ENTRIES))
    for round_ in range(1, ROUNDS + 1):
        service = run(BATCH_SIZE="200", WRITE_BATCH_SIZE="400").ready()
        enough = round_ * ENTRIES // (ROUNDS + 2) + moments.randrange(400)
        world.until_rows(enough)
        service.kill()
    assert world.rows() < ENTRIES
    survivor = run().ready()
    world.until_settled()
    assert world.rows() == ENTRIES
    assert survivor.stop() == 0


def test_own_pending_entries_come_before_new_ones(run: Run, world: World) -> None:
    world.create_group()
    old = world.publish(drive(5))
    world.redis.xreadgroup(GROUP, "processor-1", {world.stream: ">"}, count=5)
    new = world.publish(drive(5, first_second=1_000))
    service = run(LOG_LEVEL="debug", BATCH_SIZE="3").ready()
    service.until_metrics(acks_total=10)
    reads = service.logged("batch consumed")
    assert [(line["first_id"], line["last_id"], line["redelivered"]) for line in reads] == [
        (old[0], old[2], True),
        (old[3], old[4], True),
        (new[0], new[2], False),
        (new[3], new[4], False),
    ]
    assert world.pending() == 0


def test_entries_pending_under_another_name_are_left_to_their_owner(run: Run, world: World) -> None:
    world.create_group()
    others = world.publish(drive(5))
    world.redis.xreadgroup(GROUP, "processor-2", {world.stream: ">"}, count=5)
    service = run().ready()
    world.publish(drive(5, first_second=1_000))
    service.until_metrics(acks_total=5)
    assert world.pending_ids() == others


def test_rows_that_a_killed_life_committed_without_an_acknowledgement_count_as_duplicates(
    run: Run, world: World
) -> None:
    world.create_group()
    world.publish(drive(100))
    first = run().ready()
    first.until_metrics(acks_total=100)
    first.kill()
    # The same entries, delivered and committed, whose acknowledgement never came.
    world.publish(drive(100))
    world.redis.xreadgroup(GROUP, "processor-1", {world.stream: ">"}, count=100)
    heir = run().ready()
    seen = heir.until_metrics(acks_total=100)
    assert seen['position_writes_total{status="duplicate"}'] == 100
    assert seen['position_writes_total{status="inserted"}'] == 0
    assert world.rows() == 100
    assert world.pending() == 0
