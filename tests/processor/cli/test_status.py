"""`processor status` on real servers, with nobody running: each problem made for real."""

from __future__ import annotations

import shlex
import socket
import time
from signal import SIGINT
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import WAIT_S_MAX
from tests.support.servers import ABANDONED_MS, GROUP, entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from dev.servers import PostgresServer, RedisServer
    from tests.support.operators import Commands
    from tests.support.servers import Servers

AWAY = "127.0.0.1:1"
DAY_MS = 86_400_000
# A server that is frozen is given up after a few seconds.
FROZEN_S_MAX = 12.0


def codes(commands: Commands, *arguments: str, **changes: str) -> set[str]:
    """The problems but that nobody runs, of which a test of its own is."""
    shown = commands("status", "--json", *arguments, **changes).json
    return {each["code"] for each in shown["problems"]} - {"no_instance"}


@pytest.fixture
def well(both: Commands, servers: Servers) -> Commands:
    """With a stream that is fed, and a group that has been given everything."""
    servers.create_group()
    servers.publish([entry(1, 1)])
    servers.deliver_to("processor-9", 10)
    servers.redis.xack(servers.stream, GROUP, *servers.pending_ids())
    return both


def test_everything_is_there_when_all_is_well_but_that_nobody_runs(
    well: Commands, servers: Servers
) -> None:
    ended = well("status", "--json")
    assert (ended.code, ended.err) == (0, "")
    shown = ended.json
    entries: Any = servers.redis.xrange(servers.stream)
    [(last_id, _)] = entries
    assert (
        shown["stream"].items()
        >= {
            "name": servers.stream,
            "exists": True,
            "length": 1,
            "last_id": last_id.decode(),
        }.items()
    )
    assert 0 <= shown["stream"]["last_entry_age_s"] < 60
    assert shown["group"] == {
        "name": GROUP,
        "exists": True,
        "lag": 0,
        "pending": 0,
        "oldest_pending_age_s": None,
    }
    [consumer] = shown["consumers"]
    assert (consumer["name"], consumer["live"]) == ("processor-9", False)
    assert shown["instances"] == []
    assert shown["dead_letters"] == {"count": 0, "by_code": {}}
    assert shown["table"] == {"reachable": True, "schema_ok": True, "newest_ts": None}
    [problem] = shown["problems"]
    assert problem["code"] == "no_instance"
    assert well("status", "--check").code == 1


def test_the_newest_row_is_the_newest_that_is_not_faulty(well: Commands, servers: Servers) -> None:
    servers.own(
        "INSERT INTO positions (device_id, ts, latitude, longitude, altitude, angle, speed,"
        " satellites, priority, codec, attributes, faulty) SELECT 'd', ts::timestamptz,"
        " 0, 0, 0, 0, 0, 0, 0, '8', '{}', faulty FROM (VALUES ('2026-05-01T09:30:00Z', false),"
        " ('2026-05-02T09:30:00Z', true)) AS given (ts, faulty)"
    )
    shown = well("status", "--json").json
    assert shown["table"]["newest_ts"] == "2026-05-01T09:30:00.000Z"


def delete_stream(servers: Servers) -> None:
    servers.redis.delete(servers.stream)


def destroy_group(servers: Servers) -> None:
    servers.redis.xgroup_destroy(servers.stream, GROUP)


def fall_silent(servers: Servers) -> None:
    """Have nothing published for over ten minutes, and the last entry trimmed since then."""
    servers.redis.delete(servers.stream)
    servers.create_group()
    then_ms = round(time.time() * 1_000) - 601_000
    servers.redis.xadd(servers.stream, entry(1, 1), id=f"{then_ms}-0")
    servers.redis.xtrim(servers.stream, 0)


def never_feed(servers: Servers) -> None:
    servers.redis.delete(servers.stream)
    servers.create_group()


def fall_behind(servers: Servers) -> None:
    servers.grow(11)


def get_stuck(servers: Servers) -> None:
    servers.publish_abandoned([entry(1, 2)])


def lose_a_letter(servers: Servers) -> None:
    for code in ("bad_json", "bad_json", "bad_type"):
        servers.redis.xadd(f"{servers.stream}:dlq", {"payload": "{", "dlq_code": code})


def change_the_table(servers: Servers) -> None:
    servers.own("ALTER TABLE positions DROP COLUMN satellites")


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (delete_stream, "stream_missing"),
        (destroy_group, "group_missing"),
        (fall_silent, "silent"),
        (never_feed, "silent"),
        (fall_behind, "lag"),
        (get_stuck, "stuck_pending"),
        (lose_a_letter, "dead_letters"),
        (change_the_table, "schema_mismatch"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_each_problem_is_found_and_has_a_remedy_that_runs_as_it_stands(
    well: Commands, servers: Servers, make: Callable[[Servers], None], found: str
) -> None:
    bound = ("--max-lag", "10")
    assert codes(well, *bound) == set()
    make(servers)
    ended = well("status", "--json", *bound)
    assert ended.code == 0
    problems = {each["code"]: each for each in ended.json["problems"]}
    assert set(problems) == {"no_instance", found}
    assert well("status", "--check", *bound).code == 1
    shown = well("status", *bound).out
    assert found in shown
    assert problems[found]["remedy"] in shown
    # Whatever it finds, it is a command that runs: no misuse, no bad configuration, no server away.
    program, *arguments = shlex.split(problems[found]["remedy"])
    assert (program, well(*arguments).code in {0, 1, 5}) == ("processor", True)


def test_the_remedy_of_a_stuck_entry_frees_it(well: Commands, servers: Servers) -> None:
    servers.publish_abandoned([entry(1, 2)], consumer="it's gone")
    [remedy] = [
        each["remedy"]
        for each in well("status", "--json").json["problems"]
        if each["code"] == "stuck_pending"
    ]
    assert well.in_shell(remedy).code == 0
    assert codes(well) == set()


@pytest.mark.parametrize(
    ("idle_ms", "threshold_ms", "stuck"),
    [
        (ABANDONED_MS, "60000", True),
        (170_000, "60000", False),
        (170_000, "50000", True),
        (DAY_MS, "60000", False),
        (DAY_MS + 170_000, "60000", False),
        (DAY_MS + 190_000, "60000", True),
    ],
)
def test_an_entry_is_stuck_after_three_thresholds_and_since_its_release(
    well: Commands, servers: Servers, idle_ms: int, threshold_ms: str, stuck: bool
) -> None:
    servers.publish([entry(1, 2), entry(1, 3)])
    servers.deliver_to("dead", 2)
    fresh, old = servers.pending_ids()
    assert fresh
    servers.redis.xclaim(servers.stream, GROUP, "dead", 0, [old], idle=idle_ms, justid=True)
    found = codes(well, CLAIM_THRESHOLD_MS=threshold_ms)
    assert found == ({"stuck_pending"} if stuck else set())


def test_the_bounds_are_options(well: Commands, servers: Servers) -> None:
    servers.publish([entry(1, 2), entry(1, 3)])
    assert codes(well, "--max-lag", "2") == set()
    assert codes(well, "--max-lag", "1") == {"lag"}
    fall_silent(servers)
    assert codes(well, "--silent-after", "11m") == set()
    assert codes(well, "--silent-after", "600") == {"silent"}


def test_dead_letters_are_counted_by_code(well: Commands, servers: Servers) -> None:
    lose_a_letter(servers)
    shown = well("status", "--json").json
    assert shown["dead_letters"] == {"count": 3, "by_code": {"bad_json": 2, "bad_type": 1}}
    assert "bad_json 2, bad_type 1" in well("status").out


@pytest.mark.parametrize("how", ["away", "frozen", "refusing"])
def test_an_away_redis_hides_nothing_of_the_table(
    well: Commands, servers: Servers, redis_server: RedisServer, how: str
) -> None:
    urls = {
        "away": f"redis://{AWAY}",
        "refusing": redis_server.operator_url.rpartition("/")[0] + "/999",
    }
    change_the_table(servers)
    began_s = time.monotonic()
    if how == "frozen":
        redis_server.process.freeze()
    ended = well("status", "--json", "--check", REDIS_URL=urls.get(how, redis_server.operator_url))
    redis_server.process.restore()
    assert time.monotonic() - began_s < FROZEN_S_MAX
    shown = ended.json
    assert {each["code"] for each in shown["problems"]} == {"redis_unreachable", "schema_mismatch"}
    assert ended.code == 1
    assert shown["stream"] == {
        "name": servers.stream,
        "exists": None,
        "length": None,
        "last_id": None,
        "last_entry_age_s": None,
    }
    assert shown["group"]["lag"] is None
    assert (shown["consumers"], shown["instances"]) == ([], [])
    assert shown["dead_letters"] == {"count": None, "by_code": {}}


@pytest.mark.parametrize("how", ["away", "frozen", "refusing"])
def test_an_away_postgres_hides_nothing_of_the_stream(
    well: Commands, servers: Servers, postgres_server: PostgresServer, how: str
) -> None:
    url = servers.database.processor_url
    urls = {"away": f"postgres://{AWAY}/d", "refusing": url.rpartition("/")[0] + "/no_such"}
    lose_a_letter(servers)
    began_s = time.monotonic()
    if how == "frozen":
        postgres_server.process.freeze()
    ended = well("status", "--json", "--check", POSTGRES_URL=urls.get(how, url))
    postgres_server.process.restore()
    assert time.monotonic() - began_s < FROZEN_S_MAX
    shown = ended.json
    assert shown["table"] == {"reachable": False, "schema_ok": None, "newest_ts": None}
    assert {each["code"] for each in shown["problems"]} == {
        "postgres_unreachable",
        "dead_letters",
        "no_instance",
    }
    assert ended.code == 1
    assert shown["stream"]["length"] == 1


def test_both_away_is_exit_0_without_check_and_shows_no_secret(both: Commands) -> None:
    away = {
        "REDIS_URL": f"redis://u:s3cret@{AWAY}",
        "POSTGRES_URL": f"postgres://u:s3cret@{AWAY}/d",
    }
    ended = both("status", **away)
    assert ended.code == 0
    assert "s3cret" not in ended.out + ended.err
    for remedy in {each["remedy"] for each in both("status", "--json", **away).json["problems"]}:
        assert both(*shlex.split(remedy)[1:], **away).code == 0
    assert both("status", "--check", **away).code == 1


def test_an_interrupt_ends_it_while_servers_keep_silent(both: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        both.environment |= {
            "REDIS_URL": f"redis://{where}",
            "POSTGRES_URL": f"postgres://{where}/d",
        }
        with both.start("status") as process:
            taken = [silent.accept()[0] for _ in range(2)]
            process.send_signal(SIGINT)
            assert process.wait(WAIT_S_MAX) == 130
            out, err = process.communicate()
            assert (out, err.strip()) == ("", "")
        for connection in taken:
            connection.close()


def test_without_its_urls_it_ends_with_78_and_names_both(
    both: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = both("status", "--json", REDIS_URL="", POSTGRES_URL="")
    assert (ended.code, ended.out) == (78, "")
    assert "REDIS_URL" in ended.err
    assert "POSTGRES_URL" in ended.err


def test_a_stream_with_odd_characters_fits_the_screen_and_steers_no_terminal(
    both: Commands, redis_client: Redis, stream_name: str
) -> None:
    odd = f"{stream_name}:[bold red]ü'\" $(id) " + 120 * "x"
    names: Any = {"REDIS_TELEMETRY_STREAM": odd}
    redis_client.xgroup_create(odd, GROUP, id="0", mkstream=True)
    assert both("status", "--json", **names).json["stream"]["name"] == odd
    redis_client.xadd(odd, {"n": 1})
    redis_client.xreadgroup(GROUP, "\x1b[31m", {odd: ">"})
    shown = both("status", **names).out
    assert "\x1b" not in shown
    assert "[bold red]" in shown
