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

# Makes the COPY wait between two rows until the advisory lock is free.
WAIT_AMID_ROWS = (
    """CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$""",
    f"""CREATE TRIGGER wait_here BEFORE INSERT ON positions FOR EACH ROW
        WHEN (NEW.device_id = '{position(5, 0)["device_id"]}' AND NEW.speed = 1)
        EXECUTE FUNCTION wait_here()""",
)


def test_lives_that_are_killed_at_random_moments_lose_nothing_and_write_nothing_twice(
    run: Run, servers: Servers
) -> None:
    moments = random.Random(20260501)
    bad = {**entry(1, -1), "payload": "no json"}
    half = drive(ENTRIES // 2)
    poison = [
        servers.publish([*part, bad])[-1]
        for part in (half, drive(ENTRIES // 2, first_second=ENTRIES))
    ]
    for round_ in range(1, ROUNDS + 1):
        service = run(**QUICK_CLAIMS, BATCH_SIZE="200", WRITE_BATCH_SIZE="400").ready()
        enough = round_ * ENTRIES // (ROUNDS + 2) + moments.randrange(400)
        servers.until_rows(enough)
        service.kill()
    assert servers.rows() < ENTRIES
    survivor = run(**QUICK_CLAIMS).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=ENTRIES, poison=poison)
    assert survivor.stop() == 0


def test_a_life_killed_between_commit_and_acknowledgement_has_its_rows_acknowledged_by_the_next(
    run: Run, servers: Servers
) -> None:
    service = run().ready()
    with ExitStack() as redis:
        with servers.table_locked():
            ids = servers.publish_at_once(drive(AT_ONCE))
            servers.until_writers_wait()
            redis.enter_context(servers.writes_held())
        servers.until_rows(AT_ONCE)
        service.kill()
        servers.until_disconnected()
    assert servers.pending_ids() == ids

    heir = run().ready()
    seen = heir.until_metrics(acks_total=AT_ONCE)
    assert (seen[INSERTED], seen[DUPLICATE]) == (0, AT_ONCE)
    servers.assert_promise_kept(rows=AT_ONCE)


def test_a_life_killed_before_the_first_row_of_its_copy_leaves_none(
    run: Run, servers: Servers
) -> None:
    service = run().ready()
    with servers.table_locked():
        servers.publish_at_once(drive(AT_ONCE))
        servers.until_writers_wait()
        service.kill()
    heir = run().ready()
    seen = heir.until_metrics(acks_total=AT_ONCE)
    assert (seen[INSERTED], seen[DUPLICATE]) == (AT_ONCE, 0)
    servers.assert_promise_kept(rows=AT_ONCE)


def test_a_copy_that_its_killed_sender_had_sent_whole_races_with_the_next_life_and_counts_once(
    run: Run, servers: Servers
) -> None:
    servers.own(*WAIT_AMID_ROWS)
    service = run().ready()
    with psycopg.connect(servers.database.admin_url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(1)")
        servers.publish_at_once([*drive(AT_ONCE), entry(5, AT_ONCE, speed=1)])
        servers.until_writers_wait()
        service.kill()
        heir = run().ready()
        servers.until_writers_wait(2)
    seen = heir.until_metrics(acks_total=AT_ONCE + 1)
    assert (seen[INSERTED], seen[DUPLICATE]) == (0, AT_ONCE + 1)
    servers.assert_promise_kept(rows=AT_ONCE + 1)


def refused_and_held(servers: Servers, redis: ExitStack) -> str:
    """Stop just before the only allowed failure is recorded. Returns the id of the refused entry."""
    servers.own("ALTER TABLE positions ADD CHECK (speed < 200)")
    with servers.table_locked():
        [poison] = servers.publish_at_once([entry(1, 0, speed=250)])
        servers.until_writers_wait()
        redis.enter_context(servers.writes_held())
    servers.until_script_held()
    return poison


def test_a_life_killed_before_its_dead_letter_is_written_leaves_it_to_the_next(
    run: Run, servers: Servers
) -> None:
    service = run(DLQ_MAX_ATTEMPTS="1").ready()
    with ExitStack() as redis:
        poison = refused_and_held(servers, redis)
        service.kill()
        servers.until_disconnected()
    assert servers.pending_ids() == [poison]
    assert servers.dead_letters() == []

    run(DLQ_MAX_ATTEMPTS="1").ready()
    servers.publish(drive(AT_ONCE))
    servers.until_settled()
    servers.assert_promise_kept(rows=AT_ONCE, poison=[poison])


def test_a_life_killed_before_it_hears_of_its_dead_letter_leaves_one(
    run: Run, servers: Servers
) -> None:
    service = run(DLQ_MAX_ATTEMPTS="1").ready()
    with ExitStack() as redis:
        poison = refused_and_held(servers, redis)
        service.send(SIGSTOP)
    until(servers.dead_letters, "the dead letter")
    service.kill()

    run(DLQ_MAX_ATTEMPTS="1").ready()
    servers.publish(drive(AT_ONCE))
    servers.until_settled()
    servers.assert_promise_kept(rows=AT_ONCE, poison=[poison])


def test_own_pending_entries_come_before_new_ones(run: Run, servers: Servers) -> None:
    servers.create_group()
    old = servers.publish(drive(5))
    servers.redis.xreadgroup(GROUP, "processor-1", {servers.stream: ">"}, count=5)
    new = servers.publish(drive(5, first_second=1_000))
    service = run(LOG_LEVEL="debug", BATCH_SIZE="3").ready()
    service.until_metrics(acks_total=10)
    reads = service.logged("batch consumed")
    assert [(line["first_id"], line["last_id"], line["redelivered"]) for line in reads] == [
        (old[0], old[2], True),
        (old[3], old[4], True),
        (new[0], new[2], False),
        (new[3], new[4], False),
    ]
    servers.assert_promise_kept(rows=10)
