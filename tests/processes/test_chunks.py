"""Entries of many days: their chunks open and are compressed while the service is stopped and started."""

from __future__ import annotations

from signal import SIGTERM
from typing import TYPE_CHECKING

from tests.support.chunks import compress, tables_in_use
from tests.support.servers import entry

if TYPE_CHECKING:
    from dev.servers import PostgresServer
    from tests.processes.conftest import Run
    from tests.support.servers import Fields, Servers

DAY_S = 86_400
DAYS = 12
ENTRIES = 9_600
SMALL = {"BATCH_SIZE": "200", "WRITE_BATCH_SIZE": "400", "WRITERS": "2"}


def of_many_days() -> list[Fields]:
    """Distinct rows; each batch has some of every day, as when devices send what they have stored."""
    return [entry(n % 40, n // 40 - n % DAYS * DAY_S) for n in range(ENTRIES)]


def test_lives_that_end_amid_chunks_that_open_and_are_compressed_write_every_row_once(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    has_chunks = postgres_server.binaries.timescaledb is not None
    servers.publish(of_many_days())
    killed = run(**SMALL).ready()
    servers.until_rows(ENTRIES // 4)
    killed.kill()
    with servers.owner() as owner:
        assert compress(owner, postgres_server) == (DAYS if has_chunks else 0)

    stopped = run(**SMALL).ready()
    servers.until_rows(ENTRIES // 2)
    assert stopped.stop(SIGTERM) == 0
    assert stopped.ledger["acked"] == stopped.ledger["read"]

    survivor = run(**SMALL).ready()
    servers.until_settled()
    assert servers.rows() == ENTRIES

    before = survivor.metrics()
    servers.publish(of_many_days())
    seen = survivor.until_metrics(acks_total=before["acks_total"] + ENTRIES)
    duplicates = 'position_writes_total{status="duplicate"}'
    assert seen[duplicates] - before[duplicates] == ENTRIES
    assert seen['position_writes_total{status="failed"}'] == 0
    assert servers.rows() == ENTRIES
    with servers.owner() as owner:
        assert tables_in_use(owner) == (DAYS if has_chunks else 1)
    assert survivor.stop() == 0
