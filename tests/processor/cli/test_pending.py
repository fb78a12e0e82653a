"""`processor pending` on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from processor.edges.redis.scripts import IDS_MAX
from processor.operating import pending as use_case
from tests.support.servers import GROUP

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.operators import Commands


@pytest.fixture
def ids(redis_client: Redis, stream_name: str) -> list[str]:
    """Five entries: two of `a`, two of `b` that are idle, and one that nobody was given."""
    redis_client.xgroup_create(stream_name, GROUP, id="0", mkstream=True)
    made: list[Any] = [redis_client.xadd(stream_name, {"n": n}) for n in range(5)]
    redis_client.xreadgroup(GROUP, "a", {stream_name: ">"}, count=2)
    redis_client.xreadgroup(GROUP, "b", {stream_name: ">"}, count=2)
    redis_client.xclaim(stream_name, GROUP, "b", 0, made[2:4], idle=50_000, retrycount=4)
    redis_client.hset(f"{stream_name}:{GROUP}:attempts", made[1], '{"n":2,"code":"bad_json"}')
    redis_client.hset(f"{stream_name}:{GROUP}:attempts", made[2], "garbage")
    return [each.decode() for each in made]


def test_it_lists_what_is_not_settled_with_its_failures(commands: Commands, ids: list[str]) -> None:
    ended = commands("pending", "--json")
    assert (ended.code, ended.err) == (0, "")
    shown = ended.json
    assert shown["total"] == 4
    assert shown["consumers"] == [{"name": "a", "pending": 2}, {"name": "b", "pending": 2}]
    entries = shown["entries"]
    assert [each["entry_id"] for each in entries] == ids[:4]
    assert [(each["failures"], each["last_code"]) for each in entries] == [
        (0, None),
        (2, "bad_json"),
        (0, None),
        (0, None),
    ]
    assert [each["deliveries"] for each in entries] == [1, 1, 4, 4]
    assert entries[0]["idle_ms"] < 50_000 <= entries[2]["idle_ms"]


@pytest.mark.parametrize(
    ("filters", "listed"),
    [
        (["--consumer", "a"], [0, 1]),
        (["--min-idle-ms", "50000"], [2, 3]),
        (["--consumer", "a", "--min-idle-ms", "50000"], []),
        (["--consumer", "nobody"], []),
    ],
)
def test_filters_are_of_the_total_the_consumers_and_the_entries(
    commands: Commands, ids: list[str], filters: list[str], listed: list[int]
) -> None:
    shown = commands("pending", "--json", *filters).json
    assert [each["entry_id"] for each in shown["entries"]] == [ids[n] for n in listed]
    assert shown["total"] == len(listed) == sum(each["pending"] for each in shown["consumers"])


@pytest.mark.usefixtures("ids")
def test_the_limit_is_of_the_list_alone(commands: Commands) -> None:
    shown = commands("pending", "--json", "--limit", "1").json
    assert (shown["total"], len(shown["entries"])) == (4, 1)
    text = commands("pending", "--limit", "3")
    assert "the 3 oldest of 4" in text.err
    assert max(map(len, text.out.splitlines())) <= 100


@pytest.mark.usefixtures("ids")
def test_more_than_a_page_is_listed_and_counted_whole(
    commands: Commands,
    redis_client: Redis,
    stream_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(use_case, "ROWS_MAX", 300)
    with redis_client.pipeline(transaction=False) as pipeline:
        for number in range(IDS_MAX + 1):
            pipeline.xadd(stream_name, {"n": number})
        pipeline.execute()
    redis_client.xreadgroup(GROUP, "a", {stream_name: ">"})
    shown = commands("pending", "--json", "--limit", "5000").json
    assert shown["total"] == len(shown["entries"]) == IDS_MAX + 6
    assert len({each["entry_id"] for each in shown["entries"]}) == IDS_MAX + 6


def test_a_released_entry_shows_when_that_was(
    commands: Commands, redis_client: Redis, stream_name: str, ids: list[str]
) -> None:
    redis_client.xclaim(stream_name, GROUP, "a", 0, ids[:1], idle=86_400_000, justid=True)  # type: ignore[arg-type]
    assert "released " in commands("pending", "--consumer", "a").out


def test_without_a_group_nothing_is_pending(commands: Commands) -> None:
    ended = commands("pending", "--json")
    assert (ended.code, ended.json) == (0, {"total": 0, "consumers": [], "entries": []})
    text = commands("pending")
    assert (text.code, text.out) == (0, "")


@pytest.mark.parametrize("arguments", [["--limit", "-1"], ["--min-idle-ms", "soon"], ["more"]])
def test_misuse_ends_with_2(commands: Commands, arguments: list[str]) -> None:
    ended = commands("pending", *arguments)
    assert (ended.code, ended.out) == (2, "")
