"""Servers that lost something, or were away."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.support.servers import GROUP, drive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.runbook.stage import Stage

# As a full disk: the server's own words and code.
NO_ROOM = (
    """CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$""",
    "CREATE TRIGGER no_room BEFORE INSERT ON positions FOR EACH STATEMENT EXECUTE FUNCTION no_room()",
)


def redis_lost(stage: Stage) -> Iterator[Mapping[str, str]]:
    """The stream was lost with its group while the service ran, and devices publish again."""
    servers = stage.servers
    service = stage.service()
    servers.publish(drive(10))
    servers.until_settled()
    servers.redis.delete(servers.stream)
    service.wait_for("consumer group is gone")
    servers.publish(drive(10, first_second=1_000))
    servers.until_rows(20)
    yield {}


def postgres_restored(stage: Stage) -> Iterator[Mapping[str, str]]:
    """Rows that were acknowledged are not in the backup."""
    servers = stage.servers
    stage.service()
    servers.publish(drive(30))
    servers.until_settled()
    servers.own("DELETE FROM positions WHERE ts > (SELECT min(ts) FROM positions)")
    yield {}
    yield {"BACKUP_TIME": datetime.fromtimestamp(time.time(), UTC).isoformat()}
    servers.until_rows(30)
    servers.until_settled()


def postgres_full(stage: Stage) -> Iterator[Mapping[str, str]]:
    """The server has no room; then it has some."""
    servers = stage.servers
    service = stage.service()
    servers.own(*NO_ROOM)
    servers.publish(drive(10))
    service.until_not_ready("postgres")
    yield {}
    servers.own("DROP TRIGGER no_room ON positions")
    servers.until_rows(10)
    assert servers.redis.xpending(servers.stream, GROUP)["pending"] in {0, 10}
