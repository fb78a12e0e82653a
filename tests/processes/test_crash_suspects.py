"""Suspected poison entries: tried in isolation, committed if they are innocent, else dead-lettered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.processes import QUICK_CLAIMS
from tests.support.servers import drive

if TYPE_CHECKING:
    from dev.servers import PostgresServer
    from tests.processes.conftest import Run
    from tests.support.processes import Service
    from tests.support.servers import Servers

# One more delivery than is allowed without a suspicion.
SUSPICIOUS = 6
SUSPECTS = 10
OTHERS = 200
SUSPECTED = drive(SUSPECTS, first_second=1_000)

# Transactions that wrote the suspects' rows, and how many rows each transaction wrote.
SOLE_WRITES = """
    SELECT count(*) FROM (SELECT xmin FROM positions GROUP BY xmin
                          HAVING count(*) = 1 AND min(ts) > '2026-05-01 12:16Z') alone
"""


def written_alone(servers: Servers) -> int:
    """The number of suspects that were each committed in a separate transaction."""
    with servers.owner() as owner:
        [count] = owner.execute(SOLE_WRITES).fetchone() or (0,)
    return int(count)


def test_entries_delivered_often_without_a_failure_are_tried_alone_and_committed(
    run: Run, servers: Servers
) -> None:
    servers.create_group()
    servers.publish_abandoned(SUSPECTED, deliveries=SUSPICIOUS)
    servers.publish_abandoned(drive(OTHERS))
    service = run(**QUICK_CLAIMS).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=OTHERS + SUSPECTS)
    assert written_alone(servers) == SUSPECTS
    assert service.stop() == 0
    assert service.ledger == {"read": OTHERS + SUSPECTS, "acked": OTHERS + SUSPECTS}


def test_entries_delivered_five_times_are_no_suspects(run: Run, servers: Servers) -> None:
    servers.create_group()
    servers.publish_abandoned(SUSPECTED, deliveries=SUSPICIOUS - 1)
    run(**QUICK_CLAIMS).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=SUSPECTS)
    assert written_alone(servers) == 0


def test_own_entries_of_many_former_lives_are_suspects_too(run: Run, servers: Servers) -> None:
    servers.create_group()
    servers.publish_abandoned(SUSPECTED, deliveries=SUSPICIOUS, consumer="processor-1")
    run().ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=SUSPECTS)
    assert written_alone(servers) == SUSPECTS


def test_a_suspect_that_the_server_refuses_is_a_record_with_a_failure_like_any_other(
    run: Run, servers: Servers
) -> None:
    servers.create_group()
    servers.own("ALTER TABLE positions ADD CHECK (ts < '2026-05-01 12:16Z')")
    poison = servers.publish_abandoned(SUSPECTED[:1], deliveries=SUSPICIOUS)
    servers.publish(drive(OTHERS))
    run(**QUICK_CLAIMS).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=OTHERS, poison=poison)
    [letter] = servers.dead_letters()
    assert (letter[b"dlq_stage"], letter[b"dlq_sqlstate"]) == (b"write", b"23514")
    assert letter[b"dlq_attempts"] == b"3"


def test_no_trial_begins_while_postgres_is_away(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    service = run(**QUICK_CLAIMS).ready()
    postgres_server.process.stop()
    service.until_not_ready("postgres")
    servers.publish_abandoned(SUSPECTED, deliveries=SUSPICIOUS)
    trials = servers.calls("hset", "hsetnx")
    servers.until_claim_passes(20)
    assert servers.attempts() == {}
    assert servers.calls("hset", "hsetnx") == trials
    postgres_server.process.start()
    servers.until_settled()
    servers.assert_promise_kept(rows=SUSPECTS)
    assert written_alone(servers) == SUSPECTS


def test_a_suspect_that_ends_three_processes_is_a_dead_letter(run: Run, servers: Servers) -> None:
    servers.create_group()
    [suspect] = servers.publish_abandoned(SUSPECTED[:1], deliveries=SUSPICIOUS)
    with servers.inserts_held():
        for trial in (1, 2, 3):
            service = killed_in_a_trial(run, servers)
            assert not service.logged("record refused")
            recorded = servers.attempts()[suspect]
            assert (recorded["n"], recorded["code"]) == (trial, "no_answer")
        servers.publish(drive(OTHERS))
    survivor = run(**QUICK_CLAIMS).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=OTHERS, poison=[suspect])
    [letter] = servers.dead_letters()
    assert letter[b"dlq_stage"] == b"crash"
    assert letter[b"dlq_code"] == b"no_answer"
    assert letter[b"dlq_sqlstate"] == b""
    assert letter[b"dlq_attempts"] == b"3"
    assert survivor.stop() == 0
    assert survivor.ledger["dead_lettered"] == 1


def killed_in_a_trial(run: Run, servers: Servers) -> Service:
    """Kill a life while the suspect is being written."""
    service = run(**QUICK_CLAIMS).ready()
    servers.until_writers_wait()
    service.kill()
    servers.end_sessions()
    return service


def test_a_trial_that_is_cut_by_a_stop_request_is_taken_back(run: Run, servers: Servers) -> None:
    servers.create_group()
    [suspect] = servers.publish_abandoned(SUSPECTED[:1], deliveries=SUSPICIOUS)
    with servers.inserts_held():
        service = run(**QUICK_CLAIMS, DRAIN_BUDGET_MS="500").ready()
        servers.until_writers_wait()
        assert servers.attempts()[suspect]["code"] == "no_answer"
        service.stop()
    assert servers.attempts() == {}
    run(**QUICK_CLAIMS).ready()
    servers.until_settled()
    servers.assert_promise_kept(rows=1)
