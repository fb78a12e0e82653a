"""Rows that fail alone: their neighbours are written within seconds, and the row becomes a dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.schema import create_database
from dev.servers import launch_postgres
from tests.support.batches import position
from tests.support.live_entries import live, live_entry
from tests.support.processes import QUICK_CLAIMS
from tests.support.servers import Servers

if TYPE_CHECKING:
    from redis import Redis

    from dev.servers import PostgresBinaries
    from tests.processes.conftest import Run
    from tests.support.processes import Service

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


def letters_of(servers: Servers) -> dict[str, tuple[str, str]]:
    """Code and SQLSTATE of each dead letter by its entry's id."""
    return {
        letter[b"dlq_source_id"].decode(): (
            letter[b"dlq_code"].decode(),
            letter[b"dlq_sqlstate"].decode(),
        )
        for letter in servers.dead_letters()
    }


def written_before(service: Service, servers: Servers) -> None:
    servers.publish_at_once(live(20))
    service.until_metrics(acks_total=20)


def until_settled(service: Service, servers: Servers) -> None:
    try:
        servers.until_settled()
    except AssertionError:
        raise AssertionError(f"{letters_of(servers)}\n{service.report()}") from None


@pytest.mark.parametrize("sqlstate", ["42883", "42P01", "42501", "0A000", "XX000", "P0004"])
def test_a_trigger_with_a_bug_for_one_vehicle_costs_that_vehicles_rows_alone(
    run: Run, servers: Servers, sqlstate: str
) -> None:
    service = run(**QUICK_CLAIMS).ready()
    written_before(service, servers)
    servers.own(*for_rows(OF_THE_VEHICLE, raising(sqlstate)))
    entries = live(ENTRIES, first_second=1_000)
    ids = servers.publish_at_once(entries)
    guilty = [key for key, each in zip(ids, entries, strict=True) if each["device_id"] == VEHICLE]
    service.until_metrics(acks_total=20 + ENTRIES - len(guilty))
    until_settled(service, servers)
    servers.assert_promise_kept(rows=20 + ENTRIES - len(guilty), poison=guilty)
    assert set(letters_of(servers).values()) == {("refused_by_server", sqlstate)}
    service.until_ready_again()
    assert service.stop() == 0


@pytest.mark.parametrize(
    "body", [END_SESSION, raising("57014"), raising("53200")], ids=["57P01", "57014", "53200"]
)
def test_a_row_that_costs_its_statement_or_session_each_time_costs_itself_alone(
    run: Run, servers: Servers, body: str
) -> None:
    service = run(**QUICK_CLAIMS).ready()
    written_before(service, servers)
    servers.own(*for_rows(OF_THE_ROW, body))
    entries = live(ENTRIES, first_second=1_000)
    entries[ENTRIES // 3] = live_entry(1, 9_000, speed=GUILTY_SPEED)
    guilty = servers.publish_at_once(entries)[ENTRIES // 3]
    service.until_metrics(acks_total=20 + ENTRIES - 1)
    until_settled(service, servers)
    servers.assert_promise_kept(rows=20 + ENTRIES - 1, poison=[guilty])
    assert letters_of(servers)[guilty][0] == "no_answer"
    service.until_ready_again()
    assert service.stop() == 0


def test_two_rows_that_end_their_sessions_are_both_found_and_nobody_else_pays(
    run: Run, servers: Servers
) -> None:
    service = run(**QUICK_CLAIMS, DLQ_MAX_ATTEMPTS="1").ready()
    written_before(service, servers)
    servers.own(*for_rows(OF_THE_ROW, END_SESSION))
    entries = live(ENTRIES, first_second=1_000)
    places = (0, ENTRIES - 1)
    for place in places:
        entries[place] = live_entry(place % 10, 9_000, speed=GUILTY_SPEED)
    ids = servers.publish_at_once(entries)
    until_settled(service, servers)
    servers.assert_promise_kept(rows=20 + ENTRIES - 2, poison=[ids[place] for place in places])
    assert service.stop() == 0


def end_waiting_sessions(servers: Servers) -> None:
    """End the sessions that wait to write, as an administrator might."""
    servers.until_writers_wait()
    with servers.owner() as owner:
        owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'processor'"
            " AND datname = current_database() AND wait_event_type = 'Lock'"
        )


def test_sessions_that_an_administrator_ends_again_and_again_cost_no_row_its_place(
    run: Run, servers: Servers
) -> None:
    service = run(**QUICK_CLAIMS).ready()
    written_before(service, servers)
    with servers.inserts_held():
        servers.publish_at_once(live(ENTRIES, first_second=1_000))
        for _ in range(10):
            end_waiting_sessions(servers)
    until_settled(service, servers)
    servers.assert_promise_kept(rows=20 + ENTRIES)
    assert service.metrics()['position_writes_total{status="failed"}'] == 0
    assert service.stop() == 0


def test_a_row_that_crashes_the_server_costs_itself_alone(
    run: Run, postgres_binaries: PostgresBinaries, redis_client: Redis, stream_name: str
) -> None:
    with launch_postgres(postgres_binaries) as server:
        servers = Servers(redis_client, stream_name, create_database(server, "telemetry"))
        service = run(
            **QUICK_CLAIMS, POSTGRES_URL=servers.database.processor_url, DLQ_MAX_ATTEMPTS="1"
        ).ready()
        written_before(service, servers)
        servers.own(
            "CREATE TABLE nothing (line text)",
            *for_rows(OF_THE_ROW, "COPY nothing FROM PROGRAM 'kill -9 $PPID'"),
        )
        entries = live(20, first_second=1_000)
        entries[7] = live_entry(1, 9_000, speed=GUILTY_SPEED)
        guilty = servers.publish_at_once(entries)[7]
        until_settled(service, servers)
        service.until_ready_again()
        servers.assert_promise_kept(rows=20 + 19, poison=[guilty])
        assert letters_of(servers)[guilty][0] == "no_answer"
        assert service.stop() == 0
