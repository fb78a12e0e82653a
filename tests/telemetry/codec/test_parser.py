"""Replies as Python values: every type of RESP2 and RESP3, deliveries, errors and broken protocols."""

from __future__ import annotations

import math

import pytest

from telemetry._codec import INCOMPLETE, CodecError, Delivery, ReplyError, ReplyParser
from tests.support.wire import (
    FIRST_TS_US,
    any_time_parser,
    claim_reply,
    entry,
    expect,
    position,
    read_reply,
)


def parse(wire: bytes) -> object:
    parser = ReplyParser()
    parser.feed(wire)
    reply = parser.next_reply()
    assert parser.next_reply() is INCOMPLETE
    assert parser.buffered_bytes == 0
    return reply


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (b"+OK\r\n", b"OK"),
        (b"$5\r\nhe\r\no\r\n", b"he\r\no"),
        (b"$3\r\n\x00\xff\xfe\r\n", b"\x00\xff\xfe"),
        (b"$0\r\n\r\n", b""),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"_\r\n", None),
        (b":-9223372036854775808\r\n", -(2**63)),
        (b":42\r\n", 42),
        (b",1.5\r\n", 1.5),
        (b",-inf\r\n", -math.inf),
        (b"#t\r\n", True),
        (b"#f\r\n", False),
        (b"(123456789012345678901234567890\r\n", b"123456789012345678901234567890"),
        (b"=8\r\ntxt:text\r\n", b"text"),
        (b"*0\r\n", []),
        (b"*3\r\n:1\r\n$-1\r\n*1\r\n+x\r\n", [1, None, [b"x"]]),
        (b"~2\r\n+a\r\n+b\r\n", [b"a", b"b"]),
        (b"%2\r\n+a\r\n:1\r\n$1\r\nb\r\n*1\r\n_\r\n", {b"a": 1, b"b": [None]}),
        (b"|1\r\n+ttl\r\n:3600\r\n:7\r\n", 7),
        (b">2\r\n+invalidate\r\n_\r\n:8\r\n", 8),
    ],
)
def test_every_reply_type_has_its_python_value(wire: bytes, value: object) -> None:
    reply = parse(wire)
    assert reply == value
    assert type(reply) is type(value)


def test_a_double_may_be_no_number() -> None:
    assert math.isnan(expect(float, parse(b",nan\r\n")))


@pytest.mark.parametrize("wire", [b"-NOGROUP No such key\r\n", b"!19\r\nNOGROUP No such key\r\n"])
def test_an_error_is_a_value_with_its_code(wire: bytes) -> None:
    error = expect(ReplyError, parse(wire))
    assert (error.code, error.message) == ("NOGROUP", "NOGROUP No such key")
    assert repr(error) == "<ReplyError NOGROUP No such key>"


def test_an_error_inside_a_reply_is_a_value_too() -> None:
    reply = expect(list, parse(b"*2\r\n:1\r\n-ERR x\r\n"))
    assert expect(ReplyError, reply[1]).message == "ERR x"


def test_an_error_takes_the_place_of_a_delivery() -> None:
    for wire in (b"-UNBLOCKED client unblocked\r\n", b"!26\r\nUNBLOCKED client unblocked\r\n"):
        parser = ReplyParser()
        parser.feed(wire * 2)
        for reply in (parser.next_read(), parser.next_claim()):
            assert expect(ReplyError, reply).code == "UNBLOCKED"


def test_a_delivery_says_what_it_held() -> None:
    parser = any_time_parser()
    parser.feed(read_reply([position(2), b"{", position(1), position(2)], first_seq=5))
    delivery = expect(Delivery, parser.next_read())
    assert (delivery.entries, delivery.first_id, delivery.last_id) == (4, "1-5", "1-8")
    assert delivery.missing_ids == []
    assert (delivery.batch.records, delivery.batch.rows) == (3, 2)
    assert delivery.batch.entry_ids == ["1-7", "1-5", "1-8"]
    (rejection,) = delivery.rejections
    assert (rejection.entry_id, rejection.code, rejection.field, rejection.offset) == (
        "1-6",
        "bad_json",
        None,
        1,
    )
    assert rejection.device_id == "356307042441013"


def test_a_claim_says_what_it_held_and_what_is_gone() -> None:
    parser = any_time_parser()
    entries = claim_reply([position(), b"{"]).removeprefix(b"*2\r\n")
    parser.feed(b"*4\r\n_\r\n" + entries + b"*2\r\n$3\r\n9-9\r\n_\r\n")
    delivery = expect(Delivery, parser.next_claim())
    assert (delivery.batch.entry_ids, delivery.missing_ids) == (["1-0"], ["9-9"])
    assert [rejection.entry_id for rejection in delivery.rejections] == ["1-1"]
    assert (delivery.entries, delivery.first_id, delivery.last_id) == (3, "1-0", "9-9")


def test_a_claim_of_nothing_is_an_empty_delivery() -> None:
    parser = any_time_parser()
    parser.feed(claim_reply([]))
    delivery = expect(Delivery, parser.next_claim())
    assert (delivery.entries, delivery.first_id, delivery.last_id) == (0, None, None)


def test_the_limits_are_those_of_the_parser() -> None:
    payload = position()
    for parser, code in [
        (ReplyParser(payload_bytes_max=len(payload) - 1), "too_large"),
        (ReplyParser(past_days_max=0), "ts_out_of_window"),
        (ReplyParser(), None),
    ]:
        parser.feed(read_reply([payload]))
        delivery = expect(Delivery, parser.next_read()).judged(FIRST_TS_US + 1)
        assert [rejection.code for rejection in delivery.rejections] == ([code] if code else [])
    ahead = ReplyParser(future_seconds_max=5)
    ahead.feed(read_reply([position(), position(5), position(6)]))
    delivery = expect(Delivery, ahead.next_read()).judged(FIRST_TS_US)
    assert [rejection.entry_id for rejection in delivery.rejections] == ["1-2"]


def test_a_record_is_judged_by_the_time_in_its_entrys_id() -> None:
    noon_ms, day_ms = FIRST_TS_US // 1000, 86_400_000
    entries = [entry(f"{noon_ms - days * day_ms}-{days}", position(days)) for days in (2, 1, 0)]
    parser = ReplyParser()
    parser.feed(b"*3\r\n" + b"".join(entries))
    delivery = expect(Delivery, parser.next_claim())
    assert repr(delivery) == "<Delivery entries=3 rejections=0 outside=2 missing=0>"
    assert delivery.batch.entry_ids == [f"{noon_ms}-0"]


def test_the_servers_time_settles_what_is_outside_by_its_id() -> None:
    parser = ReplyParser()
    tomorrow = position(timestamp='"2026-05-02T09:30:01.001Z"')
    parser.feed(read_reply([position(2), tomorrow, position(1)]))
    delivery = expect(Delivery, parser.next_read())
    assert (delivery.entries, delivery.outside, delivery.batch.records) == (3, 3, 0)
    judged = delivery.judged(FIRST_TS_US + 1_000_000)
    assert (judged.entries, judged.outside) == (3, 0)
    assert judged.batch.entry_ids == ["1-2", "1-0"]
    (rejection,) = judged.rejections
    assert (rejection.entry_id, rejection.code, rejection.field, rejection.device_id) == (
        "1-1",
        "ts_out_of_window",
        "timestamp",
        "356307042441013",
    )
    assert tomorrow[rejection.offset :].startswith(b"2026-05-02")
    assert (delivery.outside, delivery.batch.records) == (3, 0), "a delivery does not change"


@pytest.mark.parametrize(
    "wire", [b"hello\r\n", b"*-2\r\n", b"$1\r\nxx\r\n", b":x\r\n", b"+a\rb\r\n", b"*1\r\n" * 40]
)
def test_a_broken_protocol_is_an_error(wire: bytes) -> None:
    parser = ReplyParser()
    parser.feed(wire)
    with pytest.raises(CodecError):
        parser.next_reply()


def test_the_answer_to_another_command_is_an_error() -> None:
    for wire in (b"+OK\r\n", b":1\r\n", b"%2\r\n"):
        parser = ReplyParser()
        parser.feed(wire)
        with pytest.raises(CodecError):
            parser.next_read()
        with pytest.raises(CodecError):
            parser.next_claim()


def test_a_plain_reply_is_not_to_be_had_in_the_middle_of_a_delivery() -> None:
    parser = ReplyParser()
    wire = read_reply([position()])
    parser.feed(wire[:-5])
    assert parser.next_read() is INCOMPLETE
    with pytest.raises(CodecError, match="half read"):
        parser.next_reply()
    parser.feed(wire[-5:])
    assert expect(Delivery, parser.next_read()).entries == 1


def test_a_map_whose_key_python_cannot_hash_is_an_error_of_the_protocol() -> None:
    parser = ReplyParser()
    parser.feed(b"%1\r\n*1\r\n+a\r\n:1\r\n")
    with pytest.raises(CodecError):
        parser.next_reply()


def test_an_oversize_payload_is_not_held() -> None:
    parser = ReplyParser(payload_bytes_max=1000)
    wire = read_reply([b"x" * 10_000_000])
    for start in range(0, len(wire) - 65_536, 65_536):
        parser.feed(wire[start : start + 65_536])
        assert parser.next_read() is INCOMPLETE
        assert parser.buffered_bytes < 1000
