"""Wrong clocks: no sound record becomes a dead letter because of a machine's time of day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dev.servers import faked_clock
from tests.support.live_entries import iso, live, live_entry
from tests.support.processes import QUICK_CLAIMS
from tests.support.servers import entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.processes.conftest import Run
    from tests.support.servers import Fields, Servers

pytestmark = pytest.mark.deployment("faketime")

ENTRIES = 100
DAY_MS = 86_400_000


@pytest.mark.parametrize("offset", ["-2d", "-4000d", "+2d", "+4000d"])
def test_a_service_whose_own_clock_is_wrong_writes_every_sound_record(
    run: Run, servers: Servers, offset: str
) -> None:
    service = run(**faked_clock(offset), **QUICK_CLAIMS).ready()
    servers.publish_at_once(live(ENTRIES))
    servers.until_settled()
    servers.assert_promise_kept(rows=ENTRIES)
    assert service.metrics().get('decode_errors_total{code="ts_out_of_window"}', 0) == 0
    assert service.stop() == 0


def publish_with_ids_off_by(
    servers: Servers, entries: Sequence[Fields], offset_ms: int
) -> list[str]:
    """Publish with the ids that a Redis with such a wrong clock would give: an id is never corrected."""
    first_ms = int(datetime.now(UTC).timestamp() * 1_000) + offset_ms
    with servers.redis.pipeline(transaction=True) as pipeline:
        for number, fields in enumerate(entries):
            pipeline.xadd(servers.stream, fields, id=f"{first_ms}-{number + 1}")
        return [entry_id.decode() for entry_id in pipeline.execute()]


@pytest.mark.parametrize("days", [-2, -4_000, 2, 4_000])
def test_entries_whose_ids_have_a_wrong_time_are_written_all_the_same(
    run: Run, servers: Servers, days: int
) -> None:
    publish_with_ids_off_by(servers, live(ENTRIES), days * DAY_MS)
    service = run(**QUICK_CLAIMS).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=ENTRIES)
    assert service.stop() == 0


def test_entries_of_a_producer_that_numbers_them_itself_are_written(
    run: Run, servers: Servers
) -> None:
    with servers.redis.pipeline(transaction=True) as pipeline:
        for number, fields in enumerate(live(ENTRIES), start=1):
            pipeline.xadd(servers.stream, fields, id=f"{number}-0")
        pipeline.execute()
    run(**QUICK_CLAIMS).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=ENTRIES)


def test_a_device_whose_clock_is_wrong_is_refused_whatever_our_own_clock_says(
    run: Run, servers: Servers
) -> None:
    service = run(**faked_clock("-4000d"), **QUICK_CLAIMS).ready()
    now = datetime.now(UTC)
    wrong = [
        entry(1, 0, timestamp=iso(now - timedelta(days=3_700))),
        entry(2, 0, timestamp="1970-01-01T00:00:00Z"),
        entry(3, 0, timestamp=iso(now + timedelta(days=2))),
    ]
    poison = servers.publish_at_once(wrong)
    servers.publish_at_once(
        [live_entry(4, 0), entry(5, 0, timestamp=iso(now + timedelta(hours=20)))]
    )
    servers.until_settled()
    servers.assert_promise_kept(rows=2, poison=poison)
    assert {letter[b"dlq_code"] for letter in servers.dead_letters()} == {b"ts_out_of_window"}
    assert service.stop() == 0
