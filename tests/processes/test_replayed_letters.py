"""A bad payload becomes a dead letter, is mended by an operator, and becomes a row of the running service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.batches import position
from tests.support.dead_letters import Queue, ended
from tests.support.processes import QUICK_CLAIMS, until
from tests.support.servers import entry

if TYPE_CHECKING:
    from pathlib import Path

    from dev.servers import RedisServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers


@pytest.fixture
def queue(servers: Servers, redis_server: RedisServer) -> Queue:
    environ = {"REDIS_URL": redis_server.operator_url, "REDIS_TELEMETRY_STREAM": servers.stream}
    return Queue(servers.redis, servers.stream, environ)


def test_a_letter_that_is_mended_becomes_a_row(
    run: Run, servers: Servers, queue: Queue, tmp_path: Path
) -> None:
    published = {**entry(1, 0), "payload": '{"device_id":', "note": "kept"}
    run(DLQ_MAX_ATTEMPTS="1").ready()
    servers.publish([published])
    until(queue.letters, "it is a dead letter")
    [letter_id] = queue.letters()

    shown = ended(queue.start("show", "--json", letter_id)).json
    assert shown["fields"] == published
    assert shown["dead_letter"]["code"] == "bad_json"
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(position(1, 0)))
    done = ended(queue.start("replay", "--payload", str(mended), letter_id, "--json"))
    assert (done.code, done.json["replayed"]) == (0, 1)

    servers.until_rows(1)
    servers.until_settled()
    servers.assert_promise_kept(rows=1)
    fields = queue.entries()[done.json["new_ids"][letter_id]]
    assert fields[b"note"] == b"kept"


def test_letters_that_die_again_reach_the_guard(run: Run, servers: Servers, queue: Queue) -> None:
    service = run(DLQ_MAX_ATTEMPTS="1", **QUICK_CLAIMS).ready()
    servers.publish([{**entry(1, 0), "payload": "{"} for _ in range(10)])
    for replays in range(3):
        service.until_metrics(**{'dead_letters_total{code="bad_json"}': 10 * (replays + 1)})
        done = ended(queue.start("replay", "--code", "bad_json", "--json"))
        assert (done.code, done.json["replayed"]) == (0, 10)
    service.until_metrics(**{'dead_letters_total{code="bad_json"}': 40})
    at_the_guard = ended(queue.start("replay", "--all", "--json"))
    assert at_the_guard.code == 1
    assert (at_the_guard.json["matched"], at_the_guard.json["replayed"]) == (10, 0)
    assert {each["why"] for each in at_the_guard.json["skipped"]} == {
        "replayed 3 times already; --max-replays is 3"
    }
    listed = ended(queue.start("list", "--json")).json
    assert {each["replays"] for each in listed["letters"]} == {3}
    servers.assert_promise_kept(rows=0, poison=[each["source_id"] for each in listed["letters"]])


def test_what_the_table_refused_is_written_once_its_cause_is_gone(
    run: Run, servers: Servers, queue: Queue
) -> None:
    servers.own("ALTER TABLE positions ADD CONSTRAINT slow CHECK (speed < 200)")
    run(DLQ_MAX_ATTEMPTS="1", **QUICK_CLAIMS).ready()
    servers.publish([entry(1, 0), *(entry(2, n, speed=250) for n in range(5))])
    until(lambda: len(queue.letters()) == 5, "five are refused")
    servers.own("ALTER TABLE positions DROP CONSTRAINT slow")
    chosen = ("--code", "refused_by_server", "--stage", "write", "--since", "1h")
    done = ended(queue.start("replay", *chosen, "--json"))
    assert (done.code, done.json["matched"], done.json["replayed"]) == (0, 5, 5)
    servers.until_rows(6)
    servers.until_settled()
    servers.assert_promise_kept(rows=6)
