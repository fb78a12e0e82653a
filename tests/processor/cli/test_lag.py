"""`processor lag` on a real server."""

from __future__ import annotations

import json
import select
from signal import SIGINT
from typing import TYPE_CHECKING, Any

import pytest

from processor.core import lag as rule
from processor.operating import queue
from tests.support.processes import WAIT_S_MAX
from tests.support.servers import GROUP

if TYPE_CHECKING:
    import subprocess

    from redis import Redis

    from dev.servers import RedisServer
    from tests.support.operators import Commands

ABSENT = {"lag": None, "pending": None, "oldest_pending_age_s": None}


def fill(client: Redis, stream: str, *, entries: int = 10, delivered: int = 3) -> None:
    client.xgroup_create(stream, GROUP, id="0", mkstream=True)
    for number in range(entries):
        client.xadd(stream, {"n": number})
    client.xreadgroup(GROUP, "c", {stream: ">"}, count=delivered)


def test_it_shows_what_waits_and_how_old_it_is(
    commands: Commands, redis_client: Redis, stream_name: str
) -> None:
    fill(redis_client, stream_name)
    ended = commands("lag", "--json")
    assert (ended.code, ended.err) == (0, "")
    shown = ended.json
    assert (shown["stream"], shown["group"]) == (stream_name, GROUP)
    assert (shown["lag"], shown["pending"]) == (7, 3)
    assert 0 <= shown["last_entry_age_s"] <= shown["oldest_pending_age_s"] < 60
    text = commands("lag")
    assert text.code == 0
    assert [stream_name, GROUP, "7", "3"] == text.out.splitlines()[1].split()[:4]


def test_it_counts_where_redis_gives_none_or_a_wrong_one(
    commands: Commands, redis_client: Redis, stream_name: str
) -> None:
    fill(redis_client, stream_name)
    entries: Any = redis_client.xrange(stream_name)
    redis_client.xdel(stream_name, entries[6][0])
    assert redis_client.xinfo_groups(stream_name)[0]["lag"] is None
    assert commands("lag", "--json").json["lag"] == 6
    redis_client.xtrim(stream_name, 4, approximate=False)
    redis_client.xreadgroup(GROUP, "c", {stream_name: ">"}, count=2)
    assert redis_client.xinfo_groups(stream_name)[0]["lag"] != 2
    assert commands("lag", "--json").json["lag"] == 2


def test_beyond_a_million_it_is_null_and_no_failure(
    commands: Commands, redis_client: Redis, stream_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rule, queue):
        monkeypatch.setattr(module, "LAG_MAX", 6)
    fill(redis_client, stream_name)
    ended = commands("lag", "--json")
    assert (ended.code, ended.json["lag"], ended.json["pending"]) == (0, None, 3)
    assert "over 1,000,000" in commands("lag").out


@pytest.mark.parametrize("there_is", ["a stream", "nothing"])
def test_without_a_stream_or_a_group_it_fails_and_says_so(
    commands: Commands, redis_client: Redis, stream_name: str, there_is: str
) -> None:
    if there_is == "a stream":
        redis_client.xadd(stream_name, {"n": 1})
    ended = commands("lag", "--json")
    assert ended.code == 1
    assert ended.json.items() >= ABSENT.items()
    assert (ended.json["last_entry_age_s"] is None) == (there_is == "nothing")
    assert stream_name in ended.err
    text = commands("lag")
    assert (text.code, text.out) == (1, "")


def test_a_stream_that_was_never_fed_has_no_age(
    commands: Commands, redis_client: Redis, stream_name: str
) -> None:
    fill(redis_client, stream_name, entries=0)
    shown = commands("lag", "--json").json
    assert (shown["lag"], shown["last_entry_age_s"]) == (0, None)


@pytest.mark.parametrize(("change", "code"), [("away", 4), ("wrong", 78), ("no stream", 4)])
def test_a_server_that_is_away_or_refuses_and_a_wrong_url_leave_standard_output_empty(
    commands: Commands, redis_client: Redis, stream_name: str, change: str, code: int
) -> None:
    redis_client.set(stream_name, "a string")
    urls = {"away": "redis://127.0.0.1:1", "wrong": "http://127.0.0.1"}
    changes = {"REDIS_URL": urls[change]} if change in urls else {}
    for arguments in (("lag", "--json"), ("lag", "--watch")):
        ended = commands(*arguments, **changes)
        assert (ended.code, ended.out) == (code, "")
        assert ended.err.startswith("processor lag: ")


def watch(commands: Commands, *arguments: str) -> subprocess.Popen[str]:
    return commands.start("lag", "--watch", *arguments)


def test_watching_prints_a_line_a_second_until_an_interrupt(
    commands: Commands, redis_client: Redis, stream_name: str
) -> None:
    fill(redis_client, stream_name)
    with watch(commands, "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["lag"] == 7
        redis_client.xreadgroup(GROUP, "c", {stream_name: ">"}, count=2)
        assert json.loads(process.stdout.readline())["lag"] == 5
        process.send_signal(SIGINT)
        assert process.wait(WAIT_S_MAX) == 130
        assert "Traceback" not in process.stderr.read()  # type: ignore[union-attr]


def test_watching_ends_quietly_when_nobody_reads(
    commands: Commands, redis_client: Redis, stream_name: str
) -> None:
    fill(redis_client, stream_name)
    with watch(commands) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "lag 7  pending 3" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(WAIT_S_MAX) == 0
        assert process.stderr.read() == ""


def test_watching_outlives_an_outage(
    commands: Commands, redis_client: Redis, redis_server: RedisServer, stream_name: str
) -> None:
    fill(redis_client, stream_name)
    with watch(commands) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "lag 7" in process.stdout.readline()
        redis_client.client_kill_filter(_type="normal", skipme=True)
        assert select.select([process.stdout], [], [], WAIT_S_MAX)[0]
        assert "lag 7" in process.stdout.readline()
        process.send_signal(SIGINT)
        assert process.wait(WAIT_S_MAX) == 130
