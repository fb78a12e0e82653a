"""Messages come back as they went out, and any other bytes are dropped."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.chassis.control.messages import (
    MESSAGE_BYTES_MAX,
    Answer,
    AnswerKind,
    Dropped,
    Request,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
    new_id,
    reply_channel,
)

ids = st.text("0123456789abcdef", min_size=32, max_size=32)
# What UTF-8 can carry: no lone surrogates.
texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(texts, values, max_size=4)
requests = st.builds(
    Request, ids, st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True), objects, st.none() | texts
)
answers = st.builds(
    Answer, ids, ids, texts, st.sampled_from(AnswerKind), objects, st.none() | texts
)
REQUEST: dict[str, object] = {
    "id": "0" * 32,
    "request": "look",
    "arguments": {},
    "instance_id": None,
}


@given(requests)
def test_a_request_is_read_as_it_was_written(request: Request) -> None:
    assert decode_request(encode_request(request)) == request


@given(answers)
def test_an_answer_is_read_as_it_was_written(answer: Answer) -> None:
    assert decode_answer(encode_answer(answer)) == answer


@given(
    st.binary(max_size=200)
    | values.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from([*REQUEST, "life", "kind", "result", "error"]), values).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_any_bytes_are_a_message_or_dropped(message: bytes) -> None:
    assert isinstance(decode_request(message), Request | Dropped)
    assert isinstance(decode_answer(message), Answer | Dropped)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "0" * 31},
        {"id": "G" * 32},
        {"id": "0" * 32 + "\n"},
        {"id": 7},
        {"request": "Look"},
        {"request": "look\n"},
        {"request": "x" * 65},
        {"request": None},
        {"arguments": []},
        {"arguments": None},
        {"instance_id": 1},
    ],
    ids=str,
)
def test_a_request_of_another_form_is_garbage(change: dict[str, object]) -> None:
    assert isinstance(decode_request(json.dumps(REQUEST).encode()), Request)
    assert decode_request(json.dumps({**REQUEST, **change}).encode()) is Dropped.GARBAGE
    [missing] = change
    less = {name: value for name, value in REQUEST.items() if name != missing}
    assert decode_request(json.dumps(less).encode()) is Dropped.GARBAGE


def test_members_of_a_later_version_are_ignored() -> None:
    request = decode_request(json.dumps({**REQUEST, "by": "somebody"}).encode())
    assert request == Request("0" * 32, "look", {}, None)


def test_a_request_that_needs_no_answer_says_so() -> None:
    notice = Request("0" * 32, "look", {}, None, is_notice=True)
    assert decode_request(encode_request(notice)) == notice


def test_a_message_of_64_kib_is_read_and_a_longer_one_dropped() -> None:
    empty = len(encode_request(Request("0" * 32, "look", {"pad": ""}, None)))
    pad = "x" * (MESSAGE_BYTES_MAX - empty)
    message = encode_request(Request("0" * 32, "look", {"pad": pad}, None))
    assert len(message) == MESSAGE_BYTES_MAX
    assert isinstance(decode_request(message), Request)
    assert decode_request(message + b" ") is Dropped.OVERSIZE
    assert decode_answer(message + b" ") is Dropped.OVERSIZE
    with pytest.raises(ValueError, match="65537"):
        encode_request(Request("0" * 32, "look", {"pad": pad + "x"}, None))


def test_an_answer_that_would_be_too_long_says_so() -> None:
    answer = Answer("0" * 32, "1" * 32, "p-1", AnswerKind.DONE, {"much": "x" * MESSAGE_BYTES_MAX})
    read = decode_answer(encode_answer(answer))
    assert isinstance(read, Answer)
    assert (read.kind, read.instance_id, read.result) == (AnswerKind.FAILED, "p-1", {})
    assert "over 65536" in str(read.error)


def test_deep_nesting_is_garbage_and_no_error() -> None:
    assert decode_request(b"[" * 60_000) is Dropped.GARBAGE
    assert decode_request(b'{"id":' * 10_000) is Dropped.GARBAGE


def test_answers_go_where_the_request_says_by_its_id_alone() -> None:
    assert reply_channel("a:control", "0" * 32) == "a:control:reply:" + "0" * 32
    assert len({new_id() for _ in range(100)}) == 100
