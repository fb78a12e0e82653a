"""PostgreSQL fails over under load: the service finds the promoted standby among the hosts of its URL by itself."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from dev.schema import create_database
from dev.servers import launch_postgres, launch_relay, launch_standby, promote, require_standby
from tests.support.processes import until
from tests.support.servers import GROUP, Servers, drive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from dev.servers import PostgresBinaries, PostgresServer, Relay
    from tests.processes.conftest import Run
    from tests.support.processes import Service

pytestmark = pytest.mark.deployment

# Small writes, so that many of them are under way during the failover.
SETTINGS = {"BATCH_SIZE": "200", "WRITE_BATCH_SIZE": "200", "BATCH_BLOCK_MS": "100"}
PIECE = 50
PIECE_EVERY_S = 0.02
Key = tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """A primary and the standby behind it, and the link between them."""

    primary: PostgresServer
    standby: PostgresServer
    link: Relay
    name: str

    @property
    def url(self) -> str:
        """Both, the primary first."""
        one, two = f"127.0.0.1:{self.primary.port}", f"127.0.0.1:{self.standby.port}"
        both = self.primary.database(self.name).processor_url.replace(one, f"{one},{two}")
        return f"{both}?target_session_attrs=read-write"


@pytest.fixture
def pair(postgres_binaries: PostgresBinaries) -> Iterator[Pair]:
    with launch_postgres(postgres_binaries) as primary:
        database = create_database(primary, "telemetry")
        with (
            launch_relay(primary.port) as link,
            launch_standby(primary, through_port=link.port) as standby,
        ):
            yield Pair(primary, standby, link, database.name)
            primary.process.kill()


@dataclass
class Load:
    """Entries that come all the time, one of ten a repeat of an earlier one."""

    servers: Servers
    published: list[tuple[str, Key]] = field(default_factory=list)
    """Id and key of each."""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        ends = threading.Event()

        def publish() -> None:
            number = 0
            while not ends.wait(PIECE_EVERY_S):
                entries = drive(PIECE, first_second=number * PIECE)
                entries += entries[:: PIECE // 5]
                ids = self.servers.publish(entries)
                keys = [(str(each["device_id"]), str(each["ts"])) for each in entries]
                self.published += zip(ids, keys, strict=True)
                number += 1

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join()

    @property
    def keys(self) -> set[Key]:
        return {key for _, key in self.published}

    def acknowledged(self) -> set[Key]:
        """The keys of entries that were acknowledged by now."""
        [group] = self.servers.redis.xinfo_groups(self.servers.stream)
        last = _order(group["last-delivered-id"].decode())
        pending = set(self.servers.pending_ids())
        return {
            key
            for entry_id, key in self.published
            if _order(entry_id) <= last and entry_id not in pending
        }


def _order(entry_id: str) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split("-")))


def rows_of(servers: Servers) -> set[Key]:
    with servers.owner() as owner:
        rows: Any = owner.execute(
            """SELECT device_id, to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM positions"""
        ).fetchall()
    assert len(rows) == len(set(rows))
    return set(rows)


@dataclass
class Failover:
    """The loss of the primary, and what was found on the promoted standby."""

    heir: Servers
    lost: set[Key]
    """Rows that were acknowledged and are not there."""


def fail_over(pair: Pair, service: Service, load: Load) -> Failover:
    """Kill the primary, promote the standby, and wait until the service writes there."""
    killed_s = time.monotonic()
    pair.primary.process.kill()
    why = service.until_not_ready("postgres", saying="read-only")
    # Each host has its part: one is away, and the other takes no rows yet.
    assert f"{pair.primary.port}" in why
    assert f"{pair.standby.port}" in why
    promote(pair.standby)
    promoted_s = time.monotonic()
    acknowledged = load.acknowledged()
    heir = Servers(load.servers.redis, load.servers.stream, pair.standby.database(pair.name))
    there = heir.rows()
    lost = acknowledged - rows_of(heir)
    heir.until_rows(there + 1)
    written_s = time.monotonic()
    service.until_ready_again()
    print(  # noqa: T201  # the figures of OPERATIONS.md
        f"{len(lost)} of {len(acknowledged):,} acknowledged rows are gone; written again"
        f" {written_s - promoted_s:.1f} s after the promotion, {written_s - killed_s:.1f} s after the kill"
    )
    return Failover(heir, lost)


def under_load(pair: Pair, run: Run, redis: Redis, stream: str) -> tuple[Service, Load]:
    servers = Servers(redis, stream, pair.primary.database(pair.name))
    return run(POSTGRES_URL=pair.url, **SETTINGS).ready(), Load(servers)


def test_with_a_synchronous_standby_no_acknowledged_row_is_missing(
    pair: Pair, run: Run, redis_client: Redis, stream_name: str
) -> None:
    require_standby(pair.primary)
    service, load = under_load(pair, run, redis_client, stream_name)
    with load.running():
        load.servers.until_rows(500)
        failover = fail_over(pair, service, load)
    failover.heir.until_settled()
    assert not failover.lost
    assert rows_of(failover.heir) == load.keys
    assert service.stop() == 0
    assert service.ledger == {"read": len(load.published), "acked": len(load.published)}


def test_with_an_asynchronous_standby_what_it_had_not_received_is_read_again_on_request(
    pair: Pair, run: Run, redis_client: Redis, stream_name: str
) -> None:
    service, load = under_load(pair, run, redis_client, stream_name)
    with load.running():
        load.servers.until_rows(500)
        # A standby that lags, so that there is something to lose.
        pair.link.frozen = True
        confirmed = len(load.acknowledged())
        until(lambda: len(load.acknowledged()) > confirmed + 500, "the primary alone has rows")
        failover = fail_over(pair, service, load)
    heir = failover.heir
    heir.until_settled()
    # A row is back already if its repeat was read after the failover.
    missing = load.keys - rows_of(heir)
    assert len(missing) > 100
    assert missing <= failover.lost
    # The instance remembers newer positions of all these devices than the table has.
    first = min(_order(entry_id) for entry_id, key in load.published if key in failover.lost)
    redis_client.xgroup_setid(stream_name, GROUP, f"{first[0] - 1}-0")
    until(lambda: rows_of(heir) == load.keys, "what was lost is written again")
    heir.until_settled()
    assert service.stop() == 0
