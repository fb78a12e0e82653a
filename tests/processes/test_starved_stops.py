"""A stop on a machine whose processors are busy: it keeps its bounds, and strands nothing."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import until
from tests.support.servers import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import PostgresServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

pytestmark = pytest.mark.deployment("stress")

BUDGET_MS = 4_000
# Two reads in the COPY that hangs, one that waits behind it, and one that the reader still holds.
READ_ENTRIES, IN_FLIGHT = 10_000, 40_000
BURNERS = 6
# A bound in case the test does not end them.
BURN_S = 60
# The time that the contract allows for release and exit.
RELEASE_AND_EXIT_S = 1.0
# The test itself must get a turn on the processor before it sees the end of the process.
TOLERANCE_S = 0.5
RELEASED_IDLE_MS = 3_600_000
PAGE = 10_000


@contextmanager
def starved_machine() -> Iterator[None]:
    """Keep all processors busy until the end of the block."""
    argv = ["stress", "--cpu", str(BURNERS), "--timeout", str(BURN_S)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as burners:
        try:
            yield
        finally:
            # stress ends its children itself.
            burners.terminate()


def idle_ms_of_pending(servers: Servers) -> Iterator[int]:
    start = "-"
    while page := _pending_behind(servers, start):
        yield from (each["time_since_delivered"] for each in page)
        start = f"({page[-1]['message_id'].decode()}"


def _pending_behind(servers: Servers, start: str) -> Any:
    return servers.redis.xpending_range(servers.stream, GROUP, start, "+", PAGE)


def test_a_stop_with_much_in_flight_and_a_frozen_postgres_releases_all_of_it_in_time(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    servers.create_group()
    service = run(
        DRAIN_BUDGET_MS=str(BUDGET_MS),
        BATCH_SIZE=str(READ_ENTRIES),
        WRITE_BATCH_SIZE=str(2 * READ_ENTRIES),
    ).ready()
    servers.grow(1_000)
    service.until_metrics(acks_total=1_000)
    postgres_server.process.freeze()
    # Make sure that a COPY is under way, not the look for an unknown device.
    servers.grow(IN_FLIGHT)
    until(lambda: service.metrics()["in_flight_records"] == IN_FLIGHT, "all is in flight")
    with starved_machine():
        asked = time.monotonic()
        code = service.stop()
        took_s = time.monotonic() - asked
    assert code == 3
    assert took_s < BUDGET_MS / 1000 + RELEASE_AND_EXIT_S + TOLERANCE_S
    assert service.ledger == {"read": IN_FLIGHT + 1_000, "acked": 1_000, "released": IN_FLIGHT}
    idle_ms = [*idle_ms_of_pending(servers)]
    assert len(idle_ms) == IN_FLIGHT
    assert min(idle_ms) >= RELEASED_IDLE_MS
