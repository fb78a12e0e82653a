"""Two instances of one group: a repeated position is one row, whichever instance reads the repeats."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from telemetry.chassis.exit_codes import ExitCode
from tests.support.servers import drive

if TYPE_CHECKING:
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

ROWS = 10_000
REPEATS = 3
# Small batches, so that both instances have many that overlap.
SMALL = {"BATCH_SIZE": "500", "WRITE_BATCH_SIZE": "1000", "BATCH_BLOCK_MS": "100"}

STATUSES = ("inserted", "duplicate", "failed")


def test_two_lives_of_one_name_at_once_leave_all_that_neither_has_written(
    run: Run, servers: Servers
) -> None:
    lives = [run(DRAIN_BUDGET_MS="500", **SMALL).ready() for _ in range(2)]
    with servers.inserts_held():
        servers.publish(drive(ROWS, devices=50))
        servers.until_writers_wait(2)
        # It releases everything pending under its name, including the other's entries.
        assert lives[0].stop() == ExitCode.TIMED_OUT
        lives[1].kill()
        servers.end_sessions()
    run(**SMALL).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=ROWS)


def test_two_instances_write_shuffled_repeats_of_ten_thousand_rows_once_each(
    run: Run, servers: Servers
) -> None:
    entries = drive(ROWS, devices=50) * REPEATS
    random.Random(20260501).shuffle(entries)
    services = [run(INSTANCE_ID=f"processor-{n}", WRITERS="2", **SMALL) for n in (1, 2)]
    for service in services:
        service.ready()
    servers.publish(entries)
    servers.until_settled()
    servers.assert_promise_kept(rows=ROWS)

    counts = dict.fromkeys(STATUSES, 0.0)
    for service in services:
        seen = service.until_metrics(in_flight_records=0)
        for status in STATUSES:
            counts[status] += seen[f'position_writes_total{{status="{status}"}}']
        assert service.stop() == 0
        assert service.ledger["read"] == service.ledger["acked"]
    assert counts == {"inserted": ROWS, "duplicate": ROWS * (REPEATS - 1), "failed": 0}
