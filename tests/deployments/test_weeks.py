"""Rows that are not provably new and lie on many days: all are found, whatever the statistics say."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.live_entries import START, iso, live, live_entry
from tests.support.processes import QUICK_CLAIMS
from tests.support.servers import GROUP

if TYPE_CHECKING:
    from tests.processes.conftest import Run
    from tests.support.servers import Fields, Servers

pytestmark = pytest.mark.deployment

ENTRIES = 5_000
DEVICES = 200

INSERTED = 'position_writes_total{status="inserted"}'
DUPLICATE = 'position_writes_total{status="duplicate"}'


def weeks(count: int, *, days: int = 30) -> list[Fields]:
    """Stored records as a device sends them after a journey without a network, on random days."""
    chance = random.Random(20260501)
    return [
        live_entry(
            n % DEVICES,
            0,
            timestamp=iso(
                START - timedelta(days=chance.randrange(days), seconds=n, microseconds=n)
            ),
        )
        for n in range(count)
    ]


def test_a_replay_of_weeks_after_a_kill_is_found_in_the_table_whole(
    run: Run, servers: Servers
) -> None:
    entries = [*weeks(ENTRIES), live_entry(7, 0, timestamp=iso(START - timedelta(days=330)))]
    # The table is never analysed.
    servers.own("ALTER TABLE positions SET (autovacuum_enabled = off)")
    servers.publish(entries)
    first = run(**QUICK_CLAIMS).ready()
    servers.until_rows(ENTRIES // 2)
    first.kill()
    second = run(**QUICK_CLAIMS).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=len(entries))
    second.kill()
    servers.redis.xgroup_setid(servers.stream, GROUP, "0")
    servers.publish(live(ENTRIES, devices=DEVICES, first_second=10_000))
    third = run(**QUICK_CLAIMS).ready()
    seen = third.until_metrics(acks_total=len(entries) + ENTRIES)
    assert (seen[INSERTED], seen[DUPLICATE]) == (ENTRIES, len(entries))
    servers.assert_promise_kept(rows=len(entries) + ENTRIES)
    assert third.stop() == 0


def test_weeks_that_are_half_known_are_completed_and_nothing_is_changed(
    run: Run, servers: Servers
) -> None:
    entries = weeks(ENTRIES)
    first = run(**QUICK_CLAIMS).ready()
    servers.publish(entries[::2])
    first.until_metrics(acks_total=ENTRIES // 2)
    first.kill()
    with servers.owner() as owner:
        owner.execute("UPDATE positions SET faulty = true")
    second = run(**QUICK_CLAIMS).ready()
    servers.publish(entries)
    seen = second.until_metrics(acks_total=ENTRIES)
    assert (seen[INSERTED], seen[DUPLICATE]) == (ENTRIES // 2, ENTRIES // 2)
    servers.assert_promise_kept(rows=ENTRIES)
    with servers.owner() as owner:
        assert owner.execute("SELECT count(*) FROM positions WHERE faulty").fetchone() == (
            ENTRIES // 2,
        )
    assert second.stop() == 0
