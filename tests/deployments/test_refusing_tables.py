"""A table that refuses everything: the service holds its entries, says why, loses nothing and dead-letters nothing."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from dev.schema import create_database
from dev.servers import launch_postgres
from tests.support.live_entries import START, iso, live, live_entry
from tests.support.processes import QUICK_CLAIMS, until
from tests.support.servers import Servers

if TYPE_CHECKING:
    from redis import Redis

    from dev.servers import PostgresBinaries, PostgresServer
    from tests.processes.conftest import Run
    from tests.support.processes import Service

pytestmark = pytest.mark.deployment

BEFORE = 50
ENTRIES = 300
# A little more than three claim thresholds of QUICK_CLAIMS.
PASSES = 12

PARTITIONED = (
    "CREATE TABLE model (LIKE positions INCLUDING DEFAULTS)",
    "DROP TABLE positions",
    "CREATE TABLE positions (LIKE model INCLUDING DEFAULTS) PARTITION BY RANGE (ts)",
    "CREATE UNIQUE INDEX positions_device_ts ON positions (device_id, ts)",
    "CREATE INDEX positions_ts ON positions (ts DESC)",
    "CREATE INDEX positions_faulty_idx ON positions (device_id, ts DESC) WHERE NOT faulty",
    "GRANT SELECT, INSERT, UPDATE ON positions TO processor",
)


def partition(name: str, first: str, behind: str) -> str:
    return f"CREATE TABLE {name} PARTITION OF positions FOR VALUES FROM ({first}) TO ({behind})"


def trigger(
    sqlstate: str, *, kind: str = "BEFORE INSERT ON positions FOR EACH ROW"
) -> tuple[str, ...]:
    """A trigger that raises an error for every row."""
    constraint = "CONSTRAINT" if "DEFERRED" in kind else ""
    return (
        f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'none at all' USING ERRCODE = '{sqlstate}'; END $$""",
        f"CREATE {constraint} TRIGGER refuse {kind} EXECUTE FUNCTION refuse()",
    )


NO_TRIGGER = ("DROP TRIGGER refuse ON positions",)
DEFERRED = "AFTER INSERT ON positions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
DEVICES = ("CREATE TABLE devices (id text PRIMARY KEY)",)
KNOWN = ("INSERT INTO devices SELECT DISTINCT device_id FROM positions",)
FOREIGN_KEY = (
    "ALTER TABLE positions ADD CONSTRAINT known FOREIGN KEY (device_id) REFERENCES devices"
)
NO_DEVICES = (
    *DEVICES,
    f"{FOREIGN_KEY} NOT VALID",
)


@dataclass(frozen=True)
class Obstacle:
    """What the owner does to the table, how it is undone, and a word of the server's error."""

    wrong: tuple[str, ...]
    right: tuple[str, ...]
    reason: str
    before: tuple[str, ...] = ()


MIDDLE = f"'{iso(START + timedelta(seconds=500))}'"

OBSTACLES = {
    "the partition of now is missing": Obstacle(
        before=(*PARTITIONED, partition("past", "MINVALUE", MIDDLE)),
        wrong=(),
        right=(partition("present", MIDDLE, "MAXVALUE"),),
        reason="partition",
    ),
    "a trigger raises for all": Obstacle(trigger("P0001"), NO_TRIGGER, "none at all"),
    "a trigger has a bug": Obstacle(trigger("42883"), NO_TRIGGER, "none at all"),
    "a trigger divides by zero": Obstacle(trigger("22012"), NO_TRIGGER, "none at all"),
    "a statement's trigger raises": Obstacle(
        trigger("P0001", kind="BEFORE INSERT ON positions FOR EACH STATEMENT"),
        NO_TRIGGER,
        "none at all",
    ),
    "a deferred trigger raises at the commit": Obstacle(
        trigger("23503", kind=DEFERRED), NO_TRIGGER, "none at all"
    ),
    "the table of devices was emptied": Obstacle(NO_DEVICES, KNOWN, "known"),
    "the table of devices was emptied, and is looked at in the commit": Obstacle(
        (*DEVICES, f"{FOREIGN_KEY} DEFERRABLE INITIALLY DEFERRED NOT VALID"),
        KNOWN,
        "known",
    ),
    "a check refuses all that is new": Obstacle(
        (f"ALTER TABLE positions ADD CONSTRAINT recent CHECK (ts < {MIDDLE})",),
        ("ALTER TABLE positions DROP CONSTRAINT recent",),
        "recent",
    ),
    "a unique index on a column that all share": Obstacle(
        (
            "DELETE FROM positions WHERE ctid <> (SELECT min(ctid) FROM positions)",
            "CREATE UNIQUE INDEX slip ON positions (codec)",
        ),
        ("DROP INDEX slip",),
        "slip",
    ),
    "row security without a policy": Obstacle(
        ("ALTER TABLE positions ENABLE ROW LEVEL SECURITY",),
        ("ALTER TABLE positions DISABLE ROW LEVEL SECURITY",),
        "row",
    ),
}


def written_before(run: Run, servers: Servers) -> Service:
    service = run(**QUICK_CLAIMS).ready()
    servers.publish_at_once(live(BEFORE))
    service.until_metrics(acks_total=BEFORE)
    return service


def reason_of(service: Service) -> str:
    """Why it is not ready: what PostgreSQL refuses, or how the table differs."""
    reasons = service.readyz()[1]["reasons"]
    return str(reasons.get("postgres", "") + reasons.get("schema", ""))


def assert_held(service: Service, servers: Servers, reason: str) -> None:
    """For three thresholds nothing is counted or dead-lettered, and the service says why it holds everything."""
    until(
        lambda: reason in reason_of(service) or servers.attempts() or servers.dead_letters(),
        f"it says that it holds all, and why\n{service.report()}",
    )
    assert (servers.attempts(), servers.dead_letters()) == ({}, [])
    servers.until_claim_passes(PASSES)
    until(lambda: reason in reason_of(service), f"it still says so: {reason_of(service)}")
    assert service.readyz()[0] == 503
    assert (servers.attempts(), servers.dead_letters()) == ({}, [])
    assert service.metrics()['position_writes_total{status="failed"}'] == 0
    assert service.get("/healthz")[0] == 200


def assert_all_written(service: Service, servers: Servers, rows: int) -> None:
    servers.until_settled()
    service.until_ready_again()
    servers.assert_promise_kept(rows=rows)
    assert service.stop() == 0
    assert service.ledger == {"read": BEFORE + ENTRIES, "acked": BEFORE + ENTRIES}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_a_table_that_refuses_every_row_costs_none_and_work_goes_on_when_it_is_mended(
    run: Run, servers: Servers, obstacle: str
) -> None:
    case = OBSTACLES[obstacle]
    servers.own(*case.before)
    service = written_before(run, servers)
    servers.own(*case.wrong)
    before = servers.rows()
    servers.publish_at_once(live(ENTRIES, first_second=1_000))
    assert_held(service, servers, case.reason)
    assert servers.rows() == before
    servers.own(*case.right)
    assert_all_written(service, servers, before + ENTRIES)


@pytest.mark.parametrize(
    "obstacle", ["a trigger raises for all", "the table of devices was emptied"]
)
def test_a_table_that_refuses_every_row_from_the_start_and_is_empty_costs_none(
    run: Run, servers: Servers, obstacle: str
) -> None:
    case = OBSTACLES[obstacle]
    servers.own(*case.wrong)
    service = run(**QUICK_CLAIMS).ready()
    servers.publish_at_once(live(BEFORE + ENTRIES))
    assert_held(service, servers, case.reason)
    known = [f"INSERT INTO devices VALUES ('{each['device_id']!s}')" for each in live(10)]
    servers.own(*(known if "devices" in obstacle else case.right))
    assert_all_written(service, servers, BEFORE + ENTRIES)


def test_a_trickle_into_a_table_that_refuses_every_row_loses_nothing(
    run: Run, servers: Servers
) -> None:
    service = written_before(run, servers)
    servers.own(*trigger("P0001"))
    for second in range(10):
        servers.publish_at_once(live(ENTRIES // 10, devices=1, first_second=1_000 + 100 * second))
        servers.until_claim_passes(1)
    assert_held(service, servers, "none at all")
    servers.own(*NO_TRIGGER)
    assert_all_written(service, servers, BEFORE + ENTRIES)


def test_a_redeployment_amid_the_refusals_changes_nothing(run: Run, servers: Servers) -> None:
    first = written_before(run, servers)
    servers.own(*trigger("P0001"))
    servers.publish_at_once(live(ENTRIES, first_second=1_000))
    assert_held(first, servers, "none at all")
    assert first.stop() in {0, 3}
    second = run(INSTANCE_ID="processor-2", **QUICK_CLAIMS).ready()
    assert_held(second, servers, "none at all")
    servers.own(*NO_TRIGGER)
    servers.until_settled()
    servers.assert_promise_kept(rows=BEFORE + ENTRIES)


def test_rows_of_tomorrow_wait_for_their_partition_while_those_of_today_are_written(
    run: Run, servers: Servers
) -> None:
    servers.own(*PARTITIONED, partition("past", "MINVALUE", MIDDLE))
    service = written_before(run, servers)
    mixed = [
        each
        for pair in zip(live(ENTRIES), live(ENTRIES, first_second=1_000), strict=True)
        for each in pair
    ]
    ids = servers.publish_at_once(mixed[2 * BEFORE :])
    later = ids[1::2]
    service.until_metrics(acks_total=ENTRIES)
    servers.until_claim_passes(PASSES)
    assert servers.pending_ids() == later
    assert (servers.attempts(), servers.dead_letters()) == ({}, [])
    servers.own(partition("present", MIDDLE, "MAXVALUE"))
    servers.until_settled()
    servers.assert_promise_kept(rows=2 * ENTRIES - BEFORE)
    assert service.stop() == 0


def test_rows_of_tomorrow_that_fill_a_batch_hold_up_none_of_today(
    run: Run, servers: Servers
) -> None:
    servers.own(*PARTITIONED, partition("past", "MINVALUE", MIDDLE))
    service = run(WRITE_BATCH_SIZE="50", BATCH_SIZE="50", **QUICK_CLAIMS).ready()
    servers.publish_at_once(live(BEFORE))
    service.until_metrics(acks_total=BEFORE)
    later = servers.publish_at_once(live(200, first_second=1_000))
    service.until_not_ready("postgres")
    servers.publish_at_once(live(ENTRIES)[BEFORE:])
    until(lambda: servers.rows() == ENTRIES, "those of today are written")
    assert (servers.attempts(), servers.dead_letters()) == ({}, [])
    assert set(servers.pending_ids()) >= set(later)
    servers.own(partition("present", MIDDLE, "MAXVALUE"))
    servers.until_settled()
    servers.assert_promise_kept(rows=ENTRIES + 200)
    assert service.stop() == 0


def test_a_row_that_no_partition_will_ever_take_is_a_dead_letter(
    run: Run, servers: Servers
) -> None:
    servers.own(*PARTITIONED, partition("past", f"'{iso(START)}'", "MAXVALUE"))
    service = written_before(run, servers)
    old = live_entry(3, 0, timestamp=iso(START - timedelta(days=700)))
    [poison] = servers.publish_at_once([old])
    servers.publish_at_once(live(ENTRIES, first_second=1_000))
    servers.until_settled()
    servers.assert_promise_kept(rows=BEFORE + ENTRIES, poison=[poison])
    assert service.stop() == 0


def test_a_fault_of_most_devices_is_the_tables(run: Run, servers: Servers) -> None:
    service = written_before(run, servers)
    servers.own(*NO_DEVICES, "INSERT INTO devices SELECT DISTINCT device_id FROM positions LIMIT 3")
    servers.publish_at_once(live(ENTRIES, devices=100, first_second=1_000))
    assert_held(service, servers, "known")
    servers.own(
        "INSERT INTO devices VALUES "
        + ", ".join(f"('{each['device_id']!s}')" for each in live(100, devices=100))
        + " ON CONFLICT DO NOTHING"
    )
    servers.until_settled()
    servers.assert_promise_kept(rows=BEFORE + ENTRIES)
    assert service.stop() == 0


# A cluster refuses new ids when only 3,000,000 are left before the oldest would be in the future.
LAST_XID = 2**31 - 3_000_000
XIDS_PER_SEGMENT = 32 * 8_192 * 4


def reset_xid(server: PostgresServer, number: int) -> None:
    """Set the next transaction of the stopped server to `number`, and mark those before it as aborted."""
    segment = server.data_dir / "pg_xact" / f"{number // XIDS_PER_SEGMENT:04X}"
    if not segment.exists():
        server.process.account.write_file(segment, "\0" * 32 * 8_192)
    subprocess.run(
        [server.bin_dir / "pg_resetwal", "-f", "-x", str(number), server.data_dir],
        check=True,
        capture_output=True,
        env=server.process.env,
        **server.process.account.popen_options(),
    )


def test_a_server_whose_transaction_ids_are_used_up_costs_no_row(
    run: Run, postgres_binaries: PostgresBinaries, redis_client: Redis, stream_name: str
) -> None:
    with launch_postgres(postgres_binaries) as server:
        servers = Servers(redis_client, stream_name, create_database(server, "telemetry"))
        service = run(**QUICK_CLAIMS, POSTGRES_URL=servers.database.processor_url).ready()
        servers.publish_at_once(live(BEFORE))
        service.until_metrics(acks_total=BEFORE)
        with psycopg.connect(server.admin_url) as owner:
            [next_xid] = owner.execute("SELECT txid_current()").fetchone() or (0,)
        server.process.stop()
        reset_xid(server, next_xid + LAST_XID)
        server.process.start()
        servers.publish_at_once(live(ENTRIES, first_second=1_000))
        assert_held(service, servers, "wraparound")
        server.process.stop()
        reset_xid(server, next_xid + 1)
        server.process.start()
        assert_all_written(service, servers, BEFORE + ENTRIES)
