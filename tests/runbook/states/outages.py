"""Servers that lost something, or were away."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.runbook.blocks import recipes
from tests.support.servers import GROUP, drive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.runbook.stage import Stage
    from tests.support.servers import Servers

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


def stream_without_maxlen(stage: Stage) -> Iterator[Mapping[str, str]]:
    """Two groups on old entries: one has 200 pending ones, one was set back to an earlier one; then none is left."""
    servers, stream = stage.servers, stage.servers.stream
    [block] = recipes()["Keep more than a million entries"]
    _add(servers, range(1, 1_001))
    _read(servers, GROUP, range(1, 601), acked=400)
    _read(servers, "other", range(1, 701), acked=600)
    servers.redis.xgroup_setid(stream, "other", "200-0")
    yield {"KEEP_S": "0"}
    _check_left(servers, range(201, 1_001))

    servers.redis.xgroup_destroy(stream, "other")
    stage.run(block, {"KEEP_S": "0"})
    _check_left(servers, range(401, 1_001))

    servers.redis.xgroup_destroy(stream, GROUP)
    stage.run(block, {"KEEP_S": "0"})
    _check_left(servers, range(401, 1_001))

    now_ms = int(time.time() * 1000)
    recent = range(now_ms - 60_000, now_ms - 59_800)
    _add(servers, recent)
    _read(servers, GROUP, range(1_000), acked=1_000)
    stage.run(block, {"KEEP_S": "3600"})
    _check_left(servers, recent)


def _add(servers: Servers, times: range) -> None:
    with servers.redis.pipeline(transaction=False) as pipeline:
        for time_ms in times:
            pipeline.xadd(servers.stream, {"codec": "8"}, id=f"{time_ms}-0")
        pipeline.execute()


def _read(servers: Servers, group: str, entries: range, *, acked: int) -> None:
    """Have a group read that number of entries from the first one on, and acknowledge the first of them."""
    redis, stream = servers.redis, servers.stream
    redis.xgroup_create(stream, group, "0")
    redis.xreadgroup(group, "one", {stream: ">"}, len(entries))
    pending: Any = redis.xpending_range(stream, group, "-", "+", acked)
    redis.xack(stream, group, *(entry["message_id"] for entry in pending))


def _check_left(servers: Servers, times: range) -> None:
    """All of these are there, and hardly more: Redis removes whole nodes, of 100 entries each."""
    left: Any = servers.redis.xrange(servers.stream)
    assert len(left) <= len(times) + 100
    assert [entry_id for entry_id, _ in left[-len(times) :]] == [
        f"{time_ms}-0".encode() for time_ms in times
    ]


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
