"""Entries that nobody works on any more are claimed; those that somebody works on are not."""

from __future__ import annotations

import json
from signal import SIGCONT, SIGSTOP
from typing import TYPE_CHECKING

from telemetry.chassis.exit_codes import ExitCode
from tests.support.processes import QUICK_CLAIMS, until
from tests.support.servers import drive

if TYPE_CHECKING:
    from dev.servers import PostgresServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

ENTRIES = 500
# Never again in this life: only the pass at its start claims.
AT_START_ONLY = {"CLAIM_INTERVAL_MS": "86400000"}
PENDING = 10_000
STUCK = 100

INSERTED = 'position_writes_total{status="inserted"}'


def test_what_a_dead_consumer_left_is_claimed_at_the_start(run: Run, servers: Servers) -> None:
    servers.create_group()
    servers.publish_abandoned(drive(ENTRIES))
    service = run(**AT_START_ONLY).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=ENTRIES)
    assert service.stop() == 0
    assert service.ledger == {"read": ENTRIES, "acked": ENTRIES}


def test_what_a_consumer_leaves_later_is_claimed_in_a_later_pass(
    run: Run, servers: Servers
) -> None:
    service = run(**QUICK_CLAIMS).ready()
    servers.until_claim_passes(2)
    servers.publish_abandoned(drive(ENTRIES))
    service.until_metrics(acks_total=ENTRIES)
    servers.assert_promise_kept(rows=ENTRIES)


def test_a_tail_that_is_stuck_behind_thousands_of_fresh_entries_is_reached_within_one_pass(
    run: Run, servers: Servers
) -> None:
    servers.create_group()
    ids = servers.publish(drive(PENDING))
    servers.deliver_to("busy", PENDING)
    fresh, stuck = ids[:-STUCK], ids[-STUCK:]
    servers.abandon("dead", stuck)

    # A step of the pass looks at ten times as many entries as it may claim.
    service = run(BATCH_SIZE=str(STUCK), **AT_START_ONLY).ready()
    service.until_metrics(acks_total=STUCK)
    assert servers.rows() == STUCK
    left = servers.pending_entries()
    assert list(left) == fresh
    assert {(each.consumer, each.deliveries) for each in left.values()} == {("busy", 1)}

    servers.abandon("busy", fresh)
    run(INSTANCE_ID="processor-2", **AT_START_ONLY).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=PENDING)


def test_entries_pending_under_another_name_are_left_to_it_until_the_threshold(
    run: Run, servers: Servers
) -> None:
    servers.create_group()
    others = servers.publish(drive(5))
    servers.deliver_to("processor-2", 5)
    service = run(CLAIM_INTERVAL_MS="20").ready()
    servers.publish(drive(5, first_second=1_000))
    service.until_metrics(acks_total=5)
    servers.until_claim_passes(10)
    assert servers.pending_ids() == others
    assert {each.deliveries for each in servers.pending_entries().values()} == {1}


def test_abandoned_entries_that_were_trimmed_are_logged_as_lost(run: Run, servers: Servers) -> None:
    servers.create_group()
    ids = servers.publish_abandoned(drive(20))
    servers.redis.xtrim(servers.stream, minid=ids[5], approximate=False)
    service = run(**QUICK_CLAIMS).ready()
    service.until_metrics(acks_total=15)
    line = service.wait_for("entries lost")
    assert (line["level"], line["n"]) == ("error", 5)
    assert all(entry_id in json.dumps(line) for entry_id in ids[:5])
    assert not any(entry_id in json.dumps(line) for entry_id in ids[5:])
    servers.assert_promise_kept(rows=15)
    assert service.stop() == 0
    assert len(service.logged("entries lost")) == 1
    assert service.ledger == {"read": 20, "acked": 15, "lost": 5}


def test_a_peer_that_was_killed_at_work_is_succeeded_by_the_living(
    run: Run, servers: Servers
) -> None:
    killed = run(**QUICK_CLAIMS).ready()
    with servers.inserts_held():
        servers.publish_at_once(drive(ENTRIES))
        servers.until_writers_wait()
        killed.kill()
        survivor = run(INSTANCE_ID="processor-2", **QUICK_CLAIMS).ready()
    survivor.until_metrics(acks_total=ENTRIES)
    servers.assert_promise_kept(rows=ENTRIES)


def test_instances_that_wait_for_a_frozen_postgres_keep_their_leases(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    # The leases must be longer than a busy machine may keep a process from running.
    patient = {**QUICK_CLAIMS, "CLAIM_THRESHOLD_MS": "1500"}
    services = [run(INSTANCE_ID=f"processor-{n}", **patient, BATCH_SIZE="50") for n in (1, 2)]
    for service in services:
        service.ready()
    postgres_server.process.freeze()
    ids = servers.publish(drive(ENTRIES // 5))
    servers.until_pending(ids)
    owners = servers.pending_entries()
    # Each instance has a pass every 100 ms, so this is twice the threshold.
    servers.until_claim_passes(60)
    held = servers.pending_entries()
    assert {entry_id: each.consumer for entry_id, each in held.items()} == {
        entry_id: each.consumer for entry_id, each in owners.items()
    }
    assert {each.deliveries for each in held.values()} == {1}
    postgres_server.process.thaw()
    servers.until_settled()
    servers.assert_promise_kept(rows=ENTRIES // 5)
    assert sum(service.metrics()["acks_total"] for service in services) == ENTRIES // 5


def test_an_instance_that_was_frozen_takes_nothing_back_from_who_has_taken_over(
    run: Run, servers: Servers
) -> None:
    frozen = run(**QUICK_CLAIMS).ready()
    with servers.inserts_held():
        ids = servers.publish_at_once(drive(ENTRIES))
        servers.until_writers_wait()
        frozen.send(SIGSTOP)
        heir = run(INSTANCE_ID="processor-2", **QUICK_CLAIMS).ready()
        until(lambda: owners(servers) == {"processor-2"}, "the living has claimed all")
        frozen.send(SIGCONT)
        # Leases are renewed at each third of the threshold: many times in this pause.
        servers.until_claim_passes(20)
        assert owners(servers) == {"processor-2"}
        assert servers.pending_ids() == ids
    servers.until_settled()
    servers.assert_promise_kept(rows=ENTRIES)
    until(lambda: frozen.metrics()["in_flight_records"] == 0, "it has nothing in flight")
    assert frozen.metrics()[INSERTED] + heir.metrics()[INSERTED] == ENTRIES
    assert frozen.stop() == 0
    ledger = frozen.ledger
    assert ledger.pop("read") == ENTRIES == sum(ledger.values())


def test_what_a_stop_releases_is_claimed_at_once(run: Run, servers: Servers) -> None:
    # A peer looks within the hour only because it is called.
    first, peer = (
        run(INSTANCE_ID=f"processor-{n}", DRAIN_BUDGET_MS="100", **AT_START_ONLY).ready()
        for n in (1, 2)
    )
    with servers.inserts_held():
        servers.publish(drive(ENTRIES))
        servers.until_writers_wait(2)
        assert first.stop() == ExitCode.TIMED_OUT
        until(lambda: owners(servers) == {"processor-2"}, "the peer has all", within_s=1.0)
    assert first.ledger["released"]
    servers.until_settled()
    servers.assert_promise_kept(rows=ENTRIES)
    assert len(peer.logged("request taken request=claim_now")) == 1


def owners(servers: Servers) -> set[str]:
    return {each.consumer for each in servers.pending_entries().values()}
