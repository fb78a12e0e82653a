"""Rows that fail in ways of their own: the neighbours are written within seconds, and the row ends as a dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.schema import create_database
from dev.servers import launch_postgres
from tests.deployments.live import live, live_entry
from tests.edges.batches import position
from tests.service.running import QUICK_CLAIMS
from tests.service.world import World

if TYPE_CHECKING:
    from redis import Redis

    from dev.servers import PostgresBinaries
    from tests.service.conftest import Run
    from tests.service.running import Service

pytestmark = pytest.mark.deployment

ENTRIES = 300
GUILTY_SPEED = 251
VEHICLE = position(5, 0)["device_id"]


def for_rows(condition: str, body: str) -> tuple[str, str]:
    """A trigger that does `body` for rows of `condition`, with its owner's rights."""
    return (
        f"""CREATE FUNCTION strike() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
            $$ BEGIN {body}; RETURN NEW; END $$""",
        f"""CREATE TRIGGER strike BEFORE INSERT ON positions FOR EACH ROW
            WHEN ({condition}) EXECUTE FUNCTION strike()""",
    )


def raising(sqlstate: str) -> str:
    return f"RAISE EXCEPTION 'a bug' USING ERRCODE = '{sqlstate}'"


END_SESSION = "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60)"
OF_THE_ROW = f"NEW.speed = {GUILTY_SPEED}"
OF_THE_VEHICLE = f"NEW.device_id = '{VEHICLE}'"


def letters_of(world: World) -> dict[str, tuple[str, str]]:
    """Code and SQLSTATE of each dead letter by its entry's id."""
    return {
        letter[b"dlq_source_id"].decode(): (
            letter[b"dlq_code"].decode(),
            letter[b"dlq_sqlstate"].decode(),
        )
        for letter in world.dead_letters()
    }


def written_before(service: Service, world: World) -> None:
    world.publish_at_once(live(20))
    service.until_metrics(acks_total=20)


@pytest.mark.parametrize("sqlstate", ["42883", "42P01", "42501", "0A000", "XX000", "P0004"])
def test_a_trigger_with_a_bug_for_one_vehicle_costs_that_vehicles_rows_alone(
    run: Run, world: World, sqlstate: str
) -> None:
    service = run(**QUICK_CLAIMS).ready()
    written_before(service, world)
    world.own(*for_rows(OF_THE_VEHICLE, raising(sqlstate)))
    entries = live(ENTRIES, first_second=1_000)
    ids = world.publish_at_once(entries)
    guilty = [key for key, each in zip(ids, entries, strict=True) if each["device_id"] == VEHICLE]
    service.until_metrics(acks_total=20 + ENTRIES - len(guilty))
    world.until_settled()
    world.assert_promise_kept(rows=20 + ENTRIES - len(guilty), poison=guilty)
    assert set(letters_of(world).values()) == {("refused_by_server", sqlstate)}
    service.until_ready_again()
    assert service.stop() == 0


@pytest.mark.parametrize(
    "body", [END_SESSION, raising("57014"), raising("53200")], ids=["57P01", "57014", "53200"]
)
def test_a_row_that_costs_its_statement_or_session_each_time_costs_itself_alone(
    run: Run, world: World, body: str
) -> None:
    service = run(**QUICK_CLAIMS).ready()
    written_before(service, world)
    world.own(*for_rows(OF_THE_ROW, body))
    entries = live(ENTRIES, first_second=1_000)
    entries[ENTRIES // 3] = live_entry(1, 9_000, speed=GUILTY_SPEED)
    guilty = world.publish_at_once(entries)[ENTRIES // 3]
    service.until_metrics(acks_total=20 + ENTRIES - 1)
    world.until_settled()
    world.assert_promise_kept(rows=20 + ENTRIES - 1, poison=[guilty])
    assert letters_of(world)[guilty][0] == "no_answer"
    service.until_ready_again()
    assert service.stop() == 0


def test_two_rows_that_end_their_sessions_are_both_found_and_nobody_else_pays(
    run: Run, world: World
) -> None:
    service = run(**QUICK_CLAIMS, DLQ_MAX_ATTEMPTS="1").ready()
    written_before(service, world)
    world.own(*for_rows(OF_THE_ROW, END_SESSION))
    entries = live(ENTRIES, first_second=1_000)
    places = (0, ENTRIES - 1)
    for place in places:
        entries[place] = live_entry(place % 10, 9_000, speed=GUILTY_SPEED)
    ids = world.publish_at_once(entries)
    world.until_settled()
    world.assert_promise_kept(rows=20 + ENTRIES - 2, poison=[ids[place] for place in places])
    assert service.stop() == 0


def test_sessions_that_an_administrator_ends_under_load_cost_no_row_its_place(
    run: Run, world: World
) -> None:
    service = run(**QUICK_CLAIMS, BATCH_SIZE="50", WRITE_BATCH_SIZE="50").ready()
    written_before(service, world)
    for first_second in range(1_000, 6_000, 1_000):
        with world.inserts_held():
            world.publish_at_once(live(ENTRIES, first_second=first_second))
            for _ in range(3):
                world.until_writers_wait()
                world.end_sessions()
    world.until_settled()
    world.assert_promise_kept(rows=20 + 5 * ENTRIES)
    assert service.stop() == 0


def test_a_row_that_crashes_the_server_costs_itself_alone(
    run: Run, postgres_binaries: PostgresBinaries, redis_client: Redis, stream_name: str
) -> None:
    with launch_postgres(postgres_binaries) as server:
        world = World(redis_client, stream_name, create_database(server, "telemetry"))
        service = run(
            **QUICK_CLAIMS, POSTGRES_URL=world.database.processor_url, DLQ_MAX_ATTEMPTS="1"
        ).ready()
        written_before(service, world)
        world.own(
            "CREATE TABLE nothing (line text)",
            *for_rows(OF_THE_ROW, "COPY nothing FROM PROGRAM 'kill -9 $PPID'"),
        )
        entries = live(20, first_second=1_000)
        entries[7] = live_entry(1, 9_000, speed=GUILTY_SPEED)
        guilty = world.publish_at_once(entries)[7]
        world.until_settled()
        service.until_ready_again()
        world.assert_promise_kept(rows=20 + 19, poison=[guilty])
        assert letters_of(world)[guilty][0] == "no_answer"
        assert service.stop() == 0
