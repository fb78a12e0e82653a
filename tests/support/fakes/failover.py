"""A replica of a FakeRedis, with what had reached it at one moment, and its promotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from tests.support.fakes.redis import EntryId, FakeGroup, FakeRedis, Fields


@dataclass(frozen=True, slots=True)
class Replica:
    """What has reached a replica; replication is asynchronous."""

    entries: Mapping[EntryId, Fields]
    stream_exists: bool
    group: FakeGroup | None
    attempts: Mapping[str, str]
    dead_letters: Sequence[dict[str, str | bytes]]


def replicate(redis: FakeRedis) -> Replica:
    """A replica that is up to date at this moment."""
    return Replica(
        entries=dict(redis.entries),
        stream_exists=redis.stream_exists,
        group=deepcopy(redis.group),
        attempts=dict(redis.attempts),
        dead_letters=deepcopy(redis.dead_letters),
    )


def promote(redis: FakeRedis, replica: Replica) -> None:
    """Make the replica the master: what happened since, acknowledgements included, is lost."""
    redis.entries = dict(replica.entries)
    redis.stream_exists = replica.stream_exists
    redis.group = deepcopy(replica.group)
    redis.attempts = dict(replica.attempts)
    redis.dead_letters = deepcopy([*replica.dead_letters])
    redis.change_masters()
