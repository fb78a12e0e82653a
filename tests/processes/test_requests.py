"""Operators' commands that ask running instances: one command reaches all of them, and none loses a row by it."""

from __future__ import annotations

import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGSTOP, SIGTERM
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from processor.operating.access import open_stream
from processor.operating.claiming import claim_now
from telemetry.chassis.control.tally import ANSWER_S
from tests.support.batches import NOON, position
from tests.support.commands import Done, command
from tests.support.processes import QUICK_CLAIMS, until
from tests.support.servers import GROUP, drive, entry

if TYPE_CHECKING:
    from dev.servers import RedisServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

DEVICE = position(0, 0)["device_id"]
# Of twice that size, Redis would close the connection itself (client-output-buffer-limit pubsub).
LARGE = b"x" * 16_000_000
DROPPED = 'control_messages_dropped_total{reason="%s"}'


class Ask(Protocol):
    """Runs a command on the test's servers."""

    def __call__(self, *arguments: str, **env: str) -> Done: ...


@pytest.fixture
def ask(servers: Servers, redis_server: RedisServer) -> Ask:
    def run_command(*arguments: str, **env: str) -> Done:
        settings = {
            "REDIS_URL": redis_server.operator_url,
            "POSTGRES_URL": servers.database.processor_url,
            "REDIS_TELEMETRY_STREAM": servers.stream,
        }
        return command({**settings, **env}, *arguments)

    return run_command


def channel(servers: Servers) -> str:
    return f"{servers.stream}:{GROUP}:control"


def instances(ask: Ask) -> list[dict[str, Any]]:
    done = ask("instances", "--json")
    assert done.code == 0
    found: list[dict[str, Any]] = done.json["instances"]
    return found


def published(servers: Servers, seconds: range) -> None:
    servers.publish([entry(0, second) for second in seconds])


def test_one_command_reaches_two_instances(run: Run, servers: Servers, ask: Ask) -> None:
    services = {f"p-{n}": run(INSTANCE_ID=f"p-{n}").ready() for n in (1, 2)}
    servers.publish(drive(100))
    servers.until_settled()

    found = instances(ask)
    assert [each["instance_id"] for each in found] == ["p-1", "p-2"]
    for each in found:
        assert list(each) == [
            *["instance_id", "consumer", "version", "host", "pid", "started_at", "phase"],
            *["in_flight", "ledger", "log_level"],
        ]
        assert each["pid"] == services[each["instance_id"]].process.pid
        assert (each["consumer"], each["phase"]) == (each["instance_id"], "running")
        assert (each["in_flight"], each["log_level"]) == (0, "info")
    assert sum(each["ledger"]["acked"] for each in found) == 100

    table = ask("instances").out.splitlines()
    assert [line.split()[0] for line in table] == ["INSTANCE", "p-1", "p-2"]
    assert all(len(line) <= 100 for line in table)

    done = ask("log-level", "debug", "--instance", "p-2", "--for", "1", "--json")
    assert (done.code, done.json) == (
        0,
        {"instances": [{"instance_id": "p-2", "log_level": "debug"}]},
    )
    services["p-2"].wait_for("log level changed level=info")
    assert {each["instance_id"]: each["log_level"] for each in instances(ask)} == {
        "p-1": "info",
        "p-2": "info",
    }
    assert [line["for_s"] for line in services["p-2"].logged("log level changed")] == [1, None]
    assert services["p-1"].logged("log level changed") == []


def test_a_dump_is_written_for_its_owner_and_shown_or_it_is_said_why_not(
    run: Run, ask: Ask, tmp_path: Path
) -> None:
    directory = tmp_path / "dumps"
    directory.mkdir()
    run(PANIC_DUMP_DIR=str(directory)).ready()
    done = ask("dump", "--json")
    assert done.code == 0
    [written] = done.json["instances"]
    assert written["instance_id"] == "processor-1"
    path = Path(written["path"])
    assert path.parent == directory
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shown = ask("panic", "show", str(path))
    assert shown.code == 0
    assert shown.out.startswith("processor-1 was asked for this dump at ")
    assert "processor.reading.consumer" in shown.out
    assert "the service went on" in shown.out

    directory.rename(tmp_path / "elsewhere")
    done = ask("dump", "--json")
    assert (done.code, done.json) == (1, {"instances": []})
    assert "processor-1: the dump could not be written:" in done.err
    assert "No such file or directory" in done.err
    assert [each["phase"] for each in instances(ask)] == ["running"]


def test_a_device_is_shown_and_restored_after_its_newest_row_was_marked_as_faulty(
    run: Run, servers: Servers, ask: Ask
) -> None:
    service = run(WRITERS="2").ready()
    published(servers, range(3))
    servers.until_settled()

    shown = ask("device", "show", DEVICE, "--json").json
    assert shown["newest"]["ts"] == "2026-05-01T12:00:02.000Z"
    assert shown["newest"]["speed"] == 63
    assert shown["faulty"] == {"count": 0, "newest_ts": None}
    [held] = shown["instances"]
    assert (held["held"], held["newest_ts"]) == (True, "2026-05-01T12:00:02.000Z")
    assert (held["count"], held["last_seen"][:2]) == (3, "20")

    servers.own(f"UPDATE positions SET faulty = true WHERE ts = '{NOON.isoformat()[:-7]}2+00'")
    done = ask("device", "rehydrate", DEVICE, "--json")
    assert (done.code, done.json) == (
        0,
        {
            "device_id": DEVICE,
            "instances": [{"instance_id": "processor-1", "result": "restored"}],
        },
    )
    shown = ask("device", "show", DEVICE, "--json").json
    assert shown["newest"]["ts"] == "2026-05-01T12:00:01.000Z"
    assert shown["faulty"] == {"count": 1, "newest_ts": "2026-05-01T12:00:02.000Z"}
    assert shown["instances"] == [
        {
            "instance_id": "processor-1",
            "held": True,
            "newest_ts": "2026-05-01T12:00:01.000Z",
            "last_seen": None,
            "count": 0,
        }
    ]
    text = ask("device", "show", DEVICE).out
    assert "faulty rows: 1, the newest of 2026-05-01T12:00:02.000Z" in text
    assert all(len(line) <= 100 for line in text.splitlines())

    # The faulty row's key again: what is held is older than it, and it is no second row for that.
    published(servers, range(5))
    servers.until_settled()
    servers.assert_promise_kept(rows=5)
    service.until_metrics(acks_total=8)

    unknown = ask("device", "show", "7", "--json").json
    assert (unknown["newest"], unknown["faulty"]["count"]) == (None, 0)
    assert not unknown["instances"][0]["held"]
    done = ask("device", "rehydrate", "7", "--json")
    assert (done.code, done.json["instances"][0]["result"]) == (0, "empty")

    servers.own("REVOKE SELECT ON positions FROM processor")
    done = ask("device", "rehydrate", DEVICE, "--json")
    assert (done.code, done.json["instances"][0]["result"]) == (1, "failed")
    done = ask("device", "show", DEVICE, "--json")
    assert (done.code, done.out) == (5, "")


def test_a_draining_instance_answers(run: Run, servers: Servers, ask: Ask) -> None:
    service = run(DRAIN_BUDGET_MS="20000").ready()
    with servers.inserts_held():
        servers.publish(drive(50))
        servers.until_writers_wait()
        service.send(SIGTERM)
        service.wait_for("shutdown: starting")
        [found] = instances(ask)
        assert (found["phase"], found["in_flight"]) == ("draining", 50)
        assert ask("dump", "--json").code == 0
        done = ask("log-level", "debug", "--json")
        assert (done.code, done.json["instances"][0]["log_level"]) == (0, "debug")
    assert service.wait() == 0
    servers.assert_promise_kept(rows=50)


def test_an_instance_that_waits_for_postgresql_at_its_start_is_found(run: Run, ask: Ask) -> None:
    run(POSTGRES_URL="postgres://processor@127.0.0.1:1/telemetry", CONNECT_ATTEMPTS="1000")
    until(lambda: instances(ask), "it answers")
    assert [each["phase"] for each in instances(ask)] == ["starting"]
    done = ask("device", "rehydrate", DEVICE, "--json")
    assert (done.code, done.json["instances"][0]["result"]) == (1, "failed")
    assert "it is starting" in done.err


def control_connections(servers: Servers) -> list[str]:
    return [
        each["id"]
        for each in servers.redis.client_list(_type="pubsub")
        if each["name"].endswith(":requests")
    ]


def until_connected(servers: Servers, number: int = 1) -> None:
    def count() -> int:
        [(_, subscribers)] = servers.redis.pubsub_numsub(channel(servers))
        return int(subscribers)

    until(lambda: count() == number, f"{number} instances listen")


def test_the_loss_of_the_control_connection_neither_stops_nor_slows_the_service(
    run: Run, servers: Servers, ask: Ask
) -> None:
    service = run(CONNECT_BACKOFF_MAX_MS="100").ready()
    killed = 0
    for round_ in range(10):
        servers.publish(drive(500, first_second=round_ * 50))
        until_connected(servers)
        for number in control_connections(servers):
            servers.redis.client_kill_filter(_id=number)
            killed += 1
        status, _ = service.readyz()
        assert status == 200
    servers.until_settled()
    servers.assert_promise_kept(rows=5_000)
    assert killed == 10
    until_connected(servers)
    [found] = instances(ask)
    assert found["ledger"]["acked"] == 5_000
    assert len(service.logged("operators' requests do not reach this instance")) == 1
    assert service.logged("read failed") == []
    assert service.stop() == 0


def test_garbage_and_long_messages_are_counted_and_nothing_else_happens(
    run: Run, servers: Servers, ask: Ask
) -> None:
    service = run().ready()
    before = service.rss_bytes()
    for message in (b"", b"\x00\xff", b'{"id":1}', b"x" * 70 * 1024, LARGE):
        assert servers.redis.publish(channel(servers), message) == 1
    servers.publish(drive(100))
    servers.until_settled()
    assert len(instances(ask)) == 1
    metrics = service.metrics()
    assert (metrics[DROPPED % "garbage"], metrics[DROPPED % "oversize"]) == (3, 2)
    assert metrics['requests_total{request="look"}'] == 1
    assert service.rss_bytes() - before < len(LARGE)
    servers.assert_promise_kept(rows=100)


def test_a_frozen_instance_does_not_answer_and_the_command_ends_in_time(run: Run, ask: Ask) -> None:
    frozen, _ = (run(INSTANCE_ID=f"p-{n}").ready() for n in (1, 2))
    frozen.send(SIGSTOP)
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        listing = pool.submit(instances, ask)
        change = pool.submit(ask, "log-level", "debug", "--instance", "p-1", "--json")
        assert [each["instance_id"] for each in listing.result()] == ["p-2"]
        # On a busy machine, Python alone takes a second to start.
        assert ANSWER_S <= time.monotonic() - began < ANSWER_S + 4
        done = change.result()
    assert (done.code, done.json) == (1, {"instances": []})
    assert "no instance 'p-1' answered" in done.err
    frozen.send(SIGCONT)
    until(lambda: len(instances(ask)) == 2, "it answers again")
    # A request from the time in which it was frozen may be carried out late, but only once.
    assert len(frozen.logged("log level changed")) <= 1


def claim_at_once(servers: Servers, redis_server: RedisServer) -> list[str]:
    env = {"REDIS_URL": redis_server.operator_url, "REDIS_TELEMETRY_STREAM": servers.stream}
    with open_stream(env) as access:
        return claim_now(access)


def test_instances_that_are_asked_claim_at_once(
    run: Run, servers: Servers, redis_server: RedisServer
) -> None:
    before = servers.calls("xautoclaim")
    service = run(**{**QUICK_CLAIMS, "CLAIM_INTERVAL_MS": "3600000"}).ready()
    until(lambda: servers.calls("xautoclaim") > before, "the pass at the start is over")
    servers.publish_abandoned([entry(0, second) for second in range(10)])
    assert claim_at_once(servers, redis_server) == ["processor-1"]
    servers.until_settled()
    servers.assert_promise_kept(rows=10)
    assert service.stop() == 0


def test_without_an_instance_a_list_is_empty_and_a_change_has_failed(
    servers: Servers, ask: Ask
) -> None:
    asked = [("instances",), ("dump",), ("log-level", "info"), ("device", "rehydrate", DEVICE)]
    # Each waits for two seconds.
    with ThreadPoolExecutor(len(asked)) as pool:
        done = list(pool.map(lambda arguments: ask(*arguments, "--json"), asked))
    assert [each.code for each in done] == [0, 1, 1, 1]
    for each in done:
        assert each.json["instances"] == []
        assert f"no instance answered on {channel(servers)}" in each.err


@pytest.mark.parametrize("arguments", [("instances",), ("device", "show", "7")], ids=" ".join)
def test_a_server_that_is_away_and_a_missing_url_have_codes_of_their_own(
    ask: Ask, arguments: tuple[str, ...]
) -> None:
    done = ask(*arguments, "--json", REDIS_URL="redis://127.0.0.1:1")
    assert (done.code, done.out) == (4, "")
    assert "127.0.0.1:1" in done.err
    done = ask(*arguments, "--json", REDIS_URL="")
    assert (done.code, done.out) == (78, "")
    assert "REDIS_URL" in done.err
