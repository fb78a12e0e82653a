"""What a subscriber gets is read whole however it is cut, and what is too long is never kept."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.chassis.redis.pushes import (
    LINE_BYTES_MAX,
    NotAPush,
    Push,
    PushReader,
    Refusal,
    TooLong,
    Value,
)

TEXT_BYTES_MAX = 20


def wire_of(value: Value) -> bytes:
    match value:
        case bytes():
            wire = b"$%d\r\n%b\r\n" % (len(value), value)
        case TooLong(length):
            wire = wire_of(b"x" * length)
        case int():
            wire = b":%d\r\n" % value
        case None:
            wire = b"_\r\n"
        case Refusal(message):
            wire = b"-%b\r\n" % message.encode()
        case Push(items):
            wire = b">%d\r\n" % len(items) + b"".join(map(wire_of, items))
        case _:
            wire = b"*%d\r\n" % len(value) + b"".join(map(wire_of, value))
    return wire


texts = st.binary(max_size=TEXT_BYTES_MAX)
too_long = st.integers(TEXT_BYTES_MAX + 1, 200).map(TooLong)
plain = texts | too_long | st.integers(-99, 99) | st.none()
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
pushes = st.lists(values, max_size=4).map(lambda items: Push(tuple(items)))
refusals = st.from_regex(r"[A-Z]{2,8} [a-z ]{0,10}", fullmatch=True).map(Refusal)


def depth(value: Value) -> int:
    match value:
        case Push(items):
            return 1 + max(map(depth, items), default=0)
        case list():
            return 1 + max(map(depth, value), default=0)
    return 0


# A push among three arrays is as deep as it may be.
streams = st.lists((values | pushes | refusals).filter(lambda value: depth(value) <= 4), max_size=5)


@given(streams, st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_values_are_read_whole_wherever_the_bytes_are_cut(
    stream: list[Value], cuts: list[int]
) -> None:
    reader, wire, seen = PushReader(TEXT_BYTES_MAX), b"".join(map(wire_of, stream)), list[Value]()
    turn = 0
    while wire:
        size = cuts[turn % len(cuts)]
        seen += reader.feed(wire[:size])
        wire, turn = wire[size:], turn + 1
    assert seen == stream


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_are_values_or_refused(data: bytes, size: int) -> None:
    reader = PushReader(TEXT_BYTES_MAX)
    try:
        for start in range(0, len(data), size):
            assert isinstance(reader.feed(data[start : start + size]), list)
    except NotAPush:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"?\r\n",
        b"\r\n",
        b">99\r\n",
        b"*1\r\n" * 5,
        b"$99999999999\r\n",
        b":1x\r\n",
        b"$\r\n",
        b"+" + b"x" * LINE_BYTES_MAX,
        b"HTTP/1.1 400 Bad Request\r\n",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_no_subscriber_gets_is_refused(data: bytes) -> None:
    with pytest.raises(NotAPush):
        PushReader(TEXT_BYTES_MAX).feed(data)


def test_a_text_of_100_mb_is_dropped_as_it_comes() -> None:
    reader, piece, pieces = PushReader(TEXT_BYTES_MAX), b"x" * 100_000, 1_000
    length = len(piece) * pieces
    assert reader.feed(b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n" % length) == []
    tracemalloc.start()
    try:
        for _ in range(pieces):
            assert reader.feed(piece) == []
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reader.feed(b"\r\n:1\r\n") == [Push((b"message", b"c", TooLong(length))), 1]
    assert peak_bytes < 10 * len(piece)
