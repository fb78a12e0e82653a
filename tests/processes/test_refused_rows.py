"""Rows that the server refuses: a bad record delays no other, and a bad schema costs no record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.batches import position
from tests.support.servers import drive, entry

if TYPE_CHECKING:
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

REFUSED_DEVICE = position(5, 0)["device_id"]
CHECK = f"ALTER TABLE positions ADD CHECK (device_id <> '{REFUSED_DEVICE}')"


def trigger(sqlstate: str, condition: str) -> tuple[str, str]:
    function = (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION 'not this one' USING ERRCODE = '{sqlstate}'; END $$"
    )
    before_insert = (
        "CREATE TRIGGER refuse BEFORE INSERT ON positions FOR EACH ROW"
        f" WHEN ({condition}) EXECUTE FUNCTION refuse()"
    )
    return function, before_insert


OF_THE_DEVICE = f"NEW.device_id = '{REFUSED_DEVICE}'"


@pytest.mark.parametrize(
    ("obstacle", "sqlstate"),
    [
        ((CHECK,), "23514"),
        (trigger("P0001", OF_THE_DEVICE), "P0001"),
        (trigger("22023", OF_THE_DEVICE), "22023"),
        # This class of errors does not show whose fault it is: a neighbour's commit does.
        (trigger("0A000", OF_THE_DEVICE), "0A000"),
    ],
)
def test_a_refused_row_is_logged_and_left_pending_and_its_neighbours_are_committed(
    run: Run, servers: Servers, obstacle: tuple[str, ...], sqlstate: str
) -> None:
    servers.own(*obstacle)
    ids = servers.publish_at_once(drive(200, devices=200))
    service = run().ready()
    seen = service.until_metrics(acks_total=199, in_flight_records=0)
    assert seen['position_writes_total{status="inserted"}'] == 199
    assert seen['position_writes_total{status="failed"}'] == 1
    assert servers.pending_ids() == [ids[5]]
    assert servers.rows() == 199
    [line] = service.logged("record refused")
    assert (line["level"], line["entry_id"], line["sqlstate"], line["code"]) == (
        "warn",
        ids[5],
        sqlstate,
        "refused_by_server",
    )
    service.until_ready_again()
    servers.publish(drive(50, devices=5, first_second=1_000))
    service.until_metrics(acks_total=249)
    assert service.stop() == 0
    assert service.ledger == {"read": 250, "acked": 249, "left_pending": 1}


@pytest.mark.parametrize("sqlstate", ["23514", "0A000"])
def test_a_refused_row_that_comes_first_in_its_batch_holds_up_nobody(
    run: Run, servers: Servers, sqlstate: str
) -> None:
    first = position(0, 0)["device_id"]
    servers.own(*trigger(sqlstate, f"NEW.device_id = '{first}'"))
    ids = servers.publish_at_once(drive(64, devices=64))
    service = run().ready()
    service.until_metrics(acks_total=63, in_flight_records=0)
    assert servers.pending_ids() == [ids[0]]
    assert len(service.logged("record refused")) == 1


def test_several_refused_rows_are_each_found(run: Run, servers: Servers) -> None:
    servers.own("ALTER TABLE positions ADD CHECK (speed < 200)")
    bad = {3, 4, 77, 100, 199}
    ids = servers.publish_at_once([entry(n, 0, speed=250 if n in bad else 50) for n in range(200)])
    service = run().ready()
    seen = service.until_metrics(acks_total=195, in_flight_records=0)
    assert seen['position_writes_total{status="failed"}'] == 5
    assert servers.pending_ids() == [ids[n] for n in sorted(bad)]


def test_the_repeat_of_a_refused_row_is_tried_in_its_place(run: Run, servers: Servers) -> None:
    servers.own("ALTER TABLE positions ADD CHECK (speed < 200)")
    ids = servers.publish_at_once(
        [
            entry(1, 0, speed=250),
            entry(1, 0, speed=251),
            entry(1, 0, speed=60),
            entry(1, 0, speed=70),
            entry(2, 0),
        ]
    )
    service = run().ready()
    seen = service.until_metrics(acks_total=3, in_flight_records=0)
    assert servers.pending_ids() == ids[:2]
    assert seen['position_writes_total{status="inserted"}'] == 2
    assert seen['position_writes_total{status="duplicate"}'] == 1
    assert seen['position_writes_total{status="failed"}'] == 2
    with servers.owner() as connection:
        speeds = connection.execute("SELECT speed FROM positions ORDER BY device_id").fetchall()
    assert speeds == [(60.0,), (63.0,)]


def test_a_refused_row_among_duplicates_is_found_on_the_staged_path(
    run: Run, servers: Servers
) -> None:
    servers.publish_at_once(drive(50, devices=50))
    service = run().ready()
    service.until_metrics(acks_total=50)
    servers.own("ALTER TABLE positions ADD CHECK (speed < 200)")
    ids = servers.publish_at_once([*drive(50, devices=50), *drive(20, first_second=900),
                                 entry(5, 5_000, speed=250)])  # fmt: skip
    seen = service.until_metrics(acks_total=120, in_flight_records=0)
    assert seen['position_writes_total{status="inserted"}'] == 70
    assert seen['position_writes_total{status="duplicate"}'] == 50
    assert seen['position_writes_total{status="failed"}'] == 1
    assert servers.pending_ids() == [ids[-1]]


def test_a_batch_refused_whole_for_its_rows_sake_is_left_pending_once_the_schema_is_checked(
    run: Run, servers: Servers
) -> None:
    service = run().ready()
    # A row of another device, whose copy is the evidence.
    servers.publish([entry(6, 0)])
    service.until_metrics(acks_total=1)
    servers.own(CHECK)
    ids = servers.publish_at_once([entry(5, second) for second in range(10)])
    service.until_metrics(**{'position_writes_total{status="failed"}': 10})
    assert servers.pending_ids() == ids
    service.until_ready_again()


OWNERS_MISTAKES = {
    "a new column NOT NULL": (
        "ALTER TABLE positions ADD COLUMN tenant text NOT NULL",
        "ALTER TABLE positions DROP COLUMN tenant",
        "column tenant",
    ),
    "a column renamed": (
        "ALTER TABLE positions RENAME COLUMN speed TO velocity",
        "ALTER TABLE positions RENAME COLUMN velocity TO speed",
        "speed",
    ),
    "a privilege revoked": (
        "REVOKE INSERT ON positions FROM processor",
        "GRANT INSERT ON positions TO processor",
        "privilege INSERT on table public.positions is missing",
    ),
    "the table away": (
        "ALTER TABLE positions RENAME TO elsewhere",
        "ALTER TABLE elsewhere RENAME TO positions",
        "positions",
    ),
}


@pytest.mark.parametrize("mistake", OWNERS_MISTAKES)
def test_an_owners_mistake_costs_no_record_and_work_goes_on_when_it_is_undone(
    run: Run, servers: Servers, mistake: str
) -> None:
    wrong, right, reason = OWNERS_MISTAKES[mistake]
    servers.publish_at_once(drive(10))
    # A short pause, so that the test need not wait for the next try.
    service = run(CONNECT_BACKOFF_MAX_MS="100").ready()
    service.until_metrics(acks_total=10)
    # A column NOT NULL can be added to an empty table only.
    servers.own("TRUNCATE positions", wrong)
    ids = servers.publish_at_once(drive(100, first_second=1_000))
    assert reason in service.until_not_ready("schema")
    service.wait_for("batch failed and is written again", count=2)
    seen = service.metrics()
    assert seen['position_writes_total{status="failed"}'] == 0
    assert seen["in_flight_records"] == 100
    assert servers.pending_ids() == ids

    servers.own(right)
    service.until_metrics(acks_total=110, in_flight_records=0)
    service.until_ready_again()
    assert servers.rows() == 100
    assert not service.logged("record refused")
    assert service.stop() == 0
