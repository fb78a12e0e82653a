"""A stop on a machine whose processors are wanted by others, too: it keeps its bounds, and strands nothing."""

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
# Two reads for the COPY that hangs, one that waits behind it, and one that its reader waits with.
READ_ENTRIES, IN_HAND = 10_000, 40_000
BURNERS = 6
# It ends them, should the test not.
BURN_S = 60
# What the contract grants for release and exit.
RELEASE_AND_EXIT_S = 1.0
# For the test itself, which waits for a turn with all the others until it sees the end of the process.
TOLERANCE_S = 0.5
RELEASED_IDLE_MS = 3_600_000
PAGE = 10_000


@contextmanager
def starved_machine() -> Iterator[None]:
    """Some that never rest are there from now on, until the end of the block."""
    argv = ["stress", "--cpu", str(BURNERS), "--timeout", str(BURN_S)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as burners:
        try:
            yield
        finally:
            # It ends its children itself.
            burners.terminate()


def idle_ms_of_pending(servers: Servers) -> Iterator[int]:
    start = "-"
    while page := _pending_behind(servers, start):
        yield from (each["time_since_delivered"] for each in page)
        start = f"({page[-1]['message_id'].decode()}"


def _pending_behind(servers: Servers, start: str) -> Any:
    return servers.redis.xpending_range(servers.stream, GROUP, start, "+", PAGE)


def test_a_stop_with_much_in_flight_and_a_frozen_postgres_hands_all_of_it_over_in_time(
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
    # A COPY is under way in the end, not a look at a new device.
    servers.grow(IN_HAND)
    until(lambda: service.metrics()["in_flight_records"] == IN_HAND, "all is in flight")
    with starved_machine():
        asked = time.monotonic()
        code = service.stop()
        took_s = time.monotonic() - asked
    assert code == 3
    assert took_s < BUDGET_MS / 1000 + RELEASE_AND_EXIT_S + TOLERANCE_S
    assert service.ledger == {"read": IN_HAND + 1_000, "acked": 1_000, "released": IN_HAND}
    idle_ms = [*idle_ms_of_pending(servers)]
    assert len(idle_ms) == IN_HAND
    assert min(idle_ms) >= RELEASED_IDLE_MS
