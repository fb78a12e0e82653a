"""Stops on a starved machine, and the drill that judges stops: bounds hold, and what is pending is released."""

from __future__ import annotations

import time
from contextlib import contextmanager
from signal import SIGKILL
from typing import TYPE_CHECKING

import pytest

from dev.servers import find_program
from dev.servers.guarded import guarded_directory
from tests.support.live_entries import live
from tests.support.processes import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import PostgresServer
    from tests.drills.conftest import Drills
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

pytestmark = pytest.mark.deployment("stress")

ENTRIES = 20_000
BUDGET_MS = 4_000
# Release and exit, by the contract, plus the interpreter's own end with eight busy processes on two processors.
EXIT_S = 1.0 + 0.5
RELEASED_IDLE_MS = 3_600_000


@contextmanager
def starved_machine() -> Iterator[None]:
    """Eight processes that keep the processors busy until the end of the block."""
    with guarded_directory("stress", last_signal=SIGKILL) as directory:
        burners = directory.spawn(
            [find_program("stress"), "--cpu", "8"], log=directory.path / "stress.log"
        )
        try:
            yield
        finally:
            # stress ends its children itself.
            burners.terminate()
            burners.wait()


def test_a_stop_with_a_frozen_postgres_on_a_starved_machine_releases_everything_in_time(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    service = run(DRAIN_BUDGET_MS=str(BUDGET_MS), BATCH_SIZE=str(ENTRIES)).ready()
    with servers.inserts_held():
        ids = servers.publish_at_once(live(ENTRIES, devices=100))
        until(lambda: service.metrics()["in_flight_records"] == ENTRIES, "all is in flight")
        postgres_server.process.freeze()
        with starved_machine():
            asked = time.monotonic()
            assert service.stop() == 3
            took_s = time.monotonic() - asked
        postgres_server.process.thaw()
    assert took_s < BUDGET_MS / 1_000 + EXIT_S
    assert (service.lines[-1]["released"], service.lines[-1]["left"]) == (ENTRIES, 0)
    left = servers.pending_entries()
    assert list(left) == ids
    assert [entry_id for entry_id, each in left.items() if each.idle_ms < RELEASED_IDLE_MS] == []
    heir = run(INSTANCE_ID="processor-2").ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=ENTRIES)
    assert heir.stop() == 0


def test_an_idle_stop_on_a_starved_machine_is_a_clean_exit(run: Run, servers: Servers) -> None:
    service = run(DRAIN_BUDGET_MS=str(BUDGET_MS)).ready()
    servers.publish_at_once(live(1_000))
    service.until_metrics(acks_total=1_000)
    with starved_machine():
        asked = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - asked < BUDGET_MS / 1_000


def test_a_drill_against_a_frozen_postgres_with_a_backlog_raises_no_false_alarm(
    drills: Drills,
) -> None:
    drilled = drills.run(
        *("--fault", "freeze-postgres", "--rounds", "4", "--within-ms", "60"),
        *("--backlog", "60000", "--seed", "1"),
    )
    assert drilled.figures["violation_texts"] == []
    assert (drilled.code, drilled.figures["lost"], drilled.figures["left_pending"]) == (0, 0, 0)
