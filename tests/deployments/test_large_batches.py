"""Batches that are too large for the server or for the link: halved until they go through, and grown again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.live_entries import live
from tests.support.processes import QUICK_CLAIMS, until

if TYPE_CHECKING:
    from dev.servers import Relay
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

pytestmark = pytest.mark.deployment

ENTRIES = 4_000
ROWS_MAX = 300

# Counts the rows of a transaction, and ends the session at one too many.
LOSE_SESSION = (
    f"""CREATE FUNCTION lose_session() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        DECLARE n int := coalesce(nullif(current_setting('rig.rows', true), ''), '0')::int + 1;
        BEGIN
            PERFORM set_config('rig.rows', n::text, true);
            IF n > {ROWS_MAX} THEN
                PERFORM pg_terminate_backend(pg_backend_pid());
                PERFORM pg_sleep(60);
            END IF;
            RETURN NEW;
        END $$""",
    """CREATE TRIGGER lose_session BEFORE INSERT ON positions
       FOR EACH ROW EXECUTE FUNCTION lose_session()""",
)


def sizes(servers: Servers) -> list[int]:
    """Rows of each transaction that wrote some, the smallest first."""
    with servers.owner() as owner:
        found = owner.execute("SELECT count(*) FROM positions GROUP BY xmin::text ORDER BY 1")
        return [count for (count,) in found.fetchall()]


def test_a_server_that_loses_its_session_over_large_batches_gets_smaller_ones_until_it_is_mended(
    run: Run, servers: Servers
) -> None:
    service = run(**QUICK_CLAIMS, WRITE_BATCH_SIZE=str(ENTRIES), BATCH_SIZE=str(ENTRIES)).ready()
    servers.publish_at_once(live(20))
    service.until_metrics(acks_total=20)
    servers.own(*LOSE_SESSION)
    servers.publish_at_once(live(ENTRIES, first_second=1_000))
    servers.until_settled()
    servers.assert_promise_kept(rows=20 + ENTRIES)
    assert ROWS_MAX // 4 < max(sizes(servers)) <= ROWS_MAX
    servers.own("DROP TRIGGER lose_session ON positions")
    # Each success doubles the next size, until the first size is reached again.
    for load in range(1, 10):
        servers.publish_at_once(live(ENTRIES, first_second=1_000 * (load + 1)))
        servers.until_settled()
    servers.assert_promise_kept(rows=20 + 10 * ENTRIES)
    assert max(sizes(servers)) == ENTRIES
    assert service.stop() == 0


def test_a_link_that_is_too_slow_for_a_whole_batch_gets_smaller_ones(
    run: Run, servers: Servers, postgres_link: Relay
) -> None:
    url = servers.database.processor_url.replace(
        f":{postgres_link.target_port}/", f":{postgres_link.port}/"
    )
    entries = 6_000
    service = run(POSTGRES_URL=url, WRITE_BATCH_SIZE=str(entries), BATCH_SIZE=str(entries)).ready()
    servers.publish_at_once(live(20))
    service.until_metrics(acks_total=20)
    # All rows together take 60 s, twice what a statement may take.
    postgres_link.up.bytes_per_s = entries * ROW_BYTES // 60
    servers.publish_at_once(live(entries, first_second=1_000))
    with servers.owner() as owner:
        until(
            lambda: owner.execute("SELECT count(*) > 20 FROM positions").fetchone() == (True,),
            "a part of the batch is written",
            within_s=200,
        )
    postgres_link.up.bytes_per_s = None
    servers.until_settled()
    servers.assert_promise_kept(rows=20 + entries)
    assert service.stop() == 0


# The size of a row of these entries on the wire, roughly.
ROW_BYTES = 230
