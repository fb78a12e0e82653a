"""Replies of Redis as bytes, so that the real codec reads what fakes deliver."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TypeAlias

from telemetry._codec import Delivery, ReplyParser
from tests.support.fakes.redis import EntryId, FakeRedis, format_id

# None is the null array.
_Reply: TypeAlias = "str | bytes | list[_Reply] | None"


def deliver(redis: FakeRedis, keys: Iterable[EntryId]) -> Delivery:
    """These entries as XREADGROUP delivers them; without any, as when its BLOCK is over.

    Records outside of the window around their id are still to be judged.
    """
    entries: list[_Reply] = [_entry(redis, key) for key in keys]
    parser = ReplyParser()
    parser.feed(_resp([["stream", entries]] if entries else None))
    delivery = parser.next_read()
    assert isinstance(delivery, Delivery)
    return delivery


def _entry(redis: FakeRedis, key: EntryId) -> _Reply:
    return [format_id(key), list[_Reply](chain.from_iterable(redis.entries[key].items()))]


def _resp(reply: _Reply) -> bytes:
    """The reply in RESP2."""
    if reply is None:
        return b"*-1\r\n"
    if isinstance(reply, list):
        return b"*%d\r\n" % len(reply) + b"".join(map(_resp, reply))
    value = reply.encode() if isinstance(reply, str) else reply
    return b"$%d\r\n%b\r\n" % (len(value), value)
