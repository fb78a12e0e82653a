"""`processor consumers` and its `prune` on a real server, with nobody running."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.cli import consumers as command
from processor.operating import consumers as use_case
from tests.support.servers import GROUP

if TYPE_CHECKING:
    from redis import Redis

    from processor.operating.access import StreamAccess
    from telemetry.chassis.operating.instances import Instance
    from tests.support.operators import Commands

ODD = "odd \x1b[31m[b]name"
NOW = ("--min-idle-ms", "0")


@pytest.fixture
def group(redis_client: Redis, stream_name: str) -> str:
    """A group with one consumer that has an entry, and two that have nothing."""
    redis_client.xgroup_create(stream_name, GROUP, id="0", mkstream=True)
    redis_client.xadd(stream_name, {"n": 1})
    redis_client.xreadgroup(GROUP, "busy", {stream_name: ">"})
    for name in ("left-over", ODD):
        redis_client.xgroup_createconsumer(stream_name, GROUP, name)
    return stream_name


def names(client: Redis, stream: str) -> set[str]:
    return {each["name"].decode() for each in client.xinfo_consumers(stream, GROUP)}


@pytest.mark.usefixtures("group")
def test_it_lists_each_name_with_what_is_pending(commands: Commands) -> None:
    ended = commands("consumers", "--json")
    assert (ended.code, ended.err) == (0, "")
    found = {each["name"]: each for each in ended.json["consumers"]}
    assert {name: each["pending"] for name, each in found.items()} == {
        "busy": 1,
        "left-over": 0,
        ODD: 0,
    }
    assert not any(each["live"] for each in found.values())
    assert all(0 <= each["idle_ms"] < 60_000 for each in found.values())
    text = commands("consumers")
    assert text.code == 0
    assert "\x1b" not in text.out


def test_without_a_group_there_are_none_and_nothing_to_remove(commands: Commands) -> None:
    listed = commands("consumers", "--json")
    assert (listed.code, listed.json) == (0, {"consumers": []})
    pruned = commands("consumers", "prune", "--json")
    assert (pruned.code, pruned.json) == (1, {"removed": [], "kept": []})


def test_prune_removes_names_that_nobody_needs_and_says_why_it_keeps_the_others(
    commands: Commands, redis_client: Redis, group: str
) -> None:
    early = commands("consumers", "prune", "--json")
    assert (early.code, early.json["removed"]) == (1, [])
    assert {each["name"] for each in early.json["kept"]} == {"busy", "left-over", ODD}
    dry = commands("consumers", "prune", "--json", "--dry-run", *NOW)
    assert (dry.code, dry.json["removed"]) == (0, ["left-over", ODD])
    assert names(redis_client, group) == {"busy", "left-over", ODD}
    ended = commands("consumers", "prune", "--json", *NOW)
    assert (ended.code, ended.json["removed"]) == (0, ["left-over", ODD])
    assert ended.json["kept"] == [{"name": "busy", "why": "1 pending"}]
    assert names(redis_client, group) == {"busy"}
    again = commands("consumers", "prune", *NOW)
    assert (again.code, "kept: 1 pending" in again.out) == (1, True)


def test_prune_keeps_a_consumer_that_is_given_entries_behind_the_look(
    commands: Commands, redis_client: Redis, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_and_then_deliver(access: StreamAccess) -> list[Instance]:
        redis_client.xadd(access.names.stream, {"n": 2})
        redis_client.xreadgroup(GROUP, "left-over", {access.names.stream: ">"})
        return []

    monkeypatch.setattr(command, "running_instances", look_and_then_deliver)
    assert commands("consumers", "prune", "--json", *NOW).json["removed"] == [ODD]
    assert names(redis_client, group) == {"busy", "left-over"}
    assert redis_client.xpending(group, GROUP)["pending"] == 2


def test_many_are_removed_in_steps(
    commands: Commands, redis_client: Redis, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_case, "IDS_MAX", 2)
    for number in range(5):
        redis_client.xgroup_createconsumer(group, GROUP, f"pod-{number}")
    assert len(commands("consumers", "prune", "--json", *NOW).json["removed"]) == 7
    assert names(redis_client, group) == {"busy"}


@pytest.mark.parametrize("arguments", [[], ["prune"]])
def test_a_server_that_is_away_leaves_standard_output_empty(
    commands: Commands, arguments: list[str]
) -> None:
    ended = commands("consumers", *arguments, REDIS_URL="redis://127.0.0.1:1")
    assert (ended.code, ended.out) == (4, "")
