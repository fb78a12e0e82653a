"""Under load: two writers do not disturb each other, and memory does not grow with the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.processes import until
from tests.support.servers import drive

if TYPE_CHECKING:
    from dev.servers import PostgresServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

MIB = 1024 * 1024


def test_two_writers_share_the_devices_and_never_race(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    fresh = drive(18_000, devices=100)
    again = fresh[:: len(fresh) // 2_000]
    entries = [*fresh, *again]
    servers.publish(entries)
    # The schema check allows a further column with a default.
    servers.own("ALTER TABLE positions ADD COLUMN session integer DEFAULT pg_backend_pid()")
    logged_before = len(postgres_server.process.log.read_text())
    service = run(WRITERS="2", BATCH_SIZE="500", WRITE_BATCH_SIZE="1000").ready()
    # Two writers, and the probe.
    until(lambda: len(servers.sessions_of_the_processor()) == 3, "three sessions")
    seen = service.until_metrics(acks_total=len(entries), in_flight_records=0)
    assert servers.rows() == len(fresh)
    assert servers.pending() == 0
    assert seen['position_writes_total{status="inserted"}'] == len(fresh)
    assert seen['position_writes_total{status="duplicate"}'] == len(again)
    with servers.owner() as connection:
        sessions = connection.execute(
            "SELECT device_id, array_agg(DISTINCT session) FROM positions GROUP BY device_id"
        ).fetchall()
    assert {len(of_device) for _, of_device in sessions} == {1}
    assert len({session for _, of_device in sessions for session in of_device}) == 2
    logged = postgres_server.process.log.read_text()[logged_before:]
    assert "deadlock" not in logged
    assert not service.logged("batch failed")
    assert service.stop() == 0


def test_memory_stays_bounded_while_postgres_is_away_and_the_stream_grows(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    service = run(BATCH_SIZE="1000", WRITE_BATCH_SIZE="2000", READ_INTERVAL_MS="0").ready()
    postgres_server.process.freeze()
    servers.publish(drive(1))
    service.until_metrics(in_flight_records=1)
    servers.grow(50_000)
    # The batch being written, two reads that fill the next one, and the read that waits.
    stopped = service.until_metrics(in_flight_records=3_001)
    before = service.rss_bytes()
    servers.grow(150_000)
    seen = service.until_metrics(consumer_lag=200_001 - 3_001)
    assert seen["in_flight_records"] == 3_001
    assert seen["consumer_records_total"] == stopped["consumer_records_total"]
    assert service.rss_bytes() - before < 8 * MIB

    postgres_server.process.thaw()
    service.until_metrics(acks_total=200_001)
    assert servers.rows() == 200_001
    assert service.stop() == 0
