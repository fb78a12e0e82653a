"""Which letters fit."""

from __future__ import annotations

import pytest

from processor.operating.dead_letters.choosing import Filters, letter_id
from processor.operating.dead_letters.letters import Letter, parse_letter
from tests.support.dead_letters import DEVICE, ORIGINAL, SAID

DEAD_AT_MS = 1_777_627_980_000  # SAID's dlq_dead_at


def letter(**changes: str | None) -> Letter:
    fields = {**ORIGINAL, **SAID, **changes}
    flat = [
        part.encode()
        for name, value in fields.items()
        if value is not None
        for part in (name, value)
    ]
    return parse_letter(b"1-1", flat)


def values(*texts: str) -> frozenset[bytes]:
    return frozenset(each.encode() for each in texts)


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        (Filters(), True),
        (Filters(codes=values("bad_json")), True),
        (Filters(codes=values("bad_type", "bad_json")), True),
        (Filters(codes=values("bad_type")), False),
        (Filters(codes=values("bad")), False),
        (Filters(stages=values("decode")), True),
        (Filters(stages=values("write")), False),
        (Filters(devices=values(DEVICE)), True),
        (Filters(devices=values("1")), False),
        (Filters(codes=values("bad_json"), stages=values("write")), False),
        (Filters(since_ms=DEAD_AT_MS), True),
        (Filters(since_ms=DEAD_AT_MS + 1), False),
        (Filters(until_ms=DEAD_AT_MS), True),
        (Filters(until_ms=DEAD_AT_MS - 1), False),
        (Filters(since_ms=DEAD_AT_MS - 1, until_ms=DEAD_AT_MS + 1), True),
    ],
)
def test_a_letter_fits_if_it_says_all_that_is_asked_for(filters: Filters, *, fits: bool) -> None:
    assert filters.fit(letter()) == fits
    assert filters.are_set == (filters != Filters())


@pytest.mark.parametrize("dead_at", [None, "", "yesterday", "2026-13-01T00:00:00Z"])
def test_a_letter_that_does_not_say_when_it_died_fits_no_time(dead_at: str | None) -> None:
    unknown = letter(dlq_dead_at=dead_at)
    assert not Filters(since_ms=0).fit(unknown)
    assert not Filters(until_ms=10**15).fit(unknown)
    assert Filters(codes=values("bad_json")).fit(unknown)


def test_a_missing_field_counts_as_empty() -> None:
    assert Filters(codes=values("")).fit(letter(dlq_code=None))
    assert Filters(devices=values("")).fit(letter(device_id=None))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1777627800000-0", "1777627800000-0"),
        ("007-00", "7-0"),
        (f"{2**64 - 1}-{2**64 - 1}", f"{2**64 - 1}-{2**64 - 1}"),
        (f"{2**64}-0", None),
        ("1777627800000", None),
        ("-", None),
        ("+", None),
        ("1-*", None),
        ("1-1 ", None),
        ("", None),
    ],
)
def test_an_id_is_two_numbers(text: str, found: str | None) -> None:
    assert letter_id(text) == found
