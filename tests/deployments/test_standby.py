"""Synchronous replication: nothing is acknowledged that would be lost with the primary."""

from __future__ import annotations

import os
from dataclasses import dataclass
from signal import SIGKILL
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dev.schema import create_database
from dev.servers import (
    dispense_with_standby,
    launch_postgres,
    launch_relay,
    launch_standby,
    promote,
    require_standby,
)
from tests.support.live_entries import live
from tests.support.processes import until
from tests.support.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from dev.servers import Database, PostgresBinaries, PostgresServer, Relay
    from tests.processes.conftest import Run
    from tests.support.processes import Service

pytestmark = pytest.mark.deployment

BEFORE = 50
ENTRIES = 200
QUICK = {"CONNECT_BACKOFF_MAX_MS": "200", "BATCH_BLOCK_MS": "100", "DRAIN_BUDGET_MS": "1500"}

# Longer than a single write may take.
DEADLINE_S_MAX = 60.0
# One for the writer, one for the probe, and one that is opened to find out more.
SESSIONS_MAX = 3

# Sessions of the service that wait for the standby, or for the locks of one that does.
WAITING = """
    SELECT pid FROM pg_stat_activity WHERE usename = 'processor'
    AND (wait_event = 'SyncRep' OR wait_event_type = 'Lock')
"""


@dataclass(frozen=True)
class Pair:
    """A primary and its synchronous standby, and the link between them."""

    primary: PostgresServer
    standby: PostgresServer
    link: Relay
    servers: Servers

    def cut_standby_off(self) -> None:
        """Cut the link between primary and standby in both directions."""
        self.link.frozen = True

    def bring_standby_back(self) -> None:
        self.link.frozen = False

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the primary, as its owner."""
        with psycopg.connect(self.servers.database.admin_url, autocommit=True) as owner:
            return owner.execute(query.encode()).fetchall()

    def waiting(self) -> set[int]:
        """Process ids of the service's sessions that wait for the standby."""
        return {pid for (pid,) in self.ask(WAITING)}

    def lose_primary(self) -> Database:
        """Kill the primary, and promote the standby as it is."""
        self.primary.process.kill()
        promote(self.standby)
        return self.standby.database(self.servers.database.name)


@pytest.fixture
def pair(
    postgres_binaries: PostgresBinaries, redis_client: Redis, stream_name: str
) -> Iterator[Pair]:
    with launch_postgres(postgres_binaries) as primary:
        database = create_database(primary, "telemetry")
        with (
            launch_relay(primary.port) as link,
            launch_standby(primary, through_port=link.port) as standby,
        ):
            require_standby(primary)
            yield Pair(primary, standby, link, Servers(redis_client, stream_name, database))
            # Sessions that still wait would delay an orderly end.
            primary.process.kill()


@pytest.fixture
def start(run: Run, pair: Pair) -> Callable[..., Service]:
    """Starts the service on the pair's primary, or where `on` says."""

    def start(*, on: Database | None = None, **env: str) -> Service:
        database = on or pair.servers.database
        return run(**{"POSTGRES_URL": database.processor_url, **QUICK, **env})

    return start


def with_unconfirmed_rows(pair: Pair, start: Callable[..., Service], **env: str) -> Service:
    """A service that has written some rows, and waits with ENTRIES more for a standby that is cut off."""
    service = start(**env).ready()
    pair.servers.publish_at_once(live(BEFORE))
    service.until_metrics(acks_total=BEFORE)
    pair.cut_standby_off()
    pair.servers.publish_at_once(live(ENTRIES, first_second=1_000))
    until(pair.waiting, "the service's COPY waits for the standby")
    return service


def acknowledged(servers: Servers) -> int:
    [group] = servers.redis.xinfo_groups(servers.stream)
    return int(group["entries-read"]) - servers.pending()


def assert_nothing_lost(pair: Pair, start: Callable[..., Service]) -> None:
    """Lose the primary: what was acknowledged is on the standby, and the next life brings the rest there."""
    heir = pair.lose_primary()
    servers = Servers(pair.servers.redis, pair.servers.stream, heir)
    acked, kept = acknowledged(servers), servers.rows()
    assert acked <= kept, f"{acked} entries are acknowledged, {kept} rows are on the new primary"
    last = start(
        on=heir, INSTANCE_ID="processor-3", CLAIM_THRESHOLD_MS="300", CLAIM_INTERVAL_MS="100"
    )
    servers.until_settled()
    servers.assert_promise_kept(rows=BEFORE + ENTRIES)
    assert last.stop() == 0


def until_next_life_waits(pair: Pair, next_life: Service, before: set[int]) -> None:
    """Wait until the next life waits for the standby too, or has wrongly gone on without it."""
    until(
        lambda: pair.waiting() - before or acknowledged(pair.servers) > BEFORE,
        f"the next life waits\n{next_life.report()}",
    )


def stop_it(service: Service) -> None:
    assert service.stop() == 3


def insist(service: Service) -> None:
    service.send()
    service.wait_for("shutdown: starting")
    assert service.stop() == 3


def kill_it(service: Service) -> None:
    service.kill()


@pytest.mark.parametrize("end", [stop_it, insist, kill_it])
def test_a_redeployment_while_the_standby_is_away_acknowledges_nothing_that_dies_with_the_primary(
    pair: Pair, start: Callable[..., Service], end: Callable[[Service], None]
) -> None:
    first = with_unconfirmed_rows(pair, start)
    end(first)
    before = pair.waiting()
    second = start()
    until_next_life_waits(pair, second, before)
    second.kill()
    assert_nothing_lost(pair, start)


def cancel_backends(pair: Pair) -> None:
    """Cancel as an administrator would, or as a late cancel request for an earlier statement."""
    for pid in pair.waiting():
        pair.ask(f"SELECT pg_cancel_backend({pid})")


def terminate_backends(pair: Pair) -> None:
    for pid in pair.waiting():
        pair.ask(f"SELECT pg_terminate_backend({pid})")


def crash_one_backend(pair: Pair) -> None:
    """Kill one backend: the server ends all sessions and recovers."""
    with psycopg.connect(pair.primary.admin_url, autocommit=True) as bystander:
        os.kill(bystander.info.backend_pid, SIGKILL)
        until(lambda: is_ended(bystander), "the server has ended its sessions")


def is_ended(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def crash_and_restart(pair: Pair) -> None:
    pair.primary.process.kill()
    pair.primary.process.start()


REVEALED = f"SELECT count(*) = {BEFORE + ENTRIES} FROM positions"


@pytest.mark.parametrize(
    "reveal", [cancel_backends, terminate_backends, crash_one_backend, crash_and_restart]
)
def test_rows_that_are_visible_and_unconfirmed_are_not_acknowledged(
    pair: Pair, start: Callable[..., Service], reveal: Callable[[Pair], None]
) -> None:
    service = with_unconfirmed_rows(pair, start)
    before = pair.waiting()
    reveal(pair)
    until(lambda: visible(pair), "the rows are visible")
    until_next_life_waits(pair, service, before)
    service.kill()
    assert_nothing_lost(pair, start)


def visible(pair: Pair) -> bool:
    try:
        return bool(pair.ask(REVEALED)[0][0])
    except psycopg.OperationalError:
        return False  # It recovers.


@pytest.mark.parametrize("reveal", [cancel_backends, crash_and_restart])
def test_rows_that_a_life_left_visible_and_unconfirmed_are_not_acknowledged_by_the_next(
    pair: Pair, start: Callable[..., Service], reveal: Callable[[Pair], None]
) -> None:
    first = with_unconfirmed_rows(pair, start)
    first.kill()
    reveal(pair)
    until(lambda: visible(pair), "the rows are visible")
    before = pair.waiting()
    second = start()
    until_next_life_waits(pair, second, before)
    second.kill()
    assert_nothing_lost(pair, start)


def test_a_life_that_follows_to_the_promoted_standby_brings_there_what_was_unconfirmed(
    pair: Pair, start: Callable[..., Service]
) -> None:
    here, there = (
        server.database("telemetry").processor_url for server in (pair.primary, pair.standby)
    )
    credentials, _, place = here.removeprefix("postgresql://").partition("@")
    both = f"{place.partition('/')[0]},{there.rpartition('@')[2]}"
    url = f"postgresql://{credentials}@{both}?target_session_attrs=read-write"
    service = with_unconfirmed_rows(pair, start, POSTGRES_URL=url)
    heir = pair.lose_primary()
    servers = Servers(pair.servers.redis, pair.servers.stream, heir)
    servers.until_settled()
    servers.assert_promise_kept(rows=BEFORE + ENTRIES)
    service.until_ready_again()
    assert service.stop() == 0


def test_behind_its_deadline_a_write_is_left_waiting_for_the_standby_and_the_service_says_so(
    pair: Pair, start: Callable[..., Service]
) -> None:
    # Waiting is no standstill, however often it is asked whether it is worth it.
    service = with_unconfirmed_rows(pair, start, STALL_MS="500")
    until(
        lambda: "standby" in str(service.readyz()[1]["reasons"]),
        "it says what it waits for",
        within_s=DEADLINE_S_MAX,
    )
    assert service.readyz()[0] == 503
    assert service.get("/healthz")[0] == 200
    assert not visible(pair)
    assert acknowledged(pair.servers) == BEFORE
    # However long the wait is, abandoned sessions do not fill the server.
    sessions = "SELECT FROM pg_stat_activity WHERE usename = 'processor'"
    assert len(pair.ask(sessions)) <= SESSIONS_MAX
    pair.bring_standby_back()
    pair.servers.until_settled()
    service.until_ready_again()
    pair.servers.assert_promise_kept(rows=BEFORE + ENTRIES)
    assert service.stop() == 0


def test_a_standby_that_its_owner_dispenses_with_is_waited_for_no_longer(
    pair: Pair, start: Callable[..., Service]
) -> None:
    service = with_unconfirmed_rows(pair, start)
    dispense_with_standby(pair.primary)
    pair.servers.until_settled()
    service.until_ready_again()
    pair.servers.assert_promise_kept(rows=BEFORE + ENTRIES)
    assert service.stop() == 0


def test_a_deployment_while_the_standby_is_away_becomes_ready_when_it_is_back(
    pair: Pair, start: Callable[..., Service]
) -> None:
    first = with_unconfirmed_rows(pair, start)
    stop_it(first)
    before = pair.waiting()
    second = start(INSTANCE_ID="processor-2", CLAIM_THRESHOLD_MS="300", CLAIM_INTERVAL_MS="100")
    until_next_life_waits(pair, second, before)
    pair.bring_standby_back()
    second.ready().until_ready_again()
    pair.servers.until_settled()
    pair.servers.assert_promise_kept(rows=BEFORE + ENTRIES)
    assert second.stop() == 0
