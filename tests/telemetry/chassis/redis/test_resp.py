"""Commands as bytes, and replies as the values they must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from telemetry.chassis.redis.resp import (
    as_integer,
    as_list,
    as_mapping,
    as_text,
    as_texts,
    as_time_us,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry._codec import Reply


def test_a_command_is_an_array_of_bulk_strings_whose_lengths_are_in_bytes() -> None:
    wire = encode("XADD", "ë", 7, b"\xff")
    assert wire == b"*4\r\n$4\r\nXADD\r\n$2\r\n\xc3\xab\r\n$1\r\n7\r\n$1\r\n\xff\r\n"


def test_a_reply_of_the_right_shape_is_its_value() -> None:
    assert as_list([1, None]) == [1, None]
    assert as_text("ë".encode()) == "ë"
    assert as_texts([b"1-0", b"2-0"]) == ["1-0", "2-0"]
    assert as_integer(-1) == -1


@pytest.mark.parametrize(
    ("take", "reply"),
    [
        (as_list, b"text"),
        (as_list, None),
        (as_text, 1),
        (as_text, [b"text"]),
        (as_texts, [b"text", 1]),
        (as_integer, b"1"),
        (as_integer, None),
    ],
)
def test_a_reply_of_another_shape_raises(take: Callable[[Reply], object], reply: Reply) -> None:
    with pytest.raises(TypeError, match="was expected, not"):
        take(reply)


def test_a_map_is_the_same_in_both_protocols() -> None:
    expected = {b"lag": 3, b"pending": 1}
    assert as_mapping({b"lag": 3, b"pending": 1}) == expected
    assert as_mapping([b"lag", 3, b"pending", 1]) == expected
    assert as_mapping(None) == {}


@pytest.mark.parametrize(
    ("reply", "time_us"),
    [
        ([b"1777636800", b"000001"], 1_777_636_800_000_001),
        ([b"1777636800"], None),
        ([b"now", b"0"], None),
        ([1777636800, 1], None),
        (b"1777636800", None),
        (None, None),
    ],
)
def test_a_time_is_two_numbers_in_text(reply: Reply, time_us: int | None) -> None:
    assert as_time_us(reply) == time_us
