"""A trigger that returns no row is its owner's decision: acknowledged, and counted apart from duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.batches import position
from tests.support.live_entries import live
from tests.support.processes import QUICK_CLAIMS

if TYPE_CHECKING:
    from tests.processes.conftest import Run
    from tests.support.processes import Line, Service
    from tests.support.servers import Servers

pytestmark = pytest.mark.deployment

ENTRIES = 100
VEHICLE = position(5, 0)["device_id"]

INSERTED = 'position_writes_total{status="inserted"}'
DUPLICATE = 'position_writes_total{status="duplicate"}'
DISCARDED = 'position_writes_total{status="discarded"}'
FAILED = 'position_writes_total{status="failed"}'


def discarding(condition: str) -> tuple[str, str]:
    return (
        "CREATE FUNCTION discard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        f"""CREATE TRIGGER discard BEFORE INSERT ON positions FOR EACH ROW
            WHEN ({condition}) EXECUTE FUNCTION discard()""",
    )


def warnings_of(service: Service) -> list[Line]:
    return [line for line in service.lines if line["level"] == "warn" and "discard" in line["msg"]]


def test_rows_that_a_trigger_discards_are_acknowledged_and_counted_as_discarded(
    run: Run, servers: Servers
) -> None:
    servers.own(*discarding(f"NEW.device_id = '{VEHICLE}'"))
    service = run(**QUICK_CLAIMS).ready()
    servers.publish_at_once(live(ENTRIES))
    seen = service.until_metrics(acks_total=ENTRIES)
    assert (seen[INSERTED], seen[DUPLICATE], seen[DISCARDED], seen[FAILED]) == (90, 0, 10, 0)
    servers.assert_promise_kept(rows=90)
    assert len(warnings_of(service)) == 1
    service.until_ready_again()
    assert service.stop() == 0
    assert service.ledger == {"read": ENTRIES, "acked": ENTRIES}


def test_a_trigger_that_discards_every_row_is_no_failure(run: Run, servers: Servers) -> None:
    servers.own(*discarding("true"))
    service = run(**QUICK_CLAIMS).ready()
    servers.publish_at_once(live(ENTRIES))
    seen = service.until_metrics(acks_total=ENTRIES)
    assert (seen[INSERTED], seen[DUPLICATE], seen[DISCARDED]) == (0, 0, ENTRIES)
    servers.publish_at_once(live(ENTRIES, first_second=1_000))
    service.until_metrics(acks_total=2 * ENTRIES)
    # At most once a minute.
    assert len(warnings_of(service)) == 1
    servers.assert_promise_kept(rows=0)


def test_duplicates_and_discarded_rows_are_counted_apart(run: Run, servers: Servers) -> None:
    service = run(**QUICK_CLAIMS).ready()
    servers.publish_at_once(live(ENTRIES))
    service.until_metrics(acks_total=ENTRIES)
    servers.own(*discarding(f"NEW.device_id = '{VEHICLE}'"))
    servers.publish_at_once([*live(ENTRIES), *live(ENTRIES, first_second=1_000)])
    seen = service.until_metrics(acks_total=3 * ENTRIES)
    assert (seen[INSERTED], seen[DUPLICATE], seen[DISCARDED]) == (ENTRIES + 90, ENTRIES, 10)
    servers.assert_promise_kept(rows=ENTRIES + 90)
