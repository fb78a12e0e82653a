"""`kill -9` at every point that matters: the next life of the same consumer finishes what it finds pending."""

from __future__ import annotations

import random
from contextlib import ExitStack
from signal import SIGSTOP
from typing import TYPE_CHECKING

import psycopg

from tests.support.batches import position
from tests.support.processes import QUICK_CLAIMS, until
from tests.support.servers import GROUP, drive, entry

if TYPE_CHECKING:
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

ENTRIES = 8_000
ROUNDS = 5
AT_ONCE = 500

INSERTED = 'position_writes_total{status="inserted"}'
DUPLICATE = 'position_writes_total{status="duplicate"}'

# Has the COPY wait amid its rows, for whoever holds the advisory lock.
WAIT_AMID_ROWS = (
    """CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$""",
    f"""CREATE TRIGGER wait_here BEFORE INSERT ON positions FOR EACH ROW
        WHEN (NEW.device_id = '{position(5, 0)["device_id"]}' AND NEW.speed = 1)
        EXECUTE FUNCTION wait_here()""",
)


def test_lives_that_are_killed_at_random_moments_lose_nothing_and_write_nothing_twice(
    run: Run, world: Servers
) -> None:
    moments = random.Random(20260501)
    bad = {**entry(1, -1), "payload": "no json"}
    half = drive(ENTRIES // 2)
    poison = [
        world.publish([*part, bad])[-1]
        for part in (half, drive(ENTRIES // 2, first_second=ENTRIES))
    ]
    for round_ in range(1, ROUNDS + 1):
        service = run(**QUICK_CLAIMS, BATCH_SIZE="200", WRITE_BATCH_SIZE="400").ready()
        enough = round_ * ENTRIES // (ROUNDS + 2) + moments.randrange(400)
        world.until_rows(enough)
        service.kill()
    assert world.rows() < ENTRIES
    survivor = run(**QUICK_CLAIMS).ready()
    world.until_settled()
    world.assert_promise_kept(rows=ENTRIES, poison=poison)
    assert survivor.stop() == 0


def test_a_life_killed_between_commit_and_acknowledgement_has_its_rows_acknowledged_by_the_next(
    run: Run, world: Servers
) -> None:
    service = run().ready()
    with ExitStack() as redis:
        with world.table_locked():
            ids = world.publish_at_once(drive(AT_ONCE))
            world.until_writers_wait()
            redis.enter_context(world.writes_held())
        world.until_rows(AT_ONCE)
        service.kill()
        world.until_disconnected()
    assert world.pending_ids() == ids

    heir = run().ready()
    seen = heir.until_metrics(acks_total=AT_ONCE)
    assert (seen[INSERTED], seen[DUPLICATE]) == (0, AT_ONCE)
    world.assert_promise_kept(rows=AT_ONCE)


def test_a_life_killed_before_the_first_row_of_its_copy_leaves_none(
    run: Run, world: Servers
) -> None:
    service = run().ready()
    with world.table_locked():
        world.publish_at_once(drive(AT_ONCE))
        world.until_writers_wait()
        service.kill()
    heir = run().ready()
    seen = heir.until_metrics(acks_total=AT_ONCE)
    assert (seen[INSERTED], seen[DUPLICATE]) == (AT_ONCE, 0)
    world.assert_promise_kept(rows=AT_ONCE)


def test_a_copy_that_its_killed_sender_had_sent_whole_races_with_the_next_life_and_counts_once(
    run: Run, world: Servers
) -> None:
    world.own(*WAIT_AMID_ROWS)
    service = run().ready()
    with psycopg.connect(world.database.admin_url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(1)")
        world.publish_at_once([*drive(AT_ONCE), entry(5, AT_ONCE, speed=1)])
        world.until_writers_wait()
        service.kill()
        heir = run().ready()
        world.until_writers_wait(2)
    seen = heir.until_metrics(acks_total=AT_ONCE + 1)
    assert (seen[INSERTED], seen[DUPLICATE]) == (0, AT_ONCE + 1)
    world.assert_promise_kept(rows=AT_ONCE + 1)


def refused_and_held(world: Servers, redis: ExitStack) -> str:
    """Have the only failure that is allowed be about to be recorded; the id of the refused entry."""
    world.own("ALTER TABLE positions ADD CHECK (speed < 200)")
    with world.table_locked():
        [poison] = world.publish_at_once([entry(1, 0, speed=250)])
        world.until_writers_wait()
        redis.enter_context(world.writes_held())
    world.until_script_held()
    return poison


def test_a_life_killed_before_its_dead_letter_is_written_leaves_it_to_the_next(
    run: Run, world: Servers
) -> None:
    service = run(DLQ_MAX_ATTEMPTS="1").ready()
    with ExitStack() as redis:
        poison = refused_and_held(world, redis)
        service.kill()
        world.until_disconnected()
    assert world.pending_ids() == [poison]
    assert world.dead_letters() == []

    run(DLQ_MAX_ATTEMPTS="1").ready()
    world.publish(drive(AT_ONCE))
    world.until_settled()
    world.assert_promise_kept(rows=AT_ONCE, poison=[poison])


def test_a_life_killed_before_it_hears_of_its_dead_letter_leaves_one(
    run: Run, world: Servers
) -> None:
    service = run(DLQ_MAX_ATTEMPTS="1").ready()
    with ExitStack() as redis:
        poison = refused_and_held(world, redis)
        service.send(SIGSTOP)
    until(world.dead_letters, "the dead letter")
    service.kill()

    run(DLQ_MAX_ATTEMPTS="1").ready()
    world.publish(drive(AT_ONCE))
    world.until_settled()
    world.assert_promise_kept(rows=AT_ONCE, poison=[poison])


def test_own_pending_entries_come_before_new_ones(run: Run, world: Servers) -> None:
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
    world.assert_promise_kept(rows=10)
