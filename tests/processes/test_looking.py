"""Operators' commands beside running instances: who is alive decides what may be done."""

from __future__ import annotations

from signal import SIGCONT, SIGSTOP
from typing import TYPE_CHECKING

import pytest

from tests.support.operators import Commands
from tests.support.processes import until
from tests.support.servers import drive
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from typing import Any

    from dev.servers import RedisServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

NEVER_MS = "86400000"


@pytest.fixture
def typed(
    servers: Servers,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Commands:
    return Commands(
        {
            "REDIS_URL": redis_server.operator_url,
            "POSTGRES_URL": servers.database.processor_url,
            "REDIS_TELEMETRY_STREAM": servers.stream,
        },
        monkeypatch,
        capsys,
    )


def problems(typed: Commands) -> dict[str, Any]:
    """Code and remedy of each."""
    shown = typed("status", "--json").json
    return {each["code"]: each["remedy"] for each in shown["problems"]}


def test_all_is_well_while_an_instance_works_and_a_frozen_one_does_not_answer(
    run: Run, servers: Servers, typed: Commands
) -> None:
    servers.create_group()
    servers.publish(drive(100))
    assert problems(typed) == {"no_instance": "processor run"}
    service = run().ready()
    servers.until_settled()
    ended = typed("status", "--check", "--json")
    assert (ended.code, ended.json["problems"]) == (0, [])
    assert typed("status", "--check").code == 0
    [instance] = ended.json["instances"]
    assert (instance["consumer"], instance["phase"]) == ("processor-1", "running")
    [consumer] = ended.json["consumers"]
    assert (consumer["name"], consumer["live"]) == ("processor-1", True)
    assert ended.json["table"]["newest_ts"] is not None
    assert all(len(line) <= 100 for line in typed("status").out.splitlines())

    pruned = typed("consumers", "prune", "--min-idle-ms", "0", "--json").json
    assert pruned == {
        "removed": [],
        "kept": [{"name": "processor-1", "why": "an instance answers for it"}],
    }
    refused = typed("claim", "--from", "processor-1", "--json")
    assert (refused.code, refused.out) == (2, "")
    assert f"pid {service.process.pid}" in refused.err

    service.send(SIGSTOP)
    assert problems(typed) == {"no_instance": "processor run"}
    assert typed("claim", "--from", "processor-1").code == 1
    service.send(SIGCONT)
    until(lambda: problems(typed) == {}, "it answers again")


def test_what_a_dead_consumer_left_is_written_at_once_by_who_lives(
    run: Run, servers: Servers, typed: Commands
) -> None:
    # It has just been delivered, and nobody looks for entries to claim by himself.
    servers.create_group()
    servers.publish(drive(1_200))
    servers.deliver_to("dead", 1_200)
    run(CLAIM_INTERVAL_MS=NEVER_MS).ready()
    ended = typed("claim", "--from", "dead", "--json")
    assert ended.code == 0
    assert (ended.json["released"], ended.json["instances"]) == (1_200, ["processor-1"])
    servers.until_settled()
    servers.assert_promise_kept(rows=1_200)
    assert typed("consumers", "prune", "--min-idle-ms", "0", "--json").json["removed"] == ["dead"]


def test_by_force_a_living_ones_entries_are_written_once(
    run: Run, servers: Servers, typed: Commands
) -> None:
    with servers.inserts_held():
        run(INSTANCE_ID="first", CLAIM_INTERVAL_MS=NEVER_MS).ready()
        ids = servers.publish(drive(50))
        servers.until_pending(ids)
        run(INSTANCE_ID="second", CLAIM_INTERVAL_MS=NEVER_MS).ready()
        assert typed("claim", "--from", "first", "--dry-run").code == 2
        ended = typed("claim", "--from", "first", "--force", "--json")
        assert (ended.code, ended.json["released"]) == (0, 50)
        assert ended.json["instances"] == ["first", "second"]
    servers.until_settled()
    servers.assert_promise_kept(rows=50)


def test_top_shows_rates_and_who_works(run: Run, servers: Servers, typed: Commands) -> None:
    run().ready()
    with Terminal(typed.environment, "top") as terminal:
        terminal.until_shown("processor-1", "running")
        for number in range(3):
            servers.publish(drive(200, first_second=1_000 * number))
            servers.until_settled()
        lines = terminal.until_shown("processor-1", "600")
        [write] = [line for line in lines if line.startswith("write ")]
        assert "99 % ≤ " in write
        terminal.type("q")
        assert terminal.end() == 0
        assert terminal.is_as_before
