"""`processor claim` on a real server, with nobody running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from processor.core.idle_times import RELEASED_IDLE_MS
from processor.edges.redis.scripts import IDS_MAX
from tests.support.servers import GROUP

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.operators import Commands

MANY = 2 * IDS_MAX + 7


@pytest.fixture
def ids(redis_client: Redis, stream_name: str) -> list[str]:
    """Entries of a dead consumer, more than a step releases, and last one of somebody else."""
    redis_client.xgroup_create(stream_name, GROUP, id="0", mkstream=True)
    with redis_client.pipeline(transaction=False) as pipeline:
        for number in range(MANY + 1):
            pipeline.xadd(stream_name, {"n": number})
        made: list[bytes] = pipeline.execute()
    redis_client.xreadgroup(GROUP, "dead", {stream_name: ">"}, count=MANY)
    redis_client.xreadgroup(GROUP, "other", {stream_name: ">"})
    return [each.decode() for each in made]


def pending(client: Redis, stream: str) -> dict[str, tuple[str, int, int]]:
    """Owner, idle time and deliveries of each pending entry."""
    rows: Any = client.xpending_range(stream, GROUP, "-", "+", 10_000)
    return {
        each["message_id"].decode(): (
            each["consumer"].decode(),
            each["time_since_delivered"],
            each["times_delivered"],
        )
        for each in rows
    }


def test_it_releases_what_the_consumer_has_and_nothing_else(
    commands: Commands, redis_client: Redis, stream_name: str, ids: list[str]
) -> None:
    dry = commands("claim", "--from", "dead", "--dry-run", "--json")
    assert (dry.code, dry.json["released"], dry.json["dry_run"]) == (0, MANY, True)
    assert max(idle for _, idle, _ in pending(redis_client, stream_name).values()) < 60_000
    ended = commands("claim", "--from", "dead", "--json")
    assert ended.code == 0
    assert ended.json.items() >= {"consumer": "dead", "released": MANY, "dry_run": False}.items()
    assert (ended.json["first_id"], ended.json["last_id"]) == (ids[0], ids[-2])
    assert f"{ids[0]} to {ids[-2]}; no instance answers" in ended.err
    after = pending(redis_client, stream_name)
    assert list(after) == ids
    released = {
        entry_id
        for entry_id, (owner, idle, deliveries) in after.items()
        if owner == "dead" and idle >= RELEASED_IDLE_MS and deliveries == 1
    }
    assert released == set(ids[:-1])
    assert after[ids[-1]][1] < 60_000


def test_a_name_may_have_any_bytes(
    commands: Commands, redis_client: Redis, stream_name: str, ids: list[str]
) -> None:
    redis_client.xclaim(stream_name, GROUP, b"caf\xe9", 0, [*ids[:2]])
    listed = commands("pending", "--consumer", "caf\udce9", "--json").json
    assert listed["consumers"] == [{"name": "caf\\xe9", "pending": 2}]
    ended = commands("claim", "--from", "caf\udce9", "--json")
    assert (ended.code, ended.json["consumer"], ended.json["released"]) == (0, "caf\\xe9", 2)


def test_only_entries_that_were_left_alone_for_so_long(
    commands: Commands, redis_client: Redis, stream_name: str, ids: list[str]
) -> None:
    redis_client.xclaim(stream_name, GROUP, "dead", 0, ids[3:5], idle=90_000, justid=True)  # type: ignore[arg-type]
    ended = commands("claim", "--from", "dead", "--min-idle-ms", "90000", "--json")
    assert (ended.json["released"], ended.json["first_id"]) == (2, ids[3])


def test_what_is_no_longer_in_the_stream_is_named_apart(
    commands: Commands, redis_client: Redis, stream_name: str, ids: list[str]
) -> None:
    redis_client.xdel(stream_name, ids[0])
    for arguments in (["--dry-run"], []):
        ended = commands("claim", "--from", "dead", "--json", *arguments)
        assert ended.json["released"] == MANY - 1
        assert "1 more were pending, but are no longer in the stream" in ended.err


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("extra", [[], ["--dry-run"]])
def test_nothing_to_release_is_a_1(commands: Commands, extra: list[str]) -> None:
    ended = commands("claim", "--from", "nobody", "--json", *extra)
    assert (ended.code, ended.json["released"]) == (1, 0)


def test_without_a_group_there_is_nothing_to_release(commands: Commands) -> None:
    assert commands("claim", "--from", "dead").code == 1


def test_two_operators_and_a_claiming_consumer_at_once_lose_and_double_nothing(
    commands: Commands, redis_client: Redis, stream_name: str, ids: list[str]
) -> None:
    started = [commands.start("claim", "--from", "dead", "--json") for _ in range(2)]
    taken, cursor = set[str](), "0-0"
    while any(each.poll() is None for each in started):
        reply: Any = redis_client.xautoclaim(
            stream_name, GROUP, "living", RELEASED_IDLE_MS, cursor, count=50, justid=True
        )
        taken |= {each.decode() for each in reply}
    assert all(each.communicate()[0] for each in started)
    after = pending(redis_client, stream_name)
    assert list(after) == ids
    assert {entry_id for entry_id, (owner, _, _) in after.items() if owner == "living"} == taken
    # Whatever was claimed before an operator came to it stays with who has it.
    assert all(idle < RELEASED_IDLE_MS for owner, idle, _ in after.values() if owner == "living")


@pytest.mark.parametrize(
    ("changes", "code"), [({"REDIS_URL": "redis://127.0.0.1:1"}, 4), ({"REDIS_URL": "x"}, 78)]
)
def test_what_cannot_be_asked_leaves_standard_output_empty(
    commands: Commands, changes: dict[str, str], code: int
) -> None:
    ended = commands("claim", "--from", "dead", "--json", **changes)
    assert (ended.code, ended.out) == (code, "")


def test_misuse_ends_with_2(commands: Commands) -> None:
    for arguments in ([], ["--from"], ["--from", "dead", "--min-idle-ms", "-1"]):
        assert commands("claim", *arguments).code == 2
