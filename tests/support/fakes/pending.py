"""The pending entries list in memory: listed, claimed, leased and redelivered as Redis does it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from processor.core.attempts import Attempts, PendingEntry
from processor.edges.ports import STREAM_START, Claim
from tests.support.fakes.redis import EntryId, FakeRedis, format_id, parse_id

# XAUTOCLAIM looks at this number of entries for each that it may claim.
LOOK_AHEAD: Final = 10
# Longer than any claim threshold.
RELEASED_IDLE_S: Final = 86_400


def owned(redis: FakeRedis, consumer: str) -> list[EntryId]:
    """The consumer's pending entries, the oldest first."""
    return sorted(key for key, entry in redis.pending.items() if entry.owner == consumer)


def list_pending(redis: FakeRedis, consumer: str, after_id: str, count: int) -> list[PendingEntry]:
    """XPENDING of one consumer, behind an id."""
    behind = [key for key in owned(redis, consumer) if key > parse_id(after_id)]
    return _with_attempts(redis, behind[:count])


def claim(redis: FakeRedis, consumer: str, cursor: str, count: int, idle_ms: int) -> Claim:
    """XAUTOCLAIM with JUSTID, which drops the entries that were deleted, however fresh they are."""
    ahead = sorted(key for key in redis.pending if key >= parse_id(cursor))
    claimed: list[EntryId] = []
    lost: list[EntryId] = []
    looked_at = 0
    for key in ahead[: count * LOOK_AHEAD]:
        if len(claimed) + len(lost) == count:
            break
        looked_at += 1
        if key not in redis.entries:
            del redis.pending[key]
            lost.append(key)
        elif redis.pending[key].idle_ms >= idle_ms:
            redis.pending[key].lease(consumer)
            claimed.append(key)
    rest = ahead[looked_at:]
    return Claim(
        cursor=format_id(rest[0]) if rest else STREAM_START,
        entries=_with_attempts(redis, claimed),
        lost_ids=[*map(format_id, lost)],
    )


def lease(
    redis: FakeRedis, consumer: str, entry_ids: Sequence[str]
) -> tuple[list[EntryId], list[EntryId]]:
    """XCLAIM with JUSTID of the consumer's entries: (leased, lost); the lost ones are no longer pending."""
    keys = [*map(parse_id, entry_ids)]
    assert keys == sorted(keys), "by the port's contract lists of ids are ascending"
    own = [key for key in keys if key in redis.pending and redis.pending[key].owner == consumer]
    leased = [key for key in own if key in redis.entries]
    for key in leased:
        redis.pending[key].lease(consumer)
    lost = [key for key in own if key not in redis.entries]
    redis.acknowledge(lost)
    return leased, lost


def release(redis: FakeRedis, consumer: str, entry_ids: Sequence[str]) -> list[str]:
    """XCLAIM of the consumer's entries with an IDLE of a day."""
    leased, _ = lease(redis, consumer, entry_ids)
    for key in leased:
        redis.pending[key].delivered_at_s -= RELEASED_IDLE_S
    return [*map(format_id, leased)]


def deliver_again(redis: FakeRedis, keys: Iterable[EntryId]) -> None:
    """XCLAIM without JUSTID also counts the delivery."""
    for key in keys:
        redis.pending[key].deliveries += 1


def _with_attempts(redis: FakeRedis, keys: Iterable[EntryId]) -> list[PendingEntry]:
    entries: list[PendingEntry] = []
    for key in keys:
        recorded = redis.attempts.get(format_id(key))
        attempts = None if recorded is None else Attempts.parse(recorded)
        entries.append(PendingEntry(format_id(key), redis.pending[key].deliveries, attempts))
    return entries
