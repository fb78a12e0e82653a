"""The drill's view of its stream, on a real Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from drills.identity import Identity
from drills.observed import LeftPending, PositionKey
from drills.processor.stream import DrillStream
from tests.drills.values import DRIVE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis import Redis

    from dev.servers import RedisServer

DAY_MS = 86_400_000


@pytest.fixture
def identity(stream_name: str) -> Identity:
    return Identity.of(4_711, stream_name)


@pytest.fixture
def stream(redis_server: RedisServer, identity: Identity) -> Iterator[DrillStream]:
    """With ten entries, of which consumer `a` was given the first six."""
    with DrillStream(redis_server.drill_url, identity) as stream:
        assert stream.in_use() is None
        stream.create_group()
        stream.publish(DRIVE.entries(0, 10))
        yield stream


@pytest.fixture
def given(redis_client: Redis, stream: DrillStream, identity: Identity) -> list[str]:
    """Ids of the entries that consumer `a` was given."""
    assert stream.state().read == 0
    return deliver(redis_client, identity, 6)


def deliver(redis: Redis, identity: Identity, count: int) -> list[str]:
    """Give consumer `a` the next entries; their ids."""
    reply: Any = redis.xreadgroup(identity.group, "a", {identity.stream: ">"}, count=count)
    [(_, entries)] = reply
    return [entry_id.decode() for entry_id, _ in entries]


def release(redis: Redis, identity: Identity, ids: Sequence[str]) -> None:
    """As contract section 4, rule 7 has it."""
    redis.xclaim(identity.stream, identity.group, "a", 0, [*ids], idle=DAY_MS, justid=True)


def keys(first: int, count: int) -> list[PositionKey]:
    return [PositionKey(entry.device_id, entry.ts) for entry in DRIVE.entries(first, count)]


def test_the_groups_state_is_seen(
    stream: DrillStream, given: list[str], redis_client: Redis, identity: Identity
) -> None:
    redis_client.xack(identity.stream, identity.group, *given[:2])
    state = stream.state()
    assert (state.read, state.pending, state.undelivered, state.settled) == (6, 4, True, False)
    assert state.consumers == (("a", 4),)


def test_a_group_is_settled_only_when_all_was_delivered_and_nothing_is_pending(
    stream: DrillStream, given: list[str], redis_client: Redis, identity: Identity
) -> None:
    redis_client.xack(identity.stream, identity.group, *given)
    assert not stream.state().settled
    rest = deliver(redis_client, identity, 10)
    assert not stream.state().settled
    redis_client.xack(identity.stream, identity.group, *rest)
    assert stream.state().settled
    assert stream.unsettled() == []


def test_what_a_consumer_left_is_released_refused_or_stranded(
    stream: DrillStream, given: list[str], redis_client: Redis, identity: Identity
) -> None:
    assert not stream.released()
    release(redis_client, identity, given[:3])
    redis_client.hset(identity.attempts_key, given[3], "{}")
    assert stream.left_by("a") == LeftPending(released=3, refused=1, stranded=2)
    assert stream.left_by("b") == LeftPending()
    assert stream.released()


def test_a_claim_ends_the_waiting_of_what_was_released(
    stream: DrillStream, given: list[str], redis_client: Redis, identity: Identity
) -> None:
    release(redis_client, identity, given)
    redis_client.xautoclaim(identity.stream, identity.group, "b", 60_000)
    assert not stream.released()


def test_unsettled_is_what_is_pending_and_what_was_not_delivered(
    stream: DrillStream, given: list[str], redis_client: Redis, identity: Identity
) -> None:
    redis_client.xack(identity.stream, identity.group, given[0], given[2])
    assert stream.unsettled() == [*keys(1, 1), *keys(3, 3), *keys(6, 4)]


@pytest.mark.parametrize(("acked", "kept"), [(0, 10), (2, 8), (6, 4)])
def test_trimming_takes_settled_entries_alone(
    stream: DrillStream,
    given: list[str],
    redis_client: Redis,
    identity: Identity,
    acked: int,
    kept: int,
) -> None:
    for entry_id in given[:acked]:
        redis_client.xack(identity.stream, identity.group, entry_id)
    before = stream.unsettled()
    stream.trim_settled()
    assert redis_client.xlen(identity.stream) == kept
    assert stream.unsettled() == before


def test_a_stream_of_others_is_never_trimmed_or_removed(
    redis_server: RedisServer,
    given: list[str],
    redis_client: Redis,
    identity: Identity,
) -> None:
    redis_client.xack(identity.stream, identity.group, *given)
    with DrillStream(redis_server.drill_url, identity) as later:
        assert later.in_use() == f"it has 10 entries and the groups {identity.group}"
        later.trim_settled()
        later.remove()
        later.remove()
    assert redis_client.xlen(identity.stream) == 10
    assert redis_client.xinfo_groups(identity.stream) == []


def test_dead_letters_are_found_with_their_codes(
    stream: DrillStream, redis_client: Redis, identity: Identity
) -> None:
    [key] = keys(3, 1)
    redis_client.xadd(
        identity.dlq_stream, {"device_id": key.device_id, "ts": key.ts, "dlq_code": "no_answer"}
    )
    assert stream.dead_letters() == [(key, "no_answer")]


def test_removing_takes_everything_of_the_drills_own(
    stream: DrillStream, redis_client: Redis, identity: Identity
) -> None:
    redis_client.xadd(identity.dlq_stream, {"a": "b"})
    redis_client.hset(identity.attempts_key, "1-1", "{}")
    stream.remove()
    stream.remove()
    assert redis_client.keys(f"{identity.stream}*") == []
