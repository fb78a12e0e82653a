"""Any entry of the dead-letter stream is a letter, whoever wrote it, and nothing of it is lost in JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.operating.dead_letters.letters import (
    SAID,
    count_of,
    json_value,
    parse_letter,
    summary,
    whole,
)
from tests.support.dead_letters import DEVICE, ORIGINAL
from tests.support.dead_letters import SAID as SAID_FIELDS

# Names of ours, names that producers have, and any bytes.
NAMES = st.sampled_from(
    [f"dlq_{name}".encode() for name in SAID] + [b"payload", b"ts"]
) | st.binary(max_size=6)
VALUES = st.binary(max_size=8) | st.sampled_from([b"", b"2", b"2026-05-01T09:30:00.000Z"])
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=20)


def flat(fields: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [part for field in fields for part in field]


def of_the_service(**changes: str) -> list[tuple[bytes, bytes]]:
    return [(k.encode(), v.encode()) for k, v in {**ORIGINAL, **SAID_FIELDS, **changes}.items()]


def as_bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])


@given(FIELDS)
def test_every_field_is_an_original_one_in_its_order_or_said_and_last_of_its_name(
    fields: list[tuple[bytes, bytes]],
) -> None:
    letter = parse_letter(b"1-1", flat(fields))
    last = dict(fields)
    assert letter.said == {
        name: last[f"dlq_{name}".encode()] for name in SAID if f"dlq_{name}".encode() in last
    }
    left = [each for each in fields if each[0] != b"dlq_replays"]
    for name in letter.said:
        if name != "replays":
            found = [n for n, (key, _) in enumerate(left) if key == f"dlq_{name}".encode()]
            del left[found[-1]]
    assert list(letter.fields) == left


@given(FIELDS)
def test_json_holds_every_letter_whole(fields: list[tuple[bytes, bytes]]) -> None:
    letter = parse_letter(b"1-1", flat(fields))
    shown = json.loads(json.dumps(whole(letter)))
    assert shown["dead_letter"].keys() == {*SAID}
    pairs = shown.get("all_fields") or [*shown["fields"].items()]
    assert [(as_bytes(name), as_bytes(value)) for name, value in pairs] == [*letter.fields]
    json.dumps(summary(letter))
    assert letter.dead_at_ms is None or letter.dead_at_ms > 0


def test_a_letter_of_the_service_has_its_own_fields_apart_from_what_was_published() -> None:
    letter = parse_letter(b"1777627980000-0", flat(of_the_service()))
    assert whole(letter) == {
        "id": "1777627980000-0",
        "fields": ORIGINAL,
        "dead_letter": {
            "source_id": "1777627800000-7",
            "stage": "decode",
            "code": "bad_json",
            "error": "expected `,` at byte 33",
            "sqlstate": None,
            "attempts": 3,
            "deliveries": 4,
            "instance": "processor-1",
            "first_failed_at": "2026-05-01T09:31:00.000Z",
            "dead_at": "2026-05-01T09:33:00.000Z",
            "replays": 0,
        },
    }
    assert summary(letter) == {
        "id": "1777627980000-0",
        "source_id": "1777627800000-7",
        "stage": "decode",
        "code": "bad_json",
        "sqlstate": None,
        "device_id": DEVICE,
        "attempts": 3,
        "replays": 0,
        "dead_at": "2026-05-01T09:33:00.000Z",
        "error": "expected `,` at byte 33",
    }


def test_a_producers_field_with_a_name_of_ours_stays_one_of_its_own() -> None:
    published = (b"dlq_code", b"mine")
    letter = parse_letter(b"1-1", flat([published, *of_the_service()]))
    assert letter.fields[0] == published
    assert letter.text("code") == "bad_json"


def test_what_repeats_is_shown_as_the_service_reads_it_and_whole_beside_that() -> None:
    letter = parse_letter(b"1-1", [b"payload", b"a", b"payload", b"b"])
    shown = whole(letter)
    assert shown["fields"] == {"payload": "b"}
    assert shown["all_fields"] == [["payload", "a"], ["payload", "b"]]
    assert letter.field(b"payload") == b"b"


@pytest.mark.parametrize(
    ("value", "number"),
    [(b"0", 0), (b"3", 3), (b"007", 7), (b"", None), (b"-1", None), (b"1e3", None), (b"9" * 5_000, None),
     ("٣".encode(), None), (b"3\n", None)],
)  # fmt: skip
def test_a_count_is_digits_and_no_more_than_a_number_holds(
    value: bytes, number: int | None
) -> None:
    assert count_of(value) == number


def test_bytes_that_are_not_utf_8_are_base64() -> None:
    assert json_value(b"\xff\x00") == {"base64": "/wA="}
    assert json_value("ü\x00".encode()) == "ü\x00"
