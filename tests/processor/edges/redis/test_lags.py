"""The lag of a group on a real server is what is there and not delivered, whatever was done to the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from processor.core import lag as rule
from processor.edges.redis import lags
from tests.support.stream_contract import GROUP

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from redis import Redis

    from tests.support.stream_contract import RealStreamHarness


class Group:
    """The test's stream and group, driven by hand."""

    def __init__(self, client: Redis, stream: str) -> None:
        self._client, self._stream = client, stream
        for number in range(1, 21):
            client.xadd(stream, {"n": number}, id=f"{number}-0")

    def run(self, *command: str | int) -> Any:
        """One command, with S and G for the names."""
        names = {"S": self._stream, "G": GROUP}
        return self._client.execute_command(*(names.get(str(each), each) for each in command))  # type: ignore[no-untyped-call]

    def read(self, count: int) -> None:
        self._client.xreadgroup(GROUP, "c", {self._stream: ">"}, count=count)

    def truth(self) -> int:
        """Entries that are really there, and were not delivered."""
        [group] = self._client.xinfo_groups(self._stream)
        behind = "(" + group["last-delivered-id"].decode()
        return len(self._client.xrange(self._stream, behind))  # type: ignore[arg-type]


def deleted_before(group: Group) -> None:
    group.read(5)
    group.run("XDEL", "S", "2-0")


def deleted_first_and_then_read(group: Group) -> None:
    group.run("XDEL", "S", "1-0")
    group.read(1)


def deleted_ahead(group: Group) -> None:
    group.read(5)
    group.run("XDEL", "S", "9-0")


def deleted_ahead_and_passed(group: Group) -> None:
    deleted_ahead(group)
    group.read(7)


def trimmed_before_delivery(group: Group) -> None:
    group.read(3)
    group.run("XTRIM", "S", "MAXLEN", 6)


def trimmed_before_delivery_and_read_on(group: Group) -> None:
    trimmed_before_delivery(group)
    group.read(2)


def trimmed_before_delivery_and_read_all(group: Group) -> None:
    trimmed_before_delivery(group)
    group.read(100)


def trimmed_behind_delivery(group: Group) -> None:
    group.read(10)
    group.run("XTRIM", "S", "MAXLEN", 15)


def emptied(group: Group) -> None:
    group.read(3)
    group.run("XTRIM", "S", "MAXLEN", 0)


def set_id(group: Group) -> None:
    group.read(3)
    group.run("XSETID", "S", "90-0", "ENTRIESADDED", 70)


def with_explicit_ids(group: Group) -> None:
    group.read(3)
    group.run("XADD", "S", "1000-7", "a", "b")
    group.run("XADD", "S", "9000000000000-0", "a", "b")


def created_at_the_end(group: Group) -> None:
    group.run("XGROUP", "DESTROY", "S", "G")
    group.run("XGROUP", "CREATE", "S", "G", "$")
    group.run("XADD", "S", "21-0", "a", "b")


def created_in_the_middle(group: Group) -> None:
    group.run("XGROUP", "DESTROY", "S", "G")
    group.run("XGROUP", "CREATE", "S", "G", "8-0")


def created_in_the_middle_and_read_on(group: Group) -> None:
    created_in_the_middle(group)
    group.read(2)


def given_a_wrong_counter(group: Group) -> None:
    group.run("XGROUP", "SETID", "S", "G", "8-0", "ENTRIESREAD", 3)


def set_to_the_future(group: Group) -> None:
    group.run("XGROUP", "SETID", "S", "G", "80-0")
    group.run("XADD", "S", "81-0", "a", "b")


HISTORIES: Final = (
    deleted_before, deleted_first_and_then_read, deleted_ahead, deleted_ahead_and_passed,
    trimmed_before_delivery, trimmed_before_delivery_and_read_on, trimmed_before_delivery_and_read_all,
    trimmed_behind_delivery, emptied, set_id, with_explicit_ids, created_at_the_end, created_in_the_middle,
    created_in_the_middle_and_read_on, given_a_wrong_counter, set_to_the_future,
)  # fmt: skip


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__)
async def test_the_lag_is_what_is_there_and_not_delivered(
    real: RealStreamHarness,
    redis_client: Redis,
    stream_name: str,
    history: Callable[[Group], None],
) -> None:
    await real.stream.ensure_group()
    group = Group(redis_client, stream_name)
    history(group)
    assert (await real.stream.look()).lag == group.truth()


async def test_a_long_count_is_made_in_steps_and_not_at_each_look(
    real: RealStreamHarness,
    redis_client: Redis,
    stream_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (rule, lags):
        monkeypatch.setattr(module, "STEP_ENTRIES", 3)
    # However quick the machine is, the next count is not due before the test ends.
    monkeypatch.setattr(rule, "PAUSE_FACTOR", 1_000_000)
    await real.stream.ensure_group()
    group = Group(redis_client, stream_name)
    deleted_first_and_then_read(group)
    trimmed_before_delivery_and_read_on(group)
    before = _scripts_run(redis_client)
    assert (await real.stream.look()).lag == group.truth() == 4
    # One look, and two steps of three.
    assert _scripts_run(redis_client) == before + 3
    group.run("XADD", "S", "21-0", "a", "b")
    assert (await real.stream.look()).lag == group.truth() == 5
    assert _scripts_run(redis_client) == before + 4


@pytest.mark.parametrize(("redis_gives", "shown"), [("a number", 17), ("none", 6)])
async def test_the_metric_stays_high_where_there_is_too_much_to_count(
    real: RealStreamHarness,
    redis_client: Redis,
    stream_name: str,
    monkeypatch: pytest.MonkeyPatch,
    redis_gives: str,
    shown: int,
) -> None:
    monkeypatch.setattr(rule, "STEP_ENTRIES", 2)
    monkeypatch.setattr(lags, "STEP_ENTRIES", 2)
    for module in (rule, lags):
        monkeypatch.setattr(module, "LAG_MAX", 5)
    await real.stream.ensure_group()
    group = Group(redis_client, stream_name)
    group.read(3)
    group.run("XDEL", "S", "1-0" if redis_gives == "a number" else "9-0")
    assert (await real.stream.look()).lag == shown


def _scripts_run(client: Redis) -> int:
    calls: Any = client.info("commandstats")["cmdstat_eval"]
    return int(calls["calls"])
